"""Vectors for words: a table with a trained row for each id."""

from __future__ import annotations

import minigrad
from minigrad import ShapeError, Tensor
from minigrad.ops import index

from . import functional, init
from .module import Module, Parameter


class Embedding(Module):
    """Row `ids[…]` of the weight for each id: what a one-hot vector times the weight would be.

    The row `padding_idx` starts as zeros and gets no gradient, so it stays as it is; −1 is the last row.

    **Shapes**: ids (…) → (…, D); weight (V, D), from the normal distribution N(0, 1).

    **Raises** `ShapeError` (an `IndexError`) for an id that is not a row, `TypeError` for ids that are not integers.

    >>> layer = Embedding(7, 3, padding_idx=0)
    >>> layer(minigrad.tensor([[5, 0]]))[0, 1]
    tensor([0., 0., 0.], grad_fn=<getitem>)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = None if padding_idx is None else functional.row_of(padding_idx, num_embeddings)
        self.weight = Parameter(minigrad.empty(num_embeddings, embedding_dim))
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """A layer on the memory of the rows `embeddings` (V, D), which are trained only if `freeze` is False."""
        if embeddings.ndim != 2:
            raise ShapeError(f"Embedding.from_pretrained: a matrix (V, D) is needed, not {embeddings.shape}")
        rows, columns = embeddings.shape
        layer = cls(rows, columns, padding_idx)
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
        return index.embedding(self.weight, input, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes, and the padding row if there is one."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
