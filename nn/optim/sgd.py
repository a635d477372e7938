"""SGD: follow the gradient downhill, if wanted with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import rests_without
from .optimizer import Group, Optimizer
from .pack import elementwise


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's form of it.

        g ← ∇f(θ) + λθ          λ weight_decay
        b ← μb + (1 − τ)g       μ momentum, τ dampening; at the first step b = g
        θ ← θ − γb              γ lr

    Nesterov: the last line moves by g + μb instead of b; without momentum, by g. With `maximize`, −∇f(θ) takes the
    place of ∇f(θ). (The papers put γ into b, so that a change of γ acts with a delay; PyTorch and this rule do not.)

    **Raises** `ValueError` as `Optimizer`, and for `nesterov` without momentum or with dampening.

    Sources: Polyak 1964 (momentum); Sutskever, Martens, Dahl & Hinton 2013 (Nesterov's form of it).

    >>> import minigrad
    >>> w = minigrad.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([w], lr=0.125, momentum=0.5)
    >>> w.backward(); optimizer.step(); w.item()    # b = 1
    0.875
    >>> optimizer.step(); w.item()                  # b = 0.5 + 1
    0.6875
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: Nesterov's form needs momentum above 0 and no dampening, not {momentum=} and {dampening=}"
            )
        hyperparameters = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**hyperparameters, "nesterov": nesterov, "maximize": maximize})

    @elementwise
    @rests_without("momentum_buffer")
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        if weight_decay := group["weight_decay"]:
            g = self.penalized(p, g, weight_decay)
        scratch = self.scratch(p)
        if momentum := group["momentum"]:
            b = state.get("momentum_buffer")
            if b is None:
                b = state["momentum_buffer"] = g.copy()
            else:
                b *= momentum
                b += g if not group["dampening"] else np.multiply(g, 1 - group["dampening"], out=scratch)
            if group["nesterov"]:
                b = np.add(g, np.multiply(b, momentum, out=scratch), out=scratch)
            g = b
        p -= np.multiply(g, group["lr"], out=scratch)
