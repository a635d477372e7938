"""Attention along the edges of a graph: each node looks at its neighbours.

A small graph is a mask: `SelfAttention(dim, similarity="graph")(x, mask=masks.graph(edges, nodes))`, with N × N scores.
For a large one, `GraphAttention` computes one score for each edge.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor

from . import functional, init, masks, record
from .dropout import Dropout
from .linear import Linear
from .module import Module, Parameter


class GraphAttention(Module):
    """Each node becomes a mixture of its neighbours, weighted by attention; cost and memory grow with the edges.

        h = W x;    score(i ← j) = LeakyReLU(a_q · h_i + a_k · h_j);    y_i = Σ_j softmax_j(score(i ← j)) h_j

    where j runs over the nodes from which an edge leads to i. A node does not see itself unless an edge says so; one
    that no edge leads to gets zeros. The results of the heads are joined, or, with `concat=False`, averaged; with
    `bias`, a trained vector is added to them. `dropout` acts on the weights: in training, a node overlooks some of its
    neighbours. Several graphs are one graph whose parts are not connected.

    **Shapes**: x (N, D), edges (2, E), sources above targets → y (N, H · out) or (N, out), weights (H, E).
    `linear.weight` (H · out, D), from U(−b, b) as in `Linear`; query and key (H, out), with b = 1 / √out; bias as wide
    as y, 0.

    **Raises** `ShapeError` if x is no matrix or an edge names a node that does not exist.

    Source: Veličković et al., "Graph Attention Networks" (2018), arXiv:1710.10903.

    >>> layer = GraphAttention(3, 5, num_heads=2)
    >>> layer(minigrad.randn(4, 3), edges=[[0, 1, 2, 2], [1, 0, 1, 3]]).shape
    (4, 10)
    """

    def __init__(
        self,
        dim: int,
        out: int,
        num_heads: int = 1,
        concat: bool = True,
        negative_slope: float = 0.2,
        dropout: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads, self.concat, self.negative_slope = num_heads, concat, negative_slope
        self.linear = Linear(dim, num_heads * out, bias=False)
        self.query = Parameter(minigrad.empty(num_heads, out))
        self.key = Parameter(minigrad.empty(num_heads, out))
        for vectors in (self.query, self.key):
            init.uniform_(vectors, -1 / math.sqrt(out), 1 / math.sqrt(out))
        self.dropout = Dropout(dropout)
        self.bias = Parameter(minigrad.zeros(num_heads * out if concat else out)) if bias else None

    def forward(self, x: Tensor, edges: Any, return_weights: bool = False) -> Any:
        """Attend along the edges."""
        if x.ndim != 2:
            raise ShapeError(f"GraphAttention: the nodes of a graph (nodes, features) are needed, not {x.shape}")
        source, target = masks.ends_of(edges, len(x))
        h = self.linear(x).unflatten(-1, (self.num_heads, -1))  # (N, H, out)
        wanted, offered = (h * self.query).sum(-1), (h * self.key).sum(-1)  # (N, H) each
        scores = functional.leaky_relu(wanted[target] + offered[source], self.negative_slope)  # (E, H)
        weights = segment_softmax(scores, target, len(x))  # (E, H)
        record.note(weights.transpose(0, 1))
        messages = self.dropout(weights).unsqueeze(-1) * h[source]  # (E, H, out)
        y = minigrad.zeros_like(h).index_add(0, target, messages)  # (N, H, out)
        y = y.flatten(1) if self.concat else y.mean(1)
        y = y if self.bias is None else y + self.bias
        return (y, weights.transpose(0, 1)) if return_weights else y

    def extra_repr(self) -> str:
        """The number of heads, and what becomes of them."""
        return f"num_heads={self.num_heads}, concat={self.concat}"


def segment_softmax(scores: Tensor, segment: np.ndarray, segments: int) -> Tensor:
    """Softmax over the rows of each segment by itself; row e belongs to segment[e].

    **Shapes**: scores (E, …), segment (E) → (E, …).

    >>> segment_softmax(minigrad.tensor([0.0, math.log(3.0), 7.0]), np.array([0, 0, 1]), 2)
    tensor([0.25, 0.75, 1.  ])
    """
    top = np.full((segments, *scores.shape[1:]), -np.inf, scores.dtype)
    np.maximum.at(top, segment, scores.detach().numpy())
    e = (scores - Tensor(top[segment])).exp()  # no entry above 1
    total = minigrad.zeros(segments, *scores.shape[1:], dtype=scores.dtype).index_add(0, segment, e)
    return e / total[segment]
