"""Attention taken slowly: every number on the way from vectors to output, with the names of the tokens beside it.

    walk = walk_through(layer, x, ["我", "爱", "机器", "学习"])
    print(walk)                     # Q, K, V, scores, weights and output as tables
    print(walk.step_by_step(1))     # how 爱 compares itself with every key, and what it takes from each
    walk.weights                    # the same as arrays
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor, no_grad
from minigrad.viz.measure import columns

from . import masks, similarity
from .attention import Attention, CrossAttention, MultiHead, placed
from .module import Module
from .normalisation import Softmax

SHOWN = 9  # features of a vector; the rest is an "…"


@dataclass(frozen=True, repr=False)
class Walkthrough:
    """The stages of attention for one sequence, or one head of it, from queries, keys and values to the output.

    `products` is q kᵀ where that is the first stage, and None for another similarity. `str` of it is all of them as
    tables, with a row for each token.

    **Shapes**: q (Tq, d_k), k (Tk, d_k), v (Tk, d_v), products, scores and weights (Tq, Tk), output (Tq, d_v).
    """

    queries: Sequence[str]
    keys: Sequence[str]
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    products: np.ndarray | None
    scores: np.ndarray
    weights: np.ndarray
    output: np.ndarray
    layer: Module

    def __str__(self) -> str:
        parts = [("Q", self.queries, self.q, None), ("K", self.keys, self.k, None), ("V", self.keys, self.v, None)]
        if self._divisor != 1:
            parts.append(("Q Kᵀ", self.queries, self.products, self.keys))
            parts.append((f"scores = Q Kᵀ ÷ √{self.q.shape[1]}", self.queries, self.scores, self.keys))
        else:
            parts.append(("scores", self.queries, self.scores, self.keys))
        parts.append((f"weights = {self._normalisation} of each row", self.queries, self.weights, self.keys))
        parts.append(("output = weights · V", self.queries, self.output, None))
        return "\n\n".join(matrix(title, rows, values, heads) for title, rows, values, heads in parts)

    __repr__ = __str__

    def step_by_step(self, query: int) -> str:
        """How this one query compares itself with every key, and what it takes from each.

        **Raises** `IndexError` if there is no such query.
        """
        if not -len(self.queries) <= query < len(self.queries):
            raise IndexError(f"walk_through: there is no query {query}; they go from 0 to {len(self.queries) - 1}")
        q, scores, weights = self.q[query], self.scores[query], self.weights[query]
        table = [["", *self.keys, ""]]
        if self.products is not None and len(q) <= SHOWN:
            table.append(["q · k", *(" + ".join(map(_times, q, k)) for k in self.k), ""])
        if self.products is not None:
            table.append(["= product", *numbers(self.products[query]), ""])
        if self._divisor != 1 or self.products is None:
            table.append([f"÷ √{len(q)} = score" if self._divisor != 1 else "score", *numbers(scores), ""])
        if self._softmax:
            with np.errstate(over="ignore"):
                powers = np.exp(scores)
            table.append(["e^score", *numbers(powers), f"sum {powers.sum():.2f}"])
        table.append([f"÷ {powers.sum():.2f} = weight" if self._softmax else f"{self._normalisation}", *numbers(weights), ""])
        table.append(["v", *(_vector(v) for v in self.v), ""])
        table.append(["weight · v", *(_vector(w * v) for w, v in zip(weights, self.v, strict=True)), _vector(self.output[query])])
        table[0][-1], title = "sum", f"{self.queries[query]} asks with q = {_vector(q)}"
        return "\n".join([title, *aligned(zip(*table, strict=True))])
