"""Where a token stands. Attention by itself sees a set; these tell it the order.

Added to the vectors, before any layer: `SinusoidalPositions`, `LearnedPositions`.

Given to an attention layer as `positions=`, and looking at the distance key − query alone:

    RelativeBias    a trained number for each distance, added to the scores
    GridBias        the same for the pixels of a picture: a number for each distance down and each distance across
    ALiBi           a fixed penalty that grows with the distance, added to the scores
    RelativeKeys    a trained vector for each distance, added to the keys
    Rotary          nothing added: queries and keys are turned by an angle that grows with their position
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor

from .module import Module, Parameter


def sinusoids(steps: int, dim: int, dtype: Any = None) -> Tensor:
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
    return Tensor(table.astype(dtype or minigrad.get_default_dtype()))


def _float_dtype(x: Tensor) -> np.dtype[Any]:
    """The dtype of x; of integers, the default one."""
    return x.dtype if x.dtype.kind == "f" else minigrad.get_default_dtype()


def _check_vectors(layer: Module, x: Tensor, dim: int) -> None:
    if x.ndim < 2 or x.shape[-1] != dim:
        raise ShapeError(
            f"{type(layer).__name__}: vectors (batch, steps, {dim}) are needed, but they have shape {x.shape}"
        )


class SinusoidalPositions(Module):
    """x + scale · P, with the fixed table P of `sinusoids`; for sentences of any length.

    **Shapes**: x (B, T, D) → the same. No parameters.

    **Raises** `ShapeError` if x has not D features.
    """

    def __init__(self, dim: int, scale: float = 1.0) -> None:
        super().__init__()
        self.dim, self.scale = dim, scale

    def forward(self, x: Tensor) -> Tensor:
        """Add the table to every sentence."""
        _check_vectors(self, x, self.dim)
        return x + sinusoids(x.shape[-2], self.dim, _float_dtype(x)) * self.scale

    def extra_repr(self) -> str:
        """The dimension."""
        return f"{self.dim}"


class LearnedPositions(Module):
    """x + weight[0 … T−1]: one trained vector for each position up to `max_len`.

    **Shapes**: x (B, T, D) → the same; weight (max_len, D), drawn from a normal distribution with deviation 0.02.

    **Raises** `ShapeError` for a sentence longer than `max_len`, or if x has not D features.

    Source: Gehring et al., "Convolutional Sequence to Sequence Learning" (2017), arXiv:1705.03122.
    """

    def __init__(self, max_len: int, dim: int) -> None:
        super().__init__()
        self.weight = Parameter(minigrad.randn(max_len, dim) * 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Add the first T rows to every sentence."""
        _check_vectors(self, x, self.weight.shape[1])
        if x.shape[-2] > len(self.weight):
            raise ShapeError(
                f"LearnedPositions: a sentence of {x.shape[-2]} tokens is longer than max_len {len(self.weight)}"
            )
        return x + self.weight[: x.shape[-2]]

    def extra_repr(self) -> str:
        """The longest sentence and the dimension."""
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"


def distances(queries: int, keys: int) -> np.ndarray:
    """key − query for every pair of positions: (Tq, Tk)."""
    return np.arange(keys) - np.arange(queries)[:, None]


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
        return self.at(distances(queries, keys))

    def at(self, distance: np.ndarray) -> Tensor:
        """The bias at the given distances key − query: (Tq, Tk) → (H, Tq, Tk)."""
        return self.weight[np.clip(distance, -self.reach, self.reach) + self.reach].permute(2, 0, 1)

    def extra_repr(self) -> str:
        """The number of heads and the reach."""
        return f"{self.weight.shape[1]}, reach={self.reach}"


class GridBias(Module):
    """A trained number for each head and each distance between two pixels of a picture, down plus across.

        bias[h, (i, j), (k, l)] = down[h, k − i] + across[h, l − j]

    The picture of any height and of `width` pixels is given to attention as a sequence, row after row.

    **Shapes**: () → (H, Tq, Tk); `down.weight` and `across.weight` (2 · reach + 1, H), initialised to 0; distances
    beyond `reach` share the outermost number.

    Source: Cordonnier, Loukas and Jaggi, "On the Relationship between Self-Attention and Convolutional Layers" (2020),
    arXiv:1911.03584, with a table in place of sums of embeddings.
    """

    def __init__(self, num_heads: int, width: int, reach: int = 8) -> None:
        super().__init__()
        self.width = width
        self.down = RelativeBias(num_heads, reach)
        self.across = RelativeBias(num_heads, reach)

    def forward(self, queries: int, keys: int) -> Tensor:
        """The bias for the given numbers of queries and keys, which are pixels counted row by row."""
        row = np.arange(max(queries, keys)) // self.width
        column = np.arange(max(queries, keys)) % self.width
        down = row[:keys] - row[:queries, None]
        across = column[:keys] - column[:queries, None]
        return self.down.at(down) + self.across.at(across)

    def extra_repr(self) -> str:
        """The width of the picture."""
        return f"width={self.width}"


class ALiBi(Module):
    """A penalty on the scores that grows with the distance, at a different slope in each head; nothing is trained.

        bias[h, i, j] = −2^(−8 (h + 1) / H) · |j − i|

    The paper looks to the left only (use it with a causal mask); the distance to the right counts the same here.

    **Shapes**: () → (H, Tq, Tk). No parameters, and no longest sentence.

    Source: Press, Smith and Lewis, "Train Short, Test Long: Attention with Linear Biases Enables Input Length
    Extrapolation" (2022), arXiv:2108.12409, section 3.

    >>> ALiBi(2)(1, 3)[0]
    tensor([[ 0.    , -0.0625, -0.125 ]])
    """

    def __init__(self, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads

    def forward(self, queries: int, keys: int) -> Tensor:
        """The bias for the given numbers of queries and keys."""
        return self.at(distances(queries, keys))

    def at(self, distance: np.ndarray) -> Tensor:
        """The bias at the given distances key − query: (Tq, Tk) → (H, Tq, Tk)."""
        slope = 2.0 ** (-8 * np.arange(1, self.num_heads + 1) / self.num_heads)
        return Tensor((slope[:, None, None] * -np.abs(distance)).astype(minigrad.get_default_dtype()))

    def extra_repr(self) -> str:
        """The number of heads."""
        return f"{self.num_heads}"


class RelativeKeys(Module):
    """A trained vector for each distance, added to the keys: what a query finds there depends on how far it is.

        score[i, j] = q_i · (k_j + weight[clip(j − i, −reach, reach) + reach]) / √d

    This module gives the second part, q_i · weight[…] / √d. All heads share the vectors, as in the paper (which adds
    others to the values, too).

    **Shapes**: q (…, Tq, d) → (…, Tq, Tk); weight (2 · reach + 1, d), initialised to 0: training starts without
    positions.

    Source: Shaw, Uszkoreit and Vaswani, "Self-Attention with Relative Position Representations" (2018),
    arXiv:1803.02155, equation 4.
    """

    def __init__(self, d_k: int, reach: int = 8) -> None:
        super().__init__()
        self.reach = reach
        self.weight = Parameter(minigrad.zeros(2 * reach + 1, d_k))

    def forward(self, q: Tensor, keys: int) -> Tensor:
        """What to add to the scores of the queries with the given number of keys."""
        return self.at(q, distances(q.shape[-2], keys))

    def at(self, q: Tensor, distance: np.ndarray) -> Tensor:
        """What to add to the scores of the queries (…, Tq, d) at the distances key − query (Tq, Tk)."""
        if q.shape[-1] != self.weight.shape[-1]:
            raise ShapeError(
                f"RelativeKeys({self.weight.shape[-1]}): the queries {q.shape} have {q.shape[-1]} features"
            )
        by_distance = q @ self.weight.T * (1 / math.sqrt(q.shape[-1]))  # (…, Tq, 2 reach + 1)
        place = np.clip(distance, -self.reach, self.reach) + self.reach
        return by_distance[..., np.arange(len(place))[:, None], place]

    def extra_repr(self) -> str:
        """The features of a key and the reach."""
        return f"{self.weight.shape[1]}, reach={self.reach}"


class Rotary(Module):
    """Turn each pair of features by an angle that is proportional to the position; nothing is trained.

        (x[2i], x[2i+1]) at position t  →  the same vector of the plane, turned by the angle t / base^(2i/d)

    Attention layers turn their queries and keys. The product of a query at t and a key at s then depends on s − t
    alone, and their lengths stay as they are. For an odd d the last feature has no partner and stays as it is.

    **Shapes**: x (…, T, d) → the same. No parameters, and no longest sentence.

    Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021), arXiv:2104.09864, with
    neighbouring features as pairs, as in the paper.

    >>> Rotary()(minigrad.tensor([[1.0, 0.0], [1.0, 0.0]]))  # 0 and 1 radian
    tensor([[1.    , 0.    ],
            [0.5403, 0.8415]])
    """

    def __init__(self, base: float = 10000.0) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor) -> Tensor:
        """Turn the vectors by their places in the sequence."""
        steps, dim = x.shape[-2:]
        pairs = dim // 2
        angle = np.arange(steps)[:, None] / self.base ** (2 * np.arange(pairs) / dim)  # (T, d / 2)
        cos, sin = (Tensor(part.astype(_float_dtype(x))) for part in (np.cos(angle), np.sin(angle)))
        first, second = x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
        turned = minigrad.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)
        return minigrad.cat([turned, x[..., 2 * pairs :]], -1)

    def extra_repr(self) -> str:
        """The base of the angles."""
        return f"base={self.base:g}"
