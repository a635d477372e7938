"""What one gets without a network that sees the order of words: to be printed beside every model that does.

Tags: `MostFrequentTag` knows the words one at a time. Sentences: `BagOfWords` and `NaiveBayes` count words (the latter
also pairs of neighbours), and on short reviews of films they are hard to beat.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

import minigrad
import nn
from minigrad import Tensor
from nn.data import Sentence


class MostFrequentTag:
    """The tag that each word has most often; for an unknown word, the tag that is most frequent of all."""

    def __init__(self, sentences: Sequence[Sentence]) -> None:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for s in sentences:
            for word, tag in zip(s.words, s.tags, strict=True):
                counts[word.lower()][tag] += 1
        self.majority = sum(counts.values(), Counter()).most_common(1)[0][0]
        self.of_word = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
        self.ambiguous = {word for word, tags in counts.items() if len(tags) > 1}

    def tag(self, word: str) -> str:
        return self.of_word.get(word.lower(), self.majority)

    def answers(self, sentences: Sequence[Sentence]) -> dict[str, list[list[str]]]:
        """The tags of sentences, from the commonest tag of all and from that of each word."""
        return {
            "majority": [[self.majority for _ in s.words] for s in sentences],
            "most frequent": [[self.tag(word) for word in s.words] for s in sentences],
        }


class BagOfWords(nn.Module):
    """Logistic regression, a weight for each word and label: ids (B, T) → scores of the labels (B, C)."""

    def __init__(self, words: int, labels: int) -> None:
        super().__init__()
        self.weight = nn.EmbeddingBag(words, labels, mode="sum", padding_idx=0)
        nn.init.zeros_(self.weight.weight)
        self.bias = nn.Parameter(minigrad.zeros(labels))

    def forward(self, ids: Tensor, lengths: np.ndarray) -> Tensor:
        return self.weight(ids) + self.bias


class NaiveBayes:
    """P(label | text) ∝ P(label) · Π P(n-gram | label), over the words and pairs of neighbours that the text has."""

    def __init__(self, texts: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
        self.labels = sorted(set(labels))
        counts = {label: Counter[tuple[str, ...]]() for label in self.labels}
        for tokens, label in zip(texts, labels, strict=True):
            counts[label].update(self.grams(tokens))
        known = set().union(*counts.values())
        seen = np.array([[c[gram] for c in counts.values()] for gram in known]) + 1.0  # as if once more: none is 0
        self.log = dict(zip(known, np.log(seen / seen.sum(0)), strict=True))
        self.prior = np.log([labels.count(label) / len(labels) for label in self.labels])

    @staticmethod
    def grams(tokens: Sequence[str]) -> set[tuple[str, ...]]:
        return {(token,) for token in tokens} | set(pairwise(tokens))

    def predict(self, tokens: Sequence[str]) -> str:
        known = self.grams(tokens) & self.log.keys()
        return self.labels[int(sum((self.log[gram] for gram in known), self.prior).argmax())]
