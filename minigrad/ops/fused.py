"""Compositions that every network is made of, each in two forms.

The decorated function is the readable one: plain NumPy that differentiates by itself, and what every higher derivative
is taken of. The pair of kernels above it computes the same value and the same first gradient faster, on arrays, by
hand. A test walks over all of them and checks that the two forms agree.

A row in which everything is masked (−inf) has no distribution: its softmax is all zeros, with zero gradients.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import DimError, ShapeError
from ..op import fused, op
from ..sums import column_products, column_sums, row_products, row_sums
from .reduce import _shifted_exp, row_top

Needs = dict[str, bool]

# ---- softmax --------------------------------------------------------------------------------------------------------


def _sums(x: np.ndarray, dim: int) -> np.ndarray:
    return row_sums(x) if x.ndim and dim in (-1, x.ndim - 1) else x.sum(axis=dim, keepdims=True)


def _products(a: np.ndarray, b: np.ndarray, dim: int) -> np.ndarray:
    return row_products(a, b) if a.ndim and dim in (-1, a.ndim - 1) else (a * b).sum(axis=dim, keepdims=True)


def _softmax_forward(x: np.ndarray, dim: int = -1) -> Any:
    _, _, y, total = _shifted_exp(x, dim)
    y = np.divide(y, total + (total == 0), out=y if y.ndim else None)
    return y, (y,)


def _softmax_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, dim: int) -> Any:
    """dx = y (g − Σⱼ gⱼ yⱼ)."""
    (y,) = kept
    dx = g - _products(g, y, dim)
    dx *= y
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
    _, left, _, total = _shifted_exp(x, dim)
    y = left - np.log(total + (total == 0))
    return y, (y,)


def _log_softmax_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, dim: int) -> Any:
    """dx = g − softmax(x) Σⱼ gⱼ."""
    (y,) = kept
    dx = np.exp(y)
    dx *= -_sums(g, dim)
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


def _rows(x: np.ndarray, ndim: int) -> np.ndarray:
    """x as a matrix whose rows are its last `ndim` dimensions."""
    return x.reshape(math.prod(x.shape[: x.ndim - ndim]), math.prod(x.shape[x.ndim - ndim :]))


def _layer_norm_forward(x: np.ndarray, ndim: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    rows = _rows(x, ndim)
    size = rows.shape[1]
    normal = rows - row_sums(rows) / size
    scale = 1 / np.sqrt(row_products(normal, normal) / size + eps)
    normal *= scale
    y = normal.copy() if weight is None else normal * weight.reshape(-1)
    if bias is not None:
        y = np.add(y, bias.reshape(-1), out=y if bias.dtype == y.dtype else None)
    return y.reshape(x.shape), (normal, scale)


def _layer_norm_backward(
    g: np.ndarray, kept: Any, needs: Needs, x: Any, ndim: int, weight: Any, bias: Any, eps: Any
) -> Any:
    """dx = (ĝ − mean ĝ − x̂ mean(ĝ x̂)) / σ, with x̂ = (x − mean) / σ and ĝ = g weight; dweight = Σ g x̂, dbias = Σ g."""
    normal, scale = kept
    shape, g = x.shape, g.reshape(normal.shape)
    size = normal.shape[1]
    dx = dweight = dbias = None
    if needs["weight"]:
        dweight = column_products(g, normal).reshape(weight.shape)
    if needs["bias"]:
        dbias = column_sums(g).reshape(bias.shape)
    if needs["x"]:
        dx = g.copy() if weight is None else g * weight.reshape(-1)
        along = normal * (row_products(dx, normal) / size)
        along += row_sums(dx) / size
        dx -= along
        dx *= scale
        dx = dx.reshape(shape)
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
    rows = _rows(x, ndim)
    scale = 1 / np.sqrt(row_products(rows, rows) / rows.shape[1] + eps)
    normal = rows * scale
    y = normal.copy() if weight is None else normal * weight.reshape(-1)
    return y.reshape(x.shape), (normal, scale)


def _rms_norm_backward(g: np.ndarray, kept: Any, needs: Needs, x: Any, ndim: int, weight: Any, eps: Any) -> Any:
    """dx = (ĝ − x̂ mean(ĝ x̂)) / r, with r = √(mean of x² + ε), x̂ = x / r, ĝ = g weight; dweight = Σ g x̂."""
    normal, scale = kept
    g = g.reshape(normal.shape)
    dx = None
    dweight = column_products(g, normal).reshape(weight.shape) if needs["weight"] else None
    if needs["x"]:
        dx = g.copy() if weight is None else g * weight.reshape(-1)
        dx -= normal * (row_products(dx, normal) / normal.shape[1])
        dx *= scale
        dx = dx.reshape(x.shape)
    return dx, dweight


@fused(wrt=("x", "weight"), forward=_rms_norm_forward, backward=_rms_norm_backward)
def rms_norm(x: Any, ndim: int, weight: Any = None, eps: float = 1e-6) -> Any:
    """x / √(mean of x² + ε) · weight, the mean taken over the last `ndim` dimensions.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), arXiv:1910.07467.
    """
    y = x / np.sqrt(np.mean(x * x, tuple(range(-ndim, 0)), keepdims=True) + eps)
    return y if weight is None else y * weight


def _lines(x: np.ndarray) -> np.ndarray:
    """x (B, C, …, T) as a matrix with T entries of all channels in a row: no copy if the channels come last in memory.

    A channel's own number is then repeated T times (`_spread`), for rows as short as C cost more than what is done with
    them.
    """
    batch, channels, *sizes = x.shape
    last = np.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))
    return last.reshape(batch * math.prod(sizes[:-1]), math.prod(sizes[-1:]) * channels)


def _as_images(lines: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The matrix of `_lines` in the shape (B, C, …) again."""
    return lines.reshape(shape[0], *shape[2:], shape[1]).transpose(0, -1, *range(1, len(shape) - 1))


def _spread(of_channels: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """A number of each channel, for each entry of a line."""
    width, channels = lines.shape[1], len(of_channels)
    return of_channels if width == channels else of_channels[None].repeat(width // channels, 0).reshape(width)


def _gathered(of_line: np.ndarray, channels: int) -> np.ndarray:
    """The sum of what belongs to the same channel."""
    return of_line if len(of_line) == channels else of_line.reshape(-1, channels).sum(0)


def _statistics(x: np.ndarray) -> np.ndarray:
    """Mean and variance of each channel of x: (B, C, …) → (2, C)."""
    lines, channels = _lines(x.astype(np.float32) if x.dtype == np.float16 else x), x.shape[1]
    count = x.size / max(channels, 1)
    mean = _gathered(column_sums(lines), channels) / count
    centred = lines - _spread(mean, lines)
    variance = _gathered(column_products(centred, centred), channels) / count
    return np.array([mean, variance]).astype(x.dtype, copy=False)


channel_statistics = op(_statistics, "channel_statistics")


def _batch_norm_forward(
    x: np.ndarray, statistics: np.ndarray, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """y = scale x + shift, both the same all over a channel."""
    mean, variance = statistics
    normal = 1 / np.sqrt(variance + eps)
    scale = normal if weight is None else normal * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    lines = _lines(x)
    y = lines * _spread(scale, lines)
    y = np.add(y, _spread(shift, lines), out=y if shift.dtype == y.dtype else None)
    return _as_images(y, x.shape), (normal, scale)


def _batch_norm_backward(
    g: np.ndarray, kept: Any, needs: Needs, x: Any, statistics: Any, weight: Any, bias: Any, eps: Any
) -> Any:
    """dx = (g − mean g − x̂ mean(g x̂)) weight / σ, with x̂ = (x − mean) / σ; dweight = Σ g x̂, dbias = Σ g."""
    normal, scale = kept
    mean, channels, shape = statistics[0], x.shape[1], x.shape
    g, lines = _lines(g), _lines(x)
    total = _gathered(column_sums(g), channels)
    along = normal * (_gathered(column_products(g, lines), channels) - mean * total)
    dx = None
    if needs["x"]:
        count = x.size / max(channels, 1)
        slope = normal * along / count  # x̂ mean(g x̂) = slope (x − mean)
        dx = lines * _spread(-slope, lines)
        dx += g
        dx += _spread(slope * mean - total / count, lines)
        dx *= _spread(scale, lines)
        dx = _as_images(dx, shape)
    return dx, along, total


@fused(wrt=("x", "weight", "bias"), forward=_batch_norm_forward, backward=_batch_norm_backward)
def batch_norm(x: Any, statistics: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x − mean) / √(variance + ε) · weight + bias, channel by channel of x (B, C, …).

    Mean and variance are those of x itself, which the caller has found already: `statistics = channel_statistics(x)`.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015), arXiv:1502.03167.
    """
    over, channels = (0, *range(2, x.ndim)), (-1,) + (1,) * (x.ndim - 2)
    centred = x - np.mean(x, over, keepdims=True)
    y = centred / np.sqrt(np.mean(centred * centred, over, keepdims=True) + eps)
    if weight is not None:
        y = y * np.reshape(weight, channels)
    return y if bias is None else y + np.reshape(bias, channels)


# ---- cross-entropy --------------------------------------------------------------------------------------------------


def _importance(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """The labels (0 for rows that do not count), and how much each row counts; None where each counts 1."""
    classes = x.shape[-1]
    if x.ndim != 2 or target.shape != x.shape[:1]:
        raise ShapeError(f"cross_entropy: scores (N, C) and labels (N) are needed, not {x.shape} and {target.shape}")
    if weight is not None and weight.shape != x.shape[1:]:
        raise ShapeError(
            f"cross_entropy: weight has shape {weight.shape}, but {classes} classes need shape ({classes},)"
        )
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: labels are integers, not {target.dtype}; convert them with .long()")
    if weight is None and not 0 <= ignore_index < classes and _all_below(target, classes):
        return target, None
    counted = target != ignore_index
    labels = np.where(counted, target, 0)
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DimError(
            f"cross_entropy: label {wrong.item()} is not among the {classes} classes (0 to {classes - 1}), nor is it "
            f"ignore_index = {ignore_index}"
        )
    return labels, (counted if weight is None else weight[labels] * counted).astype(x.dtype)


def _all_below(labels: Any, classes: int) -> bool:
    """Whether all labels are from 0 to `classes` − 1, in one comparison: read as unsigned, a negative one is huge."""
    labels = np.asarray(labels)
    return labels.size > 0 and labels.view(f"u{labels.itemsize}").max() < classes


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
    labels, counts = _importance(x, target, weight, ignore_index)
    rows = np.arange(len(x))
    _, left, e, total = _shifted_exp(x, -1)
    total = total[:, 0]
    total[total == 0] = 1
    log_total = np.log(total)
    of_label = left[rows, labels]
    mean = None
    if label_smoothing:
        mean = (left if weight is None else left * weight).mean(-1)
    losses = log_total - of_label
    if counts is not None:
        losses = np.where(counts == 0, 0, losses) * counts
    if mean is not None:
        smooth = log_total * (1 if weight is None else weight.mean()) - mean
        if counts is not None:
            smooth[target == ignore_index] = 0
        losses = (1 - label_smoothing) * losses + label_smoothing * smooth
    answer = _reduce(losses, reduction, len(x) if counts is None else counts.sum())
    return answer, (e, total, rows, labels, counts)


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
    e, total, rows, labels, counts = kept
    if reduction == "mean":
        g = g / (len(x) if counts is None else counts.sum())
    scale = np.full(len(x), g, x.dtype) if counts is None else np.where(target == ignore_index, 0, g)
    aimed = scale if counts is None else scale * counts  # at the label itself
    if not smoothing:
        dx = e * (aimed / total)[:, None]
        dx[rows, labels] -= aimed
        return (dx,)
    spread = np.ones(x.shape[1], x.dtype) if weight is None else weight
    aim = np.multiply.outer(scale * (smoothing / x.shape[1]), spread)
    aim[rows, labels] += (1 - smoothing) * aimed
    dx = e * (aim.sum(-1) / total)[:, None]
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
    labels, counts = _importance(x, target, weight, ignore_index)
    counts = np.ones(len(labels), x.dtype) if counts is None else counts
    counted = target != ignore_index
    log_p = log_softmax(x, -1)
    losses = -counts * np.where(counted, log_p[np.arange(len(labels)), labels], 0)
    if label_smoothing:
        smooth = np.where(counted, np.mean(log_p if weight is None else log_p * weight, -1), 0)
        losses = (1 - label_smoothing) * losses - label_smoothing * smooth
    return _reduce(losses, reduction, counts.sum())
