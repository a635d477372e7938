"""Sequences of unequal length as one tensor: filled up to the longest (padded), or without gaps (packed).

A packed batch holds only what is real, one time step after the other, the longest sequence first:

    a₀ a₁ a₂
    b₀ b₁      →  data a₀ b₀ c₀ a₁ b₁ a₂,  batch_sizes 3 2 1
    c₀

The recurrent layers here take padded sequences with `lengths=` just as well; packing is for programs that use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops.index import plain_values

from .. import masks


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
        if not isinstance(x, Tensor):
            raise TypeError(f"pad_sequence: number {i} of the sequences is a {type(x).__name__}; make a tensor of it")
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


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences without what `pad_sequence` filled them up with.

    **Shapes**: (T, B, …), or (B, T, …) with `batch_first`; lengths (B) → B sequences (T_b, …).

    **Raises** `ShapeError` if there is not one length from 0 to T for each sequence, `TypeError` if they are not
    integers.

    >>> unpad_sequence(Tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
    [tensor([1, 2, 3]), tensor([4])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    counts = masks.real(lengths, len(rows), rows.shape[1]).numpy().sum((1, 2, 3))
    return [row[:n] for row, n in zip(rows, counts.tolist(), strict=True)]


class PackedSequence(NamedTuple):
    """A batch of sequences without gaps; made by `pack_padded_sequence`, not by hand.

    `data` (Σ lengths, …) has the sequences of step 0, then those of step 1, and so on; `batch_sizes[t]` says how many
    there are at step t. `sorted_indices` lists the sequences, longest first, as they were numbered before packing, and
    `unsorted_indices` undoes that order; both are None if they came in order.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """The time step and the sequence, numbered as before packing, that each row of `data` came from."""
        steps, ranks = np.nonzero(np.arange(self.batch_sizes[0].item()) < self.batch_sizes.numpy()[:, None])
        return steps, ranks if self.sorted_indices is None else self.sorted_indices.numpy()[ranks]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave out what stands behind the end of each sequence; differentiable.

    With `enforce_sorted` the longest must come first, as in PyTorch; without, any order will do.

    **Shapes**: input (T, B, …), or (B, T, …) with `batch_first`; lengths (B).

    **Raises** `ShapeError` if there is not one length from 1 to T for each sequence, or if they do not fall in order;
    `TypeError` if they are not integers.

    >>> packed = pack_padded_sequence(Tensor([[1, 2, 3], [4, 0, 0]]), [3, 1], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 3]), tensor([2, 1, 1]))
    """
    if input.ndim < 2:
        raise ShapeError(f"pack_padded_sequence: a batch of sequences (T, B, …) is needed, not {input.shape}")
    if batch_first:
        input = input.transpose(0, 1)
    sizes = plain_values(lengths)
    if sizes.size and sizes.dtype.kind not in "iu":
        raise TypeError(f"pack_padded_sequence: lengths are integers, not {sizes.dtype}")
    steps, batch = input.shape[:2]
    if sizes.shape != (batch,) or not batch or sizes.min() < 1 or sizes.max() > steps:
        raise ShapeError(
            f"pack_padded_sequence: {batch} sequences of at most {steps} steps need {batch} lengths from 1 to {steps}, "
            f"not {sizes.tolist()}"
        )
    order = None
    if not enforce_sorted:
        order = np.argsort(-sizes, kind="stable")
        sizes = sizes[order]
    elif np.any(np.diff(sizes) > 0):
        raise ShapeError(
            f"pack_padded_sequence: the longest sequence must come first, but the lengths are {sizes.tolist()}; "
            f"sort them, or pass enforce_sorted=False"
        )
    batch_sizes = Tensor((sizes > np.arange(sizes[0])[:, None]).sum(1))
    if order is None:
        packed = PackedSequence(input, batch_sizes)
    else:
        packed = PackedSequence(input, batch_sizes, Tensor(order), Tensor(np.argsort(order)))
    return packed._replace(data=input[packed.places()])


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences of unequal length as one packed batch: `pad_sequence`, then `pack_padded_sequence`.

    >>> pack_sequence([Tensor([1, 2, 3]), Tensor([4])]).data
    tensor([1, 4, 2, 3])
    """
    return pack_padded_sequence(pad_sequence(sequences), [len(x) for x in sequences], enforce_sorted=enforce_sorted)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(padded sequences, lengths) of a packed batch, in the order from before packing; differentiable.

    **Shapes**: → (T, B, …), or (B, T, …) with `batch_first`, T being `total_length` or else the longest; lengths (B).

    **Raises** `ShapeError` if `total_length` is less than the longest.

    >>> packed = pack_padded_sequence(Tensor([[4, 0, 0], [1, 2, 3]]), [1, 3], batch_first=True, enforce_sorted=False)
    >>> pad_packed_sequence(packed, batch_first=True)
    (tensor([[4, 0, 0],
            [1, 2, 3]]), tensor([1, 3]))
    """
    data, batch = sequence.data, sequence.batch_sizes[0].item()
    longest = len(sequence.batch_sizes)
    if total_length is not None and total_length < longest:
        raise ShapeError(
            f"pad_packed_sequence: total_length={total_length}, but the longest sequence has {longest} steps"
        )
    steps, rows = sequence.places()
    padded = minigrad.full((total_length or longest, batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded[steps, rows] = data
    lengths = Tensor(np.bincount(rows, minlength=batch))
    return (padded.transpose(0, 1) if batch_first else padded), lengths
