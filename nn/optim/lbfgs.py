"""L-BFGS, which learns from its own steps how the gradient changes: few steps, each of them over all the data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad import enable_grad, memory

from .optimizer import Optimizer


class LBFGS(Optimizer):
    """L-BFGS: steps along −H g, with H an estimate of the inverse of the matrix of second derivatives.

        s = θ − θ',  y = g − g'                         the last step, and how it changed the gradient
        ρ = 1 / y·s
        H ← (1 − ρ s yᵀ) H (1 − ρ y sᵀ) + ρ s sᵀ        so that H y = s: the newest `history_size` pairs (s, y) in turn,
                                                        from H = (y·s / y·y) · 1, of the newest of them
        θ ← θ − γ H g                                   γ lr; the first step is γ min(1, 1 / ‖g‖₁) g

    H is never written out: −H g takes two runs through the pairs (`direction`). A pair with y·s ≤ 10⁻¹⁰ is left out.

    `step(closure)` takes up to `max_iter` such steps, and computes loss and gradient at most `max_eval` times (5/4 of
    `max_iter`, if not given), by calling the closure, which clears the gradients, computes the loss, calls
    `backward()` and returns the loss. It stops before that when no gradient is larger than `tolerance_grad`, or step
    and loss change by less than `tolerance_change`. The loss has to be the same function at every call: no dropout.

    **Raises** `ValueError` as `Optimizer`, for more than one group of parameters, and for a line search, which there is
    none; `TypeError` if `step` is given no closure.

    Source: Nocedal, "Updating Quasi-Newton Matrices with Limited Storage" (1980), Mathematics of Computation 35.

    >>> from minigrad import Tensor
    >>> w = Tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([w])
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (w * w * Tensor([1.0, 10.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)    # the loss before the steps
    tensor(49., grad_fn=<sum>)
    >>> bool(closure() < 1e-6)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn is not None:
            raise ValueError(f"LBFGS: there is no line search {line_search_fn!r}; leave it out, with a smaller lr")
        for name, value in (("max_iter", max_iter), ("history_size", history_size)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"LBFGS: {name} is a whole number from 1, unlike {value!r}")
        hyperparameters = {"lr": lr, "max_iter": max_iter, "max_eval": max_eval or max_iter * 5 // 4}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, {**hyperparameters, **tolerances, "history_size": history_size})
        if len(self.param_groups) > 1:
            raise ValueError(
                f"LBFGS: all parameters take their steps together, in one group, not {len(self.param_groups)}"
            )

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take steps, as said above; the loss before the first of them is returned."""
        if closure is None:
            raise TypeError(
                "LBFGS.step: a closure that computes the loss again is needed, as in optimizer.step(closure)"
            )
        group = self.param_groups[0]
        kept = self.state[group["params"][0]].setdefault("memory", {"steps": [], "changes": [], "n_iter": 0})
        by = f"LBFGS.step() at {memory.caller()}"
        with enable_grad():
            first = closure()
        loss, g, evaluations = float(first), self.gradient(), 1
        for iteration in range(1, group["max_iter"] + 1):
            if np.abs(g).max(initial=0.0) <= group["tolerance_grad"]:
                break
            if kept["n_iter"]:
                self.remember(kept, kept["step"], g - kept["gradient"], group["history_size"])
            d = self.direction(kept, g)
            slope = np.dot(g, d)
            length = group["lr"] * (1.0 if kept["n_iter"] else min(1.0, 1 / float(np.abs(g).sum())))
            kept.update(n_iter=kept["n_iter"] + 1, gradient=g, step=length * d)
            if slope > -group["tolerance_change"]:
                break
            self.move(kept["step"], by)
            if iteration == group["max_iter"]:
                break
            before = loss
            with enable_grad():
                loss = float(closure())
            g, evaluations = self.gradient(), evaluations + 1
            still = min(np.abs(kept["step"]).max(), abs(loss - before)) < group["tolerance_change"]
            if still or evaluations >= group["max_eval"]:
                break
        return first

    def remember(self, kept: dict[str, Any], step: np.ndarray, change: np.ndarray, most: int) -> None:
        """Add a step s and the change y of the gradient that came of it to the pairs, if y·s > 10⁻¹⁰."""
        if np.dot(change, step) > 1e-10:
            kept["steps"], kept["changes"] = [*kept["steps"], step][-most:], [*kept["changes"], change][-most:]

    def direction(self, kept: dict[str, Any], g: np.ndarray) -> np.ndarray:
        """−H g: back through the pairs, from the newest to the oldest, and forward again."""
        pairs = [(s, y, 1 / np.dot(y, s)) for s, y in zip(kept["steps"], kept["changes"], strict=True)]
        d = -g
        weights = []
        for s, y, rho in reversed(pairs):
            weights.append(rho * np.dot(s, d))
            d -= weights[-1] * y
        if pairs:
            _, y, rho = pairs[-1]
            d /= rho * np.dot(y, y)
        for (s, y, rho), weight in zip(pairs, reversed(weights), strict=True):
            d += (weight - rho * np.dot(y, d)) * s
        return d

    def gradient(self) -> np.ndarray:
        """The gradients of all parameters, one after the other; zeros for one that has none."""
        parts = [np.zeros_like(p.array) if p.grad is None else p.grad.array for p in self._parameters()]
        return np.concatenate([part.reshape(-1) for part in parts])

    def move(self, step: np.ndarray, by: str) -> None:
        """Add a step to the parameters."""
        start = 0
        for p in self._parameters():
            p.array[...] += step[start : start + p.array.size].reshape(p.shape)
            memory.touch(p.array, by)
            start += p.array.size
