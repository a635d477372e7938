"""Vectors for words: a table with a trained row for each id."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops import index

from . import functional, init
from .module import Module, Parameter


class Embedding(Module):
    """Row `ids[…]` of the weight for each id: what a one-hot vector times the weight would be.

    The row `padding_idx` starts as zeros and gets no gradient, so it stays as it is; −1 is the last row. With
    `max_norm`, rows that are looked up and longer than that (in the `norm_type`-norm) are first shortened to it, in the
    weight itself. `sparse` is accepted, and changes nothing.

    **Shapes**: ids (…) → (…, D); weight (V, D), from the normal distribution N(0, 1).

    **Raises** `ShapeError` (an `IndexError`) for an id that is not a row, `TypeError` for ids that are not integers.

    >>> layer = Embedding(7, 3, padding_idx=0)
    >>> layer(minigrad.tensor([[5, 0]]))[0, 1]
    tensor([0., 0., 0.], grad_fn=<getitem>)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        *,
        sparse: bool = False,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.max_norm, self.norm_type = max_norm, norm_type
        self.padding_idx = None if padding_idx is None else functional.row_of(padding_idx, num_embeddings)
        self.weight = Parameter(minigrad.empty(num_embeddings, embedding_dim))
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
    ) -> Embedding:
        """A layer on the memory of the rows `embeddings` (V, D), which are trained only if `freeze` is False."""
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: a matrix (V, D) is needed, not {embeddings.shape}")
        rows, columns = embeddings.shape
        layer = cls(rows, columns, padding_idx, max_norm, norm_type)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draw the weight anew, the padding row apart."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with minigrad.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        """Look the rows up."""
        if self.max_norm is not None:
            functional.shorten_rows(self.weight, input, self.max_norm, self.norm_type)
        return index.embedding(self.weight, input, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes, and the padding row if there is one."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        longest = "" if self.max_norm is None else f", max_norm={self.max_norm}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}{longest}"


class EmbeddingBag(Module):
    """The mean, sum or largest entries of the rows of each bag of ids: one vector for a text, whatever its length.

    The bags are the rows of a matrix of ids; or one list of ids, with `offsets` saying where each bag begins (with
    `include_last_offset` also where the last one ends). Ids that are `padding_idx` do not count. An empty bag gives
    zeros. `per_sample_weights`, in the shape of the ids and for the sum only, multiply the rows. `max_norm` and
    `sparse` are as in `Embedding`.

    **Shapes**: ids (B, N), or (N) with offsets (B) → (B, D); weight (V, D), from N(0, 1), the row `padding_idx` zeros.

    **Raises** `ShapeError` for other shapes, for offsets that do not begin with 0 and rise to at most N, and (then also
    an `IndexError`) for an id that is not a row; `TypeError` for ids that are not integers; `ValueError` for another
    mode.

    Source: Joulin et al., "Bag of Tricks for Efficient Text Classification" (2016), arXiv:1607.01759, of the mean.

    >>> layer = EmbeddingBag(7, 3, mode="sum")
    >>> layer(minigrad.tensor([5, 0, 2, 2]), offsets=minigrad.tensor([0, 3])).shape
    (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> None:
        super().__init__()
        if mode not in ("mean", "sum", "max"):
            raise ValueError(f"EmbeddingBag: mode is 'mean', 'sum' or 'max', not {mode!r}")
        self.num_embeddings, self.embedding_dim, self.mode = num_embeddings, embedding_dim, mode
        self.include_last_offset = include_last_offset
        self.max_norm, self.norm_type = max_norm, norm_type
        self.padding_idx = None if padding_idx is None else functional.row_of(padding_idx, num_embeddings)
        self.weight = Parameter(minigrad.empty(num_embeddings, embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weight anew, the padding row apart."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with minigrad.no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor, offsets: Any = None, per_sample_weights: Tensor | None = None) -> Tensor:
        """Look the rows up and bring each bag together."""
        input = minigrad.as_tensor(input)
        where, counted = self._bags(input, offsets)  # both (B, L), L the length of the longest bag
        if per_sample_weights is not None and (self.mode != "sum" or per_sample_weights.shape != input.shape):
            raise ShapeError(
                f"EmbeddingBag: per_sample_weights go with mode='sum' and have the shape {input.shape} of the ids, but "
                f"the mode is {self.mode!r} and their shape {per_sample_weights.shape}"
            )
        if self.max_norm is not None:
            functional.shorten_rows(self.weight, input, self.max_norm, self.norm_type)
        ids = input.reshape(-1)[where]
        rows = index.embedding(self.weight, ids, self.padding_idx)  # (B, L, D)
        if self.mode == "max" and where.shape[1]:  # if all bags are empty, their sum does as well
            largest = rows.masked_fill(~counted[:, :, None], -math.inf).amax(1)
            return largest.masked_fill(~counted.any(1, keepdims=True), 0.0)
        total = rows if per_sample_weights is None else rows * per_sample_weights.reshape(-1)[where][:, :, None]
        if not counted.all():
            total = total.masked_fill(~counted[:, :, None], 0.0)
        total = total.sum(1)  # (B, D)
        if self.mode == "sum":
            return total
        return total / counted.sum(1, keepdims=True).clip(1).astype(total.dtype)

    def _bags(self, input: Tensor, offsets: Any) -> tuple[np.ndarray, np.ndarray]:
        """For each place of each bag, where its id stands in the flat input, and whether it counts."""
        flat = input.array.reshape(-1)
        if input.ndim == 2 and offsets is None:
            starts = np.arange(len(input) + 1) * input.shape[1]
        elif input.ndim == 1 and offsets is not None:
            starts = np.asarray(offsets.array if isinstance(offsets, Tensor) else offsets)
            starts = starts if self.include_last_offset else np.append(starts, len(flat))
            ok = starts.ndim == 1 and starts.size and starts[0] == 0 and (starts[1:] >= starts[:-1]).all()
            if not ok or starts[-1] > len(flat):
                raise ShapeError(
                    f"EmbeddingBag: offsets begin with 0, never fall, and end by {len(flat)}, unlike {starts.tolist()}"
                )
        else:
            raise ShapeError(
                f"EmbeddingBag: ids are (bags, ids) without offsets, or one list with offsets, but their shape is "
                f"{input.shape} and offsets are {'missing' if offsets is None else 'given'}"
            )
        lengths = starts[1:] - starts[:-1]
        places = np.arange(lengths.max(initial=0))
        inside = places < lengths[:, None]
        where = np.where(inside, starts[:-1, None] + places, 0)
        return where, inside if self.padding_idx is None else inside & (flat[where] != self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes, the mode, and the padding row if there is one."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode!r}{padding}"
