"""Convolution and pooling: layers that look at a window at a time.

Letters: B batch, C channels, T time, H × W height and width, K window size, O output channels, N number of windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, init
from .module import Module, Parameter

Size = int | Sequence[int]  # one number for all dimensions, or one for each


def _sizes(layer: Module, value: Size, n: int) -> tuple[int, ...]:
    sizes = tuple(value) if isinstance(value, Sequence) else (value,) * n
    if len(sizes) != n:
        need = "one number is" if n == 1 else f"one number or {n} of them are"
        raise ShapeError(f"{type(layer).__name__}: {need} needed, not {sizes}")
    return sizes


# ---- convolution ----------------------------------------------------------------------------------------------------


class _Conv(Module):
    """What the convolutions over `ndim` dimensions share."""

    ndim: int
    function: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{type(self).__name__}: {in_channels} input and {out_channels} output channels cannot be shared "
                f"equally by {groups} groups"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{type(self).__name__}: padding is a number, 'same' or 'valid', not {padding!r}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride = _sizes(self, kernel_size, self.ndim), _sizes(self, stride, self.ndim)
        self.padding = padding if isinstance(padding, str) else _sizes(self, padding, self.ndim)
        self.dilation = _sizes(self, dilation, self.ndim)
        if padding == "same" and self.stride != (1,) * self.ndim:
            raise ShapeError(f"{type(self).__name__}: padding='same' keeps the length only with stride 1, not {stride}")
        self.weight = Parameter(minigrad.empty(out_channels, in_channels // groups, *self.kernel_size))
        self.bias = Parameter(minigrad.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        fan_in = math.prod(self.weight.shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        return self.function(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        """The sizes, and what is not as usual."""
        said = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * self.ndim:
            said += f", padding={self.padding}"
        if self.dilation != (1,) * self.ndim:
            said += f", dilation={self.dilation}"
        if self.groups != 1:
            said += f", groups={self.groups}"
        return said if self.bias is not None else said + ", bias=False"


class Conv1d(_Conv):
    """y[b, o, t] = bias[o] + Σ_c Σ_k weight[o, c, k] · x[b, c, t · stride + k · dilation].

    `padding` is how many zeros stand at either end, "same" (as many as keep the length) or "valid" (none). With
    `groups`, the channels are cut into groups that do not see each other.

    **Shapes**: x (B, C, T) or (C, T) → (B, O, N) or (O, N); weight (O, C / groups, K) and bias (O), both from U(−b, b)
    with b = 1 / √(C / groups · K).

    **Raises** `ShapeError` if the channels do not fit or a window is longer than the padded input.

    >>> Conv1d(2, 3, kernel_size=5, padding="same")(minigrad.ones(7, 2, 11)).shape
    (7, 3, 11)
    """

    ndim = 1
    function = staticmethod(functional.conv1d)


class Conv2d(_Conv):
    """The same as `Conv1d` over height and width.

    **Shapes**: x (B, C, H, W) or (C, H, W) → (B, O, N, N') or (O, N, N'); weight (O, C / groups, K, K') and bias (O),
    both from U(−b, b) with b = 1 / √(C / groups · K · K').

    **Raises** `ShapeError` if the channels do not fit or a window is larger than the padded input.

    >>> Conv2d(2, 3, kernel_size=(5, 3), stride=2)(minigrad.ones(7, 2, 11, 13)).shape
    (7, 3, 4, 6)
    """

    ndim = 2
    function = staticmethod(functional.conv2d)


# ---- pooling --------------------------------------------------------------------------------------------------------


class _MaxPool(Module):
    """What the poolings by maximum share."""

    function: Any

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Take the greatest entry of each window."""
        return self.function(input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The greatest entry of each window, windows side by side unless `stride` is given; ties share the gradient.

    With `ceil_mode`, what is left over at the end makes a shorter window of its own.

    **Shapes**: (…, T) → (…, N).

    >>> MaxPool1d(2)(minigrad.tensor([[1.0, 5.0, 3.0, 2.0]]))
    tensor([[5., 3.]])
    """

    function = staticmethod(functional.max_pool1d)


class MaxPool2d(_MaxPool):
    """The greatest entry of each window, windows side by side unless `stride` is given; ties share the gradient.

    **Shapes**: (…, H, W) → (…, N, N').
    """

    function = staticmethod(functional.max_pool2d)


class _AvgPool(Module):
    """What the poolings by mean share."""

    function: Any

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Take the mean of each window."""
        return self.function(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window; the windows lie side by side unless `stride` is given.

    Zeros of the padding count, unless `count_include_pad` is False. With `ceil_mode`, what is left over at the end
    makes a shorter window of its own.

    **Shapes**: (…, T) → (…, N).

    >>> AvgPool1d(2)(minigrad.tensor([[1.0, 5.0, 3.0, 2.0]]))
    tensor([[3. , 2.5]])
    """

    function = staticmethod(functional.avg_pool1d)

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        stride = None if stride is None else _sizes(self, stride, 1)
        super().__init__(_sizes(self, kernel_size, 1), stride, _sizes(self, padding, 1), ceil_mode, count_include_pad)


class AvgPool2d(_AvgPool):
    """The mean of each window, as `AvgPool1d` over height and width.

    **Shapes**: (…, H, W) → (…, N, N').
    """

    function = staticmethod(functional.avg_pool2d)


class _AdaptivePool(Module):
    """What the poolings into a given number of parts share."""

    function: Any

    def __init__(self, output_size: int | Sequence[int | None]) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Bring each part together."""
        return self.function(input, self.output_size)

    def extra_repr(self) -> str:
        """The number of parts."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of `output_size` nearly equal parts of the time.

    **Shapes**: (…, T) → (…, output_size).
    """

    function = staticmethod(functional.adaptive_avg_pool1d)


class AdaptiveMaxPool1d(_AdaptivePool):
    """The greatest entries of `output_size` nearly equal parts of the time; one part is max-over-time pooling.

    **Shapes**: (…, T) → (…, output_size).
    """

    function = staticmethod(functional.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptivePool):
    """The greatest entries over a grid of `output_size` nearly equal parts.

    **Shapes**: (…, H, W) → (…, *output_size), a single number standing for both, None for a size that stays.
    """

    function = staticmethod(functional.adaptive_max_pool2d)


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means over a grid of `output_size` nearly equal parts.

    **Shapes**: (…, H, W) → (…, *output_size), a single number standing for both, None for a size that stays.
    """

    function = staticmethod(functional.adaptive_avg_pool2d)
