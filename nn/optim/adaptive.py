"""Adagrad, RMSprop and Adadelta, which divide every number's gradient by how large its gradients have been."""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import rests_without
from .optimizer import Group, Optimizer
from .pack import elementwise


class Adagrad(Optimizer):
    """Adagrad: steps divided by the length of all gradients so far, so that rarely used weights keep moving.

        g ← ∇f(θ) + λθ                      λ weight_decay
        s ← s + g²                          starting from initial_accumulator_value
        θ ← θ − γ / (1 + (t − 1)η) g / (√s + ε)    γ lr, η lr_decay; t counts the steps from 1

    With `maximize`, −∇f(θ) takes the place of ∇f(θ).

    **Raises** `ValueError` as `Optimizer`.

    Source: Duchi, Hazan & Singer, "Adaptive Subgradient Methods for Online Learning" (2011), JMLR 12.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0, 1.0], requires_grad=True)
    >>> optimizer = Adagrad([w], lr=0.25)
    >>> (w * minigrad.tensor([100.0, -0.01])).sum().backward()
    >>> optimizer.step()    # the first step has length lr, however large the gradient
    >>> w
    tensor([0.75, 1.25], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        hyperparameters = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        start = {"initial_accumulator_value": initial_accumulator_value}
        super().__init__(params, {**hyperparameters, **start, "maximize": maximize})

    @elementwise
    @rests_without()
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        if weight_decay := group["weight_decay"]:
            g = self.penalized(p, g, weight_decay)
        if not state:
            state.update(step=0, sum=np.full_like(p, group["initial_accumulator_value"]))
        s, scratch = state["sum"], self.scratch(p)
        state["step"] = t = state["step"] + 1

        s += np.square(g, out=scratch)
        np.sqrt(s, out=scratch)  # √s + ε
        scratch += group["eps"]
        np.divide(g, scratch, out=scratch)
        scratch *= group["lr"] / (1 + (t - 1) * group["lr_decay"])
        p -= scratch


class RMSprop(Optimizer):
    """RMSprop: steps divided by the running size of the gradient, so that old gradients are forgotten.

        g ← ∇f(θ) + λθ             λ weight_decay
        v ← αv + (1 − α)g²         running mean of g², starting from 0
        b ← μb + g / (√v + ε)      μ momentum, starting from 0
        θ ← θ − γb                 γ lr

    `centered` subtracts from v the square of a running mean of g, which leaves an estimate of the variance. With
    `maximize`, −∇f(θ) takes the place of ∇f(θ).

    **Raises** `ValueError` as `Optimizer`.

    Sources: Tieleman & Hinton, lecture 6.5 of "Neural Networks for Machine Learning" (2012); centered: Graves 2013,
    arXiv:1308.0850.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0], requires_grad=True)
    >>> optimizer = RMSprop([w], lr=0.25, alpha=0.75)
    >>> w.backward()
    >>> optimizer.step()    # v = 0.25, so the step is 0.25 / 0.5
    >>> w
    tensor([0.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        hyperparameters = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**hyperparameters, "centered": centered, "maximize": maximize})

    @elementwise
    @rests_without("square_avg", "grad_avg", "momentum_buffer")
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        if weight_decay := group["weight_decay"]:
            g = self.penalized(p, g, weight_decay)
        state.setdefault("step", 0)
        state["step"] += 1
        alpha, scratch = group["alpha"], self.scratch(p)
        v = self.remembered(state, "square_avg", p)
        average(v, np.square(g, out=scratch), alpha)
        if group["centered"]:
            mean = self.remembered(state, "grad_avg", p)
            np.copyto(scratch, g)
            average(mean, scratch, alpha)
            np.subtract(v, np.square(mean, out=scratch), out=scratch)
            v = np.maximum(scratch, 0, out=scratch)  # a variance, but for rounding
        np.sqrt(v, out=scratch)  # √v + ε
        scratch += group["eps"]
        np.divide(g, scratch, out=scratch)
        if momentum := group["momentum"]:
            b = self.remembered(state, "momentum_buffer", p)
            b *= momentum
            b += scratch
            np.copyto(scratch, b)
        scratch *= group["lr"]
        p -= scratch


class Adadelta(Optimizer):
    """Adadelta: steps as large, relative to earlier steps, as the gradient is relative to earlier gradients.

        g ← ∇f(θ) + λθ             λ weight_decay
        v ← ρv + (1 − ρ)g²         running mean of g², starting from 0
        Δ ← √(u + ε) / √(v + ε) g
        u ← ρu + (1 − ρ)Δ²         running mean of Δ², starting from 0
        θ ← θ − γΔ                 γ lr

    So Δ has the units of θ, and γ = 1 is a good choice. With `maximize`, −∇f(θ) takes the place of ∇f(θ).

    **Raises** `ValueError` as `Optimizer`.

    Source: Zeiler 2012, arXiv:1212.5701.

    >>> import minigrad
    >>> w = minigrad.tensor([1.0], requires_grad=True)
    >>> optimizer = Adadelta([w], rho=0.75, eps=0.75)
    >>> w.backward()
    >>> optimizer.step()    # Δ = √0.75 / √(0.25 + 0.75)
    >>> w
    tensor([0.134], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        hyperparameters = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**hyperparameters, "maximize": maximize})

    @elementwise
    @rests_without("square_avg", "acc_delta")
    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """One step of the formula above."""
        if weight_decay := group["weight_decay"]:
            g = self.penalized(p, g, weight_decay)
        state.setdefault("step", 0)
        state["step"] += 1
        rho, eps, scratch, delta = group["rho"], group["eps"], self.scratch(p), self.scratch(p, "delta")
        v, u = self.remembered(state, "square_avg", p), self.remembered(state, "acc_delta", p)
        average(v, np.square(g, out=scratch), rho)

        np.sqrt(np.add(u, eps, out=delta), out=delta)
        delta /= np.sqrt(np.add(v, eps, out=scratch), out=scratch)
        delta *= g
        average(u, np.square(delta, out=scratch), rho)
        delta *= group["lr"]
        p -= delta


def average(mean: np.ndarray, new: np.ndarray, keep: float) -> None:
    """mean ← keep · mean + (1 − keep) · new, in place; `new` is used up."""
    mean *= keep
    new *= 1 - keep
    mean += new
