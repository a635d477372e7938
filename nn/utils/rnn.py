"""Sequences of unequal length as one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import minigrad
from minigrad import ShapeError, Tensor


def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Fill the shorter sequences up to the length T of the longest, and stack them; differentiable.

    **Shapes**: B sequences (T_b, …) → (T, B, …), or (B, T, …) with `batch_first`.

    **Raises** `ValueError` if there are no sequences or `padding_side` is not "left" or "right"; `ShapeError` if they
    differ in more than length.

    >>> pad_sequence([Tensor([1, 2, 3]), Tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    sequences = list(sequences)
    if not sequences:
        raise ValueError("pad_sequence: there are no sequences to pad")
    if padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: padding_side is 'left' or 'right', not {padding_side!r}")
    for i, x in enumerate(sequences):
        if x.ndim == 0 or x.shape[1:] != sequences[0].shape[1:]:
            raise ShapeError(
                f"pad_sequence: sequences may differ in their first dimension only, but number 0 is "
                f"{sequences[0].shape} and number {i} is {x.shape}"
            )
    longest = max(len(x) for x in sequences)
    filled = []
    for x in sequences:
        missing = minigrad.full((longest - len(x), *x.shape[1:]), padding_value, dtype=x.dtype)
        filled.append(minigrad.cat([x, missing] if padding_side == "right" else [missing, x]))
    return minigrad.stack(filled, dim=0 if batch_first else 1)
