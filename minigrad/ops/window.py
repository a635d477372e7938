"""Windows that slide along a sequence or a picture: convolution and pooling.

One operation does the sliding, `windows`; its derivative, `overlap_add`, puts the windows back where they came from and
adds where they overlap; each is the rule of the other. A convolution is a matrix product over windows, a pooling their
maximum or mean.

Letters: B batch, C channels, T time, H × W height and width, K window size, O output channels, N number of windows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import op
from .elementwise import add
from .index import along
from .reduce import amax, dim_of, mean
from .shape import pad_constant, stack

# ---- windows --------------------------------------------------------------------------------------------------------


def _windows(x: Any, dim: int, size: int, step: int = 1, dilation: int = 1) -> Any:
    """Windows of `size` entries of dimension `dim`, `dilation` apart, one beginning every `step`: (…, N, …, K)."""
    every = np.lib.stride_tricks.sliding_window_view(x, dilation * (size - 1) + 1, dim)
    return every[(*along(dim, slice(None, None, step), x.ndim), ...)][..., ::dilation]


def _overlap_add(x: Any, sizes: tuple[int, ...], dim: int, size: int, step: int = 1, dilation: int = 1) -> Any:
    """Zeros of shape `sizes` to which each window of x, (…, N, …, K), is added at its place along `dim`."""
    out = np.zeros(sizes, x.dtype)
    n = x.shape[dim % len(sizes)]
    for k in range(size):  # entry k of all windows at once
        start = k * dilation
        out[along(dim, slice(start, start + n * step - step + 1, step), len(sizes))] += x[..., k]
    return out


def _put_back(g: Any, shape: tuple[int, ...], dim: int, size: int, step: int, dilation: int) -> Any:
    return overlap_add(g, shape, dim, size, step, dilation)


def _take_again(g: Any, dim: int, size: int, step: int, dilation: int) -> Any:
    return windows(g, dim, size, step, dilation)


windows = op(_windows, "windows", "view", x=_put_back)
overlap_add = op(_overlap_add, "overlap_add", x=_take_again)


def _slide(name: str, x: Any, dim: int, sizes: Any, steps: Any, dilations: Any) -> Any:
    """Windows over the dimensions from `dim` on, one for each of the `sizes`: (…, N…, …, K…)."""
    shape = x.shape
    for d, (size, step, dilation) in enumerate(zip(sizes, steps, dilations, strict=True), dim):
        reach = dilation * (size - 1) + 1
        if size < 1 or step < 1 or dilation < 1:
            raise ShapeError(f"{name}: window {size}, stride {step} and dilation {dilation} must be at least 1")
        if shape[d] < reach:
            raise ShapeError(
                f"{name}: {shape[d]} entries in dimension {d} of shape {shape} are fewer than the {reach} that a "
                f"window of {size} with dilation {dilation} reaches over; pad the input or use a smaller window"
            )
        x = windows(x, d, size, step, dilation)
    return x


def unfold(x: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` entries along `dimension`, one beginning every `step`, as a new last dimension.

    >>> unfold(np.arange(5), 0, 3, 2).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    return _slide("unfold", x, dim_of("unfold", x, dimension), (size,), (step,), (1,))


# ---- convolution ----------------------------------------------------------------------------------------------------


def _pair(value: Any, n: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


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
    return [(p, p) for p in _pair(padding, len(kernel))]


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
    stride, dilation = _pair(stride, n), _pair(dilation, n)
    borders = _borders(padding, tuple(kernel), stride, dilation)
    if any(a or b for a, b in borders):
        x = pad_constant(x, [(0, 0), (0, 0), *borders])
    x = _slide(name, x, 2, kernel, stride, dilation)  # (B, C, N…, K…)
    batch, places = x.shape[0], x.shape[2 : 2 + n]
    order = (0, *range(2, 2 + n), 1, *range(2 + n, 2 + 2 * n))
    per_window = per_group * math.prod(kernel)
    rows = np.reshape(np.transpose(x, order), (batch * math.prod(places), groups, per_window))
    if groups == 1:
        y = np.matmul(rows[:, 0], np.swapaxes(np.reshape(weight, (out_channels, per_window)), 0, 1))
    else:  # each group of channels has its own weights
        each = np.reshape(weight, (groups, out_channels // groups, per_window))
        y = np.swapaxes(np.matmul(np.swapaxes(rows, 0, 1), np.swapaxes(each, 1, 2)), 0, 1)
    y = np.moveaxis(np.reshape(y, (batch, *places, out_channels)), -1, 1)
    return y if bias is None else add(y, np.reshape(bias, (-1,) + (1,) * n))


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


# ---- pooling --------------------------------------------------------------------------------------------------------


def _pooled(
    name: str, x: Any, n: int, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, border: float = 0.0
) -> Any:
    """Windows over the last n dimensions, as n new last dimensions."""
    kernel = _pair(kernel, n)
    stride = kernel if stride is None else _pair(stride, n)
    padding, dilation = _pair(padding, n), _pair(dilation, n)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ShapeError(f"{name}: a padding of {padding} is more than half of the window {kernel}")
    if any(padding):
        x = pad_constant(x, [(0, 0)] * (x.ndim - n) + [(p, p) for p in padding], border)
    return _slide(name, x, x.ndim - n, kernel, stride, dilation)


def max_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """The greatest entry of each window: (…, T) → (…, N); entries that tie share the gradient."""
    return amax(_pooled("max_pool1d", x, 1, kernel_size, stride, padding, dilation, -np.inf), -1)


def max_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1) -> Any:
    """The greatest entry of each window: (…, H, W) → (…, N, N'); entries that tie share the gradient."""
    return amax(_pooled("max_pool2d", x, 2, kernel_size, stride, padding, dilation, -np.inf), (-2, -1))


def avg_pool1d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window, zeros of the padding included: (…, T) → (…, N)."""
    return mean(_pooled("avg_pool1d", x, 1, kernel_size, stride, padding), -1)


def avg_pool2d(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window, zeros of the padding included: (…, H, W) → (…, N, N')."""
    return mean(_pooled("avg_pool2d", x, 2, kernel_size, stride, padding), (-2, -1))


def _adaptive(name: str, x: Any, dim: int, n: int) -> Any:
    """The means of n nearly equal parts of dimension `dim`: part i is entries ⌊iT/n⌋ up to ⌈(i+1)T/n⌉."""
    size = x.shape[dim_of(name, x, dim)]
    if not n or not size:
        raise ShapeError(f"{name}: {size} entries of dimension {dim} of shape {x.shape} cannot make {n} parts")
    if size % n == 0:
        return mean(windows(x, dim, size // n, size // n), -1)
    parts = [x[along(dim, slice(i * size // n, -(-(i + 1) * size // n)), x.ndim)] for i in range(n)]
    return stack([mean(part, dim) for part in parts], dim)


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """The means of `output_size` nearly equal parts: (…, T) → (…, output_size)."""
    return _adaptive("adaptive_avg_pool1d", x, -1, *_pair(output_size, 1))


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """The means over a grid of nearly equal parts: (…, H, W) → (…, output_size)."""
    rows, columns = _pair(output_size, 2)
    x = _adaptive("adaptive_avg_pool2d", x, -1, columns)
    return _adaptive("adaptive_avg_pool2d", x, -2, rows)
