"""All parameters, or all gradients, of a model at once: clipping gradients, and parameters as one long vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import ShapeError, cat, memory
from minigrad.porting import missing
from minigrad.tensor import Tensor, label

from . import data, rnn
from .clip import clip_rows_
from .early_stopping import EarlyStopping

__all__ = [
    "EarlyStopping",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_rows_",
    "data",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
]


def __getattr__(name: str) -> Any:
    raise missing("nn.utils", name, __all__)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float | str = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Shrink all gradients together, in place, so that their norm is at most `max_norm`; return what it was.

        ‖g‖ = (Σ |gᵢ|ᵖ)^(1/p) over every entry of every gradient, or max |gᵢ| for p = inf;  p is `norm_type`
        g ← g · min(1, max_norm / (‖g‖ + 10⁻⁶))

    The direction of the step stays; only its length is limited. Parameters without a gradient are passed over. If the
    norm is NaN, every gradient becomes NaN.

    **Raises** `ValueError` if `max_norm` is negative or `norm_type` not above 0; with `error_if_nonfinite`, a
    `RuntimeError` that names the first gradient with a NaN or an infinity, and no gradient is changed.

    Source: Pascanu, Mikolov & Bengio 2012, arXiv:1211.5063.

    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_norm_([w], max_norm=5.0)
    tensor(10.)
    >>> w.grad
    tensor([3., 4.])
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm is not negative, unlike {max_norm}")
    norm_type = float(norm_type)  # "inf", too
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type is above 0 (2, 1, inf), unlike {norm_type}")
    parameters = _listed(parameters)
    gradients = _gradients(parameters, "clip_grad_norm_")
    with np.errstate(all="ignore"):  # a NaN or an overflow shows in the norm
        norm = _norm([_norm_of(g, norm_type) for g in gradients], norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise RuntimeError(f"clip_grad_norm_: the norm of the gradients is {norm}{_first_not_finite(parameters)}")
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:
        by = f"clip_grad_norm_ at {memory.caller()}"
        for g in gradients:
            g *= factor
            memory.touch(g, by)
    return Tensor(norm, dtype=gradients[0].dtype if gradients else None)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Force every entry of every gradient into [−clip_value, clip_value], in place; this may turn the direction.

    **Raises** `ValueError` if `clip_value` is negative.

    >>> w = Tensor([0.5, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> clip_grad_value_([w], clip_value=2.0)
    >>> w.grad
    tensor([1., 2.])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value is not negative, unlike {clip_value}")
    by = f"clip_grad_value_ at {memory.caller()}"
    for g in _gradients(_listed(parameters), "clip_grad_value_"):
        np.clip(g, -clip_value, clip_value, out=g)
        memory.touch(g, by)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened and one after the other: (total number of entries); differentiable.

    **Raises** `ValueError` if there are no parameters.

    >>> parameters_to_vector([Tensor([[1.0, 2.0]]), Tensor(3.0)])
    tensor([1., 2., 3.])
    """
    flat = [p.reshape(-1) for p in parameters]
    if not flat:
        raise ValueError("parameters_to_vector: there are no parameters; was their iterator used up before?")
    return cat(flat)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the entries of `vec`, in the order of `parameters_to_vector`, into the parameters, in place.

    **Raises** `ShapeError`, with nothing changed, if `vec` is not 1-D or has more or fewer entries than they have.

    >>> w, b = Tensor([[0.0, 0.0]]), Tensor(0.0)
    >>> vector_to_parameters(Tensor([1.0, 2.0, 3.0]), [w, b])
    >>> w, b
    (tensor([[1., 2.]]), tensor(3.))
    """
    parameters = list(parameters)
    total = sum(p.numel() for p in parameters)
    if vec.shape != (total,):
        raise ShapeError(f"vector_to_parameters: the parameters have {total} entries, but the vector is {vec.shape}")
    by = f"vector_to_parameters at {memory.caller()}"
    start = 0
    for p in parameters:
        p.array[...] = vec.array[start : start + p.numel()].reshape(p.shape)
        memory.touch(p.array, by)
        start += p.numel()


def _listed(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _gradients(parameters: list[Tensor], who: str) -> list[np.ndarray]:
    gradients = []
    for p in parameters:
        if p.grad is not None:
            if not p.grad.array.flags.writeable:
                raise RuntimeError(f"{who}: the gradient of {label(p)} is read-only memory; p.grad = p.grad.clone()")
            gradients.append(p.grad.array)
    return gradients


def _norm_of(g: np.ndarray, p: float) -> float:
    flat = g.ravel(order="K")
    if p == 2:
        return math.sqrt(np.dot(flat, flat))
    return _norm(np.abs(flat), p)


def _norm(values: Iterable[float] | np.ndarray, p: float) -> float:
    """The p-norm of numbers that are not negative (so norms of parts give the norm of the whole)."""
    values = np.asarray(values, dtype=np.float64)
    if p == math.inf:
        return float(values.max(initial=0.0))
    return float((values**p).sum() ** (1 / p))


def _first_not_finite(parameters: list[Tensor]) -> str:
    for i, p in enumerate(parameters):
        if p.grad is not None and not np.isfinite(p.grad.array).all():
            return f"; the first that is not finite is that of parameter {i}, {label(p)}"
    return " although each of their entries is finite; were they scaled up?"
