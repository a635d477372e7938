"""Graphs: the list of edges and the matrix say the same, the names of the nodes say nothing."""

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, gradcheck, gradgradcheck
from nn import masks
from nn.attention import AttentionPool, SelfAttention, attend
from nn.graph_attention import GraphAttention, segment_softmax
from nn.similarity import Graph

EDGES = np.array([[0, 1, 1, 2, 4, 4, 0], [1, 0, 2, 1, 0, 2, 0]])  # nobody leads to node 3 or 4


def test_the_list_of_edges_is_the_matrix():
    layer = GraphAttention(3, 7, num_heads=2).double()
    x = minigrad.randn(5, 3, dtype=minigrad.float64, requires_grad=True)
    y, weights = layer(x, EDGES, return_weights=True)
    adjacent = masks.graph(EDGES, 5)
    singles = []
    for head in range(2):
        score = Graph(7, 7).double()
        with minigrad.no_grad():
            score.query.copy_(layer.query[head])
            score.key.copy_(layer.key[head])
        h = x @ layer.linear.weight[head * 7 : (head + 1) * 7].T
        z, dense = attend(h, h, h, adjacent, similarity=score)
        singles.append(z)
        np.testing.assert_allclose(weights[head].detach(), dense[EDGES[1], EDGES[0]].detach(), rtol=1e-9)
        assert (dense.masked_select(~adjacent) == 0).all()
    z = minigrad.cat(singles, -1)
    np.testing.assert_allclose(y.detach(), z.detach(), rtol=1e-9, atol=1e-12)
    assert (y[3:] == 0).all()
    cotangent = minigrad.randn(5, 14, dtype=minigrad.float64)
    ours = minigrad.grad((y * cotangent).sum(), [x, layer.linear.weight])
    theirs = minigrad.grad((z * cotangent).sum(), [x, layer.linear.weight])
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-12)


def test_values_by_hand():
    """Two neighbours with scores log 3 and 0: three quarters of the one and one quarter of the other."""
    layer = GraphAttention(1, 1)
    with minigrad.no_grad():
        layer.linear.weight.fill_(1.0)
        layer.query.fill_(0.0)
        layer.key.fill_(1.0)
    x = minigrad.tensor([[5.0], [np.log(3.0)], [0.0]])
    y = layer(x, [[1, 2], [0, 0]])
    np.testing.assert_allclose(y.detach(), [[0.75 * np.log(3)], [0], [0]], rtol=1e-6)


@pytest.mark.parametrize("concat", [True, False])
def test_gradients(concat):
    layer = GraphAttention(3, 2, num_heads=2, concat=concat)
    x = minigrad.randn(5, 3)

    def call(x):
        return layer(x, EDGES)

    call.named_parameters, call.named_buffers = layer.named_parameters, layer.named_buffers
    assert layer(x, EDGES).shape == (5, 4 if concat else 2)
    assert gradcheck(call, x)
    assert gradgradcheck(call, x)


def test_other_names_for_the_nodes_change_nothing():
    layer, order = GraphAttention(3, 7).double(), minigrad.randperm(5)
    x = minigrad.randn(5, 3, dtype=minigrad.float64)
    place = order.argsort().numpy()  # where each node went
    y = layer(x[order], place[EDGES])
    np.testing.assert_allclose(layer(x, EDGES)[order].detach(), y.detach(), rtol=1e-9, atol=1e-12)


def test_a_molecule_has_one_vector_whatever_the_order_of_its_atoms():
    atoms = minigrad.eye(3, dtype=minigrad.float64)[[0, 1, 1, 2, 0]]
    bonds = masks.graph(np.c_[EDGES, EDGES[::-1]], 5) | minigrad.eye(5).bool()
    layer, pool = SelfAttention(3, similarity="graph").double(), AttentionPool(3).double()
    order = minigrad.randperm(5)
    one = pool(layer(atoms[None], mask=bonds))
    other = pool(layer(atoms[order][None], mask=bonds[order][:, order]))
    np.testing.assert_allclose(one.detach(), other.detach(), rtol=1e-9, atol=1e-12)


def test_two_graphs_are_one_in_two_parts():
    layer = GraphAttention(3, 7)
    a, b = minigrad.randn(5, 3), minigrad.randn(2, 3)
    both = layer(minigrad.cat([a, b]), np.c_[EDGES, [[5, 6], [6, 5]]])
    np.testing.assert_allclose(both[:5].detach(), layer(a, EDGES).detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both[5:].detach(), layer(b, [[0, 1], [1, 0]]).detach(), rtol=1e-5, atol=1e-6)


def test_a_large_graph_needs_no_matrix():
    """50,000 nodes on a ring: their matrix would take 2.5 GB as booleans alone."""
    nodes = np.arange(50_000)
    y = GraphAttention(2, 3)(minigrad.randn(50_000, 2), np.stack([nodes, (nodes + 1) % 50_000]))
    assert y.shape == (50_000, 3)


def test_segment_softmax_does_not_overflow():
    scores = minigrad.tensor([1e4, 1e4, -1e4, -1e4 + np.log(3.0)], dtype=minigrad.float64)
    np.testing.assert_allclose(segment_softmax(scores, np.array([0, 0, 1, 1]), 3), [0.5, 0.5, 0.25, 0.75], rtol=1e-9)


def test_a_graph_without_edges():
    x = minigrad.randn(5, 3, requires_grad=True)
    y = GraphAttention(3, 7)(x, [])
    assert (y == 0).all()
    y.sum().backward()
    assert (x.grad == 0).all()


def test_what_does_not_fit_is_explained():
    with pytest.raises(ShapeError, match=r"\(2, 5, 3\)"):
        GraphAttention(3, 7)(minigrad.randn(2, 5, 3), EDGES)
    with pytest.raises(ShapeError, match="there are 2"):
        GraphAttention(3, 7)(minigrad.randn(2, 3), EDGES)


def test_bias_and_dropout():
    """The bias is added to what the heads say; with dropout 1, in training, nothing else is left."""
    layer = GraphAttention(3, 5, num_heads=2, dropout=1.0, bias=True)
    plain = GraphAttention(3, 5, num_heads=2)
    plain.load_state_dict({key: value for key, value in layer.state_dict().items() if key != "bias"})
    with minigrad.no_grad():
        layer.bias.copy_(minigrad.arange(10).float())
    x = minigrad.randn(5, 3)
    np.testing.assert_array_equal(layer(x, EDGES).detach(), np.tile(np.arange(10.0), (5, 1)))
    np.testing.assert_allclose((layer.eval()(x, EDGES) - layer.bias).detach(), plain(x, EDGES).detach(), atol=1e-5)
    assert GraphAttention(3, 5, num_heads=2, concat=False, bias=True).bias.shape == (5,)
