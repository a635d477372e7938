"""Who may look where: boolean masks for attention.

One convention everywhere in this package: **True = may attend**, and a mask is broadcast against the scores
(B, H, Tq, Tk), batch × heads × queries × keys. Masks are combined with `&`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor


def padding(lengths: Any, steps: int) -> Tensor:
    """Keys that are real: the first `lengths[b]` of `steps` positions in sentence b.

    **Shapes**: lengths (B) → (B, 1, 1, T).

    **Raises** `ShapeError` if a length is negative or more than `steps`.

    >>> padding([1, 3], 3).squeeze()
    tensor([[ True, False, False],
            [ True,  True,  True]])
    """
    lengths = np.asarray(lengths.array if isinstance(lengths, Tensor) else lengths)
    if lengths.ndim != 1 or (lengths.size and not 0 <= lengths.min() <= lengths.max() <= steps):
        raise ShapeError(f"lengths: one number from 0 to {steps} for each sentence is needed, not {lengths.tolist()}")
    return Tensor(np.arange(steps) < lengths[:, None, None, None])


def causal(steps: int) -> Tensor:
    """Each query sees itself and the keys before it.

    **Shapes**: (T, T).

    >>> causal(3)
    tensor([[ True, False, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """
    return minigrad.tril(minigrad.ones(steps, steps, dtype=minigrad.bool))


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
        if mask.ndim < 2 or any(n not in (1, m) for n, m in zip(mask.shape[::-1], shape[::-1], strict=False)):
            raise ShapeError(
                f"mask: shape {mask.shape} does not fit the scores (batch, heads, queries, keys) = {shape}; "
                f"give (queries, keys), (batch, queries, keys) or all four"
            )
    if lengths is None:
        return mask
    real = padding(lengths, shape[-1])
    if real.shape[0] != shape[0]:
        raise ShapeError(f"lengths: {real.shape[0]} lengths for a batch of {shape[0]} sentences")
    return real if mask is None else mask & real
