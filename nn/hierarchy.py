"""Attention in two storeys: the words of each sentence become a sentence vector, the sentences a document vector.

Documents are ragged: each has its own number of sentences, and each sentence its own number of words. `pad_documents`
lays them out in one array with the numbers of words beside it, 0 for a sentence that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor

from .attention import AttentionPool
from .module import Module


class Hierarchical(Module):
    """Words → sentence vectors → a document vector, by pooling twice; often called multi-layer attention.

        sentence[s] = words(x[s]);    y = sentences(sentence), over the sentences that have words

    `words` and `sentences` are modules that pool, (B, T, D) → (B, D'), and know `lengths` and `mask`, such as
    `AttentionPool`, which both are unless given. Empty sentences count for nothing, wherever they stand, and a document
    without words is 0.

    **Shapes**: x (B, S, W, D), S sentences of W words, lengths (B, S) words in each → y (B, D), weights of the
    sentences (B, S) and of their words (B, S, W).

    **Raises** `ShapeError` if x and lengths do not fit.

    Source: Yang et al., "Hierarchical Attention Networks for Document Classification" (2016), without its GRUs.

    >>> layer = Hierarchical(3)
    >>> layer(minigrad.randn(2, 5, 7, 3), lengths=[[7, 2, 0, 0, 0], [1, 0, 3, 0, 0]]).shape
    (2, 3)
    """

    def __init__(self, dim: int, words: Module | None = None, sentences: Module | None = None) -> None:
        super().__init__()
        self.words = AttentionPool(dim) if words is None else words
        self.sentences = AttentionPool(dim) if sentences is None else sentences

    def forward(self, x: Tensor, lengths: Any, return_weights: bool = False) -> Any:
        """Pool the words of all sentences at once, then the sentences."""
        lengths = minigrad.as_tensor(lengths)
        if x.ndim != 4 or lengths.shape != x.shape[:2]:
            raise ShapeError(
                f"Hierarchical: documents (batch, sentences, words, features) and lengths (batch, sentences) are "
                f"needed, not {x.shape} and {lengths.shape}"
            )
        batch, sentences = lengths.shape
        pooled, words = self.words(
            x.flatten(0, 1), lengths=lengths.flatten(), return_weights=True
        )  # (B S, D), (B S, W)
        pooled = pooled.unflatten(0, (batch, sentences))  # (B, S, D)
        y, weights = self.sentences(pooled, mask=lengths > 0, return_weights=True)  # (B, D), (B, S)
        return (y, weights, words.unflatten(0, (batch, sentences))) if return_weights else y


def pad_documents(documents: Sequence[Sequence[Sequence[int]]], padding: int = 0) -> tuple[Tensor, Tensor]:
    """Documents of sentences of word ids as one array, and the number of words in each sentence.

    **Shapes**: → ids (B, S, W) and lengths (B, S), for the most sentences S and the most words W there are.

    >>> ids, lengths = pad_documents([[[5, 6, 7], [8]], [[9]]])
    >>> ids.tolist(), lengths.tolist()
    ([[[5, 6, 7], [8, 0, 0]], [[9, 0, 0], [0, 0, 0]]], [[3, 1], [1, 0]])
    """
    most = max((len(document) for document in documents), default=0)
    longest = max((len(sentence) for document in documents for sentence in document), default=0)
    ids = np.full((len(documents), most, longest), padding)
    lengths = np.zeros((len(documents), most), np.int64)
    for b, document in enumerate(documents):
        for s, sentence in enumerate(document):
            ids[b, s, : len(sentence)] = sentence
            lengths[b, s] = len(sentence)
    return Tensor(ids), Tensor(lengths)
