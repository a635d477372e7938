"""The recorded graph and the sweep over it: what arrives where, how often, and what is kept and freed on the way."""

import gc
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, enable_grad, grad, is_grad_enabled, memory, no_grad, op, set_grad_enabled, tensor
from minigrad.autograd import Node, ancestors, detect_anomaly
from minigrad.op import fused


@pytest.fixture
def without_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*values, **options):
    return tensor(list(values), requires_grad=True, **options)


def counting(name="counted"):
    """An op that doubles its argument, and the list of the gradients its rule was called with."""
    seen = []

    def rule(g):
        seen.append(g)
        return 2 * g

    return op(lambda x: 2 * x, name, x=rule), seen


def here():
    """`file:line` of the caller, as messages write it."""
    frame = sys._getframe(1)
    return f"test_autograd.py:{frame.f_lineno}"


# ---- graphs of every form -------------------------------------------------------------------------------------------


def test_a_value_used_twice_collects_both_gradients():
    x = leaf(3.0, 5.0)
    (x + x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_a_value_multiplied_with_itself_collects_both_gradients():
    x = leaf(3.0, 5.0)
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 10]


def test_a_reused_subgraph_counts_once_for_each_use():
    x = leaf(3.0)
    y = x * x  # 9
    (y * y + y).backward()  # x⁴ + x²: 4x³ + 2x
    assert x.grad.tolist() == [4 * 27 + 2 * 3]


def test_a_diamond_of_40_levels_calls_each_rule_once_per_argument():
    x = leaf(1.0)
    double, seen = counting()
    y = x
    for _ in range(40):
        y = double(y)
        y = 0.25 * y + 0.25 * y  # two ways down from every level: 2⁴⁰ paths
    y.backward()
    assert len(seen) == 40
    assert x.grad.tolist() == [1]


def test_a_chain_of_100_000_operations(without_gc):
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    middle = weakref.ref(y.node.inputs[0])
    assert repr(y) == "tensor([100001.], grad_fn=<add>)"
    y.backward()
    assert x.grad.tolist() == [1]
    del y
    assert middle() is None


def test_a_long_chain_with_saved_values_and_create_graph():
    x = leaf(1.0, dtype=np.float64)
    y = x
    for _ in range(5_000):
        y = y * 1.0001
    (dx,) = grad(y * y, x, create_graph=True)
    (d2x,) = grad(dx, x)
    np.testing.assert_allclose(d2x.item(), 2 * 1.0001**10_000)


def test_a_leaf_is_its_own_gradient():
    x = leaf(3.0)
    x.backward()
    x.backward(tensor([5.0]))
    assert x.grad.tolist() == [6]


def test_a_0d_leaf_collects_any_number_of_gradients():
    x = tensor(3.0, requires_grad=True)
    for _ in range(2):
        (x * x).backward()
    assert x.grad.tolist() == 12
    assert isinstance(x.grad.array, np.ndarray)


def test_operations_between_0d_tensors_pass_arrays_to_rules():
    kinds = []

    def rule(g, x):
        kinds.append(type(g))
        return g * x

    square = op(lambda x: x * x / 2, "square", x=rule)
    x = tensor(3.0, requires_grad=True)
    y = square(x)
    (y + y * y).backward()
    assert kinds == [np.ndarray]
    assert x.grad.item() == 3 * (1 + 2 * 4.5)


def test_backward_needs_a_history():
    with pytest.raises(RuntimeError, match="does not require grad"):
        tensor([1.0]).backward()
    with no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match=r"no_grad, or after detach"):
        y.backward()


def test_backward_of_several_elements_needs_their_weights():
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(RuntimeError, match=r"shape \(3,\).*loss\.sum\(\).*gradient="):
        (x * 2).backward()
    (x * 2).backward(tensor([1.0, 0.0, -1.0]))
    assert x.grad.tolist() == [2, 0, -2]


def test_the_weights_have_the_shape_of_the_output():
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match=r"\(2,\).*\(3,\)"):
        (x * 2).backward(tensor([1.0, 2.0]))


def test_the_weights_may_be_an_array_or_list_and_of_any_dtype():
    x = leaf(1.0, 2.0)
    (x * 2).backward([1, 2])
    (x * 2).backward(np.array([1.0, 2.0]))
    assert x.grad.tolist() == [4, 8]
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_weights_may_be_a_parameter(create_graph):
    class Parameter(Tensor):
        pass

    x, v = leaf(1.0, 2.0), Parameter([3.0, 5.0], requires_grad=True)
    (dx,) = grad(x * x, x, v, create_graph=create_graph)
    assert dx.tolist() == [6, 20]
    if create_graph:
        dx.sum().backward()
        assert v.grad.tolist() == [2, 4]


def test_gradients_have_the_dtype_of_their_tensor():
    x, y = leaf(1.0, 2.0), leaf(3.0, 5.0, dtype=np.float64)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


def test_broadcasting_is_undone_by_summing():
    row, column, number = (
        leaf(0.0, 1.0, 2.0),
        tensor([[1.0], [2.0]], requires_grad=True),
        tensor(1.0, requires_grad=True),
    )
    (row + column + number).sum().backward()
    assert row.grad.tolist() == [2, 2, 2]
    assert column.grad.tolist() == [[3], [3]]
    assert number.grad.item() == 6


def test_the_branch_not_taken_lets_no_nan_through():
    x = leaf(1.0)
    with np.errstate(invalid="ignore"):
        y = minigrad.where(x >= 0, x, (-x).sqrt())
    y.backward()
    assert x.grad.tolist() == [1]


# ---- leaves collect, graphs are used up -----------------------------------------------------------------------------


def test_leaves_add_up_what_arrives():
    x = leaf(3.0)
    for _ in range(3):
        (x * x).backward()
    assert x.grad.tolist() == [18]


def test_backward_works_where_nothing_is_recorded():
    x = leaf(3.0)
    y = x * x
    with no_grad():
        y.backward()
    assert x.grad.tolist() == [6]
    assert not x.grad.requires_grad


def test_a_failed_pass_leaves_no_gradients_behind():
    def fails(g):
        raise KeyError

    broken = op(lambda x: x * 1, "broken", x=fails)
    x, w = leaf(3.0), leaf(5.0)
    with pytest.raises(KeyError):
        (broken(x) + w * w).backward()
    assert (x.grad, w.grad) == (None, None)


def test_a_second_backward_says_where_the_graph_was_freed():
    x = leaf(3.0)
    y = (x * x).exp()
    where = here(); y.backward()  # fmt: skip  # noqa: E702
    with pytest.raises(RuntimeError, match="retain_graph=True") as error:
        y.backward()
    assert where in str(error.value)
    assert "exp" in str(error.value)


def test_grad_frees_the_graph_too_and_says_so():
    x = leaf(3.0)
    y = x * x
    where = here(); grad(y, x)  # fmt: skip  # noqa: E702
    with pytest.raises(RuntimeError, match=where):
        grad(y, x)


def test_a_subgraph_shared_with_a_freed_graph_is_freed():
    x = leaf(3.0)
    shared = x * x
    (shared * 2).backward()
    with pytest.raises(RuntimeError, match="through mul.*freed"):
        (shared * 5).backward()


def test_retain_graph_allows_another_pass():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [12]
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_backward_with_create_graph_leaves_a_gradient_with_history():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None  # x.grad refers to x through its history: taking it away breaks the cycle
    assert first.tolist() == [27]
    first.backward()
    assert x.grad.tolist() == [18]


def test_derivatives_of_any_order():
    x = leaf(2.0, dtype=np.float64)
    y = x**5
    for expected in (5 * 16, 20 * 8, 60 * 4, 120 * 2, 120):
        (y,) = grad(y, x, create_graph=True)
        assert y.tolist() == [expected]


def test_a_rule_that_mixes_saved_and_current_values_differentiates_twice():
    x, w = leaf(0.3, dtype=np.float64), leaf(0.7, dtype=np.float64)
    (dx,) = grad((w * x).tanh(), x, create_graph=True)
    (dw,) = grad(dx, w)
    t = np.tanh(0.21)
    np.testing.assert_allclose(dw.item(), (1 - t * t) * (1 - 2 * t * 0.21))


# ---- memory ---------------------------------------------------------------------------------------------------------


def _plain(x):
    return (x * x).exp().sum()


def _with_hooks(x):
    y = x * x
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: None)
    return y.sum()


def _with_retain_grad(x):
    y = x * x
    y.retain_grad()
    return (y * y).sum()


def _with_views(x):
    y = x * x
    a, b = y[:2], y.reshape(1, -1)
    return (a * b[:, 1:3].squeeze(0)).sum()


def _with_in_place_changes(x):
    y = x * x
    view = y[1:]
    view *= 2
    y[0] = 5.0
    y.clamp_(min=0.1)
    return (y.detach() * y).sum()


@pytest.mark.parametrize("build", [_plain, _with_hooks, _with_retain_grad, _with_views, _with_in_place_changes])
@pytest.mark.parametrize("use", ["forward", "backward", "retained", "grad", "second order"])
def test_a_graph_has_no_cycles(without_gc, build, use):
    x = leaf(1.0, 2.0, 3.0)
    y = build(x)
    results = [y]
    if use == "backward":
        y.backward()
    elif use == "retained":
        y.backward(retain_graph=True)
    elif use == "grad":
        grad(y, x)
    elif use == "second order":
        (dx,) = grad(y, x, create_graph=True)
        grad(dx.sum(), x, retain_graph=True)
        results.append(dx)
        del dx
    nodes = [weakref.ref(node) for node in ancestors([result.node for result in results])]
    assert len(nodes) > 1
    del y, results
    assert all(ref() is None for ref in nodes)


def test_a_leaf_is_freed_with_its_graph(without_gc):
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    ref = weakref.ref(x)
    del x
    assert ref() is None


def alive():
    """How many bytes of arrays, and how many tensors and nodes, there are."""
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    held = tracemalloc.take_snapshot().filter_traces([arrays]).statistics("filename")
    return sum(s.size for s in held), sum(isinstance(x, (Tensor, Node)) for x in gc.get_objects())


def test_a_thousand_training_steps_do_not_grow_memory(without_gc):
    rng = np.random.default_rng(0)
    w, b = tensor(rng.normal(size=(5, 3)), requires_grad=True), tensor(np.zeros(5), requires_grad=True)
    running = tensor(np.zeros(5))
    x = minigrad.from_numpy(rng.normal(size=(7, 3)))

    def step():
        h = x @ w.T + b
        with no_grad():
            running.mul_(0.9).add_(h.mean(0), alpha=0.1)
        h[h < 0] = 0.0
        loss = ((h - running) ** 2).mean()
        loss.backward()
        with no_grad():
            for p in (w, b):
                p -= 0.01 * p.grad
                p.data.clamp_(-5, 5)
                p.grad = None
        return loss.item()

    tracemalloc.start()
    for _ in range(100):
        step()
    before = alive()
    for _ in range(1000):
        step()
    assert alive() == before
    tracemalloc.stop()
    assert len(w.views) <= 64


def test_saved_values_are_freed_while_the_sweep_goes_on():
    alive = []
    refs = []

    def rule(g):
        alive.append(sum(ref() is not None for ref in refs))
        return g

    start = op(lambda x: x * 1, "start", x=rule)
    y = start(leaf(0.1, 0.2))
    for _ in range(5):
        y = y.tanh()
        refs.append(weakref.ref(y.array))
    y = y.sum()
    assert sum(ref() is not None for ref in refs) == 5
    y.backward()  # `start` is the last node that the sweep visits
    assert alive == [0]


def test_retained_values_stay():
    y = leaf(0.1, 0.2)
    refs = []
    for _ in range(5):
        y = y.tanh()
        refs.append(weakref.ref(y.array))
    y = y.sum()
    y.backward(retain_graph=True)
    assert all(ref() is not None for ref in refs)


@pytest.mark.parametrize(
    ("compute", "kept"),
    [
        (lambda a, b: a + b, (False, False, False)),
        (lambda a, b: a - b, (False, False, False)),
        (lambda a, b: a * b, (True, True, False)),
        (lambda a, b: a * b.detach(), (False, True, False)),
        (lambda a, b: a.detach() * b, (True, False, False)),
        (lambda a, b: a.tanh(), (False, False, True)),
        (lambda a, b: a.exp(), (False, False, True)),
        (lambda a, b: a.sin(), (True, False, False)),
        (lambda a, b: a.sum(), (False, False, False)),
        (lambda a, b: a.reshape(3, 2).clone(), (False, False, False)),
        (lambda a, b: minigrad.cat([a, b], 1), (False, False, False)),
        (lambda a, b: a.masked_fill(b > 0, 1.0), (False, False, False)),
    ],
)
def test_an_operation_keeps_only_what_its_rules_name(compute, kept):
    x = tensor(np.ones((2, 3)), requires_grad=True)
    a, b = x * 2, x * 3
    y = compute(a, b)
    refs = [weakref.ref(t.array) for t in (a, b, y)]
    node = y.node
    del a, b, y
    assert tuple(ref() is not None for ref in refs) == kept
    assert node is not None


def test_nothing_is_kept_where_nothing_is_recorded(without_gc):
    x = leaf(1.0, 2.0)
    with no_grad():
        y = x * 2
        ref = weakref.ref(y.array)
        z = y.exp().sin()
        del y
    assert ref() is None
    assert z.node is None


# ---- grad: gradients handed over, not left behind -------------------------------------------------------------------


def test_grad_touches_no_grad_attribute():
    x, w = leaf(3.0), leaf(5.0)
    y = x * w
    assert [g.tolist() for g in grad(y, [x, w], retain_graph=True)] == [[5], [3]]
    assert (x.grad, w.grad, y.grad) == (None, None, None)


def test_grad_with_respect_to_interior_tensors():
    x = leaf(3.0)
    y = x * x
    z = y * y
    dy, dx = grad(z, [y, x])
    assert (dy.tolist(), dx.tolist()) == ([18], [108])


def test_grad_of_several_outputs_adds_up_with_their_weights():
    x = leaf(3.0, 5.0)
    (dx,) = grad([x * x, x.sum()], x, [tensor([1.0, 10.0]), None])
    assert dx.tolist() == [2 * 3 + 1, 2 * 5 * 10 + 1]
    with pytest.raises(ValueError, match="2 outputs but 1"):
        grad([x * x, x.sum()], x, [None])


def test_grad_of_an_output_with_itself():
    x = leaf(3.0)
    y = x * x
    dy, dx = grad(y, [y, x])
    assert (dy.tolist(), dx.tolist()) == ([1], [6])


def test_an_output_named_twice_counts_twice():
    x = leaf(3.0)
    y = x * x
    assert grad([y, y], x)[0].tolist() == [12]


def test_an_input_named_twice_gets_two_gradients():
    x = leaf(3.0)
    one, other = grad(x * x, [x, x])
    assert one.tolist() == other.tolist() == [6]
    assert not np.shares_memory(one.array, other.array)


def test_unused_inputs():
    x, unused = leaf(3.0), leaf(5.0, 7.0, name="bias")
    with pytest.raises(RuntimeError, match=r"input 1, 'bias'.*allow_unused=True"):
        grad(x * x, [x, unused])
    assert grad(x * x, [x, unused], allow_unused=True)[1] is None
    zeros = grad(x * x, [x, unused], materialize_grads=True)[1]
    assert zeros.tolist() == [0, 0]


def test_inputs_must_require_grad():
    x = leaf(3.0)
    with pytest.raises(RuntimeError, match=r"input 0.*requires_grad_\(\)"):
        grad(x * x, tensor([1.0]))


def test_backward_with_inputs_fills_only_those():
    x, w = leaf(3.0), leaf(5.0)
    (x * w).backward(inputs=[w])
    assert (x.grad, w.grad.tolist()) == (None, [3])


def test_backward_with_inputs_adds_to_leaves_only():
    x = leaf(3.0)
    y = x * x
    with pytest.raises(RuntimeError, match=r"mul is not a leaf.*minigrad\.grad"):
        (y * 2).backward(inputs=y)


def test_rules_of_branches_that_are_not_asked_for_are_not_called():
    x, w = leaf(3.0), leaf(5.0)
    double, seen = counting()
    (dx,) = grad(double(double(w)) * x, x, retain_graph=True)
    assert dx.tolist() == [20]
    assert seen == []
    (double(w) * x).backward(inputs=x)
    assert seen == []


def test_rules_of_arguments_that_need_no_gradient_are_not_called():
    def never(g):
        raise AssertionError

    product = op(lambda a, b: a * b, "product", a=lambda g, b: g * b, b=never)
    x = leaf(3.0)
    product(x, tensor([5.0])).backward()
    product(x, 7.0).backward()
    assert x.grad.tolist() == [12]


def test_a_pass_stops_where_nothing_is_asked_for_any_more():
    x = leaf(3.0)
    double, seen = counting()
    y = double(x)
    (dy,) = grad(y * y, y)
    assert dy.tolist() == [12]
    assert seen == []


# ---- gradients share memory with nothing ----------------------------------------------------------------------------

PASSING = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "reshape": lambda a, b: (a + b).reshape(3, 2).reshape(2, 3),
    "transpose": lambda a, b: (a.T + b.T).T,
    "views": lambda a, b: a[:] + b.unsqueeze(0).squeeze(0),
    "cat": lambda a, b: minigrad.cat([a[:1], b[1:]]) + minigrad.cat([b[:1], a[1:]]),
    "stack": lambda a, b: minigrad.stack([a[0], b[1]]) + minigrad.stack([a[1], b[0]]),
    "clone": lambda a, b: a.clone() + b.to(np.float64).to(np.float32),
    "expand": lambda a, b: a.expand(2, 3) + b.expand_as(a),
    "twice": lambda a, b: (a + b) + (a + b),
    "where": lambda a, b: minigrad.where(a > 0, a + b, b + a),
}


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("how", ["backward", "backward twice", "grad", "create_graph"])
def test_gradients_share_memory_with_nothing(name, how):
    a, b = tensor(np.ones((2, 3)), np.float32, True), tensor(np.ones((2, 3)), np.float32, True)
    v = minigrad.ones(2, 3)
    y = PASSING[name](a, b)
    if how == "grad":
        found = grad(y, [a, b, y], v)
    else:
        y.backward(v, retain_graph=how == "backward twice", create_graph=how == "create_graph")
        if how == "backward twice":
            y.backward(v)
        found = (a.grad, b.grad)
    arrays = [g.array for g in found] + [v.array, a.array, b.array, y.array]
    for i, one in enumerate(arrays[:3]):
        assert not any(np.shares_memory(one, other) for other in arrays[i + 1 :])
    a.grad = b.grad = None


def test_a_rule_may_return_an_array_that_it_owns():
    constant = np.array([5.0, 7.0], np.float32)
    fixed = op(lambda x: x * constant, "fixed", x=lambda g: constant)
    x = leaf(1.0, 2.0)
    for _ in range(2):
        fixed(x).sum().backward()
    assert x.grad.tolist() == [10, 14]
    assert constant.tolist() == [5, 7]


def test_a_rule_may_return_the_same_array_for_two_arguments():
    def kernel(a, b):
        return a + b, ()

    def back(g, kept, needs, a, b):
        both = 1 * g
        return both, both

    @fused(wrt=("a", "b"), forward=kernel, backward=back)
    def total(a, b):
        return a + b

    a, b = leaf(1.0), leaf(2.0)
    (2 * a + total(a, b)).backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([3], [1])
    assert not np.shares_memory(a.grad.array, b.grad.array)


# ---- what is recorded -----------------------------------------------------------------------------------------------


def recorded():
    return (leaf(1.0) * 2).requires_grad


def test_modes_nest():
    assert recorded()
    with no_grad():
        assert not recorded()
        with enable_grad():
            assert recorded()
            with set_grad_enabled(False):
                assert not recorded()
            assert recorded()
        assert not recorded()
    assert recorded()


def test_modes_are_restored_when_an_exception_passes():
    with pytest.raises(KeyError), no_grad(), enable_grad(), set_grad_enabled(False):
        raise KeyError
    assert is_grad_enabled()


@pytest.mark.parametrize("options", [{}, {"create_graph": True}])
def test_modes_are_restored_when_a_rule_fails(options):
    def fails(g):
        raise KeyError("rule")

    broken = op(lambda x: x * 2, "broken", x=fails)
    for outside in (True, False):
        y = broken(leaf(1.0))
        with set_grad_enabled(outside):
            with pytest.raises(KeyError):
                y.backward(**options)
            assert is_grad_enabled() is outside


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        (lambda: no_grad, False),
        (lambda: no_grad(), False),
        (lambda: set_grad_enabled(False), False),
        (lambda: enable_grad, True),
        (lambda: enable_grad(), True),
        (lambda: set_grad_enabled(True), True),
    ],
)
def test_modes_as_decorators(decorator, expected):
    @decorator()
    def asked(a, *, b):
        """Documented."""
        return a, b, is_grad_enabled()

    for outside in (True, False):
        with set_grad_enabled(outside):
            assert asked(1, b=2) == (1, 2, expected)
            assert is_grad_enabled() is outside
    assert (asked.__name__, asked.__doc__) == ("asked", "Documented.")


def test_decorated_functions_may_call_themselves():
    @no_grad
    def down(n):
        return [is_grad_enabled(), *(down(n - 1) if n else [])]

    assert down(3) == [False] * 4
    assert is_grad_enabled()


def test_set_grad_enabled_works_as_a_plain_statement():
    try:
        set_grad_enabled(False)
        assert not is_grad_enabled()
    finally:
        set_grad_enabled(True)
    assert is_grad_enabled()


def test_modes_belong_to_one_thread():
    inside, done, answers = threading.Event(), threading.Event(), []

    def other():
        inside.wait(10)
        answers.append(is_grad_enabled())
        with no_grad():
            done.set()
            answers.append(is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        done.wait(10)
    assert is_grad_enabled()
    thread.join(10)
    assert answers == [True, False]


def test_threads_go_backward_at_once():
    start = threading.Barrier(2)
    found = {}

    def work(value):
        x = leaf(value, dtype=np.float64)
        start.wait(10)
        for _ in range(200):
            y = x
            for _ in range(20):
                y = y * 1.01
            (dx,) = grad(y * y, x, create_graph=True)
            dx.backward()
        found[value] = x.grad.item()

    threads = [threading.Thread(target=work, args=(value,)) for value in (1.0, 2.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    expected = 200 * 2 * 1.01**40
    np.testing.assert_allclose([found[1.0], found[2.0]], [expected, expected])


# ---- watching gradients ---------------------------------------------------------------------------------------------


def test_hooks_run_in_order_and_see_what_the_one_before_returned():
    x = leaf(3.0)
    y = x * 2
    seen = []
    for name, factor in (("a", 10), ("b", None), ("c", 2)):

        def hook(g, name=name, factor=factor):
            seen.append((name, g.item()))
            return None if factor is None else g * factor

        y.register_hook(hook)
    y.backward()
    assert seen == [("a", 1), ("b", 10), ("c", 10)]
    assert x.grad.tolist() == [40]


def test_a_hook_sees_the_complete_gradient_once():
    for make in (lambda x: x, lambda x: x * 1):
        watched, seen = make(leaf(3.0)), []
        watched.register_hook(seen.append)
        (watched * watched + watched).backward()
        assert [g.item() for g in seen] == [7]


def test_hooks_of_leaves_change_what_is_collected():
    x = leaf(3.0, 5.0)
    handle = x.register_hook(lambda g: g * 10)
    x.sum().backward()
    assert x.grad.tolist() == [10, 10]
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert x.grad.tolist() == [11, 11]


def test_a_hook_may_remove_itself():
    x = leaf(3.0)
    calls = []
    first = x.register_hook(lambda g: (calls.append("first"), first.remove())[0])
    x.register_hook(lambda g: calls.append("second"))
    for _ in range(2):
        (x * 2).backward()
    assert calls == ["first", "second", "second"]


def test_hooks_run_for_grad_too():
    x = leaf(3.0)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    x.register_hook(lambda g: g * 7)
    assert grad(y, [y, x])[1].tolist() == [70]


def test_hooks_of_a_recorded_pass_are_recorded():
    x = leaf(3.0, dtype=np.float64)
    y = x**2
    y.register_hook(lambda g: g * x)  # dx = 2x · x
    (dx,) = grad(y, x, create_graph=True)
    (d2x,) = grad(dx, x)
    assert (dx.item(), d2x.item()) == (18, 12)


def test_a_hook_may_differentiate_something_else():
    x = leaf(3.0)
    y = x * x
    found = []

    def hook(g):
        with enable_grad():
            found.extend(grad(x**3, x))

    y.register_hook(hook)
    y.backward()
    assert (found[0].tolist(), x.grad.tolist()) == ([27], [6])


def test_hooks_need_a_gradient_to_watch():
    with pytest.raises(RuntimeError, match="register_hook.*does not require grad"):
        tensor([1.0]).register_hook(print)


def test_what_a_hook_returns_must_fit():
    x = leaf(3.0, 5.0)
    handle = x.register_hook(lambda g: tensor([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=r"hook.*\(3,\).*\(2,\)"):
        x.sum().backward()
    handle.remove()
    x.register_hook(lambda g: 5)
    with pytest.raises(TypeError, match="hook.*int"):
        x.sum().backward()


def test_what_a_hook_was_given_stays_what_it_was():
    x = leaf(3.0)
    given = []
    x.register_hook(given.append)
    for factor in (2, 5):
        (x * factor).backward()
    x.grad.zero_()
    assert [g.item() for g in given] == [2, 5]


def test_what_a_hook_returns_stays_what_it_was():
    x = leaf(3.0)
    constant = tensor([5.0])
    x.register_hook(lambda g: constant)
    for _ in range(2):
        (x * 2).backward()
    assert (x.grad.item(), constant.item()) == (10, 5)


def test_a_hook_that_changes_its_gradient_in_place_changes_no_other():
    a, b = leaf(3.0), leaf(5.0)

    def halve(g):
        g *= 0.5

    a.register_hook(halve)
    try:
        (a + b).backward()
    except RuntimeError:
        return  # refusing is right, too
    assert b.grad.item() == 1


def test_retain_grad_keeps_the_gradient_of_an_interior_tensor():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    (y * y).backward(retain_graph=True)
    assert y.grad.tolist() == [12]
    (y * y).backward()
    assert y.grad.tolist() == [24]
    assert not np.shares_memory(y.grad.array, x.grad.array)


def test_retain_grad_twice_is_retain_grad_once():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).backward()
    assert y.grad.tolist() == [12]


def test_retain_grad_follows_the_tensor_when_it_is_changed_in_place():
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    y *= 5
    (y * y).backward()
    assert y.grad.tolist() == [60]
    assert x.grad.tolist() == [600]


def test_retain_grad_follows_a_tensor_that_is_changed_through_a_view():
    x = leaf(3.0, 5.0)
    y = x * 2
    view = y[1:]
    y.retain_grad()
    view.retain_grad()
    view *= 7
    (y * view).sum().backward()
    assert y.grad.tolist() == [70, 70 + 76]
    assert view.grad.tolist() == [76]


def test_retain_grad_of_a_leaf_changes_nothing():
    x = leaf(3.0)
    x.retain_grad()
    (x * x).backward()
    assert x.grad.tolist() == [6]


def test_retain_grad_does_not_keep_the_tensor_alive(without_gc):
    x = leaf(3.0)
    y = x * 2
    y.retain_grad()
    ref, z = weakref.ref(y), y * y
    del y
    assert ref() is None
    z.backward()
    assert x.grad.tolist() == [24]


# ---- where a NaN began ----------------------------------------------------------------------------------------------


def test_anomaly_detection_names_the_first_operation_forward():
    x = leaf(4.0, -9.0, name="x")
    with np.errstate(invalid="ignore"), detect_anomaly(), pytest.raises(FloatingPointError) as error:
        (x.sqrt() * 2).sum()
    for part in ("sqrt", "(2,)", "1 NaN in 2", "-9", "4"):
        assert part in str(error.value)


def test_anomaly_detection_names_the_first_operation_backward():
    x = leaf(0.0, 4.0)
    with detect_anomaly():
        y = (x.sqrt() * 0).exp().sum()  # 0 · ∞ in the rule of sqrt
        with pytest.raises(FloatingPointError, match="backward pass of sqrt"):
            y.backward()


def test_anomaly_detection_names_the_producer_not_the_propagators():
    x = leaf(np.nan, 1.0)
    with detect_anomaly():
        ((x * 2).exp().sum() + 1).backward()  # the NaN came in from outside
    assert np.isnan(x.grad.tolist()[0])


def test_anomaly_detection_ends_with_its_block():
    x = leaf(-1.0)
    with np.errstate(invalid="ignore"):
        with pytest.raises(KeyError), detect_anomaly():
            raise KeyError
        assert np.isnan(x.sqrt().item())


# ---- the clock ------------------------------------------------------------------------------------------------------


def test_the_notes_about_memory_go_with_the_memory(without_gc):
    def sizes():
        return len(memory.changes), len(memory.lent), len(memory.shared)

    before = sizes()
    x = tensor(np.ones((3, 5)))
    lent = x.numpy()
    x.detach().zero_()
    assert sizes() == tuple(n + 1 for n in before)
    del x, lent
    assert sizes() == before


def test_a_loan_ends_with_the_last_array_that_shows_the_memory(without_gc):
    before = len(memory.lent)
    x = leaf(1.0, 2.0, 3.0)
    first, second = x.detach().numpy(), x.detach().numpy()
    part = first[1:]
    assert np.shares_memory(part, x.array)
    del first, second
    assert len(memory.lent) == before + 1
    del part
    assert len(memory.lent) == before


@pytest.mark.parametrize("lent_first", [True, False])
def test_what_was_written_during_a_loan_is_noticed_when_it_has_ended(lent_first, without_gc):
    x = leaf(1.0, 2.0, 3.0)
    array = x.detach().numpy() if lent_first else None
    y = (x * x).sum()
    array = x.detach().numpy() if array is None else array
    array[0] = 7.0
    del array
    with pytest.raises(RuntimeError, match="argument 'a'.*changed in place by NumPy code"):
        y.backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [14, 4, 6]


def test_nodes_say_what_they_are():
    y = leaf(1.0, 2.0).exp()
    assert isinstance(y.grad_fn, Node)
    assert repr(y.grad_fn) == "<exp -> float32 (2,)>"
    assert isinstance(y, Tensor)


# ---- what a node knows for those who look at the graph ---------------------------------------------------------------


def test_a_gradient_that_happens_to_be_0_has_a_derivative_after_an_index():
    """d/dx of Σ sin² x / 2 is sin x cos x, and its derivative cos 2x, also at x = 0, where the gradient is 0."""
    x = minigrad.tensor([0.0, 0.5], requires_grad=True, dtype=minigrad.float64)
    chosen = x.sin()[minigrad.tensor([0, 1])]
    (g,) = minigrad.grad((chosen * chosen).sum() / 2, x, create_graph=True)
    (second,) = minigrad.grad(g.sum(), x)
    np.testing.assert_allclose(second.numpy(), np.cos([0.0, 1.0]))


def test_a_number_that_is_indexed_and_used_otherwise():
    x = minigrad.tensor(2.0, requires_grad=True)
    row = x[None] * minigrad.tensor([5.0])
    (x * 3.0 + row.sum()).backward()  # the product answers with a mere number, to which the index then adds
    assert x.grad.item() == 8.0


def test_a_node_remembers_its_arguments_and_small_results():
    w, x, mask = leaf(0.1, 0.2, 0.3), minigrad.tensor([1.0, 2.0, 3.0], name="x"), minigrad.tensor([True, False, True])
    y = (w * x).masked_fill(mask, -1.0).sum(dim=0)
    y.name = "total"
    y.backward()
    total = y.node
    assert total.label == "total"
    filled = total.arguments[0]
    assert total.arguments[1:] == [0, False, None]  # dim, keepdim, dtype
    product, seen, number = filled.arguments
    assert (seen.where(), seen.shape, number) == (mask, (3,), -1.0)
    assert [a if a is w else a.name for a in product.arguments] == [w, "x"]
    assert product.value().tolist() == pytest.approx([0.1, 0.4, 0.9])
    assert y.node.value() == pytest.approx(-1.6)


def test_a_node_does_not_keep_a_large_result_alive():
    w = leaf(*[0.5] * 7)
    y = w * 3.0
    assert y.node.value() is None
    result = weakref.ref(y.array)
    node = y.node
    del y
    assert node.value() is None
    assert result() is None


def test_a_generator_keeps_its_own_setting():
    x = leaf(1.0)

    @no_grad()
    def steps():
        yield x * 2
        assert not is_grad_enabled()
        return (yield x * 3)

    seen = []
    for y in steps():
        assert is_grad_enabled()
        seen.append((y.item(), y.requires_grad))
    assert seen == [(2.0, False), (3.0, False)]


def test_inference_mode_is_no_grad_and_can_be_switched_off():
    x = leaf(1.0)
    with minigrad.inference_mode():
        assert not (x * 2).requires_grad
    with minigrad.inference_mode(mode=False):
        assert (x * 2).requires_grad
    assert not minigrad.inference_mode(lambda: x * 2)().requires_grad


def test_the_gradients_of_many_pieces_are_added_in_place():
    """Steps read one by one, some twice, some by lists of positions: the same as by one product."""
    x, weights = minigrad.randn(5, 7, 3, requires_grad=True), minigrad.randn(7, 5, 3)
    whole = x * 2.0
    total = sum((whole[:, t] * weights[t]).sum() for t in range(7)) + whole[:, [1, 1, 4]].sum() + whole[2, 3, 1]
    total.backward()
    expected = 2.0 * weights.permute(1, 0, 2).numpy()
    expected[:, 1] += 4.0
    expected[:, 4] += 2.0
    expected[2, 3, 1] += 2.0
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-5)
    assert minigrad.gradgradcheck(lambda x: sum(x[t] ** 3 for t in (0, 1, 1, 2)), minigrad.randn(3, 2))
