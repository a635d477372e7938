"""Models of language that only count, to be printed beside those that learn: of letters, and of words in a gap."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

NEIGHBOURS = ("unigram", "bigram", "both neighbours")


def loss_of_counting(train: str, val: str, order: int, prior: float = 5.0) -> float:
    """The mean of −log p over the letters of `val`, each judged by how often it came after the `order` before it.

    p(a | context) = (count(context a) + prior · p(a | shorter context)) / (count(context) + prior)
    """
    contexts = Counter(train[i - n : i] for n in range(order + 1) for i in range(n, len(train)))
    grams = Counter(train[i - n : i + 1] for n in range(order + 1) for i in range(n, len(train)))
    letters, loss = len(set(train + val)), 0.0
    for i in range(order, len(val)):
        p = 1 / letters
        for n in range(order + 1):
            context = val[i - n : i]
            p = (grams[context + val[i]] + prior * p) / (contexts[context] + prior)
        loss -= math.log(p)
    return loss / (len(val) - order)


class Neighbours:
    """The word that was seen most often: at all, after the word on the left, between the words on both sides."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        seen: dict[tuple[str, ...], Counter[str]] = {}
        for text in texts:
            for i, word in enumerate(text):
                for n in range(len(NEIGHBOURS)):
                    seen.setdefault(self.context(text, i, n), Counter())[word] += 1
        self.best = {context: counter.most_common(1)[0][0] for context, counter in seen.items()}

    def context(self, text: Sequence[str], i: int, n: int) -> tuple[str, ...]:
        """The n neighbours by which word i is guessed: none, the left one, both; nothing stands beyond the ends."""
        padded = ["", *text, ""]
        return (padded[i], padded[i + 2])[:n]

    def guess(self, text: Sequence[str], i: int, n: int) -> str:
        """The guess from n neighbours, or from fewer where they never stood together."""
        return self.best.get(self.context(text, i, n)) or self.guess(text, i, n - 1)
