"""Convolution: one small set of weights, the same at every place of a sequence or a picture.

What a convolution says at a place is a matrix product: the window of the input there, written as one row, times the
weights. So a convolution is a matrix product over windows (`window.py`), and the readable definition says just that.

How the kernels save time. The channels go last: then a window of neighbouring entries is one piece of memory, and the
rows are copied together in long runs. All rows take as many times the memory of the input as a window has entries: so
there are never more at a time than fit into the cache, and they are made again for the backward pass.

Letters: B batch, C channels, O output channels, N number of places, K window size, each of N and K for every dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..errors import ShapeError
from ..op import fused
from .elementwise import add
from .fused import Needs
from .shape import pad_constant
from .window import check_windows, pair, slide

Borders = Sequence[tuple[int, int]]  # how many zeros stand before and after each dimension

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
    paddings = pair(padding, len(kernel))
    if min(paddings, default=0) < 0:
        raise ShapeError(f"conv: a padding of {padding} takes entries away; cut them off with x[..., 1:-1]")
    return [(p, p) for p in paddings]


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
    check_windows(name, _padded(x.shape, borders), 2, kernel, stride, dilation)
    return (convolve if groups == 1 else _convolve_groups)(x, weight, bias, stride, borders, dilation, groups)


def _padded(shape: tuple[int, ...], borders: Borders) -> tuple[int, ...]:
    """The shape of x (B, C, …) with its borders."""
    return (*shape[:2], *[before + n + after for n, (before, after) in zip(shape[2:], borders, strict=True)])


# ---- the product over windows ---------------------------------------------------------------------------------------


FEW = 3  # with so few channels a window has only short runs: the rows are copied entry by entry, along the places
BLOCK = 60_000  # so many numbers of the rows at a time


def _channels_last(x: np.ndarray) -> np.ndarray:
    """x (B, C, …), or (O, C, K…), as (…, …, C), in its own memory."""
    return x.transpose(0, *range(2, x.ndim), 1)


def _channels_second(last: np.ndarray) -> np.ndarray:
    """An array (…, …, C) as (B, C, …), or (O, C, K…), in its own memory."""
    return last.transpose(0, -1, *range(1, last.ndim - 1))


def _bordered(x: np.ndarray, borders: Borders) -> np.ndarray:
    """x (B, C, …) with its borders as (B, …, C): no copy if it has none, and the channels come last in memory."""
    if not any(before or after for before, after in borders):
        return np.ascontiguousarray(_channels_last(x))
    batch, channels, *sizes = _padded(x.shape, borders)
    out = np.zeros((batch, *sizes, channels), x.dtype)
    _channels_second(out)[_within((batch, channels, *sizes), borders)] = x
    return out


def _within(shape: tuple[int, ...], borders: Borders) -> tuple[Any, ...]:
    """Where x stands in the array of this shape (B, C, …), which has its borders."""
    return (..., *[slice(before, n - after) for n, (before, after) in zip(shape[2:], borders, strict=True)])


def _columns(x: np.ndarray) -> np.ndarray:
    """x (B, C, …) as a matrix with a column for each channel."""
    return _bordered(x, []).reshape(math.prod(x.shape[:1] + x.shape[2:]), x.shape[1])


def _windows(last: np.ndarray, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> np.ndarray:
    """The windows of an array (B, …, C), in its own memory: (B, N…, K…, C)."""
    batch, *sizes, channels = last.shape
    first, *steps, each = last.strides
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)]
    between = [step * s for step, s in zip(steps, stride, strict=True)]
    within = [step * d for step, d in zip(steps, dilation, strict=True)]
    return as_strided(last, (batch, *places, *kernel, channels), (first, *between, *within, each))


def _rows(windows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Each window as a row that ends with a 1, of which the bias is the weight: (some of the places, K…·C + 1).

    With them comes which of all B·N… places they are. The next rows are written into the same memory.
    """
    middle = windows.ndim // 2
    batch, lines, *line = windows.shape[:middle]  # a line of places: all of the last dimension, or one place
    per_line, per_window = math.prod(line), math.prod(windows.shape[middle:])
    most = BLOCK // (per_line * (per_window + 1))  # lines at a time
    examples, some = max(1, min(batch, most // lines)), max(1, min(lines, most))
    order: Any = "F" if windows.shape[-1] <= FEW else "C"
    rows = np.empty((examples * some * per_line, per_window + 1), windows.dtype, order)
    rows[:, -1] = 1
    into = rows[:, :-1].reshape(examples, some, *windows.shape[2:])
    for example in range(0, batch, examples):
        for first in range(0, lines, some):
            part = windows[example : example + examples, first : first + some]
            into[: part.shape[0], : part.shape[1]] = part
            start, count = (example * lines + first) * per_line, part.shape[0] * part.shape[1] * per_line
            yield slice(start, start + count), rows[:count]


def _product(windows: np.ndarray, weight: np.ndarray, bias: Any = None) -> np.ndarray:
    """The rows times the weights (O, C, K…): (B, N…, O)."""
    out_channels, places = len(weight), windows.shape[: windows.ndim // 2]
    dtype = weight.dtype if bias is None else np.result_type(weight, bias)
    flat = np.empty((math.prod(weight.shape[1:]) + 1, out_channels), dtype)
    flat[:-1] = _channels_last(weight).reshape(out_channels, len(flat) - 1).T
    flat[-1] = 0 if bias is None else bias
    y = np.empty((math.prod(places), out_channels), np.result_type(windows, flat))
    for here, rows in _rows(windows):
        np.matmul(rows, flat, out=y[here])
    return y.reshape(*places, out_channels)


def _forward(
    x: np.ndarray, weight: np.ndarray, bias: Any, stride: Any, borders: Any, dilation: Any, groups: int = 1
) -> Any:
    check_windows("convolve", _padded(x.shape, borders), 2, weight.shape[2:], stride, dilation)
    last = _bordered(x, borders)
    y = _product(_windows(last, weight.shape[2:], stride, dilation), weight, bias)
    return _channels_second(y), (last,)


def _backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    x: np.ndarray,
    weight: np.ndarray,
    bias: Any,
    stride: Any,
    borders: Any,
    dilation: Any,
    groups: int,
) -> Any:
    """dweight = Σ over the windows of g window, dbias = Σ g; dx: in each window g weight, added up where windows
    overlap.
    """
    (last,) = kept
    dx = dweight = dbias = None
    if needs["weight"] or needs["bias"]:
        out_channels, channels, *kernel = weight.shape
        columns = _columns(g)
        total = np.zeros((math.prod(weight.shape[1:]) + 1, out_channels), g.dtype)
        for here, rows in _rows(_windows(last, kernel, stride, dilation)):
            total += rows.T @ columns[here]
        dweight = _channels_second(total[:-1].T.reshape(out_channels, *kernel, channels)).copy("C")
        dbias = total[-1]
    if needs["x"]:
        rest = _rest(x, g, weight, stride, borders, dilation)
        if rest is not None:
            dx = _turned(g, weight, rest, dilation)
        else:
            dx = _put_back(g, weight, last, stride, borders, dilation)
    return dx, dweight, dbias


def _rest(x: np.ndarray, g: np.ndarray, weight: np.ndarray, stride: Any, borders: Any, dilation: Any) -> Borders | None:
    """The borders for `_turned`, or None where that cannot be, or takes longer: for many more entries than windows."""
    rest = [
        (d * (k - 1) - before, d * (k - 1) - after)
        for k, d, (before, after) in zip(weight.shape[2:], dilation, borders, strict=True)
    ]
    few_more = 0 < 4 * math.prod(x.shape[2:]) <= 5 * math.prod(g.shape[2:])
    return rest if few_more and set(stride) == {1} and min(map(min, rest)) >= 0 else None


def _turned(g: np.ndarray, weight: np.ndarray, borders: Borders, dilation: Any) -> np.ndarray:
    """dx for stride 1 is a convolution too: that of g, in zeros, with the kernel turned round."""
    turned = np.flip(weight, tuple(range(2, weight.ndim))).swapaxes(0, 1)
    windows = _windows(_bordered(g, borders), weight.shape[2:], (1,) * len(borders), dilation)
    return _channels_second(_product(windows, turned))


def _put_back(g: np.ndarray, weight: np.ndarray, last: np.ndarray, stride: Any, borders: Any, dilation: Any) -> Any:
    """dx in general: one entry of all windows after the other, for these do not overlap."""
    dx = _channels_second(np.zeros_like(last))
    into = _windows(_channels_last(dx), weight.shape[2:], stride, dilation)
    columns, each = _columns(g), weight.transpose(*range(2, weight.ndim), 0, 1).copy()  # (K…, O, C)
    for entry in np.ndindex(*weight.shape[2:]):
        here = into[(..., *entry, slice(None))]
        here += (columns @ each[entry]).reshape(here.shape)
    return dx[_within(dx.shape, borders)]


def _convolve_groups(x: Any, weight: Any, bias: Any, stride: Any, borders: Any, dilation: Any, groups: int = 1) -> Any:
    """The windows as rows, times the weights; each group of channels has its own."""
    out_channels, per_group, *kernel = weight.shape
    n, per_window = len(kernel), per_group * math.prod(kernel)
    if any(before or after for before, after in borders):
        x = pad_constant(x, [(0, 0), (0, 0), *borders])
    x = slide("convolve", x, 2, kernel, stride, dilation)  # (B, C, N…, K…)
    batch, places = x.shape[0], x.shape[2 : 2 + n]
    order = (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n))
    rows = np.reshape(np.transpose(x, order), (batch * math.prod(places), groups, per_window))
    each = np.reshape(weight, (groups, out_channels // groups, per_window))
    y = np.swapaxes(np.matmul(np.swapaxes(rows, 0, 1), np.swapaxes(each, 1, 2)), 0, 1)
    y = np.moveaxis(np.reshape(y, (batch, *places, out_channels)), -1, 1)
    return y if bias is None else add(y, np.reshape(bias, (-1,) + (1,) * n))


@fused(wrt=("x", "weight", "bias"), forward=_forward, backward=_backward)
def convolve(x: Any, weight: Any, bias: Any, stride: Any, borders: Any, dilation: Any, groups: int = 1) -> Any:
    """bias[o] + Σ over channels and window of weight · x: (B, C, …), (O, C, K…) → (B, O, N…)."""
    return _convolve_groups(x, weight, bias, stride, borders, dilation, groups)


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
