"""Convolution on a graph: each node becomes the mean of its neighbours, whatever they are.

It is what attention along the edges (`GraphAttention`) is compared with: the same sum, its weights given by the numbers
of neighbours alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad import ShapeError, Tensor

from . import masks
from .linear import Linear
from .module import Module, Parameter


class GraphConvolution(Module):
    """Each node becomes the sum of its neighbours, less of each the more neighbours it or they have.

        y_i = Σ_j W x_j / √(n_i m_j) + b

    where j runs over the nodes from which an edge leads to i, n_i is the number of edges that lead to i, and m_j the
    number of those that leave j. A node does not see itself unless an edge says so (the paper adds these edges).

    **Shapes**: x (N, D), edges (2, E), sources above targets → (N, out). `linear.weight` (out, D), initialised as in
    `Linear`; bias (out), 0.

    **Raises** `ShapeError` if x is no matrix or an edge names a node that does not exist.

    Source: Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks" (2017),
    arXiv:1609.02907, equation 2.

    >>> layer = GraphConvolution(3, 5)
    >>> layer(minigrad.randn(4, 3), edges=[[0, 1, 2, 2], [1, 0, 1, 3]]).shape
    (4, 5)
    """

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.linear = Linear(dim, out, bias=False)
        self.bias = Parameter(minigrad.zeros(out))

    def forward(self, x: Tensor, edges: Any) -> Tensor:
        """Sum along the edges."""
        if x.ndim != 2:
            raise ShapeError(f"GraphConvolution: the nodes of a graph (nodes, features) are needed, not {x.shape}")
        source, target = masks.ends_of(edges, len(x))
        leaving, arriving = np.bincount(source, minlength=len(x)), np.bincount(target, minlength=len(x))
        weights = Tensor((1 / np.sqrt(arriving[target] * leaving[source])).astype(x.dtype))  # (E)
        h = self.linear(x)  # (N, out)
        messages = weights.unsqueeze(-1) * h[source]  # (E, out)
        return minigrad.zeros_like(h).index_add(0, target, messages) + self.bias
