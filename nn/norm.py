"""Normalisation: bring features to mean 0 and variance 1, or to length 1, and let the network scale them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, init
from .module import Module, Parameter


def _as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)


class LayerNorm(Module):
    """(x − mean) / √(variance + ε) · weight + bias, with mean and variance over the last dimensions of each example.

    **Shapes**: (…, *normalized_shape) → the same; weight and bias (*normalized_shape), initially ones and zeros.

    **Raises** `ShapeError` if x does not end in `normalized_shape`.

    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016), arXiv:1607.06450.

    >>> LayerNorm(2, eps=0.0)(minigrad.tensor([3.0, 5.0])).tolist()
    [-1.0, 1.0]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(minigrad.empty(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(minigrad.empty(self.normalized_shape)) if elementwise_affine and bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set weight and bias so that they change nothing."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last dimensions."""
        return functional.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """What is normalised, and how."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(Module):
    """x / √(mean of x² + ε) · weight, with the mean over the last dimensions of each example.

    ε is the smallest number that makes a difference to 1 in the dtype of x, if not given.

    **Shapes**: (…, *normalized_shape) → the same; weight (*normalized_shape), initially ones.

    **Raises** `ShapeError` if x does not end in `normalized_shape`.

    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019), arXiv:1910.07467.
    """

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(minigrad.empty(self.normalized_shape)) if elementwise_affine else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the weight so that it changes nothing."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise the last dimensions."""
        return functional.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """What is normalised, and how."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class _BatchNorm(Module):
    """What `BatchNorm1d` and `BatchNorm2d` share; they differ in the shapes that they take."""

    shapes: ClassVar[dict[int, str]]  # by the number of dimensions, what an input looks like behind (B, C

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(minigrad.ones(num_features)) if affine else None
        self.bias = Parameter(minigrad.zeros(num_features)) if affine and bias else None
        self.register_buffer("running_mean", minigrad.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", minigrad.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", minigrad.tensor(0) if track_running_stats else None)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel."""
        if input.ndim not in self.shapes or input.shape[1] != self.num_features:
            c, name = self.num_features, type(self).__name__
            wanted = " or ".join(f"(B, {c}{rest})" for rest in self.shapes.values())
            raise ShapeError(f"{name}({c}): an input {wanted} is needed, not {input.shape}")
        momentum = self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return functional.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            momentum or 0.0,
            self.eps,
        )

    def extra_repr(self) -> str:
        """The number of channels and the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """(x − mean) / √(variance + ε) · weight + bias, channel by channel, with mean and variance over the batch.

    In training the statistics are those of the batch, and the buffers `running_mean` and `running_var` move towards
    them by `momentum` (None: they are the plain mean over all batches so far); in evaluation the buffers are used.
    Without `track_running_stats` the batch's own are used always.

    **Shapes**: (B, C) or (B, C, T) → the same; weight and bias (C), initially ones and zeros.

    **Raises** `ShapeError` for other shapes, or in training for a single value per channel or none.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015), arXiv:1502.03167.
    """

    shapes: ClassVar[dict[int, str]] = {2: "", 3: ", T"}


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images: mean and variance of a channel are taken over the batch and all places.

    **Shapes**: (B, C, height, width) → the same; weight and bias (C), initially ones and zeros.

    **Raises** `ShapeError` for other shapes, or in training for a single value per channel or none.

    Source: Ioffe and Szegedy, "Batch Normalization" (2015), arXiv:1502.03167, section 3.2.

    >>> image = minigrad.tensor([[[[1.0, 3.0]], [[0.0, 20.0]]]])    # two channels of 1 × 2 pixels
    >>> BatchNorm2d(2, eps=0.0)(image).tolist()
    [[[[-1.0, 1.0]], [[-1.0, 1.0]]]]
    """

    shapes: ClassVar[dict[int, str]] = {4: ", height, width"}


class LazyBatchNorm1d(BatchNorm1d):
    """A `BatchNorm1d` that takes the number of its channels from the first input, and is a plain one from then on.

    Until then it has parameters without entries: call the model once before its weights are loaded or looked at.

    **Shapes**, **parameters**: as `BatchNorm1d`.
    """

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, affine, track_running_stats, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        """Take the number of channels of the input, then normalise each."""
        if input.ndim not in (2, 3):
            raise ShapeError(f"LazyBatchNorm1d: an input (B, C) or (B, C, T) is needed, not {input.shape}")
        self.num_features = input.shape[1]
        for tensor, value in ((self.weight, 1), (self.bias, 0), (self.running_mean, 0), (self.running_var, 1)):
            if tensor is not None:
                tensor.data = minigrad.full((self.num_features,), value, dtype=tensor.dtype)
        self.__class__ = BatchNorm1d  # type: ignore[assignment]  # from now on it is one
        return self.forward(input)


class GroupNorm(Module):
    """(x − mean) / √(variance + ε) · weight + bias, with mean and variance over each group of channels of each example.

    One group is layer normalisation over everything but the batch; a group for each channel, instance normalisation.

    **Shapes**: (B, C, …) → the same; weight and bias (C), initially ones and zeros.

    **Raises** `ShapeError` if `num_groups` does not divide `num_channels`, or x has not `num_channels` channels.

    Source: Wu and He, "Group Normalization" (2018), arXiv:1803.08494.

    >>> GroupNorm(2, 4, eps=0.0)(minigrad.tensor([[1.0, 3.0, 5.0, 9.0]]))  # two groups of two
    tensor([[-1.,  1., -1.,  1.]], grad_fn=<add>)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ShapeError(f"GroupNorm: {num_channels} channels cannot be shared equally by {num_groups} groups")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(minigrad.ones(num_channels)) if affine else None
        self.bias = Parameter(minigrad.zeros(num_channels)) if affine and bias else None

    def reset_parameters(self) -> None:
        """Set weight and bias so that they change nothing."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each group."""
        if input.ndim < 2 or input.shape[1] != self.num_channels:
            raise ShapeError(f"GroupNorm: an input (B, {self.num_channels}, …) is needed, not {input.shape}")
        return functional.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The groups, the channels and the options."""
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"
