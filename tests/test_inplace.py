"""In-place changes: what NumPy and PyTorch do to the values, and never a gradient that belongs to other values."""

import weakref

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, from_numpy, grad, gradcheck, gradgradcheck, no_grad, tensor


def leaf(*values, **options):
    return tensor(list(values), requires_grad=True, **options)


def matrix(rows=3, columns=5):
    """An array of distinct numbers between 0.5 and 1.5."""
    return np.random.default_rng(11).permutation(np.linspace(0.5, 1.5, rows * columns)).reshape(rows, columns)


# ---- programs that mean the same with NumPy's arrays ----------------------------------------------------------------
# Each takes x, an array or a tensor inside a graph, and its values are by definition what NumPy makes of it.

MASK = matrix() > 1


def slice_assigned(x):
    x[1:, ::2] = x[0, 1:4] * 3


def row_assigned_by_number(x):
    x[1] = 7.0


def one_entry_assigned(x):
    x[2, 3] = x[0, 0] * x[1, 1]


def mask_assigned_a_number(x):
    x[MASK] = -2.0


def mask_assigned_values(x):
    x[MASK] = x[~MASK][0] * x.sum()


def mask_of_rows(x):
    x[[True, False, True]] = x[1] * x[1]


def list_of_rows(x):
    x[[2, 0]] = x[[0, 1]] * 2


def pairs_of_indices(x):
    x[[0, 1, 2], [4, 0, 2]] = x[0, :3] * x[1, :3]


def broadcast_assigned(x):
    x[...] = x[:, :1] * x[:1]


def leading_ones_assigned(x):
    x[1] = (x[0] * 2)[None]


def operators(x):
    x += 1
    x *= x
    x -= x[0] * 0.5
    x /= 3
    x **= 2


def slice_operators(x):
    x[0] += x[1]
    x[:, 1] *= x[:, 2]
    x[MASK] -= 1
    x[1, 1] /= 2


def view_changed(x):
    row = x[1]
    row *= x[0]


def view_of_a_view_changed(x):
    part = x.T[1:4][::2]
    part[1] = x[:, 0] * 2
    part *= 3


def base_changed_after_the_view_was_made(x):
    row = x[1]
    x *= 2
    x[1:] += row * row


def two_overlapping_views(x):
    left, right = x[:, :3], x[:, 2:]
    left *= 2
    right *= left
    left += right


def reshaped_view_changed(x):
    flat = x.reshape(-1)
    flat[::4] = flat[1] * flat[2]
    flat *= 2


def diagonal_swept(x):
    for i in range(3):
        x[i, i] = x[i, i] ** 2 + x[0, 4]


def rows_one_after_another(x):
    for i in range(1, 3):
        x[i] += x[i - 1] * x[i]


def new_dimensions(x):
    y = x[None, :, :, None]
    y[0, :, 1:2] *= 2
    x[:, None, 3] = 5.0


def reversed_view_changed(x):
    back = x[::-1, ::-2]
    back *= x[:, :3]


def everything_overwritten(x):
    x[:] = 3.0
    x[0] *= 2


def assigned_to_itself(x):
    x[:] = x
    x[0] = x[0]


PROGRAMS = [
    slice_assigned, row_assigned_by_number, one_entry_assigned, mask_assigned_a_number, mask_assigned_values,
    mask_of_rows, list_of_rows, pairs_of_indices, broadcast_assigned, leading_ones_assigned, operators, slice_operators,
    view_changed, view_of_a_view_changed, base_changed_after_the_view_was_made, two_overlapping_views,
    reshaped_view_changed, diagonal_swept, rows_one_after_another, new_dimensions, reversed_view_changed,
    everything_overwritten, assigned_to_itself,
]  # fmt: skip


def watched(program):
    """A function: the values of a copy of its argument, and of views made before, after `program` changed it."""

    def function(x):
        y = x * 1
        views = y[1:], y.T, y.reshape(-1)[2:]
        early = y * y
        program(y)
        return y * 1, early, *(v * v for v in views)

    return function


@pytest.mark.parametrize("program", PROGRAMS)
def test_values_are_those_of_the_same_program_on_arrays(program):
    expected = watched(program)(matrix())
    for x in (tensor(matrix()), tensor(matrix(), requires_grad=True)):
        for y, z in zip(watched(program)(x), expected, strict=True):
            np.testing.assert_allclose(y.tolist(), z)
    with no_grad():
        for y, z in zip(watched(program)(tensor(matrix(), requires_grad=True)), expected, strict=True):
            np.testing.assert_allclose(y.tolist(), z)


@pytest.mark.parametrize("program", PROGRAMS)
def test_gradients_are_those_of_the_values(program):
    assert gradcheck(watched(program), tensor(matrix()))


@pytest.mark.parametrize("program", PROGRAMS)
def test_second_derivatives_are_those_of_the_values(program):
    assert gradgradcheck(watched(program), tensor(matrix()))


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_buffer_takes_part_once_it_is_given_values_with_a_gradient(program):
    def function(w):
        buffer = tensor(matrix() ** 2)
        views = buffer[1:], buffer.T, buffer.reshape(-1)[2:]
        buffer += w
        program(buffer)
        return buffer * 1, *(v * v for v in views)

    assert gradcheck(function, tensor(matrix()))


def test_a_buffer_filled_step_by_step():
    def function(w):
        out = minigrad.zeros(5, 3, dtype=np.float64)
        state = minigrad.ones(3, dtype=np.float64)
        for t in range(5):
            state = (state * w).tanh()
            out[t] = state
        return out

    assert gradcheck(function, tensor(matrix()[0, :3]))
    assert gradgradcheck(function, tensor(matrix()[0, :3]))


def test_rows_of_a_buffer_filled_by_iterating_over_it():
    w = leaf(2.0, 3.0)
    buffer = minigrad.zeros(3, 2)
    for row in buffer:
        row += w
    assert buffer.tolist() == [[2, 3]] * 3
    buffer.sum().backward()
    assert w.grad.tolist() == [3, 3]


def test_masking_scores_through_a_reshaped_view():
    """The softmax over valid lengths of a textbook: the rows of `scores` are masked through a view of them."""
    w = tensor(matrix(2, 6), requires_grad=True, dtype=np.float32)
    scores = (w * 2).reshape(2, 2, 3)
    lengths = tensor([1, 2, 3, 2])
    flat = scores.reshape(-1, 3)
    mask = minigrad.arange(3)[None, :] < lengths[:, None]
    flat[~mask] = -1e6
    weights = flat.reshape(scores.shape).softmax(-1)
    assert scores[0, 0].tolist()[1:] == [-1e6, -1e6]
    assert weights[0, 0].tolist() == [1, 0, 0]
    np.testing.assert_allclose(weights.sum(-1).tolist(), np.ones((2, 2)), rtol=1e-6)
    (weights * minigrad.arange(3)).sum().backward()
    used = mask.reshape(2, 6).tolist()
    alone = [[True, False, False, False, False, False], [False] * 6]  # a row with one entry has no choice
    assert ((w.grad != 0) == (tensor(used) & ~tensor(alone))).all()


# ---- the methods with an underscore ---------------------------------------------------------------------------------

V = matrix(3, 5)[::-1].copy()
INDEX = np.array([[2, 0, 1, 1, 2]])

METHODS = {
    "add_": (lambda x: x.add_(V), lambda x: x + V),
    "add_ alpha": (lambda x: x.add_(tensor(V), alpha=3), lambda x: x + 3 * V),
    "sub_": (lambda x: x.sub_(V, alpha=2), lambda x: x - 2 * V),
    "mul_": (lambda x: x.mul_(V), lambda x: x * V),
    "div_": (lambda x: x.div_(V), lambda x: x / V),
    "pow_": (lambda x: x.pow_(3), lambda x: x**3),
    "addcmul_": (lambda x: x.addcmul_(V, V, value=0.5), lambda x: x + 0.5 * V * V),
    "addcdiv_": (lambda x: x.addcdiv_(V, tensor(matrix()), value=-2), lambda x: x - 2 * V / matrix()),
    "neg_": (lambda x: x.neg_(), lambda x: -x),
    "exp_": (lambda x: x.exp_(), np.exp),
    "log_": (lambda x: x.log_(), np.log),
    "sqrt_": (lambda x: x.sqrt_(), np.sqrt),
    "tanh_": (lambda x: x.tanh_(), np.tanh),
    "sigmoid_": (lambda x: x.sigmoid_(), lambda x: 1 / (1 + np.exp(-x))),
    "clamp_": (lambda x: x.clamp_(0.61, max=1.17), lambda x: np.clip(x, 0.61, 1.17)),
    "masked_fill_": (lambda x: x.masked_fill_(MASK, 7.0), lambda x: np.where(MASK, 7, x)),
    "copy_": (lambda x: x.copy_(tensor(V[1])), lambda x: V[1] + 0 * x),
    "fill_": (lambda x: x.fill_(2.5), lambda x: 2.5 + 0 * x),
    "zero_": (lambda x: x.zero_(), lambda x: 0 * x),
    "index_fill_": (lambda x: x.index_fill_(1, [0, 3], 5.0), lambda x: np.where(np.isin(range(5), [0, 3]), 5, x)),
    "scatter_": (lambda x: x.scatter_(0, INDEX, 9.0), lambda x: np.where(np.arange(3)[:, None] == INDEX, 9, x)),
    "scatter_add_": (lambda x: x.scatter_add_(0, INDEX, tensor(V[:1])),
                     lambda x: x + np.where(np.arange(3)[:, None] == INDEX, V[:1], 0)),
    "lerp_": (lambda x: x.lerp_(tensor(V), 0.25), lambda x: x + 0.25 * (V - x)),
    "tril_": (lambda x: x.tril_(), np.tril),
    "cumsum_": (lambda x: x.cumsum_(1), lambda x: np.cumsum(x, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_change_the_tensor_and_return_it(name):
    change, expected = METHODS[name]
    x = tensor(matrix())
    memory, row = x.array, x[1]
    assert change(x) is x
    assert x.array is memory
    np.testing.assert_allclose(x.tolist(), expected(matrix()))
    assert row.tolist() == x[1].tolist()


@pytest.mark.parametrize("name", METHODS)
def test_methods_inside_a_graph_have_the_right_gradient(name):
    def function(x):
        y = x * 1
        change, _ = METHODS[name]
        assert change(y) is y
        return y

    np.testing.assert_allclose(function(tensor(matrix(), requires_grad=True)).tolist(), METHODS[name][1](matrix()))
    assert gradcheck(function, tensor(matrix()))
    assert gradgradcheck(function, tensor(matrix()))


@pytest.mark.parametrize("change", ["add_", "mul_", "sub_", "div_", "copy_"])
def test_methods_pass_a_gradient_to_what_they_are_given(change):
    def function(x, w):
        y = x * 1
        buffer = minigrad.ones(3, 5, dtype=np.float64)
        getattr(y, change)(w)
        getattr(buffer, change)(w)
        return y, buffer

    assert gradcheck(function, tensor(matrix()), tensor(V[0]))


def test_random_fills():
    x = minigrad.zeros(997)
    assert x.normal_(5, 0.1) is x
    assert 4.9 < x.mean().item() < 5.1
    assert 0 <= x.uniform_(0, 2).min().item() < x.max().item() <= 2
    assert set(x.bernoulli_(0.5).tolist()) == {0, 1}
    y = leaf(1.0, 2.0) * 3
    y.normal_()
    (dx,) = grad(y.sum(), y)
    assert dx.tolist() == [1, 1]
    with pytest.raises(ValueError, match="normal_.*-1"):
        x.normal_(0, -1)


def test_shapes_changed_in_place():
    def function(x):
        y = x * 1
        view = y[1]
        y.unsqueeze_(0).transpose_(1, 2).squeeze_().t_()
        y *= 2
        return y * y, view * view

    y, view = function(tensor(matrix()))
    assert (y.shape, view.shape) == ((3, 5), (5,))
    np.testing.assert_allclose(view.tolist(), (2 * matrix()[1]) ** 2)
    assert gradcheck(function, tensor(matrix()))


def test_shapes_changed_under_no_grad_keep_the_history():
    w = leaf(2.0, 3.0)
    y = w * 5
    with no_grad():
        y.unsqueeze_(0)
    (y * y).sum().backward()
    assert w.grad.tolist() == [100, 150]


def test_floor_division_and_remainder_change_the_tensor():
    x = tensor([7.0, 8.0])
    same = x
    x //= 2
    x %= 2
    assert same is x
    assert x.tolist() == [1, 0]


# ---- what may not be changed ----------------------------------------------------------------------------------------

CHANGES = {
    "x[i] = v": lambda x: x.__setitem__(0, 1.0),
    "x[mask] = v": lambda x: x.__setitem__(x.detach() > 0, 1.0),
    "+=": lambda x: x.__iadd__(1),
    "**=": lambda x: x.__ipow__(2),
    "zero_": lambda x: x.zero_(),
    "mul_": lambda x: x.mul_(2),
    "copy_": lambda x: x.copy_(x.detach() * 2),
    "normal_": lambda x: x.normal_(),
    "unsqueeze_": lambda x: x.unsqueeze_(0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_leaf_that_requires_grad_is_not_changed(change):
    w = leaf(2.0, 3.0, name="weight")
    with pytest.raises(RuntimeError, match=r"'weight' is a leaf that requires grad.*no_grad\(\)"):
        CHANGES[change](w)
    assert w.tolist() == [2, 3]
    assert w.is_leaf


@pytest.mark.parametrize("change", CHANGES)
def test_a_view_of_a_leaf_that_requires_grad_is_not_changed(change):
    w = leaf(2.0, 3.0, 5.0, name="weight")
    with no_grad():
        quiet = w[1:]
    for view in (w[1:], w.reshape(1, 3)[0], quiet):
        with pytest.raises(RuntimeError, match="shares memory with 'weight', a leaf that requires grad"):
            CHANGES[change](view)
    assert w.tolist() == [2, 3, 5]


@pytest.mark.parametrize("change", CHANGES)
def test_a_leaf_that_requires_grad_can_be_changed_under_no_grad(change):
    w = leaf(2.0, 3.0)
    memory = w.array
    with no_grad():
        CHANGES[change](w)
    assert w.is_leaf
    assert w.requires_grad
    assert np.shares_memory(w.array, memory)


def test_a_view_that_became_a_leaf_is_not_moved():
    base = minigrad.zeros(3)
    part = base[1:].requires_grad_()
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        part *= 2
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        base *= leaf(2.0)
    assert part.is_leaf


def test_parameters_are_copied_under_no_grad():
    w, target = leaf(2.0, 3.0), minigrad.zeros(2)
    with no_grad():
        target.copy_(w)
        target.mul_(2)
    assert (w.tolist(), target.tolist(), target.requires_grad) == ([2, 3], [4, 6], False)


def test_a_copy_shares_nothing_with_its_source():
    w, buffer = leaf(2.0, 3.0), minigrad.zeros(2)
    y = w * 2
    for source in (w, y):
        buffer.copy_(source)
        assert buffer.node is not source.node
        assert not np.shares_memory(buffer.array, source.array)
    (buffer * buffer).sum().backward()
    assert w.grad.tolist() == [16, 24]


@pytest.mark.parametrize("recorded", [True, False])
def test_entries_that_share_memory_are_not_changed(recorded):
    x = leaf(2.0, 3.0) * 1 if recorded else tensor([2.0, 3.0])
    spread = x.expand(5, 2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"share memory.*clone"):
            spread += 1
        x *= 2  # and the view remembers it when it has been moved
    with pytest.raises(RuntimeError, match=r"share memory.*clone"):
        x.unfold(0, 1, 1)[0] = 5.0


def test_a_view_made_under_no_grad_is_not_changed_outside():
    y = leaf(2.0, 3.0) * 2
    with no_grad():
        view = y[:1]
        view += 1
    with pytest.raises(RuntimeError, match=r"view that was made under no_grad.*x\.detach\(\)"):
        view += 1
    assert y.tolist() == [5, 6]


def test_shapes_must_fit():
    for x in (minigrad.zeros(2, 3), leaf(1.0) * minigrad.zeros(2, 3)):
        for value in (minigrad.ones(2), minigrad.ones(2, 3, 1), minigrad.ones(5, 3)):
            with pytest.raises(minigrad.ShapeError, match=r"x\[i\] = v.*\(2, 3\)"):
                x[...] = value
            with pytest.raises(minigrad.ShapeError, match=r"copy_.*\(2, 3\)"):
                x.copy_(value)
        with pytest.raises(minigrad.ShapeError, match=r"\(5, 2, 3\).*\(2, 3\)"):
            x += minigrad.ones(5, 1, 1)
        with pytest.raises(IndexError, match=r"\(2, 3\)"):
            x[2] = 1.0


def test_dtypes_must_fit():
    counts = minigrad.zeros(3, dtype=np.int64)
    for value in (tensor(0.5), leaf(0.5)):
        with pytest.raises(TypeError, match="float32.*int64"):
            counts[0] = value
    with pytest.raises(TypeError, match="float32.*int64"):
        counts += 0.5
    with pytest.raises(TypeError, match="float32.*int64"):
        counts /= 2
    with pytest.raises(TypeError, match="int64"):
        counts.copy_(leaf(1.0, 2.0, 3.0))
    counts += 2
    counts[0] = 5
    assert counts.tolist() == [5, 2, 2]
    assert counts.dtype == np.int64


def test_the_dtype_stays():
    x = minigrad.zeros(3)
    y = leaf(1.0) * minigrad.zeros(3)
    for t in (x, y):
        t += tensor(np.ones(3))
        t[0] = np.float64(2)
        t *= 2.0
        assert t.dtype == np.float32


def test_a_failed_change_changes_nothing():
    w = leaf(2.0, 3.0)
    y = w * 2
    node, view = y.node, y[1:]
    for attempt in (lambda: y.add_(minigrad.ones(3)), lambda: y.__setitem__(5, 1.0), lambda: y.mul_("two")):
        with pytest.raises((ValueError, IndexError, TypeError)):
            attempt()
    assert (y.node, y.tolist(), view.tolist()) == (node, [4, 6], [6])


# ---- others who show the same memory --------------------------------------------------------------------------------


def test_a_detached_tensor_sees_changes_and_has_no_history():
    w = leaf(2.0, 3.0)
    y = w * 2
    before, row = y.detach(), y.data[1:]
    y *= 5
    assert (before.tolist(), row.tolist()) == ([20, 30], [30])
    assert not before.requires_grad
    assert not row.requires_grad
    y.sum().backward()
    assert w.grad.tolist() == [10, 10]


def test_a_tensor_sees_changes_of_a_detached_one_but_not_their_history():
    w, v = leaf(2.0, 3.0), leaf(5.0, 7.0)
    y = w * 2
    outside = y.detach()
    outside *= v
    assert y.tolist() == outside.tolist() == [20, 42]
    assert outside.requires_grad
    y.sum().backward()
    assert (w.grad.tolist(), v.grad) == ([2, 2], None)
    outside.sum().backward()
    assert v.grad.tolist() == [4, 6]


def test_a_detached_leaf_changes_the_leaf_and_leaves_it_one():
    w, v = leaf(2.0, 3.0), leaf(5.0, 7.0)
    w.data *= v
    w.data[0] = 11.0
    assert w.tolist() == [11, 21]
    assert w.is_leaf
    assert w.requires_grad


def test_an_array_sees_recorded_changes_too():
    array = np.array([2.0, 3.0])
    x = from_numpy(array)
    x *= leaf(5.0, dtype=np.float64)
    assert array.tolist() == [10, 15]
    array[0] = 1
    assert x.tolist() == [1, 15]
    y = leaf(2.0) * 3
    seen = y.detach().numpy()
    y += 1
    assert seen.tolist() == [7]


def test_a_change_seen_elsewhere_still_has_the_right_gradient():
    def function(x):
        y = x * 1
        tensor_outside, array_outside = y.detach(), y.detach().numpy()
        y *= y.sum()
        y[1:] = y[:-1] * 2
        y.exp_()
        assert tensor_outside.tolist() == array_outside.tolist() == y.tolist()
        return y

    assert gradcheck(function, tensor([0.1, 0.2, 0.3]))
    assert gradgradcheck(function, tensor([0.1, 0.2, 0.3]))


def test_gating_after_a_detached_log_is_no_false_alarm():
    w, gate = leaf(2.0, 3.0), leaf(0.5, 0.25)
    h = w * w
    log = h.detach()
    h *= gate
    h.sum().backward()
    assert (w.grad.tolist(), gate.grad.tolist()) == ([2, 1.5], [4, 9])
    assert log.tolist() == [2, 2.25]


def test_replaced_data_is_no_longer_the_memory_of_its_views():
    base = minigrad.zeros(3)
    view = base[1:]
    base.data = minigrad.ones(3)
    base[0] = leaf(5.0)[0]
    assert (base.tolist(), view.tolist(), view.requires_grad) == ([5, 1, 1], [0, 0], False)
    with pytest.raises(RuntimeError, match=r"\.data.*clone"):
        view *= leaf(2.0)
    view = base[1:]
    view.data = minigrad.zeros(2)
    view += leaf(1.0)
    assert (base.tolist(), view.tolist()) == ([5, 1, 1], [1, 1])


def test_data_assigned_from_another_tensor_shares_its_memory():
    a, b = minigrad.zeros(2), minigrad.ones(2)
    a.data = b
    a += leaf(2.0)
    assert (a.tolist(), b.tolist(), b.requires_grad) == ([3, 3], [3, 3], False)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(4, 6)[:, ::2],
        np.arange(24.0).reshape(4, 6)[::-1, ::-2],
        np.asfortranarray(np.arange(12.0).reshape(4, 3)),
        np.arange(24.0).reshape(2, 4, 3)[1],
    ],
)
def test_views_of_memory_in_any_layout(array):
    expected = np.array(array)
    w = leaf(1.0, 10.0, dtype=np.float64)
    base = from_numpy(array) if array.base is not None else minigrad.tensor(array)
    column, row = base[:, 1], base[2]
    column += w[1]
    row *= w[0] + 2
    expected[:, 1] += 10
    expected[2] *= 3
    for part, values in ((base, expected), (column, expected[:, 1]), (row, expected[2])):
        assert part.tolist() == values.tolist()
    base.sum().backward()
    assert w.grad.tolist() == [expected[2].sum() / 3, 4 + 2]


def test_views_of_a_result_in_any_layout():
    strided = minigrad.op(lambda x: np.repeat(x, 2, -1)[:, ::2], "strided", x=lambda g: g)

    def function(x):
        y = strided(x)
        column, row = y[:, 1], y[2]
        column *= 2
        row += column.sum()
        return y * y, column * column, row * row

    assert gradcheck(function, tensor(matrix()))


def test_empty_and_0d_tensors():
    w = leaf(2.0)
    empty, number = minigrad.zeros(0, 3) * w, tensor(5.0) * w[0]
    part, same = empty[:, 1:], number.reshape(1)
    empty *= 2
    number *= 3
    same += 1
    assert (part.shape, number.item(), same.item()) == ((0, 2), 31, 31)
    (empty.sum() + number).backward()
    assert w.grad.tolist() == [15]


def test_views_are_forgotten_when_they_are_gone():
    y = leaf(1.0, 2.0) * 2
    for _ in range(1000):
        y[1:].add_(1)
    assert len(y.views) < 70
    refs = [weakref.ref(y.reshape(1, 2)) for _ in range(3)]
    assert [ref() for ref in refs] == [None] * 3


def test_hooks_belong_to_the_value_they_were_given_for():
    w = leaf(2.0)
    y = w * 3
    seen = []
    y.register_hook(lambda g: seen.append(("before", g.item())))
    y *= 5
    y.register_hook(lambda g: seen.append(("after", g.item())))
    (y * y).backward()
    assert seen == [("after", 60), ("before", 300)]


def test_grad_with_respect_to_a_changed_tensor_means_its_new_value():
    w = leaf(2.0)
    y = w * 3
    y *= 5
    (dy,) = grad(y * y, y)
    assert dy.tolist() == [60]


# ---- values that were changed after they were used ------------------------------------------------------------------


def by_a_view(x):
    x[1:].fill_(5)


def by_data(x):
    x.data[0] = 5.0


def by_detach(x):
    x.detach().mul_(2)


def by_numpy(x):
    x.detach().numpy()[0] = 5


def by_asarray(x):
    np.asarray(x.detach())[0] = 5


def by_an_optimizer(x):
    with no_grad():
        x -= 0.1 * x


def by_reshaped_memory(x):
    with no_grad():
        x.view(-1, 1)[0] = 5.0


def by_out(x):
    np.add(x.detach(), 1, out=x.detach())


def by_at(x):
    np.add.at(x.detach(), [0, 0], 1)


def by_a_random_fill(x):
    with no_grad():
        x.uniform_()


def by_masked_fill(x):
    x.data.masked_fill_(x.detach() > 0, 0)


UNSEEN = [
    by_a_view, by_data, by_detach, by_numpy, by_asarray, by_an_optimizer, by_reshaped_memory, by_out, by_at,
    by_a_random_fill, by_masked_fill,
]  # fmt: skip


@pytest.mark.parametrize("change", UNSEEN)
@pytest.mark.parametrize("which", ["leaf", "constant", "own result"])
@pytest.mark.parametrize("lent", ["before", "after"])
def test_a_changed_value_is_noticed(change, which, lent):
    w, constant = leaf(2.0, 3.0, name="weight"), tensor([11.0, 13.0])
    if lent == "before":
        w.detach().numpy(), constant.numpy()
    if which == "leaf":
        x, y, told = w.detach(), constant * w * w, "mul.*'weight'"
    elif which == "constant":
        x, y, told = constant, w * constant, "mul.*argument 'b'"
    else:
        y = w.exp()
        x, y, told = y.detach(), y.sum(), "exp.*own result"
    change(x)
    with pytest.raises(RuntimeError, match=f"{told}.*changed in place"):
        y.sum().backward()


def test_the_message_says_what_to_do_and_where_it_happened():
    w = leaf(2.0, 3.0, name="weight")
    y = (w * w).sum()
    with no_grad():
        w += 1
    with pytest.raises(RuntimeError) as error:
        y.backward()
    for part in ("mul", "'weight'", "(2,)", "+=", "test_inplace.py:", "x.clone()"):
        assert part in str(error.value)


def test_memory_lent_before_the_operation_and_written_after_it():
    array = np.array([2.0, 3.0], np.float32)
    x, w = from_numpy(array), leaf(5.0, 7.0)
    y = (x * w).sum()
    array[0] = 100
    with pytest.raises(RuntimeError, match="mul.*argument 'a'.*NumPy code"):
        y.backward()


def test_swapped_integers_are_noticed():
    labels = np.array([1, 2, 3])
    w = tensor(matrix(5, 2), requires_grad=True)
    y = w.gather(0, from_numpy(labels)[:, None]).sum()
    labels += [1, -2, 1]  # the same sum, and the same sum weighted by place
    with pytest.raises(RuntimeError, match="gather.*'index'.*changed in place by NumPy code"):
        y.backward()


def test_an_array_operand_is_watched():
    array = np.array([2.0, 3.0], np.float32)
    w = leaf(5.0, 7.0)
    y = (w * array).sum()
    array[0] = 100
    try:
        y.backward()
    except RuntimeError:
        return  # noticed
    assert w.grad.tolist() == [2, 3]  # or not affected


@pytest.mark.parametrize("make", [tensor, np.array])
@pytest.mark.parametrize("pick", [lambda x, i: x[i], lambda x, i: x[:, i], lambda x, i: x[None, i, i]])
def test_an_index_is_watched(make, pick):
    i = make([0, 1])
    w = tensor(matrix(3, 3), requires_grad=True)
    (before,) = grad(pick(w, i).sum(), w)
    y = pick(w, i).sum()
    i[0] = 2
    try:
        y.backward()
    except RuntimeError:
        return  # noticed
    assert w.grad.tolist() == before.tolist()  # or not affected


def test_a_mask_is_watched():
    mask = tensor([True, False, True])
    w = leaf(2.0, 3.0, 5.0)
    y = w.masked_fill(mask, 0.0).sum()
    mask[1] = True
    with pytest.raises(RuntimeError, match="masked_fill.*mask"):
        y.backward()


def test_functions_that_write_into_their_argument_are_refused():
    x = tensor([2.0, 3.0])
    for write in (
        lambda: np.copyto(x, 5.0),
        lambda: np.put(x, [0], 5.0),
        lambda: np.putmask(x, x > 2, 5.0),
        lambda: np.place(x, x.numpy() > 2, [5.0]),
        lambda: np.median(x, out=x),
    ):
        with pytest.raises(TypeError, match=r"np\.\w+ .*x\.copy_"):
            write()
    assert x.tolist() == [2, 3]


def test_a_value_that_no_rule_needs_may_change():
    w, v = leaf(2.0, 3.0), leaf(5.0, 7.0)
    h = w * 2
    y = (h + v).sum()
    h.data.zero_()
    y.backward()
    assert (w.grad.tolist(), v.grad.tolist()) == ([2, 2], [1, 1])


def test_recorded_changes_leave_old_values_alone():
    """PyTorch raises here: it overwrites the memory that exp had saved."""
    w = leaf(2.0, 3.0, dtype=np.float64)
    y = w.exp()
    y *= 2
    y.sum().backward()
    np.testing.assert_allclose(w.grad.tolist(), 2 * np.exp([2, 3]))


# ---- no false alarms ------------------------------------------------------------------------------------------------


def test_an_ordinary_training_loop_runs():
    rng = np.random.default_rng(0)
    w, b = tensor(rng.normal(size=(3, 5)), requires_grad=True), tensor(np.zeros(3), requires_grad=True)
    velocity = [minigrad.zeros_like(p) for p in (w, b)]
    mean, count = minigrad.zeros(5, dtype=np.float64), minigrad.zeros(1, dtype=np.int64)
    batch = np.empty((7, 5))
    losses = []
    for _ in range(30):
        rng.standard_normal(out=batch)
        x = from_numpy(batch)
        with no_grad():  # running statistics
            mean.lerp_(x.mean(0), 0.1)
            count += 1
        h = (x - mean) @ w.T + b
        h[h < 0] *= 0.1
        loss = ((h - 1) ** 2).mean()
        loss.backward()
        losses.append(loss.detach().numpy().copy())
        with no_grad():
            for p, v in zip((w, b), velocity, strict=True):
                v.mul_(0.9).add_(p.grad)
                p.sub_(v, alpha=0.01)
                p.grad.zero_()
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert count.item() == 30


def test_truncated_backpropagation_with_a_state_buffer():
    w = leaf(0.5, 0.25)
    state = minigrad.ones(2)
    for _ in range(3):
        state = state.detach()
        for _ in range(2):
            state = (state * w).tanh()
        state.sum().backward()
    assert np.isfinite(w.grad.tolist()).all()


def test_two_losses_on_a_retained_graph_with_an_accumulating_gradient():
    w = leaf(2.0)
    y = w * w
    for _ in range(3):
        (y * 2).backward(retain_graph=True)
    assert w.grad.item() == 24


def test_a_gradient_that_is_itself_used_is_watched():
    w = leaf(2.0)
    (w * w).backward()
    penalty = (w * w.grad).sum()
    (w * w).backward()  # adds to w.grad in place
    with pytest.raises(RuntimeError, match="mul"):
        penalty.backward()


def test_weights_tied_by_memory():
    encoder, decoder = leaf(2.0, 3.0), leaf(0.0, 0.0)
    decoder.data = encoder.data
    with no_grad():
        encoder += 1
    assert decoder.tolist() == [3, 4]
    assert isinstance(decoder, Tensor)
