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

from minigrad import ShapeError, Tensor, as_tensor, no_grad
from minigrad.viz.measure import columns

from . import masks
from .attention import Attention, CrossAttention, MultiHead, SelfAttention, placed
from .module import Module
from .normalisation import Softmax
from .similarity import Dot, ScaledDot

SHOWN = 9  # features of a vector that are printed; the rest is an "…"


@dataclass(frozen=True, repr=False)
class Walkthrough:
    """The stages of attention of one sequence, or of one head, as arrays; `str` of it is all of them as tables.

    `products` is q kᵀ, and None for a similarity that is made of something else; `rule` says how the scores come of it.

    A key that a query may not attend to has the score −∞.

    **Shapes**: q (Tq, d_k), k (Tk, d_k), v (Tk, d_v); products, scores and weights (Tq, Tk); output (Tq, d_v).
    """

    queries: Sequence[str]
    keys: Sequence[str]
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    products: np.ndarray | None
    rule: str
    scores: np.ndarray
    normalisation: Module
    weights: np.ndarray
    output: np.ndarray

    def __str__(self) -> str:
        parts = [matrix("Q", self.queries, self.q), matrix("K", self.keys, self.k), matrix("V", self.keys, self.v)]
        rule = self.rule
        if self.products is not None:
            rule = f"Q Kᵀ {self.rule}"
            if self.rule:
                parts.append(matrix("Q Kᵀ", self.queries, self.products, self.keys))
        shares = f"weights = {type(self.normalisation).__name__.lower()} of each row of scores"
        parts.append(matrix(f"scores = {rule}".rstrip(), self.queries, self.scores, self.keys))
        parts.append(matrix(shares, self.queries, self.weights, self.keys))
        parts.append(matrix("output = weights · V", self.queries, self.output))
        return "\n\n".join(parts)

    __repr__ = __str__

    def step_by_step(self, query: int) -> str:
        """One query: a row for each key, with how much it resembles the query, its weight, and what it contributes.

        **Raises** `IndexError` if there is no such query.

        >>> import minigrad
        >>> x = minigrad.tensor([[1, 0], [0, 1]]).double()
        >>> print(walk_through(Attention("dot"), x, ["我", "爱"]).step_by_step(1))
        爱 asks with q = (0, 1)
          key        q · k     e^score  weight    weight · v
          我   0·1 + 1·0 =  0        1    0.27     (0.27, 0)
          爱   0·0 + 1·1 =  1     2.72    0.73     (0, 0.73)
          sum                     3.72    1.00  (0.27, 0.73)
        """
        if not -len(self.queries) <= query < len(self.queries):
            raise IndexError(f"step_by_step: there is no query {query}; they go from 0 to {len(self.queries) - 1}")
        q, weights = self.q[query], self.weights[query]
        table = [["key", *self.keys, "sum"]]
        if self.products is not None:
            if len(q) <= SHOWN:
                terms = [" + ".join(f"{_number(a)}·{_number(b)}" for a, b in zip(q, k, strict=True)) for k in self.k]
                table.append(["q · k", *(f"{term} =" for term in terms), ""])
            table.append(["", *_numbers(self.products[query]), ""])
        if self.rule:
            table.append([self.rule, *_numbers(self.scores[query]), ""])
        if isinstance(self.normalisation, Softmax):
            with np.errstate(over="ignore"):
                powers = np.exp(self.scores[query] / self.normalisation.temperature)
            name = "e^score" if self.normalisation.temperature == 1 else "e^(score / τ)"
            table.append([name, *_numbers(powers), f"{powers.sum():.2f}"])
        table.append(["weight", *_numbers(weights), f"{weights.sum():.2f}"])
        parts = [_vector(weight * v) for weight, v in zip(weights, self.v, strict=True)]
        table.append(["weight · v", *parts, _vector(self.output[query])])
        rows = list(zip(*table, strict=True))
        return "\n".join([f"{self.queries[query]} asks with q = {_vector(q)}", *aligned(rows)])


@no_grad()
def walk_through(
    layer: Module,
    x: Any,
    tokens: Sequence[str],
    context: Any = None,
    keys: Sequence[str] | None = None,
    mask: Any = None,
    head: int = 0,
) -> Walkthrough:
    """Run a layer of attention on one sequence, stage by stage, and keep what comes out of each.

    `tokens` name the positions of x, which asks; `keys` those of `context`, which answers (x itself unless given). Of
    several heads, one is shown, with its own output: what it gives before the heads are joined. Dropout is left out.

    **Shapes**: x (Tq, D), context (Tk, D'), mask (Tq, Tk), True where a query may attend to a key.

    **Raises** `TypeError` for a layer other than `Attention`, `SelfAttention`, `CrossAttention` and `MultiHead`;
    `ShapeError` if the shapes do not fit, or there is not one token for each position; `IndexError` for a head that
    the layer does not have.

    >>> import minigrad
    >>> walk = walk_through(MultiHead(6, 2), minigrad.randn(3, 6), ["猫", "吃", "鱼"], head=1)
    >>> walk.q.shape, walk.weights.shape
    ((3, 3), (3, 3))
    """
    if type(layer) not in (Attention, SelfAttention, CrossAttention, MultiHead):  # a subclass may look elsewhere
        raise TypeError(
            f"walk_through: Attention, SelfAttention, CrossAttention and MultiHead can be walked through, not "
            f"{type(layer).__name__}; record_attention shows the weights of any layer"
        )
    x = as_tensor(x)
    context = x if context is None else as_tensor(context)
    keys = tokens if keys is None else keys
    for names, positions in ((tokens, x), (keys, context)):
        if positions.ndim != 2 or len(names) != len(positions):
            raise ShapeError(
                f"walk_through: {len(names)} tokens for vectors of shape {positions.shape}; give one sequence "
                f"(positions, features) and one token for each position"
            )
    heads = layer.num_heads if isinstance(layer, MultiHead) else 1
    if not 0 <= head < heads:
        raise IndexError(f"walk_through: head {head} of a layer that has {heads}; they go from 0 to {heads - 1}")

    if isinstance(layer, Attention):
        q, k, v, positions = x, context, context, None
    else:
        q, k, v, positions = layer.query(x), layer.key(context), layer.value(context), layer.positions
    q, k, v = (each.unflatten(-1, (heads, -1)).transpose(0, 1).unsqueeze(0) for each in (q, k, v))  # (1, H, T, d)
    q, k, bias = placed(positions, q, k)
    products = q @ k.mT if type(layer.similarity) in (Dot, ScaledDot) else None  # (1, H, Tq, Tk)
    scores = layer.similarity(q, k)
    rule = {Dot: "", ScaledDot: f"÷ √{q.shape[-1]}"}.get(type(layer.similarity), str(layer.similarity))
    if bias is not None:
        scores, rule = scores + bias, f"{rule} + positions".lstrip()
    allowed = masks.for_scores(mask, None, scores.shape)
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -math.inf)
    weights = layer.normalisation(scores, allowed)
    output = weights @ v

    def shown(stage: Tensor) -> np.ndarray:
        return stage[0, head].numpy()

    return Walkthrough(
        tokens, keys, shown(q), shown(k), shown(v), None if products is None else shown(products), rule,
        shown(scores), layer.normalisation, shown(weights), shown(output),
    )  # fmt: skip


# ---- tables ---------------------------------------------------------------------------------------------------------


def matrix(title: str, rows: Sequence[str], values: np.ndarray, names: Sequence[str] | None = None) -> str:
    """A matrix under its title, with a name before each row and, if given, over each column.

    >>> print(matrix("scores", ["我", "学习"], np.array([[1.0, 2.5], [0.0, 3.0]]), ["我", "学习"]))
    scores
            我  学习
      我     1  2.50
      学习   0     3
    """
    cut = values[:, :SHOWN] if names is None else values
    more = ["…"] * (cut.shape != values.shape)
    lines = [[row, *_numbers(cells), *more] for row, cells in zip(rows, cut, strict=True)]
    return "\n".join([title, *aligned([["", *names], *lines] if names is not None else lines)])


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """The rows of a table as lines: the first column flush left, the others right; ideographs take two columns."""
    rows = list(rows)
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        rooms = [" " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)]
        others = (f"  {room}{cell}" for cell, room in zip(row[1:], rooms[1:], strict=True))
        lines.append(f"  {row[0]}{rooms[0]}{''.join(others)}".rstrip())
    return lines


def _number(value: float) -> str:
    """Two decimals, and none of a whole number."""
    if np.isfinite(value) and value == round(value):
        return f"{value:.0f}"
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 makes 0.00 of −0.00


def _numbers(values: Iterable[float]) -> list[str]:
    return [_number(float(value)) for value in values]


def _vector(values: np.ndarray) -> str:
    return f"({', '.join(_numbers(values[:SHOWN]))}{', …' if len(values) > SHOWN else ''})"
