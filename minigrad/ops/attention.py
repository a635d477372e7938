"""Attention in bounded memory: softmax(q kᵀ · scale + bias) v without ever holding all the weights.

A weight for every pair of positions is n² numbers, twice over with the scores they come from. The kernels take a block
of queries at a time. If the weights are many, only the sum of each row of exponentials is kept, and going back, a
block's exponentials are computed again. Where queries look at nothing later, a block looks only at the keys up to its
last query: half of the work is never done.

Source: Rabe and Staats, "Self-attention Does Not Need O(n²) Memory" (2021), arXiv:2112.05682; Dao et al.,
"FlashAttention" (2022), arXiv:2205.14135.

Letters: B batch (any leading dimensions), Tq queries, Tk keys, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..op import fused
from ..sums import row_products
from .elementwise import masked_fill
from .fused import Needs, softmax
from .reduce import _shifted_exp

BLOCK = 1 << 18  # so many scores are computed at a time
KEPT = 1 << 20  # up to so many weights are kept for the way back
CAUSAL_ROWS = 32  # queries in a block that looks at nothing later: the fewer, the closer to the diagonal it ends


def _check(q: Any, k: Any, v: Any, bias: Any, mask: Any) -> tuple[int, ...]:
    """The shape of the scores; raises `ShapeError` unless everything fits."""
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attention: queries {q.shape} and keys {k.shape} must have equally many features (last dimension), keys "
            f"and values {v.shape} equally many positions (the one before)"
        )
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ShapeError(
            f"attention: queries {q.shape}, keys {k.shape} and values {v.shape} must agree in the leading dimensions"
        )
    shape = (*q.shape[:-1], k.shape[-2])
    for name, x in (("bias", bias), ("mask", mask)):
        if x is not None and (
            x.ndim > len(shape) or any(n not in (1, m) for n, m in zip(x.shape[::-1], shape[::-1], strict=False))
        ):
            raise ShapeError(f"attention: the {name} {x.shape} does not broadcast to the scores {shape}")
    return shape


def _blocks(shape: tuple[int, ...], causal: bool) -> Iterator[tuple[slice, slice, slice]]:
    """Which entries of the first dimension, which queries and which keys are taken at a time."""
    batch, *others, queries, keys = shape
    one_query = max(math.prod(others) * keys, 1)
    rows = max(1, min(BLOCK // one_query, queries, CAUSAL_ROWS if causal else queries))
    entries = max(1, BLOCK // (one_query * rows))
    for b in range(0, batch, entries):
        for i in range(0, queries, rows):
            yield slice(b, b + entries), slice(i, i + rows), slice(0, min(i + rows, keys) if causal else keys)


def _part(x: Any, batch: slice, rows: slice, keys: slice) -> Any:
    """A block of an array that broadcasts to the scores."""
    everything = slice(None)
    return x[
        batch if len(x) > 1 else everything,
        ...,
        rows if x.shape[-2] > 1 else everything,
        keys if x.shape[-1] > 1 else everything,
    ]


def _with_batch(x: Any, ndim: int) -> Any:
    """x with as many leading dimensions as the scores have, and at least one."""
    return None if x is None else x.reshape((1,) * (max(ndim, 3) - x.ndim) + x.shape)


def _scores(
    q: np.ndarray, turned: np.ndarray, bias: Any, mask: Any, causal: bool, batch: slice, rows: slice, keys: slice
) -> np.ndarray:
    """The scores of a block: q times the keys as columns, (B, D, Tk), plus the bias, −inf where it may not look."""
    scores = np.matmul(q[batch, ..., rows, :], turned[batch, ..., keys])
    if bias is not None:
        scores += _part(bias, batch, rows, keys)
    if mask is not None:
        np.copyto(scores, -np.inf, where=~_part(mask, batch, rows, keys))
    if causal:
        near = scores[..., rows.start :]  # the keys from the first query on
        np.copyto(near, -np.inf, where=np.tri(*near.shape[-2:]) == 0)
    return scores


def _forward(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    causal: bool = False,
) -> Any:
    shape = _check(q, k, v, bias, mask)
    dtype = np.result_type(*[x for x in (q, k, v, bias) if x is not None])
    shape, out_shape = (1,) * (3 - len(shape)) + shape, (*q.shape[:-1], v.shape[-1])
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale
    q, k, v, bias, mask = (_with_batch(x, len(shape)) for x in (q, k, v, bias, mask))
    q, v = (q * scale).astype(dtype, copy=False), v.astype(dtype, copy=False)
    turned = np.ascontiguousarray(k.swapaxes(-1, -2), dtype)
    out = np.empty((*q.shape[:-1], v.shape[-1]), dtype)
    parts = []
    for batch, rows, keys in _blocks(shape, causal):
        scores = _scores(q, turned, bias, mask, causal, batch, rows, keys)
        top, _, weights, sums = _shifted_exp(scores, -1)
        sums[sums == 0] = 1
        mixed = np.matmul(weights, v[batch, ..., keys, :], out=out[batch, ..., rows, :])
        mixed /= sums
        parts.append((top, sums, weights if math.prod(shape) <= KEPT else None))
    return out.reshape(out_shape), (q, turned, out, parts, scale)


def _backward(
    g: np.ndarray,
    kept: Any,
    needs: Needs,
    q: Any,
    k: np.ndarray,
    v: np.ndarray,
    bias: Any,
    mask: Any,
    scale: Any,
    causal: bool,
) -> Any:
    """Of e = exp(s), weights p = e / Σ e and ĝ = g / Σ e: dv = eᵀ ĝ, ds = e (ĝ vᵀ − Σ ĝ out), dbias = ds.

    From there, dq = scale ds k and dk = scale dsᵀ q.
    """
    scaled, turned, out, parts, scale = kept
    shape = (*scaled.shape[:-1], turned.shape[-1])
    wanted = zip(needs.values(), (q, k, v, bias), strict=True)
    gradients = [np.zeros(x.shape, g.dtype) if needed else None for needed, x in wanted]
    dq, dk, dv, dbias, k, v, bias, mask = (_with_batch(x, len(shape)) for x in (*gradients, k, v, bias, mask))
    across, g = np.ascontiguousarray(v.swapaxes(-1, -2), g.dtype), g.reshape(out.shape)
    for (batch, rows, keys), (top, sums, e) in zip(_blocks(shape, causal), parts, strict=True):
        if e is None:
            e = _scores(scaled, turned, bias, mask, causal, batch, rows, keys)
            e -= top
            np.exp(e, out=e)
        arriving = g[batch, ..., rows, :] / sums
        if dv is not None:
            dv[batch, ..., keys, :] += np.matmul(e.swapaxes(-1, -2), arriving)
        slopes = np.matmul(arriving, across[batch, ..., keys])
        slopes -= row_products(arriving, out[batch, ..., rows, :])
        slopes *= e
        if dq is not None:
            dq[batch, ..., rows, :] = np.matmul(slopes, k[batch, ..., keys, :])
        if dk is not None:
            dk[batch, ..., keys, :] += np.matmul(slopes.swapaxes(-1, -2), scaled[batch, ..., rows, :])
        if dbias is not None:
            into = _part(dbias, batch, rows, keys)
            into += slopes.sum(
                tuple(d for d, n in enumerate(into.shape) if n == 1 and slopes.shape[d] != 1), keepdims=True
            )
    if dq is not None:
        dq *= scale
    return gradients


@fused(wrt=("q", "k", "v", "bias"), forward=_forward, backward=_backward)
def attention(
    q: Any,
    k: Any,
    v: Any,
    bias: Any = None,
    mask: Any = None,
    scale: float | None = None,
    causal: bool = False,
) -> Any:
    """softmax(q kᵀ · scale + bias) v, where the mask (True: may look) is; `scale` is 1 / √D if not given.

    With `causal`, query i looks at keys 0 … i only.

    **Shapes**: q (…, Tq, D), k (…, Tk, D), v (…, Tk, D') → (…, Tq, D'); bias and mask broadcast to (…, Tq, Tk).

    A query that may look nowhere gets zeros.

    >>> k, v = np.array([[10.0, 0.0], [0.0, 10.0]]), np.array([[1.0], [2.0]])
    >>> attention(k, k, v).round(3).tolist()  # each query finds its own key
    [[1.0], [2.0]]
    """
    _check(q, k, v, bias, mask)
    scores = np.matmul(q, np.swapaxes(k, -1, -2)) * (1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = masked_fill(scores, ~mask, -np.inf)
    if causal:
        scores = masked_fill(scores, np.tri(*scores.shape[-2:]) == 0, -np.inf)
    return np.matmul(softmax(scores, -1), v)
