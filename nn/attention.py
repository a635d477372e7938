"""Attention: every query looks at all keys, and takes the values of those it resembles.

    scores  = q kᵀ / √d_k          how much does each key resemble the query?
    weights = softmax(scores)      positive, and each row sums to 1
    output  = weights v            the values, mixed in these proportions

Letters: B batch, H heads, Tq queries, Tk keys, D features, d_k features of a query or key, d_v of a value.
Masks are boolean, **True = may attend** (see `nn/masks.py`). A query that may attend to nothing gets zeros.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad import ShapeError, Tensor, softmax

from . import masks
from .dropout import Dropout
from .linear import Linear
from .module import Module


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    dropout: Module | None = None,
) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention: (softmax(q kᵀ / √d_k + bias) v, the weights).

    `mask` is True where a query may attend to a key; `bias` is added to the scores.

    **Shapes**: q (…, Tq, d_k), k (…, Tk, d_k), v (…, Tk, d_v) → (…, Tq, d_v) and (…, Tq, Tk).

    **Raises** `ShapeError` if queries and keys have different sizes, or keys and values different numbers.

    >>> import minigrad
    >>> k = minigrad.tensor([[10.0, 0.0], [0.0, 10.0]])
    >>> v = minigrad.tensor([[1.0], [2.0]])
    >>> attend(k, k, v)[0]  # each query finds its own key
    tensor([[1.],
            [2.]])
    """
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attend: queries {q.shape} and keys {k.shape} must have equally many features (last dimension), "
            f"keys and values {v.shape} equally many positions (the one before)"
        )
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]))  # (…, Tq, Tk)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = softmax(scores, -1)
    mixed = weights if dropout is None else dropout(weights)
    return mixed @ v, weights


class SelfAttention(Module):
    """One head of attention of a sequence to itself, with trained projections to queries, keys and values.

        q, k, v = x Wqᵀ, x Wkᵀ, x Wvᵀ;    y = softmax(q kᵀ / √d_k + positions) v

    `positions` is a module that gives a bias for the scores, such as `RelativeBias(1)`; without one the layer does not
    know the order: permuting x permutes y. The features of queries, keys and values are `dim` unless given.

    **Shapes**: x (B, T, D) → y (B, T, d_v), weights (B, T, T). `query.weight` (d_k, D), `key.weight` (d_k, D),
    `value.weight` (d_v, D), initialised as in `Linear`.

    **Raises** `ShapeError` if x has not `dim` features or the mask does not fit.

    >>> import minigrad
    >>> layer = SelfAttention(4)
    >>> y, weights = layer(minigrad.randn(2, 3, 4), lengths=[3, 1], return_weights=True)
    >>> y.shape, weights[1, 0]
    ((2, 3, 4), tensor([1., 0., 0.], grad_fn=<getitem>))
    """

    def __init__(
        self,
        dim: int,
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        positions: Module | None = None,
    ) -> None:
        super().__init__()
        self.query = Linear(dim, d_k or dim, bias=bias)
        self.key = Linear(dim, d_k or dim, bias=bias)
        self.value = Linear(dim, d_v or dim, bias=bias)
        self.positions = positions

    def forward(self, x: Tensor, mask: Any = None, lengths: Any = None, return_weights: bool = False) -> Any:
        """Attend; `lengths` (B) hides the padding, `mask` is (T, T), (B, T, T) or (B, 1, T, T)."""
        batch, steps, _ = _three_dimensions("SelfAttention", x)
        allowed = masks.for_scores(mask, lengths, (batch, 1, steps, steps))
        if allowed is not None and allowed.ndim == 4:
            allowed = allowed.squeeze(1)  # one head
        bias = None if self.positions is None else self.positions(steps, steps)
        y, weights = attend(self.query(x), self.key(x), self.value(x), allowed, bias)
        return (y, weights) if return_weights else y


class MultiHead(Module):
    """Several heads of attention side by side, their results joined and projected.

        head_h = softmax(q_h k_hᵀ / √d_k + positions_h) v_h;    y = [head_1 … head_H] Woᵀ

    Each head sees its own d_k = dim / H features of the projected queries, keys and values, so that one matrix product
    serves all heads. `dropout` acts on the weights. `positions` gives a bias for each head, such as
    `RelativeBias(num_heads)`.

    **Shapes**: query (B, Tq, D), key and value (B, Tk, D) → (B, Tq, D), weights (B, H, Tq, Tk). `query.weight`,
    `key.weight`, `value.weight`, `output.weight` (D, D) and their biases (D), initialised as in `Linear`.

    **Raises** `ShapeError` if `num_heads` does not divide `dim`, or the shapes do not fit.

    >>> import minigrad
    >>> layer = MultiHead(6, 2)
    >>> layer(minigrad.randn(5, 3, 6)).shape
    (5, 3, 6)
    """

    def __init__(
        self, dim: int, num_heads: int, bias: bool = True, dropout: float = 0.0, positions: Module | None = None
    ) -> None:
        super().__init__()
        if num_heads < 1 or dim % num_heads:
            raise ShapeError(f"MultiHead: {dim} features cannot be shared equally by {num_heads} heads")
        self.num_heads = num_heads
        self.query = Linear(dim, dim, bias=bias)
        self.key = Linear(dim, dim, bias=bias)
        self.value = Linear(dim, dim, bias=bias)
        self.output = Linear(dim, dim, bias=bias)
        self.dropout = Dropout(dropout)
        self.positions = positions

    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        mask: Any = None,
        lengths: Any = None,
        return_weights: bool = False,
    ) -> Any:
        """Attend from `query` to `key` (to itself if none is given), taking from `value` (`key` if none is given)."""
        key = query if key is None else key
        value = key if value is None else value
        batch, queries, dim = _three_dimensions("MultiHead", query)
        keys = _three_dimensions("MultiHead", key)[1]
        allowed = masks.for_scores(mask, lengths, (batch, self.num_heads, queries, keys))
        bias = None if self.positions is None else self.positions(queries, keys)
        q = self._split(self.query(query))  # (B, H, Tq, d_k)
        k = self._split(self.key(key))  # (B, H, Tk, d_k)
        v = self._split(self.value(value))  # (B, H, Tk, d_k)
        y, weights = attend(q, k, v, allowed, bias, self.dropout)
        y = self.output(y.transpose(1, 2).reshape(batch, queries, dim))
        return (y, weights) if return_weights else y

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, H, T, D / H)."""
        batch, steps, dim = x.shape
        return x.reshape(batch, steps, self.num_heads, dim // self.num_heads).transpose(1, 2)

    def extra_repr(self) -> str:
        """The number of heads."""
        return f"num_heads={self.num_heads}"


def _three_dimensions(name: str, x: Tensor) -> tuple[int, int, int]:
    if x.ndim != 3:
        raise ShapeError(f"{name}: a batch of sequences (batch, steps, features) is needed, not {x.shape}")
    return x.shape  # type: ignore[return-value]  # three of them
