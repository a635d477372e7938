"""Windows that slide along a sequence or a picture, and pooling.

One operation does the sliding, `windows`; its derivative, `overlap_add`, puts the windows back where they came from and
adds where they overlap; each is the rule of the other. A pooling is the maximum or the mean of each window, and a
convolution a matrix product over them (`convolution.py`).

How the kernels of pooling save time. A window has few entries, and there are many windows. So the kernels do not go
through window after window, but take the first entry of all windows at once, then the second, and so on: each of these
is a slice of the input, and the slices need not be copied.

Letters: B batch, C channels, T time, H × W height and width, K window size, N number of windows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import fused, op
from .fused import Needs
from .index import along
from .reduce import amax, dim_of, mean, sum
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


def check_windows(name: str, shape: tuple[int, ...], dim: int, sizes: Any, steps: Any, dilations: Any) -> None:
    """Raise `ShapeError` unless windows of these sizes fit into the dimensions from `dim` on."""
    for d, (size, step, dilation) in enumerate(zip(sizes, steps, dilations, strict=True), dim):
        reach = dilation * (size - 1) + 1
        if size < 1 or step < 1 or dilation < 1:
            raise ShapeError(f"{name}: window {size}, stride {step} and dilation {dilation} must be at least 1")
        if shape[d] < reach:
            raise ShapeError(
                f"{name}: {shape[d]} entries in dimension {d} of shape {shape} are fewer than the {reach} that a "
                f"window of {size} with dilation {dilation} reaches over; pad the input or use a smaller window"
            )


def slide(name: str, x: Any, dim: int, sizes: Any, steps: Any, dilations: Any) -> Any:
    """Windows over the dimensions from `dim` on, one for each of the `sizes`: (…, N…, …, K…)."""
    check_windows(name, x.shape, dim, sizes, steps, dilations)
    for d, (size, step, dilation) in enumerate(zip(sizes, steps, dilations, strict=True), dim):
        x = windows(x, d, size, step, dilation)
    return x


def pair(value: Any, n: int) -> tuple[int, ...]:
    """One number for each of n dimensions."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value,) * n
    if len(numbers) != n:
        raise ShapeError(f"windows over {n} dimension{'s' * (n > 1)} take one number, or {n}, but not {numbers}")
    return numbers


def unfold(x: Any, dimension: int, size: int, step: int) -> Any:
    """Windows of `size` entries along `dimension`, one beginning every `step`, as a new last dimension.

    >>> unfold(np.arange(5), 0, 3, 2).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    return slide("unfold", x, dim_of("unfold", x, dimension), (size,), (step,), (1,))


# ---- the greatest entry and the sum of each window -------------------------------------------------------------------


def _entries(x: Any, dim: int, size: int, step: int, dilation: int) -> list[Any]:
    """For each entry of a window over one dimension: that entry of all windows, in the memory of x."""
    end = x.shape[dim] - dilation * (size - 1)  # of the first entries
    return [x[along(dim, slice(i * dilation, i * dilation + end, step), x.ndim)] for i in range(size)]


def _all_entries(x: Any, sizes: Any, steps: Any, dilations: Any) -> list[Any]:
    """The same for windows over the last dimensions."""
    found = [x]
    for dim, window in enumerate(zip(sizes, steps, dilations, strict=True), x.ndim - len(sizes)):
        found = [entry for part in found for entry in _entries(part, dim, *window)]
    return found


def _combined(function: np.ufunc, x: np.ndarray, dtype: Any, sizes: Any, steps: Any, dilations: Any) -> np.ndarray:
    """All entries of each window, combined along one dimension after the other: the next has less to do."""
    for dim, window in enumerate(zip(sizes, steps, dilations, strict=True), x.ndim - len(sizes)):
        first, *others = _entries(x, dim, *window)
        x = function(first, others.pop(), dtype=dtype) if others else first.astype(dtype)
        for entry in others:
            function(x, entry, out=x)
    return x


def _has_tiles(x: np.ndarray, sizes: Any, steps: Any, dilations: Any) -> bool:
    """Whether windows lie side by side, as most do, and the channels last in memory, as after a convolution."""
    side_by_side = tuple(sizes) == tuple(steps) and set(dilations) == {1}
    return side_by_side and x.ndim > len(sizes) and x.strides[-len(sizes) - 1] == x.itemsize


def _tiled(x: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """What the windows of x (…, C, H, W) cover, in its own memory: (…, N, K, W, C).

    All dimensions are cut into windows but the last one, which together with the channels makes long runs.
    """
    first = x.ndim - len(sizes)
    counts = [n // size for n, size in zip(x.shape[first:], sizes, strict=True)]
    covered: tuple[Any, ...] = (..., *[slice(n * size) for n, size in zip(counts, sizes, strict=True)])
    cut = [part for window in zip(counts, sizes, strict=True) for part in window][:-2]
    last = np.moveaxis(x[covered], first - 1, -1)
    return last.reshape(*x.shape[: first - 1], *cut, *last.shape[-2:])


def _spread(x: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """The entries of x (…, C, N, N'), one for each window, at all places of their windows: as `_tiled` has them."""
    n = len(sizes)
    last = np.moveaxis(x, x.ndim - n - 1, -1).repeat(sizes[-1], -2)
    return last[(..., *(slice(None), None) * (n - 1), slice(None), slice(None))]


def _max_forward(x: np.ndarray, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Any:
    check_windows("window_max", x.shape, x.ndim - len(sizes), sizes, steps, dilations)
    out = _combined(np.maximum, x, x.dtype, sizes, steps, dilations)
    return out, (out,)


def _max_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, sizes: Any, steps: Any, dilations: Any) -> Any:
    """In each window g, shared equally by the entries that equal the result; added up where windows overlap."""
    (out,) = kept
    count = np.min_scalar_type(math.prod(sizes))
    if _has_tiles(x, sizes, steps, dilations):
        reached = np.zeros_like(x, bool)
        np.equal(_tiled(x, sizes), _spread(out, sizes), out=_tiled(reached, sizes))
        g = g / _combined(np.add, reached.view(np.uint8), count, sizes, steps, dilations)
        dx = reached.astype(x.dtype)
        tiles = _tiled(dx, sizes)
        tiles *= _spread(g, sizes)
        return (dx,)
    equal = [entry == out for entry in _all_entries(x, sizes, steps, dilations)]
    ties = np.zeros_like(out, count)
    for here in equal:
        ties += here
    g = g / ties
    dx = np.zeros_like(x)
    for entry, here in zip(_all_entries(dx, sizes, steps, dilations), equal, strict=True):
        entry += g * here
    return (dx,)


@fused(wrt=("x",), forward=_max_forward, backward=_max_backward)
def window_max(x: Any, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Any:
    """The greatest entry of each window over the last dimensions; entries that tie share the gradient."""
    n = len(sizes)
    return amax(slide("window_max", x, x.ndim - n, sizes, steps, dilations), tuple(range(-n, 0)))


def _sum_forward(x: np.ndarray, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Any:
    check_windows("window_sum", x.shape, x.ndim - len(sizes), sizes, steps, dilations)
    return _combined(np.add, x, x.dtype, sizes, steps, dilations), ()


def _sum_backward(g: np.ndarray, kept: Any, needs: Needs, x: np.ndarray, sizes: Any, steps: Any, dilations: Any) -> Any:
    """g for each entry of the window, added up where windows overlap."""
    dx = np.zeros_like(x)
    if _has_tiles(x, sizes, steps, dilations):
        _tiled(dx, sizes)[...] = _spread(g, sizes)
        return (dx,)
    for entry in _all_entries(dx, sizes, steps, dilations):
        entry += g
    return (dx,)


@fused(wrt=("x",), forward=_sum_forward, backward=_sum_backward)
def window_sum(x: Any, sizes: Sequence[int], steps: Sequence[int], dilations: Sequence[int]) -> Any:
    """The sum of each window over the last dimensions."""
    n = len(sizes)
    return sum(slide("window_sum", x, x.ndim - n, sizes, steps, dilations), tuple(range(-n, 0)))


# ---- pooling --------------------------------------------------------------------------------------------------------


def _pool(
    name: str, x: Any, n: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[list[tuple[int, int]], Callable[[Any, Any, list[tuple[int, int]], float], Any]]:
    """The border of each of the last n dimensions, and what puts a border round x and pools the windows over it.

    The border is `padding` on both sides. With `ceil_mode` a last window may reach beyond it, as long as it begins
    before it: then more is added behind.
    """
    kernel = pair(kernel, n)
    stride = kernel if stride is None else pair(stride, n)
    padding, dilation = pair(padding, n), pair(dilation, n)
    if any(2 * p > k for p, k in zip(padding, kernel, strict=True)):
        raise ShapeError(f"{name}: a padding of {padding} is more than half of the window {kernel}")
    if ceil_mode and 0 in x.shape[-n:]:
        raise ShapeError(f"{name}: shape {x.shape} leaves no rest for a window, for it has no entries")
    borders = []
    for size, k, s, p, d in zip(x.shape[-n:], kernel, stride, padding, dilation, strict=True):
        reach = d * (k - 1) + 1
        start = ((size + 2 * p - reach) // s + 1) * s if s else size  # of the window after the last that fits
        beyond = start + reach - (size + 2 * p) if ceil_mode and start < size + p else 0
        borders.append((p, p + beyond if beyond < s else p))

    def pool(pick: Any, x: Any, borders: list[tuple[int, int]], value: float) -> Any:
        if any(before or after for before, after in borders):
            x = pad_constant(x, [(0, 0)] * (x.ndim - n) + borders, value)
        check_windows(name, x.shape, x.ndim - n, kernel, stride, dilation)
        return pick(x, kernel, stride, dilation)

    return borders, pool


def _largest(name: str, x: Any, n: int, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    borders, pool = _pool(name, x, n, kernel, stride, padding, dilation, ceil_mode)
    return pool(window_max, x, borders, -np.inf)


def _average(
    name: str, x: Any, n: int, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool
) -> Any:
    """The sum of each window over the number of its entries that count: never those beyond the padding."""
    if x.dtype.kind != "f":
        raise TypeError(f"{name}: the means of {x.dtype} values are not {x.dtype}; convert first, as in x.float()")
    borders, pool = _pool(name, x, n, kernel, stride, padding, 1, ceil_mode)
    total = pool(window_sum, x, borders, 0.0)
    within = [(p, p) for p in pair(padding, n)]
    if borders == (within if count_include_pad else [(0, 0)] * n):  # all of them count
        return total / math.prod(pair(kernel, n))
    counted = np.pad(np.ones(x.shape[-n:], x.dtype), within, constant_values=float(count_include_pad))
    behind = [(0, b - p) for (_, b), (p, _) in zip(borders, within, strict=True)]
    return total / pool(window_sum, counted, behind, 0.0)


def max_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The greatest entry of each window: (…, T) → (…, N); entries that tie share the gradient.

    With `ceil_mode`, what is left over at the end makes a shorter window of its own.

    >>> max_pool1d(np.array([1.0, 5.0, 3.0]), 2, ceil_mode=True).tolist()
    [5.0, 3.0]
    """
    return _largest("max_pool1d", x, 1, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    """The greatest entry of each window: (…, H, W) → (…, N, N'); entries that tie share the gradient."""
    return _largest("max_pool2d", x, 2, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window: (…, T) → (…, N); zeros of the padding count, unless `count_include_pad` is False.

    With `ceil_mode`, what is left over at the end makes a shorter window of its own.

    >>> avg_pool1d(np.array([1.0, 5.0, 4.0]), 2, ceil_mode=True).tolist()
    [3.0, 4.0]
    """
    return _average("avg_pool1d", x, 1, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window: (…, H, W) → (…, N, N'); the options are those of `avg_pool1d`."""
    return _average("avg_pool2d", x, 2, kernel_size, stride, padding, ceil_mode, count_include_pad)


def _adaptive(name: str, pick: Callable[..., Any], x: Any, dim: int, n: int | None) -> Any:
    """`pick` of n nearly equal parts of dimension `dim`: part i is entries ⌊iT/n⌋ up to ⌈(i+1)T/n⌉."""
    size = x.shape[dim_of(name, x, dim)]
    n = size if n is None else n
    if not n or not size:
        raise ShapeError(f"{name}: {size} entries of dimension {dim} of shape {x.shape} cannot make {n} parts")
    if n == 1:
        return pick(x, dim, True)
    if size % n == 0:
        return pick(windows(x, dim, size // n, size // n), -1)
    parts = [x[along(dim, slice(i * size // n, -(-(i + 1) * size // n)), x.ndim)] for i in range(n)]
    return stack([pick(part, dim) for part in parts], dim)


def _adaptive2d(name: str, pick: Callable[..., Any], x: Any, output_size: Any) -> Any:
    rows, columns = pair(output_size, 2)
    return _adaptive(name, pick, _adaptive(name, pick, x, -1, columns), -2, rows)


def adaptive_avg_pool1d(x: Any, output_size: Any) -> Any:
    """The means of `output_size` nearly equal parts: (…, T) → (…, output_size)."""
    return _adaptive("adaptive_avg_pool1d", mean, x, -1, *pair(output_size, 1))


def adaptive_avg_pool2d(x: Any, output_size: Any) -> Any:
    """The means over a grid of nearly equal parts: (…, H, W) → (…, output_size); None keeps a size."""
    return _adaptive2d("adaptive_avg_pool2d", mean, x, output_size)


def adaptive_max_pool1d(x: Any, output_size: Any) -> Any:
    """The greatest entries of `output_size` nearly equal parts: (…, T) → (…, output_size)."""
    return _adaptive("adaptive_max_pool1d", amax, x, -1, *pair(output_size, 1))


def adaptive_max_pool2d(x: Any, output_size: Any) -> Any:
    """The greatest entries over a grid of nearly equal parts: (…, H, W) → (…, output_size); None keeps a size."""
    return _adaptive2d("adaptive_max_pool2d", amax, x, output_size)
