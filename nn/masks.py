"""Who may look where: boolean masks for attention.

One convention everywhere in this package: **True = may attend**, and a mask is broadcast against the scores
(B, H, Tq, Tk), batch × heads × queries × keys. Masks are combined with `&`. A query that may attend to nothing gets
weights 0, an output of 0 and gradients of 0.

    padding(lengths, T)      the real words of each sentence
    causal(T)                oneself and what came before
    window(T, reach)         oneself and the neighbours (`WindowAttention` does the same without the T × T scores)
    graph(edges, N)          the neighbours in a graph
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.index import plain_values

from .data import length_mask


def padding(lengths: Any, steps: int) -> Tensor:
    """Keys that are real: the first `lengths[b]` of `steps` positions in sentence b.

    **Shapes**: lengths (B) → (B, 1, 1, T).

    **Raises** what `data.length_mask` does, which makes the same mask as an array (B, T).

    >>> padding([1, 3], 3).squeeze()
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    return Tensor(length_mask(lengths, steps)[:, None, None])


def real(lengths: Any, batch: int, steps: int) -> Tensor:
    """`padding` for a batch of so many sequences; without lengths, all of it is real.

    **Raises** `ShapeError` if the lengths do not fit.
    """
    mask = padding([steps] * batch if lengths is None else lengths, steps)
    if mask.shape[0] != batch:
        raise ShapeError(f"lengths: {mask.shape[0]} lengths for a batch of {batch} sequences")
    return mask


def causal(steps: int) -> Tensor:
    """Each query sees itself and the keys before it.

    **Shapes**: (T, T).

    >>> causal(3)
    tensor([[ True, False, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """
    return minigrad.tril(minigrad.ones(steps, steps, dtype=minigrad.bool))


def window(steps: int, reach: int | tuple[int, int]) -> Tensor:
    """Each query sees the keys at most `reach` away; a pair (before, after) reaches differently far to either side.

    **Shapes**: (T, T).

    >>> window(3, 1)
    tensor([[ True,  True, False],
            [ True,  True,  True],
            [False,  True,  True]])
    """
    before, after = reach_of(reach)
    distance = np.arange(steps) - np.arange(steps)[:, None]  # key − query
    return Tensor((-before <= distance) & (distance <= after))


def reach_of(reach: int | tuple[int, int]) -> tuple[int, int]:
    """How far a window reaches (before, after).

    **Raises** `ValueError` if either is negative, `TypeError` if they are not whole numbers.
    """
    before, after = reach if isinstance(reach, (tuple, list)) else (reach, reach)
    if not (hasattr(before, "__index__") and hasattr(after, "__index__")):
        raise TypeError(f"reach: a window reaches a whole number of steps, or (before, after), not {reach!r}")
    if before < 0 or after < 0:
        raise ValueError(f"reach: a window reaches 0 or more steps before and after, not {reach}")
    return before, after


def graph(edges: Any, nodes: int) -> Tensor:
    """The adjacency matrix of a graph: node i sees node j if an edge leads from j to i. Nodes do not see themselves
    unless an edge says so.

    **Shapes**: edges (2, E), sources and targets → (N, N).

    **Raises** `ShapeError` if an edge ends at a node that does not exist.

    >>> graph([[0, 1], [1, 2]], 3)
    tensor([[False, False, False],
            [ True, False, False],
            [False,  True, False]])
    """
    source, target = ends_of(edges, nodes)
    adjacent = np.zeros((nodes, nodes), bool)
    adjacent[target, source] = True
    return Tensor(adjacent)


def ends_of(edges: Any, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """The sources and the targets of a list of edges (2, E) between nodes 0 … `nodes` − 1.

    **Raises** `ShapeError` if the list has another shape or names other nodes.
    """
    edges = plain_values(edges)
    if not edges.size:
        edges = edges.reshape(2, 0).astype(np.int64)
    if edges.ndim != 2 or len(edges) != 2 or edges.dtype.kind not in "iu":
        raise ShapeError(f"edges: integers (2, E), sources above targets, are needed, not {edges.dtype} {edges.shape}")
    if edges.size and not 0 <= edges.min() <= edges.max() < nodes:
        raise ShapeError(f"edges: they join nodes {edges.min()} to {edges.max()}, but there are {nodes}, from 0 on")
    return edges[0], edges[1]


def for_scores(mask: Any, lengths: Any, shape: tuple[int, int, int, int]) -> Tensor | None:
    """A user's `mask` and `lengths` as one mask that broadcasts against scores of the given shape (B, H, Tq, Tk).

    A mask may be (Tq, Tk), (B, Tq, Tk) or (B or 1, H or 1, Tq or 1, Tk).

    **Raises** `TypeError` for a mask that is not boolean, `ShapeError` for one that does not fit.
    """
    if mask is not None:
        mask = mask if isinstance(mask, Tensor) else Tensor(mask)
        if mask.dtype != minigrad.bool:
            raise TypeError(f"mask: True where a query may attend to a key, not {mask.dtype}; write mask.bool()")
        if mask.ndim == 3:
            mask = mask.unsqueeze(1)
        if mask.ndim not in (2, 4) or any(n not in (1, m) for n, m in zip(mask.shape[::-1], shape[::-1], strict=False)):
            raise ShapeError(
                f"mask: shape {mask.shape} does not fit the scores (batch, heads, queries, keys) = {shape}; "
                f"give (queries, keys), (batch, queries, keys) or all four"
            )
    if lengths is None:
        return mask
    keys = real(lengths, shape[0], shape[-1])
    return keys if mask is None else mask & keys


def for_one_head(mask: Any, lengths: Any, shape: tuple[int, int, int, int]) -> Tensor | None:
    """`for_scores` for a layer with a single head, whose scores are (B, Tq, Tk)."""
    allowed = for_scores(mask, lengths, shape)
    return allowed if allowed is None or allowed.ndim < 4 else allowed.squeeze(1)
