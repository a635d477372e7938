"""Multi-head attention under PyTorch's name: its arguments, its masks, its packed parameters.

A state_dict moves between this layer and PyTorch's as it is. The layers of `nn/attention.py` say the same in fewer
words, with the mask convention of this package; here everything is as a program written for PyTorch expects it.

Letters: B batch, H heads, Tq queries, Tk keys, E `embed_dim`, d features of one head (E / H).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor, cat, softmax
from minigrad.ops.index import plain_values
from minigrad.ops.linalg import linear

from . import functional, init, record
from .attention import call
from .linear import Linear
from .module import Module, Parameter


class MultiheadAttention(Module):
    """Several heads of scaled dot-product attention side by side, their results joined and projected.

        head_h = softmax(q_h k_hᵀ / √d + mask) v_h;    y = [head_1 … head_H] Woᵀ + b_o

    The masks have PyTorch's meaning, which is the opposite of this package's own: in `key_padding_mask` and `attn_mask`
    **True = must NOT be attended to**; a mask of floats is added to the scores. A query that may attend to nothing gets
    zeros from every head (so y = b_o there) and gives no gradient, where PyTorch answers NaN. The weights are those
    before dropout, so that each row sums to 1.

    `add_bias_kv` appends a trained key and value to the sequence, `add_zero_attn` a key and value of zeros: something
    to look at for a query that finds nothing.

    **Shapes**: query (Tq, B, E), key (Tk, B, kdim), value (Tk, B, vdim) → y (Tq, B, E); with `batch_first` B comes
    first, without a batch it is missing. Weights (B, Tq, Tk), the mean over the heads, or (B, H, Tq, Tk) if
    `average_attn_weights` is False. `key_padding_mask` (B, Tk), `attn_mask` (Tq, Tk) or (B · H, Tq, Tk).

    **Parameters**: `in_proj_weight` (3 E, E), the projections to queries, keys and values on top of each other, or
    `q_proj_weight` (E, E), `k_proj_weight` (E, kdim), `v_proj_weight` (E, vdim) if `kdim` or `vdim` differ from E, from
    Xavier's uniform distribution; `in_proj_bias` (3 E) and `out_proj.bias` (E), zeros; `out_proj.weight` (E, E) as in
    `Linear`; `bias_k` and `bias_v` (1, 1, E) from Xavier's normal distribution.

    **Raises** `ShapeError` if `num_heads` does not divide `embed_dim` or a shape does not fit, `TypeError` for a mask
    that is neither boolean nor floating point, `ValueError` for `is_causal` without a mask.

    Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762.

    >>> layer = MultiheadAttention(6, 2, batch_first=True)
    >>> x = minigrad.randn(5, 3, 6)
    >>> later = minigrad.ones(3, 3, dtype=minigrad.bool).triu(1)  # True: a query must not look there
    >>> y, weights = layer(x, x, x, attn_mask=later)
    >>> y.shape, weights.shape, weights[0, 0].detach()
    ((5, 3, 6), (5, 3, 3), tensor([1., 0., 0.]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiheadAttention: {embed_dim} features cannot be shared equally by {num_heads} heads; "
                f"embed_dim must be a multiple of num_heads"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: a probability lies in [0, 1], which dropout = {dropout} does not")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.dropout, self.add_zero_attn, self.batch_first = dropout, add_zero_attn, batch_first
        packed = self.kdim == self.vdim == embed_dim
        self.in_proj_weight = _parameter(3 * embed_dim, embed_dim) if packed else None
        self.q_proj_weight = None if packed else _parameter(embed_dim, embed_dim)
        self.k_proj_weight = None if packed else _parameter(embed_dim, self.kdim)
        self.v_proj_weight = None if packed else _parameter(embed_dim, self.vdim)
        self.in_proj_bias = _parameter(3 * embed_dim) if bias else None
        self.bias_k = _parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = _parameter(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the projections anew."""
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        self.out_proj.reset_parameters()
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        if self.bias_k is not None and self.bias_v is not None:
            init.xavier_normal_(self.bias_k)
            init.xavier_normal_(self.bias_v)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; the second answer is the weights, or None if they are not needed.

        `is_causal` says that `attn_mask` is the causal mask; it is a hint, and the mask itself is what counts.
        """
        if is_causal and attn_mask is None:
            raise ValueError(
                "MultiheadAttention: is_causal only says that attn_mask is causal; pass the mask too, such as "
                "Transformer.generate_square_subsequent_mask(steps)"
            )
        self._check_inputs(query, key, value)
        batched = query.ndim == 3
        inputs = [query] if query is key is value else [query, key, value]
        if not batched:
            inputs = [x.unsqueeze(0) for x in inputs]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            inputs = [x.transpose(0, 1) for x in inputs]
        query, key = inputs[0], inputs[-1]

        bias = self._score_bias(attn_mask, key_padding_mask, len(query), query.shape[1], key.shape[1], query.dtype)
        q, k, v = self._project(inputs)  # (B, H, Tq, d), (B, H, Tk, d), (B, H, Tk, d)
        k, v = self._extend(k, self.bias_k), self._extend(v, self.bias_v)
        if bias is not None and k.shape[2] > bias.shape[-1]:
            bias = functional.pad(bias, (0, k.shape[2] - bias.shape[-1]))  # what was appended is open to all
        scores = (q * (1 / math.sqrt(self.head_dim))) @ k.mT  # (B, H, Tq, Tk)
        weights = softmax(scores if bias is None else scores + bias, -1)
        record.note(weights)
        context = functional.dropout(weights, self.dropout, self.training) @ v  # (B, H, Tq, d)
        call(Q=q, K=k, V=v, scores=scores, attention=weights, context=context)
        y = self.out_proj(context.transpose(1, 2).flatten(2))  # (B, Tq, E)

        if not batched:
            y, weights = y.squeeze(0), weights.squeeze(0)
        elif not self.batch_first:
            y = y.transpose(0, 1)
        if not need_weights:
            return y, None
        return y, weights.mean(-3) if average_attn_weights else weights

    def _project(self, inputs: list[Tensor]) -> Sequence[Tensor]:
        """The inputs, three or one in all three roles, as queries, keys and values: (B, T, E) → (B, H, T, d)."""
        if self.in_proj_weight is not None and len(inputs) == 1:
            joint = linear(inputs[0], self.in_proj_weight, self.in_proj_bias)  # (B, T, 3 E)
            return joint.unflatten(2, (3, self.num_heads, self.head_dim)).permute(2, 0, 3, 1, 4).unbind()
        weights: Any = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        if self.in_proj_weight is not None:
            weights = self.in_proj_weight.chunk(3)
        biases = [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        inputs = inputs * (3 // len(inputs))
        projected = [linear(x, weight, bias) for x, weight, bias in zip(inputs, weights, biases, strict=True)]
        return [x.unflatten(2, (self.num_heads, self.head_dim)).transpose(1, 2) for x in projected]

    def _extend(self, x: Tensor, trained: Tensor | None) -> Tensor:
        """Keys or values (B, H, Tk, d), followed by the trained one and the zeros, as far as the layer has them."""
        batch, heads, _, features = x.shape
        if trained is not None:
            x = cat([x, trained.reshape(1, heads, 1, features).expand(batch, heads, 1, features)], 2)
        if self.add_zero_attn:
            x = cat([x, minigrad.zeros(batch, heads, 1, features, dtype=x.dtype)], 2)
        return x

    def _score_bias(
        self, attn_mask: Tensor | None, padding: Tensor | None, batch: int, queries: int, keys: int, dtype: Any
    ) -> Tensor | None:
        """Both masks as one term of the scores, −inf where attention is forbidden: broadcasts to (B, H, Tq, Tk)."""
        bias = None
        if attn_mask is not None:
            stacked = (batch * self.num_heads, queries, keys)
            if attn_mask.shape not in ((queries, keys), stacked):
                raise ShapeError(
                    f"MultiheadAttention: attn_mask has shape {attn_mask.shape}, but {queries} queries and {keys} keys "
                    f"need {(queries, keys)}, or {stacked} for a mask for each head of each example"
                )
            bias = _additive("attn_mask", attn_mask, dtype)
            if bias.ndim == 3:
                bias = bias.unflatten(0, (batch, self.num_heads))
        if padding is not None:
            if padding.shape != (batch, keys):
                raise ShapeError(
                    f"MultiheadAttention: key_padding_mask has shape {padding.shape}, but {batch} examples with {keys} "
                    f"keys need {(batch, keys)}"
                )
            hidden = _additive("key_padding_mask", padding, dtype)[:, None, None]  # (B, 1, 1, Tk)
            bias = hidden if bias is None else bias + hidden
        return bias

    def _check_inputs(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
            raise ShapeError(
                f"MultiheadAttention: three dimensions each are needed, or two without a batch, not "
                f"{_shapes(query, key, value)}"
            )
        wanted = (self.embed_dim, self.kdim, self.vdim)
        if (query.shape[-1], key.shape[-1], value.shape[-1]) != wanted:
            shapes = _shapes(query, key, value)
            raise ShapeError(f"MultiheadAttention: {shapes} should end in {wanted}: embed_dim, kdim and vdim")
        at = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or (query.ndim == 3 and query.shape[at] != key.shape[at]):
            order = "(batch, steps, features)" if self.batch_first else "(steps, batch, features), as batch_first=False"
            raise ShapeError(
                f"MultiheadAttention: keys and values must be equally many, and all have the same batch, but here are "
                f"{_shapes(query, key, value)}, read as {order}"
            )


def _shapes(query: Tensor, key: Tensor, value: Tensor) -> str:
    return f"query {query.shape}, key {key.shape}, value {value.shape}"


def _parameter(*shape: int) -> Parameter:
    return Parameter(minigrad.zeros(shape))


def _additive(name: str, mask: Tensor, dtype: Any) -> Tensor:
    """A mask as what is added to scores: −inf where a boolean one is True."""
    if mask.dtype == minigrad.bool:
        return Tensor(np.where(plain_values(mask), -math.inf, 0.0), dtype=dtype)
    if mask.dtype.kind != "f":
        raise TypeError(
            f"MultiheadAttention: {name} is boolean (True = must not be attended to) or a float to add to the scores, "
            f"not {mask.dtype}; write mask.bool()"
        )
    return mask.to(dtype)
