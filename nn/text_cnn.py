"""Convolutions over sentences: what stands in a window of tokens, and whether it stands anywhere at all.

    Convolutions      windows of several widths around each token: a sequence stays a sequence
    TextCNN           the best that such windows find anywhere: a sequence becomes one vector
    max_over_time     the greatest value of each feature in a sentence
    mean_over_time    its mean

Sequences have their features last here, as in the layers of attention. Letters: B batch, T time, D features, W the
number of widths, M the maps (features looked for) of each width.

Source: Kim, "Convolutional Neural Networks for Sentence Classification" (2014), arXiv:1408.5882.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, masks
from .container import ModuleList
from .conv import Conv1d
from .module import Module


def max_over_time(x: Tensor, lengths: Any = None) -> Tensor:
    """The greatest value of each feature among the first `lengths[b]` times; a sentence of none gives zeros.

        y[b, d] = max_t x[b, t, d],    t < lengths[b]

    **Shapes**: x (B, T, D), lengths (B) → (B, D).

    **Raises** `ShapeError` if x has not three dimensions or the lengths do not fit.

    >>> x = minigrad.tensor([[[1.0, -5.0], [3.0, -7.0], [9.0, 9.0]]])
    >>> max_over_time(x, [2])
    tensor([[ 3., -5.]])
    """
    real = _real("max_over_time", x, lengths)
    greatest = x.masked_fill(~real, -math.inf).amax(1)
    return greatest.masked_fill(~real.any(1), 0.0)


def mean_over_time(x: Tensor, lengths: Any = None) -> Tensor:
    """The mean of each feature over the first `lengths[b]` times; a sentence of none gives zeros.

        y[b, d] = Σ_t x[b, t, d] / lengths[b],    t < lengths[b]

    **Shapes**: x (B, T, D), lengths (B) → (B, D).

    **Raises** `ShapeError` if x has not three dimensions or the lengths do not fit.

    >>> x = minigrad.tensor([[[1.0, -5.0], [3.0, -7.0], [9.0, 9.0]]])
    >>> mean_over_time(x, [2])
    tensor([[ 2., -6.]])
    """
    real = _real("mean_over_time", x, lengths)
    return x.masked_fill(~real, 0.0).sum(1) / real.sum(1).clamp(min=1).to(x.dtype)


def _real(name: str, x: Tensor, lengths: Any) -> Tensor:
    """Which times are no padding: (B, T, 1)."""
    if x.ndim != 3:
        raise ShapeError(f"{name}: a batch of sequences (batch, steps, features) is needed, not {x.shape}")
    batch, steps, _ = x.shape
    return masks.real(lengths, batch, steps).reshape(batch, steps, 1)


class Convolutions(Module):
    """Convolutions of several widths side by side, which keep the length: each token with its neighbours.

        y[t] = [conv_1(x)[t] … conv_W(x)[t]],    each with as many zeros beyond the ends as its width needs

    **Shapes**: x (B, T, D) → (B, T, W · M); `convolutions.i.weight` (M, D, widths[i]) and `.bias` (M), initialised as
    in `Conv1d`.

    **Raises** `ShapeError` if x is no batch of sequences of D features.

    >>> Convolutions(2, maps=5, widths=(3, 4))(minigrad.ones(1, 7, 2)).shape
    (1, 7, 10)
    """

    def __init__(self, dim: int, maps: int, widths: Sequence[int] = (3,)) -> None:
        super().__init__()
        self.convolutions = ModuleList([Conv1d(dim, maps, width, padding="same") for width in widths])

    def forward(self, x: Tensor) -> Tensor:
        """Convolve along time, and lay the maps side by side."""
        channels_first = x.transpose(1, 2)
        return minigrad.cat([convolution(channels_first) for convolution in self.convolutions], 1).transpose(1, 2)


class TextCNN(Module):
    """What windows of several widths find at best, of the `maps` things that each width looks for.

        y = [max_t ReLU(conv_1(x))[t] … max_t ReLU(conv_W(x))[t]]

    Zeros stand beyond the ends of the sentence, on either side one fewer than the widest window is long, so that the
    shortest sentence has room for it. Padding (which has to be zeros) is as empty as what lies there.

    **Shapes**: x (B, T, D), lengths (B) → (B, W · M); `convolutions.i.weight` (M, D, widths[i]) and `.bias` (M),
    initialised as in `Conv1d`.

    **Raises** `ShapeError` if x is no batch of sequences of D features, or the lengths do not fit; `ValueError` if
    there are no widths, or one is less than 1.

    >>> TextCNN(2, maps=5)(minigrad.ones(1, 7, 2)).shape
    (1, 15)
    """

    def __init__(self, dim: int, maps: int = 100, widths: Sequence[int] = (3, 4, 5)) -> None:
        super().__init__()
        if min(widths, default=0) < 1:
            raise ValueError(f"TextCNN: one width of at least 1 or more of them are needed, not {tuple(widths)}")
        self.widths, self.reach, self.size = tuple(widths), max(widths) - 1, maps * len(widths)
        self.convolutions = ModuleList([Conv1d(dim, maps, width, padding=self.reach) for width in widths])

    def forward(self, x: Tensor, lengths: Any = None) -> Tensor:
        """Convolve along time, and keep the greatest of each map."""
        counts = _real("TextCNN", x, lengths).numpy().sum((1, 2))  # (B)
        found = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            maps = functional.relu(convolution(x.transpose(1, 2))).transpose(1, 2)  # (B, windows, M)
            found.append(max_over_time(maps, counts + 2 * self.reach + 1 - width))
        return minigrad.cat(found, -1)
