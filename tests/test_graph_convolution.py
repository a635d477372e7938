"""Convolution on a graph: values by hand, the same as with matrices, gradients, errors."""

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, gradcheck
from nn import masks
from nn.graph_convolution import GraphConvolution

EDGES = np.array([[0, 1, 1, 2, 4, 4, 0], [1, 0, 2, 1, 0, 2, 0]])  # nobody leads to node 3 or 4


def test_values_by_hand():
    """Node 0 hears from 1 (which has one edge) and 2 (which has two): 3 / √(2 · 1) + 5 / √(2 · 2), and the bias."""
    layer = GraphConvolution(1, 1)
    with minigrad.no_grad():
        layer.linear.weight.fill_(1.0)
        layer.bias.fill_(7.0)
    y = layer(minigrad.tensor([[2.0], [3.0], [5.0]]), [[1, 2, 2], [0, 0, 1]])
    np.testing.assert_allclose(y.detach()[:, 0], [3 / 2**0.5 + 5 / 2 + 7, 5 / 2**0.5 + 7, 7], rtol=1e-6)


def test_the_list_of_edges_is_the_matrix():
    layer = GraphConvolution(3, 7).double()
    x = minigrad.randn(5, 3, dtype=minigrad.float64)
    a = masks.graph(EDGES, 5).numpy().astype(float)
    scaled = a / np.sqrt(np.outer(np.maximum(a.sum(1), 1), np.maximum(a.sum(0), 1)))
    np.testing.assert_allclose(
        layer(x, EDGES).detach(), scaled @ (x @ layer.linear.weight.T).detach().numpy(), atol=1e-12
    )


def test_gradients():
    layer = GraphConvolution(3, 2).double()
    assert gradcheck(lambda x: layer(x, EDGES), minigrad.randn(5, 3))


def test_nodes_are_a_matrix():
    with pytest.raises(ShapeError, match=r"GraphConvolution: the nodes of a graph .* not \(2, 5, 3\)"):
        GraphConvolution(3, 2)(minigrad.ones(2, 5, 3), EDGES)
    with pytest.raises(ShapeError, match="there are 4"):
        GraphConvolution(3, 2)(minigrad.ones(4, 3), EDGES)
