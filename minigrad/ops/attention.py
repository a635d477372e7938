"""Attention in bounded memory: softmax(q kᵀ · scale + bias) v without ever holding all the weights.

A weight for every pair of positions is n² numbers, twice over with the scores they come from. The kernels take a block
of queries at a time, and keep of each row of weights only the logarithm of its sum. Going back, a block's weights are
computed again, exp(score − log sum), which costs less than reading them from memory would.

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

BLOCK = 1 << 20  # so many scores are held at a time


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


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    """Which entries of the first dimension, and which queries, are taken at a time."""
    batch, *others, queries, keys = shape
    one_query = max(math.prod(others) * keys, 1)
    rows = max(1, min(BLOCK // one_query, queries))
    entries = max(1, BLOCK // (one_query * rows))
    for b in range(0, batch, entries):
        for i in range(0, queries, rows):
            yield slice(b, b + entries), slice(i, i + rows)


def _part(x: Any, batch: slice, rows: slice) -> Any:
    """A block of an array that broadcasts to the scores."""
    return x[batch if len(x) > 1 else slice(None), ..., rows if x.shape[-2] > 1 else slice(None), :]


def _with_batch(x: Any, ndim: int) -> Any:
    """x with as many leading dimensions as the scores have, and at least one."""
    return None if x is None else x.reshape((1,) * (max(ndim, 3) - x.ndim) + x.shape)


def _scores(q: np.ndarray, turned: np.ndarray, bias: Any, mask: Any, batch: slice, rows: slice) -> np.ndarray:
    """The scores of a block: q times the keys as columns, (B, D, Tk), plus the bias, −inf where it may not look."""
    scores = np.matmul(q[batch, ..., rows, :], turned[batch])
    if bias is not None:
        scores += _part(bias, batch, rows)
    if mask is not None:
        np.copyto(scores, -np.inf, where=~_part(mask, batch, rows))
    return scores


def _forward(
    q: np.ndarray, k: np.ndarray, v: np.ndarray, bias: Any = None, mask: Any = None, scale: float | None = None
) -> Any:
    shape = _check(q, k, v, bias, mask)
    dtype = np.result_type(*[x for x in (q, k, v, bias) if x is not None])
    shape, out_shape = (1,) * (3 - len(shape)) + shape, (*q.shape[:-1], v.shape[-1])
    scale = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale
    q, k, v, bias, mask = (_with_batch(x, len(shape)) for x in (q, k, v, bias, mask))
    q, v = (q * scale).astype(dtype, copy=False), v.astype(dtype, copy=False)
    turned = np.ascontiguousarray(k.swapaxes(-1, -2), dtype)
    out = np.empty((*q.shape[:-1], v.shape[-1]), dtype)
    log_sums = np.empty((*q.shape[:-1], 1), dtype)
    for batch, rows in _blocks(shape):
        weights = _scores(q, turned, bias, mask, batch, rows)
        top, _, weights, sums = _shifted_exp(weights, -1)
        sums[sums == 0] = 1
        mixed = np.matmul(weights, v[batch])
        mixed /= sums
        out[batch, ..., rows, :] = mixed
        log_sums[batch, ..., rows, :] = top + np.log(sums)
    return out.reshape(out_shape), (q, turned, out, log_sums, scale)


def _backward(
    g: np.ndarray, kept: Any, needs: Needs, q: Any, k: np.ndarray, v: np.ndarray, bias: Any, mask: Any, scale: Any
) -> Any:
    """Of weights p = softmax(s): dv = pᵀ g, ds = p (g vᵀ − Σ g out), dq = scale ds k, dk = scale dsᵀ q, dbias = ds."""
    scaled, turned, out, log_sums, scale = kept
    g = g.reshape(out.shape)
    shape = (*scaled.shape[:-1], turned.shape[-1])
    k_shape, v_shape, q_shape = k.shape, v.shape, (*k.shape[:-2], *scaled.shape[-2:])
    bias_shape = None if bias is None else bias.shape
    v, bias, mask = (_with_batch(x, len(shape)) for x in (v, bias, mask))
    across = np.ascontiguousarray(v.swapaxes(-1, -2), g.dtype)
    keys = turned.swapaxes(-1, -2)
    dq, dk, dv = np.empty_like(scaled), np.zeros(keys.shape, g.dtype), np.zeros(v.shape, g.dtype)
    dbias = np.zeros(bias.shape, g.dtype) if needs["bias"] else None
    for batch, rows in _blocks(shape):
        weights = _scores(scaled, turned, bias, mask, batch, rows)
        weights -= log_sums[batch, ..., rows, :]
        np.exp(weights, out=weights)
        arriving = g[batch, ..., rows, :]
        dv[batch] += np.matmul(weights.swapaxes(-1, -2), arriving)
        slopes = np.matmul(arriving, across[batch])
        slopes -= row_products(arriving, out[batch, ..., rows, :])
        slopes *= weights
        dq[batch, ..., rows, :] = np.matmul(slopes, keys[batch])
        dk[batch] += np.matmul(slopes.swapaxes(-1, -2), scaled[batch, ..., rows, :])
        if dbias is not None:
            into = _part(dbias, batch, rows)
            into += slopes.sum(
                tuple(d for d, n in enumerate(into.shape) if n == 1 and slopes.shape[d] != 1), keepdims=True
            )
    dq *= scale
    if dbias is not None:
        dbias = dbias.reshape(bias_shape)
    return dq.reshape(q_shape), dk.reshape(k_shape), dv.reshape(v_shape), dbias


@fused(wrt=("q", "k", "v", "bias"), forward=_forward, backward=_backward)
def attention(q: Any, k: Any, v: Any, bias: Any = None, mask: Any = None, scale: float | None = None) -> Any:
    """softmax(q kᵀ · scale + bias) v, where the mask (True: may look) is; `scale` is 1 / √D if not given.

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
    return np.matmul(softmax(scores, -1), v)
