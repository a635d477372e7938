"""Where a token stands. Attention by itself sees a set; these tell it the order.

Added to the vectors: `SinusoidalPositions`, `LearnedPositions`. Added to the scores: `RelativeBias`.
"""

from __future__ import annotations

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor

from .module import Module, Parameter


def sinusoids(steps: int, dim: int) -> Tensor:
    """The table of sines and cosines: P[t, 2i] = sin(t / 10000^(2i/D)), P[t, 2i+1] = cos of the same.

    For an odd `dim` the last sine has no cosine beside it. A shift by s turns each pair by a fixed angle, so that
    P[t + s] is the same linear function of P[t] for every t.

    **Shapes**: (T, D).

    Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, section 3.5.

    >>> sinusoids(2, 3)
    tensor([[0.    , 1.    , 0.    ],
            [0.8415, 0.5403, 0.0022]])
    """
    column = np.arange(dim)
    angle = np.arange(steps)[:, None] / 10000.0 ** (column // 2 * 2 / dim)
    table = np.where(column % 2 == 0, np.sin(angle), np.cos(angle))
    return Tensor(table.astype(minigrad.get_default_dtype()))


class SinusoidalPositions(Module):
    """x + scale · P, with the fixed table P of `sinusoids`; for sentences of any length.

    **Shapes**: x (B, T, D) → the same. No parameters.
    """

    def __init__(self, dim: int, scale: float = 1.0) -> None:
        super().__init__()
        self.dim, self.scale = dim, scale

    def forward(self, x: Tensor) -> Tensor:
        """Add the table to every sentence."""
        if x.shape[-1] != self.dim:
            raise ShapeError(
                f"SinusoidalPositions({self.dim}): the vectors have {x.shape[-1]} features (shape {x.shape})"
            )
        return x + (sinusoids(x.shape[-2], self.dim) * self.scale).to(x.dtype)

    def extra_repr(self) -> str:
        """The dimension."""
        return f"{self.dim}"


class LearnedPositions(Module):
    """x + weight[0 … T−1]: one trained vector for each position up to `max_len`.

    **Shapes**: x (B, T, D) → the same; weight (max_len, D), drawn from a normal distribution with deviation 0.02.

    **Raises** `ShapeError` for a sentence longer than `max_len`.

    Source: Gehring et al., "Convolutional Sequence to Sequence Learning" (2017), arXiv:1705.03122.
    """

    def __init__(self, max_len: int, dim: int) -> None:
        super().__init__()
        self.weight = Parameter(minigrad.randn(max_len, dim) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Add the first T rows to every sentence."""
        if x.shape[-2] > len(self.weight):
            raise ShapeError(
                f"LearnedPositions: a sentence of {x.shape[-2]} tokens is longer than max_len {len(self.weight)}"
            )
        return x + self.weight[: x.shape[-2]]

    def extra_repr(self) -> str:
        """The longest sentence and the dimension."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


class RelativeBias(Module):
    """A trained number for each head and each distance, to be added to the attention scores.

        bias[h, i, j] = weight[clip(j − i, −reach, reach) + reach, h]

    **Shapes**: () → (H, Tq, Tk); weight (2 · reach + 1, H), initialised to 0: training starts without positions.

    Source: the idea of Shaw, Uszkoreit and Vaswani, "Self-Attention with Relative Position Representations" (2018),
    arXiv:1803.02155, with numbers in place of vectors as in Raffel et al., arXiv:1910.10683.
    """

    def __init__(self, num_heads: int, reach: int = 8) -> None:
        super().__init__()
        self.reach = reach
        self.weight = Parameter(minigrad.zeros(2 * reach + 1, num_heads))

    def forward(self, queries: int, keys: int) -> Tensor:
        """The bias for the given numbers of queries and keys."""
        distance = np.arange(keys) - np.arange(queries)[:, None]  # key − query
        return self.weight[np.clip(distance, -self.reach, self.reach) + self.reach].permute(2, 0, 1)

    def extra_repr(self) -> str:
        """The number of heads and the reach."""
        return f"{self.weight.shape[1]}, reach={self.reach}"
