"""What is read off a recorded graph: operations, leaves, calls, names, values. No picture yet."""

import gc

import numpy as np
import pytest

import minigrad
import nn
from minigrad.viz.record import record as recording
from minigrad.viz.trace import Leaf, Operation, trace


def leaf(*values):
    """A leaf of these numbers, a scalar if it is one."""
    return minigrad.tensor(values if len(values) > 1 else values[0], dtype=minigrad.float32, requires_grad=True)


def named(x, name):
    x.name = name
    return x


def called(items):
    return [str(item) for item in items]


class Steps(nn.Module):
    """An RNN cell, called once for each step."""

    def __init__(self):
        self.cell, self.out = nn.RNNCell(3, 5), nn.Linear(5, 2)

    def forward(self, xs, h):
        for x in xs:
            h = self.cell(x, h)
        return self.out(h)


# ---- items ----------------------------------------------------------------------------------------------------------


def test_items_come_in_the_order_of_creation_and_leaves_before_their_first_reader():
    w, b = named(leaf(2.0), "w"), named(leaf(3.0), "b")
    x = minigrad.tensor(5.0, name="x")
    seen = trace((w * x + b).tanh())
    assert called(seen.items) == ["w", "x", "mul", "b", "add", "tanh"]
    assert [item.serial for item in seen.items] == [0, 1, 2, 3, 4, 5]
    assert [(item.learns, item.parameter) for item in seen.leaves] == [(True, True), (False, False), (True, True)]
    multiplication = seen.items[2]
    assert [(i, str(source), flows) for i, source, flows in multiplication.reads] == [(0, "w", True), (1, "x", False)]
    assert called(multiplication.readers) == ["add"]


def test_a_tensor_that_is_read_twice_is_one_leaf():
    x = leaf(3.0)
    seen = trace(x * x)
    (only,) = seen.leaves
    assert called(only.readers) == ["mul", "mul"]
    assert [i for i, _, _ in seen.outputs[0].reads] == [0, 1]


def test_an_input_without_gradient_is_one_leaf_even_when_it_is_gone():
    w = leaf(1.0, 2.0, 3.0)
    x = minigrad.tensor([1.0, 2.0, 3.0])
    y = (w * x).sum() + (w + x).sum()
    del x
    gc.collect()
    gone = [item for item in trace(y).leaves if not item.learns]
    assert len(gone) == 1
    assert gone[0].tensor is None
    assert gone[0].shape == (3,)


def test_what_is_not_recorded_is_a_leaf():
    w = leaf(1.0, 2.0)
    seen = trace((w * (w.detach() * 2)).sum())
    assert called(seen.operations) == ["mul", "sum"]
    assert len(list(seen.leaves)) == 2


def test_several_outputs_share_what_they_have_in_common():
    x = leaf(0.5)
    h = x.exp()
    seen = trace([h.sin(), h.cos(), h])
    assert called(seen.operations) == ["exp", "sin", "cos"]
    assert called(seen.outputs) == ["sin", "cos", "exp"]


def test_a_chain_of_a_hundred_thousand_operations():
    x = y = leaf(1.0)
    for _ in range(100_000):
        y = y * 1.0
    assert len(trace(y).items) == 100_001
    assert next(trace(y).leaves).tensor is x


def test_what_cannot_be_traced():
    with pytest.raises(TypeError, match="outputs are tensors, or a list of them, not ndarray"):
        trace(np.ones(3))
    with pytest.raises(TypeError, match="not str"):
        trace([leaf(1.0) * 2, "loss"])
    with pytest.raises(ValueError, match=r"'x' has no graph: computed under no_grad, detached, or a leaf"):
        trace(named(leaf(1.0), "x"))
    with minigrad.no_grad():
        y = leaf(1.0, 2.0) * 2
    with pytest.raises(ValueError, match=r"the output of shape \(2,\) has no graph"):
        trace(y)
    with pytest.raises(ValueError, match="nothing in the list"):
        trace([])


# ---- names ----------------------------------------------------------------------------------------------------------


def test_names_from_the_user_come_before_those_of_variables():
    w, x = named(leaf(2.0), "weight"), minigrad.tensor(3.0)
    product = w * x
    y = product.exp()
    seen = trace(y, params={"x_p": x}, variables={"w": w, "x": x, "product": product, "y": y, "z": 3})
    assert called(seen.items) == ["weight", "x_p", "product", "y"]


def test_a_name_outlives_its_tensor():
    x = leaf(2.0)
    scores = named(x * 3, "scores")
    y = scores.exp()
    del scores
    assert called(trace(y).operations) == ["scores", "exp"]


def test_parameters_are_called_relative_to_the_call_that_they_lie_in():
    model = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.Tanh(), nn.Linear(5, 2)))
    seen = trace(model(minigrad.ones(7, 3)).sum(), model)
    found = [(item.name, item.path, item.home.title) for item in seen.leaves if item.parameter]
    assert found == [
        ("weight", "0.weight", "0: Linear"),
        ("bias", "0.bias", "0: Linear"),
        ("weight", "1.1.weight", "1: Linear"),
        ("bias", "1.1.bias", "1: Linear"),
    ]
    assert [call.title for call in seen.calls] == ["Sequential", "0: Linear", "1: Sequential", "0: Tanh", "1: Linear"]
    assert [call.path for call in seen.calls] == ["", "0", "1", "1.0", "1.1"]
    assert [call.level for call in seen.calls] == [0, 1, 1, 2, 2]


def test_modules_have_names_even_without_the_model():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
    y = model(minigrad.ones(7, 3)).sum()
    assert [call.title for call in trace(y).calls] == ["Sequential", "0: Linear", "1: Tanh"]
    assert [item.path for item in trace(y).leaves if item.parameter] == ["0.weight", "0.bias"]


def test_modules_that_were_called_one_by_one_are_named_by_the_model_or_by_variables():
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    first, second = model
    y = second(first(minigrad.ones(7, 3)))
    assert [call.title for call in trace(y, model).calls] == ["0: Linear", "1: Linear"]
    assert [call.title for call in trace(y).calls] == ["Linear", "Linear"]
    there = {"first": first, "second": second}
    assert [call.title for call in trace(y, variables=there).calls] == ["first: Linear", "second: Linear"]


def test_a_module_that_is_gone():
    y = nn.Linear(3, 5)(minigrad.ones(7, 3))
    gc.collect()
    (call,) = trace(y).calls
    assert call.title == "module (gone)"


# ---- calls ----------------------------------------------------------------------------------------------------------


def test_each_call_of_a_module_is_one_call_and_shared_parameters_lie_around_them():
    model = Steps()
    seen = trace(model([minigrad.ones(1, 3) for _ in range(4)], minigrad.zeros(1, 5)), model)
    assert [call.title for call in seen.calls] == [
        "Steps",
        *(f"cell: RNNCell (call {i} of 4)" for i in (1, 2, 3, 4)),
        "out: Linear",
    ]
    shared = next(item for item in seen.leaves if item.path == "cell.weight_hh")
    assert (shared.name, shared.home.title, len(shared.readers)) == ("cell.weight_hh", "Steps", 4)


def test_tied_weights_are_one_leaf_around_both_readers():
    class Tied(nn.Module):
        def __init__(self):
            self.embed = nn.Embedding(7, 3)
            self.head = nn.Linear(3, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    model = Tied()
    (weight,) = (item for item in trace(model(minigrad.tensor([1, 2])), model).leaves if item.parameter)
    assert (weight.name, weight.home.title, len(weight.readers)) == ("embed.weight", "Tied", 2)


def test_an_input_that_somebody_holds_came_from_outside_and_one_that_is_gone_lies_where_it_was_read():
    dropout, w = nn.Dropout(0.5), leaf(*range(1, 8))
    x = minigrad.ones(7)
    seen = trace(dropout(w * x))
    held, mask = (item for item in seen.leaves if not item.learns)
    assert held.tensor is x
    assert held.home is None
    assert mask.home.title == "Dropout"


def test_a_frozen_parameter_is_a_parameter_that_does_not_learn():
    layer = nn.Linear(3, 5)
    layer.bias.requires_grad = False
    seen = trace(layer(minigrad.ones(7, 3)), layer)
    assert {item.name: item.learns for item in seen.leaves if item.parameter} == {"weight": True, "bias": False}


def test_a_buffer_is_an_input_that_has_a_name():
    class Shift(nn.Module):
        def __init__(self):
            self.by = nn.Parameter(minigrad.ones(3))
            self.register_buffer("scale", minigrad.ones(3))

        def forward(self, x):
            return (x + self.by) * self.scale

    layer = Shift()
    seen = trace(layer(minigrad.ones(7, 3)), layer)
    assert {item.path: item.parameter for item in seen.leaves if item.path} == {"by": True, "scale": False}


# ---- backward passes ------------------------------------------------------------------------------------------------


def test_recorded_gradients_lie_in_a_backward_pass():
    x = leaf(0.5)
    y = x.square().tanh()
    (dy,) = minigrad.grad(y, x, create_graph=True)
    seen = trace([y, dy], variables={"x": x, "y": y, "dy": dy})
    assert [call.title for call in seen.calls] == ["backward pass"]
    assert [str(o) for o in seen.operations if o.call is None] == ["square", "y"]
    gradients = [o for o in seen.operations if o.call is not None]
    assert gradients[-1].name == "dy"
    assert "clone" not in {o.node.name for o in gradients}
    assert "grad of y" in {item.name for item in seen.leaves} | {f"grad of {o.name}" for o in seen.outputs}


def test_a_pass_through_a_pass_is_another_one():
    x = leaf(0.5)
    y = x.exp().sin()
    (dy,) = minigrad.grad(y, x, create_graph=True)
    (ddy,) = minigrad.grad(dy, x, create_graph=True)
    seen = trace([dy, ddy])
    assert [call.title for call in seen.calls] == ["backward pass 1 of 2", "backward pass 2 of 2"]
    first, second = (seen.outputs[i].call for i in (0, 1))
    assert (first.title, second.title) == ("backward pass 1 of 2", "backward pass 2 of 2")


def test_a_fused_operation_is_differentiated_inside_the_same_pass():
    x = leaf(0.5, 1.5, 2.5)
    y = minigrad.softmax(x, 0)[0]
    (dy,) = minigrad.grad(y, x, create_graph=True)
    assert [call.title for call in trace([y, dy]).calls] == ["backward pass"]


def test_modules_keep_their_place_inside_a_backward_pass():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = minigrad.ones(2, 3).requires_grad_()
    (g,) = minigrad.grad(model(x).sum(), x, create_graph=True)
    seen = trace(g.square().sum(), model)
    inside = [call.title for call in seen.calls if call.gradient]
    assert inside == ["backward pass", "Sequential", "2: Linear", "1: Tanh", "0: Linear"]
    penalty = list(seen.operations)[-2:]
    assert [o.call for o in penalty] == [None, None]
    weight = next(item for item in seen.leaves if item.path == "0.weight")
    assert weight.name == "weight"  # where the forward pass reads it, though the backward pass does, too


def test_the_scope_is_restored_when_a_recorded_pass_fails():
    x = leaf(0.5)
    y = x.exp()
    with pytest.raises(RuntimeError, match="does not require grad"):
        minigrad.grad(y, minigrad.tensor(1.0), create_graph=True)
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        minigrad.grad(y, x, create_graph=True)
    assert minigrad.autograd.thread.mode.scope is None


# ---- values ---------------------------------------------------------------------------------------------------------


def test_values_of_what_is_small_alive_saved_or_recorded():
    x = leaf(*(0.1 * i for i in range(1, 8)))
    y = (x.sin().exp() * 2).sum()
    known = {o.node.name: trace(y).value(o) is not None for o in trace(y).operations}
    # Of those too large to be remembered, exp keeps its result for its derivative; nobody needs that of sin or mul.
    assert known == {"sin": False, "exp": True, "mul": False, "sum": True}
    with recording():
        y = (x.sin().exp() * 2).sum()
    assert all(trace(y).value(o) is not None for o in trace(y).operations)


def test_values_that_variables_of_the_caller_hold():
    x = leaf(*(0.1 * i for i in range(1, 8)))
    h = x * 3
    y = (h + 1).sum()
    product = next(iter(trace(y).operations)).node
    assert trace(y).value(next(iter(trace(y).operations))) is None
    seen = trace(y, variables={"h": h})
    held = next(operation for operation in seen.operations if operation.node is product)
    assert seen.value(held) is h.array
    with minigrad.no_grad():
        h.fill_(7.0)
    assert seen.value(held) is None


def test_a_value_that_was_overwritten_is_not_shown():
    x = leaf(*(0.1 * i for i in range(1, 8)))
    h = x * 1.0
    y = h + 1
    with minigrad.no_grad():
        h.fill_(7.0)
    operations = {o.node.name: o for o in trace(y).operations}
    assert trace(y).value(operations["mul"]) is None


def test_gradients_of_leaves_and_of_results_that_retain_theirs():
    x = leaf(1.0, 2.0, 3.0)
    h = x * 2
    h.retain_grad()
    h.square().sum().backward()
    y = h.sum()
    seen = trace(y)
    product = next(iter(seen.operations))
    np.testing.assert_array_equal(seen.gradient(product), [4, 8, 12])
    np.testing.assert_array_equal(seen.gradient(next(seen.leaves)), [8, 16, 24])
    assert seen.gradient(seen.outputs[0]) is None


def test_items_are_operations_or_leaves():
    seen = trace(leaf(1.0, 2.0).sum())
    assert [type(item) for item in seen.items] == [Leaf, Operation]
    assert [item.shape for item in seen.items] == [(2,), ()]
    assert {item.dtype for item in seen.items} == {np.dtype("float32")}
