"""Adam, which gives every number a step size of its own, and AdamW, which decays the weights beside it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .blocks import rests_without
from .optimizer import Group, Optimizer
from .pack import elementwise


class Adam(Optimizer):
    """Adam: steps along a running mean of the gradient, divided by the running size of the gradient.

        g ← ∇f(θ) + λθ                        λ weight_decay
        m ← β₁m + (1 − β₁)g                   running mean of g, starting from 0
        v ← β₂v + (1 − β₂)g²                  running mean of g², starting from 0
        m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ)  undo the start from 0; t counts the steps from 1
        θ ← θ − γ m̂ / (√v̂ + ε)                γ lr

    With `amsgrad`, the largest v so far takes the place of v in the last lines; with `maximize`, −∇f(θ) that of ∇f(θ).

    **Raises** `ValueError` as `Optimizer`.

    Sources: Kingma & Ba 2014, arXiv:1412.6980; AMSGrad: Reddi, Kale & Kumar 2018, arXiv:1904.09237.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.25)
    >>> (w * minigrad.tensor([100.0, -0.01])).sum().backward()
    >>> optimizer.step()    # the first step has length lr, however large the gradient
    >>> w
    tensor([0.75, 1.25], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{type(self).__name__}: betas are two numbers from 0 to below 1, unlike {betas!r}")
        hyperparameters = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**hyperparameters, "amsgrad": amsgrad, "maximize": maximize})

    @elementwise
    @rests_without("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        if weight_decay := group["weight_decay"]:
            g = self.penalized(p, g, weight_decay)
        self.adapt(p, g, state, group)

    def adapt(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """The formula from its second line on: what Adam and AdamW share."""
        if not state:
            state.update(step=0, exp_avg=np.zeros_like(p), exp_avg_sq=np.zeros_like(p))
            if group["amsgrad"]:
                state["max_exp_avg_sq"] = np.zeros_like(p)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        beta1, beta2 = group["betas"]
        state["step"] = t = state["step"] + 1
        scratch = self.scratch(p)

        np.subtract(g, m, out=scratch)  # m ← m + (1 − β₁)(g − m)
        scratch *= 1 - beta1
        m += scratch

        np.square(g, out=scratch)  # v ← β₂v + (1 − β₂)g²
        scratch *= 1 - beta2
        v *= beta2
        v += scratch
        if group["amsgrad"]:
            v = np.maximum(v, state["max_exp_avg_sq"], out=state["max_exp_avg_sq"])

        np.sqrt(v, out=scratch)  # √v̂ + ε
        scratch /= math.sqrt(1 - beta2**t)
        scratch += group["eps"]

        np.divide(m, scratch, out=scratch)  # γ m̂ / (√v̂ + ε)
        scratch *= group["lr"] / (1 - beta1**t)
        p -= scratch


class AdamW(Adam):
    """Adam with decoupled weight decay: every step first shrinks the weights, whatever the gradient.

        θ ← θ − γλθ             γ lr, λ weight_decay
        θ ← θ − γ m̂ / (√v̂ + ε)  as in `Adam`, with g = ∇f(θ)

    In `Adam`, λθ is part of g and so is divided by √v̂: weights with large gradients hardly decay. Here all do, alike.

    **Raises** `ValueError` as `Optimizer`.

    Source: Loshchilov & Hutter 2017, arXiv:1711.05101.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0], requires_grad=True)
    >>> optimizer = AdamW([w], lr=0.25, weight_decay=0.5)
    >>> w.backward()
    >>> optimizer.step()    # 1 − 0.25 · 0.5 from the decay, − 0.25 from the gradient
    >>> w
    tensor([0.625], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    @elementwise
    @rests_without("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        p *= 1 - group["lr"] * group["weight_decay"]
        self.adapt(p, g, state, group)
