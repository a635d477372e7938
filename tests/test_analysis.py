"""Work and depth of a computation, read off its graph and counted by hand."""

import numpy as np
import pytest

import minigrad
import nn
from minigrad import analysis, einsum, softmax
from minigrad.analysis import analyze, exponent, longest_chain, multiply_adds, operations, path_length, work
from nn.overview import summary


def leaf(*shape):
    return minigrad.randn(*shape, requires_grad=True)


def names(output):
    return [node.name for node, _ in operations(output)]


# ---- operations -----------------------------------------------------------------------------------------------------


def test_each_operation_once_and_after_what_it_reads():
    x = leaf(3)
    a = x.exp()
    y = a * a + a.sin()
    assert names(y) == ["exp", "mul", "sin", "add"]
    seen = set()
    for node, inputs in operations(y):
        assert all(source is x or source in seen for source in inputs)
        seen.add(node)


def test_a_leaf_has_no_operations():
    x = leaf(3)
    assert (names(x), multiply_adds(x), longest_chain(x)) == ([], 0, 0)
    assert path_length(x, x) == 0


def test_a_fused_operation_is_its_definition():
    x = leaf(2, 5)
    scaled = x * 2
    found = names(softmax(scaled))
    assert found[0] == "mul"
    assert found[-1] == "softmax"
    assert "exp" in found
    assert "sum" in found
    assert found.count("softmax") == 1


def test_a_definition_continues_where_its_arguments_come_from():
    x = leaf(2, 5)
    alone = longest_chain(softmax(x))
    assert longest_chain(softmax(x * 2)) == alone + 1
    assert longest_chain(softmax(softmax(x))) == 2 * alone


def test_a_freed_graph_says_so():
    y = softmax(leaf(3) * 2)
    y[0].backward()
    with pytest.raises(RuntimeError, match="softmax: what its definition needs was freed by the backward pass"):
        longest_chain(y)


def test_nothing_is_recorded_into_the_graph_and_gradients_stay_right():
    x = leaf(2, 3)
    layer = nn.RNN(3, 5)
    y = layer(x)[0].square().sum()
    before = len(minigrad.autograd.ancestors([y.node]))
    with minigrad.no_grad():
        multiply_adds(y)
    assert len(minigrad.autograd.ancestors([y.node])) == before
    y.backward()
    first = x.grad.clone()
    x.grad = None
    layer(x)[0].square().sum().backward()
    assert minigrad.equal(first, x.grad)


# ---- work -----------------------------------------------------------------------------------------------------------


def test_products_of_all_kinds():
    a, b = leaf(2, 3, 5), leaf(2, 5, 7)
    assert multiply_adds(a @ b) == 2 * 3 * 5 * 7
    assert multiply_adds(a[0, 0] @ a[0, 0]) == 5
    assert multiply_adds(a @ b[0, :, 0]) == 2 * 3 * 5
    assert multiply_adds(einsum("bij,bjk,k->bi", a, b, b[0, 0])) == 2 * (2 * 3 * 5 * 7)
    assert multiply_adds(nn.functional.linear(a, leaf(11, 5))) == 2 * 3 * 5 * 11
    assert multiply_adds(a * a) == 0


def test_a_product_that_is_used_twice_was_computed_once():
    y = leaf(2, 3) @ leaf(3, 5)
    assert multiply_adds(y * y + y) == 2 * 3 * 5


def test_what_is_not_recorded_is_not_counted():
    a = minigrad.randn(2, 3) @ minigrad.randn(3, 5)
    assert multiply_adds(a @ leaf(5, 7)) == 2 * 5 * 7


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers(kind, gates):
    layer = getattr(nn, kind)(3, 5, batch_first=True)
    assert analyze(lambda x: layer(x)[0], 7, 3).multiply_adds == 7 * gates * (3 * 5 + 5 * 5)


@pytest.mark.parametrize("layer", [nn.MultiHead(6, 2), nn.SelfAttention(6), nn.Window(6, 5)], ids=lambda m: repr(m)[:6])
def test_the_summary_counts_the_same(layer):
    assert analyze(layer, 7, 6).multiply_adds == summary(layer, minigrad.ones(1, 7, 6)).multiply_adds


def test_attention_apart():
    found = analyze(nn.SelfAttention(6), 7, 6)
    assert found.work == {"linear": 3 * 7 * 6 * 6, "matmul": 2 * 7 * 7 * 6}
    assert found.multiply_adds == 3 * 7 * 6 * 6 + 2 * 7 * 7 * 6


def test_work_is_named_after_operations():
    x = leaf(2, 3)
    assert work((x @ leaf(3, 5)).relu() @ leaf(5, 1)) == {"matmul": 2 * 3 * 5 + 2 * 5}


# ---- depth ----------------------------------------------------------------------------------------------------------


def test_the_longest_of_several_chains():
    x = leaf(3)
    assert longest_chain(x + x.exp().sin().cos()) == 4


@pytest.mark.parametrize("steps", [2, 7, 11])
def test_a_recurrent_layer_is_as_deep_as_it_is_long(steps):
    layer = nn.RNN(3, 5, batch_first=True)
    one = analyze(lambda x: layer(x)[0], 1, 3).longest_chain
    per_step = 3  # W h, the sum, tanh
    assert analyze(lambda x: layer(x)[0], steps, 3).longest_chain == one + per_step * (steps - 1)


def test_attention_and_convolution_are_as_deep_for_any_length():
    for layer in (nn.MultiHead(6, 2), nn.Window(6, 5)):
        assert len({analyze(layer, n, 6).longest_chain for n in (2, 7, 31)}) == 1


def test_paths():
    x, z = leaf(3), leaf(3)
    far = x.exp().sin().cos()
    near = far + x * z
    assert path_length(far, x) == 3
    assert path_length(near, x) == path_length(near, z) == 2
    assert path_length(near, far) == 1
    assert path_length(far, z) is None
    assert path_length(x, z) is None
    assert path_length(near, near) == 0


def test_a_path_through_a_fused_operation():
    x = leaf(3)
    assert path_length(softmax(x) + 0, x) == 1 + path_length(softmax(x), x)
    assert path_length(softmax(x.exp()), x) == 1 + path_length(softmax(x), x)


def test_a_path_needs_a_recorded_input():
    x = minigrad.randn(3)
    with pytest.raises(RuntimeError, match=r"path_length: .* does not require grad"):
        path_length(x * leaf(3), x)


def test_steps_of_a_cell_lie_between_the_first_input_and_the_last_state():
    cell = nn.RNNCell(3, 5)
    inputs = [leaf(1, 3) for _ in range(7)]
    states, h = [], None
    for x in inputs:
        h = cell(x, h)
        states.append(h)
    to_last = [path_length(states[-1], x) for x in inputs]
    assert np.diff(to_last).tolist() == [-3] * 6
    assert path_length(states[0], inputs[1]) is None


# ---- exponents ------------------------------------------------------------------------------------------------------


def test_exponents():
    assert exponent([3, 5, 11], [2 * 9, 2 * 25, 2 * 121]) == pytest.approx(2)
    assert exponent([3, 5], [7, 7]) == pytest.approx(0)
    assert exponent([2, 4], [1 / 2, 1 / 4]) == pytest.approx(-1)


def test_the_module_says_what_it_offers():
    for name in ("multiply_adds", "longest_chain", "path_length", "analyze", "exponent"):
        assert f"    {name}(" in analysis.__doc__
