"""Convolution: one small set of weights, the same at every place of a sequence or a picture.

What a convolution says at a place is a matrix product: the window of the input there, written as one row, times the
weights. So a convolution is a matrix product over windows (`window.py`), and the readable definition says just that.

How the kernels save time. The channels go last: then a window of neighbouring entries is one piece of memory, and the
rows are copied together in long runs. The rows are made again for the backward pass instead of being kept, for they
take as many times the memory of the input as a window has entries.

Letters: B batch, C channels, O output channels, N number of places, K window size, each of N and K for every dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..errors import ShapeError
from ..op import fused
from ..sums import column_sums
from .elementwise import add
from .fused import Needs
from .shape import pad_constant
from .window import check_windows, pair, slide

# ---- what a call means ----------------------------------------------------------------------------------------------


def _borders(
    padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """How much to pad before and after each dimension."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding == "same":
        if any(s != 1 for s in stride):
            raise ShapeError(f"conv: padding='same' keeps the length only with stride 1, not {stride}")
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in total]
    if isinstance(padding, str):
        raise ValueError(f"conv: padding is a number, 'same' or 'valid', not {padding!r}")
    return [(p, p) for p in pair(padding, len(kernel))]


def _convolve(name: str, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """Σ over channels and window of x · weight, for any number of trailing dimensions."""
    n = weight.ndim - 2
    if x.ndim == n + 1:  # one unbatched example
        return np.squeeze(_convolve(name, x[None], weight, bias, stride, padding, dilation, groups), 0)
    if x.ndim != n + 2:
        raise ShapeError(f"{name}: the input has shape {x.shape}; {n + 2} dimensions (B, C, …) are needed")
    out_channels, per_group, *kernel = weight.shape
    if x.shape[1] != per_group * groups or out_channels % groups:
        raise ShapeError(
            f"{name}: the input {x.shape} has {x.shape[1]} channels, but the weight {weight.shape} with groups={groups}"
            f" takes {per_group * groups} and gives {out_channels} (both must be divisible by groups)"
        )
    if 0 in kernel:
        raise ShapeError(f"{name}: the windows of a weight of shape {weight.shape} have no entries")
    if bias is not None and bias.shape != (out_channels,):
        raise ShapeError(f"{name}: the bias has shape {bias.shape}, but the weight {weight.shape} gives {out_channels}")
    stride, dilation = pair(stride, n), pair(dilation, n)
    borders = _borders(padding, tuple(kernel), stride, dilation)
    if any(a or b for a, b in borders):
        x = pad_constant(x, [(0, 0), (0, 0), *borders])
    check_windows(name, x.shape, 2, kernel, stride, dilation)
    return (convolve if groups == 1 else _convolve_groups)(x, weight, bias, stride, dilation, groups)


# ---- the product over windows ---------------------------------------------------------------------------------------


FEW = 3  # with so few channels a window has only short runs: the rows are copied entry by entry, along the places


def _windows(last: np.ndarray, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> np.ndarray:
    """The windows of an array (B, …, C), in its own memory: (B, N…, K…, C)."""
    batch, *sizes, channels = last.shape
    first, *steps, each = last.strides
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)]
    between = [step * s for step, s in zip(steps, stride, strict=True)]
    within = [step * d for step, d in zip(steps, dilation, strict=True)]
    return as_strided(last, (batch, *places, *kernel, channels), (first, *between, *within, each))


def _rows(windows: np.ndarray) -> np.ndarray:
    """Each window as a row: (B·N…, K…·C)."""
    middle = windows.ndim // 2
    places, per_window = math.prod(windows.shape[:middle]), math.prod(windows.shape[middle:])
    if windows.shape[-1] > FEW:
        return windows.reshape(places, per_window)
    entries_first = windows.transpose(*range(middle, windows.ndim), *range(middle))
    return entries_first.reshape(per_window, places).T


def _forward(x: np.ndarray, weight: np.ndarray, bias: Any, stride: Any, dilation: Any, groups: int = 1) -> Any:
    check_windows("convolve", x.shape, 2, weight.shape[2:], stride, dilation)
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))  # (B, …, C): no copy if x came from there
    windows = _windows(last, weight.shape[2:], stride, dilation)
    rows = _rows(windows)
    flat = np.moveaxis(weight, (1, 0), (-2, -1)).reshape(rows.shape[1], len(weight))  # (K…·C, O)
    y = np.matmul(rows, flat)
    *places, line = windows.shape[: x.ndim - 1]
    if bias is not None:  # to a line of places at once, for a few channels by themselves make short runs
        y = y.reshape(math.prod(places), line * len(weight))
        y = np.add(y, np.tile(bias, line), out=y if bias.dtype == y.dtype else None)
    return np.moveaxis(y.reshape(*places, line, len(weight)), -1, 1), (last,)


def _backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    x: Any,
    weight: np.ndarray,
    bias: Any,
    stride: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """dweight = Σ over the windows of g window, dbias = Σ g; dx: in each window g weight, added up where windows
    overlap.
    """
    (last,) = kept
    out_channels, channels, *kernel = weight.shape
    windows = _windows(last, kernel, stride, dilation)
    places = math.prod(windows.shape[: last.ndim - 1])
    g = np.ascontiguousarray(np.moveaxis(g, 1, -1)).reshape(places, out_channels)
    dx = dweight = None
    if needs["weight"]:
        dweight = np.matmul(_rows(windows).T, g).reshape(*kernel, channels, out_channels)
        dweight = np.ascontiguousarray(np.moveaxis(dweight, (-1, -2), (0, 1)))
    if needs["x"]:
        dx = np.zeros_like(last)
        into, each = _windows(dx, kernel, stride, dilation), np.moveaxis(weight, (0, 1), (-2, -1)).copy()  # (K…, O, C)
        back = np.matmul(g, each.reshape(math.prod(kernel), out_channels, channels))  # (K…, B·N…, C)
        for entry, part in zip(np.ndindex(*kernel), back, strict=True):  # one of all windows: these do not overlap
            here = into[(..., *entry, slice(None))]
            here += part.reshape(here.shape)
        dx = np.moveaxis(dx, -1, 1)
    return dx, dweight, column_sums(g) if needs["bias"] else None


def _convolve_groups(x: Any, weight: Any, bias: Any, stride: Any, dilation: Any, groups: int = 1) -> Any:
    """The windows as rows, times the weights; each group of channels has its own."""
    out_channels, per_group, *kernel = weight.shape
    n, per_window = len(kernel), per_group * math.prod(kernel)
    x = slide("convolve", x, 2, kernel, stride, dilation)  # (B, C, N…, K…)
    batch, places = x.shape[0], x.shape[2 : 2 + n]
    order = (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n))
    rows = np.reshape(np.transpose(x, order), (batch * math.prod(places), groups, per_window))
    each = np.reshape(weight, (groups, out_channels // groups, per_window))
    y = np.swapaxes(np.matmul(np.swapaxes(rows, 0, 1), np.swapaxes(each, 1, 2)), 0, 1)
    y = np.moveaxis(np.reshape(y, (batch, *places, out_channels)), -1, 1)
    return y if bias is None else add(y, np.reshape(bias, (-1,) + (1,) * n))


@fused(wrt=("x", "weight", "bias"), forward=_forward, backward=_backward)
def convolve(x: Any, weight: Any, bias: Any, stride: Any, dilation: Any, groups: int = 1) -> Any:
    """bias[o] + Σ over channels and window of weight · x: (B, C, …), (O, C, K…) → (B, O, N…)."""
    return _convolve_groups(x, weight, bias, stride, dilation, groups)


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution along time: y[b, o, t] = bias[o] + Σ_c Σ_k weight[o, c, k] · x[b, c, t·stride + k·dilation].

    **Shapes**: x (B, C, T), weight (O, C / groups, K), bias (O) → (B, O, N). `padding` is a number, "same" or "valid".

    >>> conv1d(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]])).tolist()
    [[[21.0, 32.0]]]
    """
    return _convolve("conv1d", x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution over height and width.

    **Shapes**: x (B, C, H, W), weight (O, C / groups, K, K'), bias (O) → (B, O, N, N').
    """
    return _convolve("conv2d", x, weight, bias, stride, padding, dilation, groups)
