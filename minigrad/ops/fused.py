"""Compositions that every network is made of, each in two forms.

The decorated function is the readable one: plain NumPy that differentiates by itself, and what every higher derivative
is taken of. The pair of kernels above it computes the same value and the same first gradient faster, on arrays, by
hand. A test walks over all of them and checks that the two forms agree.

A row in which everything is masked (−inf) has no distribution: its softmax is all zeros, with zero gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DimError, ShapeError
from ..op import fused
from .reduce import _row_top, row_top

Needs = dict[str, bool]

# ---- softmax --------------------------------------------------------------------------------------------------------


def _softmax_forward(x: np.ndarray, dim: int = -1) -> Any:
    y = np.asarray(x - _row_top(x, dim))
    np.exp(y, out=y)
    total = y.sum(axis=dim, keepdims=True)
    y /= np.where(total == 0, 1, total)
    return y, (y,)


def _softmax_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, dim: int) -> Any:
    (y,) = kept
    dx = g * y
    dx -= y * dx.sum(axis=dim, keepdims=True)
    return (dx,)


@fused(wrt=("x",), forward=_softmax_forward, backward=_softmax_backward)
def softmax(x: Any, dim: int = -1) -> Any:
    """exp(xᵢ) / Σⱼ exp(xⱼ) along `dim`: positive weights that sum to 1 (all 0 where every xᵢ is −inf).

    PyTorch answers NaN for a row of −inf; here such a row is zeros, with zero gradients.

    >>> softmax(np.array([0.0, np.log(3.0), -np.inf]), -1).round(3).tolist()
    [0.25, 0.75, 0.0]
    """
    e = np.exp(x - row_top(x, dim))
    total = np.sum(e, dim, keepdims=True)
    return e / np.where(total == 0, 1, total)


def _log_softmax_forward(x: np.ndarray, dim: int = -1) -> Any:
    y = np.asarray(x - _row_top(x, dim))
    total = np.exp(y).sum(axis=dim, keepdims=True)
    y -= np.log(np.where(total == 0, 1, total))
    return y, (y,)


def _log_softmax_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, dim: int) -> Any:
    (y,) = kept
    dx = np.exp(y)
    dx *= -g.sum(axis=dim, keepdims=True)
    dx += g
    return (dx,)


@fused(wrt=("x",), forward=_log_softmax_forward, backward=_log_softmax_backward)
def log_softmax(x: Any, dim: int = -1) -> Any:
    """xᵢ − log Σⱼ exp(xⱼ) along `dim`: the logarithm of `softmax`, exact where that would round to 0.

    >>> log_softmax(np.array([0.0, 0.0]), -1).round(3).tolist()
    [-0.693, -0.693]
    """
    z = x - row_top(x, dim)
    total = np.sum(np.exp(z), dim, keepdims=True)
    return z - np.log(np.where(total == 0, 1, total))


# ---- normalisation --------------------------------------------------------------------------------------------------


def _layer_norm_forward(x: np.ndarray, ndim: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    dims = tuple(range(-ndim, 0))
    normal = x - x.mean(dims, keepdims=True)
    scale = 1 / np.sqrt((normal * normal).mean(dims, keepdims=True) + eps)
    normal *= scale
    y = normal.copy() if weight is None else normal * weight
    if bias is not None:
        y = np.add(y, bias, out=y if bias.dtype == y.dtype else None)
    return y, (normal, scale)


def _layer_norm_backward(
    g: np.ndarray, kept: Any, needs: Needs, x: Any, ndim: int, weight: Any, bias: Any, eps: Any
) -> Any:
    normal, scale = kept
    dims, rows = tuple(range(-ndim, 0)), tuple(range(x.ndim - ndim))
    dx = dweight = None
    if needs["weight"]:
        dweight = (g * normal).sum(rows)
    dbias = g.sum(rows) if needs["bias"] else None
    if needs["x"]:
        dx = g.copy() if weight is None else g * weight
        dx -= dx.mean(dims, keepdims=True) + normal * (dx * normal).mean(dims, keepdims=True)
        dx *= scale
    return dx, dweight, dbias


@fused(wrt=("x", "weight", "bias"), forward=_layer_norm_forward, backward=_layer_norm_backward)
def layer_norm(x: Any, ndim: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x − mean) / √(variance + ε) · weight + bias, mean and variance taken over the last `ndim` dimensions.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), arXiv:1607.06450.
    """
    dims = tuple(range(-ndim, 0))
    centred = x - np.mean(x, dims, keepdims=True)
    variance = np.mean(centred * centred, dims, keepdims=True)
    y = centred / np.sqrt(variance + eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def _rms_norm_forward(x: np.ndarray, ndim: int, weight: Any = None, eps: float = 1e-6) -> Any:
    scale = 1 / np.sqrt((x * x).mean(tuple(range(-ndim, 0)), keepdims=True) + eps)
    normal = x * scale
    return (normal.copy() if weight is None else normal * weight), (normal, scale)


def _rms_norm_backward(g: np.ndarray, kept: Any, needs: Needs, x: Any, ndim: int, weight: Any, eps: Any) -> Any:
    normal, scale = kept
    dx = None
    dweight = (g * normal).sum(tuple(range(x.ndim - ndim))) if needs["weight"] else None
    if needs["x"]:
        dx = g.copy() if weight is None else g * weight
        dx -= normal * (dx * normal).mean(tuple(range(-ndim, 0)), keepdims=True)
        dx *= scale
    return dx, dweight


@fused(wrt=("x", "weight"), forward=_rms_norm_forward, backward=_rms_norm_backward)
def rms_norm(x: Any, ndim: int, weight: Any = None, eps: float = 1e-6) -> Any:
    """x / √(mean of x² + ε) · weight, the mean taken over the last `ndim` dimensions.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), arXiv:1910.07467.
    """
    y = x / np.sqrt(np.mean(x * x, tuple(range(-ndim, 0)), keepdims=True) + eps)
    return y if weight is None else y * weight


# ---- cross-entropy --------------------------------------------------------------------------------------------------


def _importance(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Which rows count, their labels (0 for those that do not), and how much each row counts."""
    if x.ndim != 2 or target.shape != x.shape[:1]:
        raise ShapeError(f"cross_entropy: scores (N, C) and labels (N) are needed, not {x.shape} and {target.shape}")
    if weight is not None and weight.shape != x.shape[1:]:
        raise ShapeError(f"cross_entropy: {x.shape[1]} classes, but the weight has shape {weight.shape}")
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels are integers, not {target.dtype}; convert them with .long()")
    counted = target != ignore_index
    labels = np.where(counted, target, 0)
    if len(labels) and (labels.min() < 0 or labels.max() >= x.shape[1]):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DimError(f"cross_entropy: label {wrong.item()} is not among {x.shape[1]} classes (0 to {x.shape[1] - 1})")
    return counted, labels, (counted if weight is None else weight[labels] * counted).astype(x.dtype)


def _reduce(losses: Any, reduction: str, total: Any) -> Any:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"cross_entropy: reduction is 'none', 'mean' or 'sum', not {reduction!r}")
    return losses if reduction == "none" else np.sum(losses) / (total if reduction == "mean" else 1)


def _cross_entropy_forward(
    x: np.ndarray,
    target: np.ndarray,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    counted, labels, counts = _importance(x, target, weight, ignore_index)
    log_p, _ = _log_softmax_forward(x, -1)
    losses = -counts * np.where(counted, log_p[np.arange(len(x)), labels], 0)
    if label_smoothing:
        smooth = np.where(counted, (log_p if weight is None else log_p * weight).mean(-1), 0)
        losses = (1 - label_smoothing) * losses - label_smoothing * smooth
    return _reduce(losses, reduction, counts.sum()), (log_p, counted, labels, counts)


def _cross_entropy_backward(
    g: Any,
    kept: Any,
    needs: Needs,
    x: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Any:
    """softmax(x) − (the distribution aimed at), each row times how much it counts."""
    log_p, counted, labels, counts = kept
    rows = np.arange(len(x))
    g = np.where(counted, g / counts.sum() if reduction == "mean" else g, 0)
    dx = np.exp(log_p)
    if not smoothing:
        dx *= (g * counts)[:, None]
        dx[rows, labels] -= g * counts
        return (dx,)
    aim = np.multiply.outer(g * (smoothing / x.shape[1]), np.ones(x.shape[1], x.dtype) if weight is None else weight)
    aim[rows, labels] += (1 - smoothing) * g * counts
    dx *= aim.sum(-1, keepdims=True)
    dx -= aim
    return (dx,)


@fused(wrt=("x",), forward=_cross_entropy_forward, backward=_cross_entropy_backward)
def cross_entropy(
    x: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """−log softmax(x)[target], for rows of scores x (N, C) and labels (N,); `nn.functional` has the general form.

    Rows labelled `ignore_index` count nothing, others `weight[label]`. The mean is over what counts. Of a smoothed
    label, the part `label_smoothing` is spread evenly over all classes.

    >>> cross_entropy(np.array([[0.0, 0.0]]), np.array([1])).round(4).item()
    0.6931
    """
    counted, labels, counts = _importance(x, target, weight, ignore_index)
    log_p = log_softmax(x, -1)
    losses = -counts * np.where(counted, log_p[np.arange(len(labels)), labels], 0)
    if label_smoothing:
        smooth = np.where(counted, np.mean(log_p if weight is None else log_p * weight, -1), 0)
        losses = (1 - label_smoothing) * losses - label_smoothing * smooth
    return _reduce(losses, reduction, counts.sum())
