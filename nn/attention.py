"""Attention: every query looks at all keys, and takes the values of those it resembles.

    scores  = similarity(q, k)               how much does each key resemble the query?       nn/similarity.py
    weights = normalisation(scores, mask)    which share of the attention does each key get?  nn/normalisation.py
    output  = weights @ v                    the values, mixed in these proportions

Any choice for one stage goes with any choice for another: `similarity=` and `normalisation=` take a name or a module.
Where a query may look is said by a mask (`nn/masks.py`), how it knows the order by `positions=` (`nn/positions.py`).
Who asks is what the layers differ in:

    Attention         vectors as they are: without weights, "parameter-free self-attention"
    SelfAttention     a sequence asks itself ("intra-attention"; some lectures say "local": inside information only)
    CrossAttention    somebody outside asks ("general" attention in some lectures)
    AttentionPool     a trained query asks: a sequence becomes one vector
    MultiHead         several heads ask at the same time, about different features
    Heads             the same for any of the layers above, one after the other

Elsewhere: `WindowAttention` and `LocalAttention` (local_attention.py), `GraphAttention` (graph_attention.py),
`Hierarchical` (hierarchy.py). To see the weights of a whole model: `record_attention` (record.py).

Letters: B batch, H heads, Tq queries, Tk keys, D features, d_k features of a query or key, d_v of a value.

Vectors are rows here: scores = Q Kᵀ, output = A V. Lectures with vectors as columns write the transpose of the
same, Kᵀ Q and V A.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.attention import BLOCK, attention

from . import masks, record
from .dropout import Dropout
from .linear import Linear
from .module import Module, Parameter
from .normalisation import Softmax, choose_normalisation
from .positions import RelativeKeys, Rotary
from .similarity import ScaledDot, choose_similarity


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    bias: Tensor | None = None,
    dropout: Module | None = None,
    similarity: Any = "scaled_dot",
    normalisation: Any = "softmax",
    need_weights: bool = True,
) -> tuple[Tensor, Any]:
    """(The output, the weights) of attention; unless told otherwise softmax(q kᵀ / √d_k + bias) v.

    `mask` is True where a query may attend to a key; `bias` is added to the scores. `similarity` and `normalisation`
    are names, or functions such as the modules of nn/similarity.py and nn/normalisation.py. Where nobody needs the
    weights, many positions are taken a block at a time (minigrad/ops/attention.py), and None stands for the weights.

    **Shapes**: q (…, Tq, d_k), k (…, Tk, d_k), v (…, Tk, d_v) → (…, Tq, d_v) and (…, Tq, Tk).

    **Raises** `ShapeError` if the similarity cannot compare queries and keys, or keys and values are not equally many.

    >>> import minigrad
    >>> k = minigrad.tensor([[10.0, 0.0], [0.0, 10.0]])
    >>> v = minigrad.tensor([[1.0], [2.0]])
    >>> attend(k, k, v)[0]  # each query finds its own key
    tensor([[1.],
            [2.]])
    """
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attend: keys {k.shape} and values {v.shape} must be equally many (the dimension before the last)"
        )
    similarity, normalisation = choose_similarity(similarity), choose_normalisation(normalisation)
    usual = type(similarity) is ScaledDot and type(normalisation) is Softmax and normalisation.temperature == 1
    usual = usual and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    many = math.prod(q.shape[:-1]) * k.shape[-2] > BLOCK
    dropped = dropout is not None and dropout.training and getattr(dropout, "p", 1) > 0
    if usual and many and not (need_weights or dropped or record.is_recording()):
        return attention(q, k, v, bias, mask), None
    scores = similarity(q, k)  # (…, Tq, Tk)
    if bias is not None:
        scores = scores + bias
    weights = normalisation(scores, mask)  # (…, Tq, Tk)
    record.note(weights)
    context = (weights if dropout is None else dropout(weights)) @ v  # (…, Tq, d_v)
    call(scores=scores, attention=weights, context=context)
    return context, weights


def call(**results: Tensor) -> None:
    """Let pictures call these results so; the tensors themselves stay without a name."""
    for name, x in results.items():
        if x.node is not None:
            x.node.label = x.node.label or name


def placed(positions: Module | None, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """(Queries, keys, what to add to their scores), once they know their positions."""
    if positions is None:
        return q, k, None
    if isinstance(positions, Rotary):
        return positions(q), positions(k), None
    if isinstance(positions, RelativeKeys):
        return q, k, positions(q, k.shape[-2])
    return q, k, for_heads(positions(q.shape[-2], k.shape[-2]), 1 if q.ndim == 3 else q.shape[1]).to(q.dtype)


def for_heads(bias: Tensor, heads: int) -> Tensor:
    """The bias (H, Tq, Tk) that positions give, if it is for so many heads, or one for all of them (H = 1).

    **Raises** `ShapeError` if it is not.
    """
    if bias.shape[0] not in (1, heads):
        raise ShapeError(
            f"positions: they are for {bias.shape[0]} heads, but the layer has {heads}; give both the same number"
        )
    return bias


class Attention(Module):
    """The three stages and nothing else: no projections, so that only the similarity may have weights.

    With one argument, it is self-attention without parameters: y_i = Σ_j w_ij x_j, where w_ij is how much x_i resembles
    x_j, normalised. With `similarity.Additive(d_q, d_k)` and a query from outside, it is that of Bahdanau et al.

    **Shapes**: query (B, Tq, d_q), key (B, Tk, d_k), value (B, Tk, d_v) → (B, Tq, d_v), weights (B, Tq, Tk).

    **Raises** `ShapeError` if the shapes do not fit, `ValueError` for a similarity whose sizes are not known.

    >>> import minigrad
    >>> layer = Attention(similarity="dot")
    >>> list(layer.parameters()), layer(minigrad.ones(2, 3, 5)).shape
    ([], (2, 3, 5))
    """

    def __init__(self, similarity: Any = "scaled_dot", normalisation: Any = "softmax") -> None:
        super().__init__()
        self.similarity = choose_similarity(similarity)
        self.normalisation = choose_normalisation(normalisation)

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
        batch, queries, _ = sizes_of(self, query)
        keys = sizes_of(self, key)[1]
        allowed = masks.for_one_head(mask, lengths, (batch, 1, queries, keys))
        y, weights = attend(
            query,
            key,
            value,
            allowed,
            similarity=self.similarity,
            normalisation=self.normalisation,
            need_weights=return_weights,
        )  # (B, Tq, d_v), (B, Tq, Tk)
        return (y, weights) if return_weights else y


class CrossAttention(Module):
    """One head of attention from queries outside to a sequence: a question asks a text, a decoder asks its source.

        q = query Wqᵀ;    k, v = context Wkᵀ, context Wvᵀ;    y = softmax(q kᵀ / √d_k + positions) v

    There is one query for each position of another sequence, or a single one for the whole text. Often called "general"
    attention, a word that elsewhere means the bilinear similarity.

    **Shapes**: query (B, Tq, D) → y (B, Tq, d_v), weights (B, Tq, Tk); a single query (B, D) → y (B, d_v), weights
    (B, Tk); context (B, Tk, context_dim). `query.weight` (d_k, D), `key.weight` (d_k, context_dim), `value.weight`
    (d_v, context_dim), initialised as in `Linear`. The features of queries, keys and values are D, and those of the
    context D, unless given.

    **Raises** `ShapeError` if the features or the mask do not fit.

    >>> import minigrad
    >>> layer = CrossAttention(5, context_dim=3, d_v=2)
    >>> layer(minigrad.randn(2, 5), minigrad.randn(2, 7, 3), lengths=[7, 4]).shape
    (2, 2)
    """

    def __init__(
        self,
        dim: int,
        context_dim: int | None = None,
        d_k: int | None = None,
        d_v: int | None = None,
        bias: bool = False,
        positions: Module | None = None,
        similarity: Any = "scaled_dot",
        normalisation: Any = "softmax",
    ) -> None:
        super().__init__()
        context_dim, d_k, d_v = context_dim or dim, d_k or dim, d_v or dim
        self.d_v = d_v
        self.query = Linear(dim, d_k, bias=bias)
        self.key = Linear(context_dim, d_k, bias=bias)
        self.value = Linear(context_dim, d_v, bias=bias)
        self.positions = positions
        self.similarity = choose_similarity(similarity, d_k, d_k)
        self.normalisation = choose_normalisation(normalisation)

    def forward(
        self, query: Tensor, context: Tensor, mask: Any = None, lengths: Any = None, return_weights: bool = False
    ) -> Any:
        """Attend; `lengths` (B) hides the padding of the context, `mask` is (Tq, Tk), (B, Tq, Tk) or (B, 1, Tq, Tk)."""
        if query.ndim == 2:  # one query for all positions: a sequence of one
            y, weights = self.forward(query.unsqueeze(1), context, mask, lengths, return_weights=True)
            return (y.squeeze(1), weights.squeeze(1)) if return_weights else y.squeeze(1)
        batch, queries, _ = sizes_of(self, query)
        keys = sizes_of(self, context)[1]
        allowed = masks.for_one_head(mask, lengths, (batch, 1, queries, keys))
        q = self.query(query)  # (B, Tq, d_k)
        k = self.key(context)  # (B, Tk, d_k)
        v = self.value(context)  # (B, Tk, d_v)
        call(Q=q, K=k, V=v)
        q, k, bias = placed(self.positions, q, k)
        y, weights = attend(
            q,
            k,
            v,
            allowed,
            bias,
            similarity=self.similarity,
            normalisation=self.normalisation,
            need_weights=return_weights,
        )  # (B, Tq, d_v), (B, Tq, Tk)
        return (y, weights) if return_weights else y


class SelfAttention(CrossAttention):
    """One head of attention of a sequence to itself, with trained projections to queries, keys and values.

        q, k, v = x Wqᵀ, x Wkᵀ, x Wvᵀ;    y = softmax(q kᵀ / √d_k + positions) v

    That is cross-attention with the same sequence on both sides. `positions` is a module that gives a bias for the
    scores, such as `RelativeBias(1)`, or another one of nn/positions.py; without one the layer does not know the order:
    permuting x permutes y. The features of queries, keys and values are `dim` unless given.

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
        similarity: Any = "scaled_dot",
        normalisation: Any = "softmax",
    ) -> None:
        super().__init__(dim, dim, d_k, d_v, bias, positions, similarity, normalisation)

    def forward(self, x: Tensor, mask: Any = None, lengths: Any = None, return_weights: bool = False) -> Any:  # type: ignore[override]  # one sequence
        """Attend; `lengths` (B) hides the padding, `mask` is (T, T), (B, T, T) or (B, 1, T, T)."""
        sizes_of(self, x)
        return super().forward(x, x, mask, lengths, return_weights)


class AttentionPool(Module):
    """A sequence as one vector: the mean of its vectors, weighted by what a trained query finds in them.

        weights = softmax(query · x_t / √D);    y = Σ_t weights_t x_t

    Often called single-layer attention. With `similarity="additive"`, it is the pooling of Yang et al.

    **Shapes**: x (B, T, D) → y (B, D), weights (B, T); query (1, D), from a normal distribution with deviation 0.02,
    so that training starts near the plain mean. A sequence without real vectors gives zeros.

    **Raises** `ShapeError` if the features or the mask do not fit.

    Source: Lin et al., "A Structured Self-attentive Sentence Embedding" (2017), arXiv:1703.03130; Yang et al.,
    "Hierarchical Attention Networks for Document Classification" (2016), section 2.2.

    >>> import minigrad
    >>> AttentionPool(3)(minigrad.randn(2, 5, 3), lengths=[5, 0])[1]
    tensor([0., 0., 0.], grad_fn=<getitem>)
    """

    def __init__(self, dim: int, similarity: Any = "scaled_dot", normalisation: Any = "softmax") -> None:
        super().__init__()
        self.d_v = dim
        self.query = Parameter(minigrad.randn(1, dim) * 0.02)
        self.similarity = choose_similarity(similarity, dim, dim)
        self.normalisation = choose_normalisation(normalisation)

    def forward(self, x: Tensor, mask: Any = None, lengths: Any = None, return_weights: bool = False) -> Any:
        """Pool; `lengths` (B) hides the padding, `mask` (B, T) is True for the vectors that count."""
        batch, steps, dim = sizes_of(self, x)
        if dim != self.d_v:
            raise ShapeError(f"AttentionPool({self.d_v}): the vectors have {dim} features (shape {x.shape})")
        if mask is not None:
            mask = minigrad.as_tensor(mask)
            if mask.shape != (batch, steps):
                raise ShapeError(f"AttentionPool: a mask (batch, steps) = {(batch, steps)} is needed, not {mask.shape}")
            mask = mask.unsqueeze(1)
        allowed = masks.for_one_head(mask, lengths, (batch, 1, 1, steps))
        q = self.query.expand(batch, 1, dim)
        y, weights = attend(
            q, x, x, allowed, similarity=self.similarity, normalisation=self.normalisation
        )  # (B, 1, D), (B, 1, T)
        return (y.squeeze(1), weights.squeeze(1)) if return_weights else y.squeeze(1)


class MultiHead(Module):
    """Several heads of attention side by side, their results joined and projected.

        head_h = softmax(q_h k_hᵀ / √d_k + positions_h) v_h;    y = [head_1 … head_H] Woᵀ

    Each head sees its own d_k = dim / H features of the projected queries, keys and values, so that one matrix product
    serves all heads. `dropout` acts on the weights. `positions` gives a bias for each head, such as
    `RelativeBias(num_heads)`, or is another one of nn/positions.py. A similarity with weights serves all heads.

    **Shapes**: query (B, Tq, D), key and value (B, Tk, D) → (B, Tq, D), weights (B, H, Tq, Tk). `query.weight` and
    `key.weight` (H d_k, D), `value.weight` (H d_v, D), `output.weight` (D, H d_v) and their biases, initialised as in
    `Linear`. H d_k and H d_v are D unless d_k and d_v are given.

    **Raises** `ShapeError` if `num_heads` does not divide `dim` and d_k or d_v is not given, or the shapes do not fit.

    >>> import minigrad
    >>> layer = MultiHead(6, 2)
    >>> layer(minigrad.randn(5, 3, 6)).shape
    (5, 3, 6)
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        positions: Module | None = None,
        d_k: int | None = None,
        d_v: int | None = None,
        similarity: Any = "scaled_dot",
        normalisation: Any = "softmax",
    ) -> None:
        super().__init__()
        if num_heads < 1 or (dim % num_heads and not (d_k and d_v)):
            raise ShapeError(
                f"MultiHead: {dim} features cannot be shared equally by {num_heads} heads; "
                f"take another number of heads, or say how many features each has with d_k= and d_v="
            )
        d_k, d_v = d_k or dim // num_heads, d_v or dim // num_heads
        self.num_heads, self.d_v = num_heads, dim
        self.query = Linear(dim, num_heads * d_k, bias=bias)
        self.key = Linear(dim, num_heads * d_k, bias=bias)
        self.value = Linear(dim, num_heads * d_v, bias=bias)
        self.output = Linear(num_heads * d_v, dim, bias=bias)
        self.dropout = Dropout(dropout)
        self.positions = positions
        self.similarity = choose_similarity(similarity, d_k, d_k)
        self.normalisation = choose_normalisation(normalisation)

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
        batch, queries, _ = sizes_of(self, query)
        keys = sizes_of(self, key)[1]
        allowed = masks.for_scores(mask, lengths, (batch, self.num_heads, queries, keys))
        q = self._split(self.query(query))  # (B, H, Tq, d_k)
        k = self._split(self.key(key))  # (B, H, Tk, d_k)
        v = self._split(self.value(value))  # (B, H, Tk, d_v)
        call(Q=q, K=k, V=v)
        q, k, bias = placed(self.positions, q, k)
        y, weights = attend(
            q, k, v, allowed, bias, self.dropout, self.similarity, self.normalisation, return_weights
        )  # (B, H, Tq, d_v), (B, H, Tq, Tk)
        y = self.output(y.transpose(1, 2).flatten(2))  # (B, Tq, H d_v) → (B, Tq, D)
        return (y, weights) if return_weights else y

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, H d) → (B, H, T, d)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def extra_repr(self) -> str:
        """The number of heads."""
        return f"num_heads={self.num_heads}"


class Heads(Module):
    """Several attention layers side by side, of any kind, their results joined and projected.

        y = [head_1(x) … head_H(x)] Woᵀ

    With heads of the same kind this is what `MultiHead` computes in one go; here each head is a layer of its own, with
    its own similarity, window or normalisation.

    **Shapes**: whatever the heads take → (…, out), weights stacked (B, H, …). `output.weight` (out, Σ d_v),
    initialised as in `Linear`.

    >>> import minigrad
    >>> layer = Heads([SelfAttention(6, d_v=2), SelfAttention(6, d_v=3, similarity="additive")], 6)
    >>> layer(minigrad.randn(5, 7, 6), lengths=[7, 1, 2, 3, 5]).shape
    (5, 7, 6)
    """

    def __init__(self, heads: Sequence[Any], out: int, bias: bool = False) -> None:
        super().__init__()
        self.heads = list(heads)
        self.output = Linear(sum(head.d_v for head in self.heads), out, bias=bias)

    def forward(self, *inputs: Tensor, return_weights: bool = False, **where: Any) -> Any:
        """Give all heads the same arguments."""
        answers = [head(*inputs, return_weights=True, **where) for head in self.heads]
        y = self.output(minigrad.cat([y for y, _ in answers], -1))
        return (y, minigrad.stack([weights for _, weights in answers], 1)) if return_weights else y


def sizes_of(layer: Module, x: Tensor) -> tuple[int, int, int]:
    """The batch, steps and features of x.

    **Raises** `ShapeError`, in the name of the layer, if it has not three dimensions.
    """
    if x.ndim != 3:
        raise ShapeError(
            f"{type(layer).__name__}: a batch of sequences (batch, steps, features) is needed, not {x.shape}"
        )
    return x.shape  # type: ignore[return-value]  # three of them
