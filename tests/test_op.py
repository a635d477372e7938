"""Operations of one's own: a NumPy function and a rule for each argument that has a derivative."""

import math

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, grad, gradcheck, gradgradcheck, no_grad, op, tensor
from minigrad.op import fused, registry

X = tensor([[0.3, -1.2, 0.7], [1.9, 0.2, -0.4]])


@pytest.fixture
def cube():
    return op(lambda x: x**3, "cube", x=lambda g, x: 3 * x**2 * g)


def leaf(*values):
    return tensor(list(values), requires_grad=True)


# ---- what a rule may say --------------------------------------------------------------------------------------------


def test_an_operation_in_three_lines(cube):
    x = leaf(2.0, 3.0)
    y = cube(x)
    assert y.tolist() == [8, 27]
    y.sum().backward()
    assert x.grad.tolist() == [12, 27]
    assert gradcheck(cube, X)
    assert gradgradcheck(cube, X)


def test_derivatives_of_a_rule_to_any_order(cube):
    y = x = tensor(2.0, requires_grad=True)
    y = cube(x)
    for expected in (12, 12, 6, 0):
        (y,) = grad(y, x, create_graph=True, materialize_grads=True)
        assert y.item() == expected


def test_rules_written_with_operations_of_this_package_or_of_numpy():
    by_numpy = op(lambda x: np.log(1 + np.exp(x)), "by_numpy", x=lambda g, x: g / (1 + np.exp(-x)))
    by_own = op(lambda x: np.log(1 + np.exp(x)), "by_own", x=lambda g, x: g * minigrad.sigmoid(x))
    by_method = op(lambda x: np.sum(x * x, 1), "by_method",
                   x=lambda g, x: 2 * np.expand_dims(g, 1) * x.reshape(x.shape))  # fmt: skip
    for function in (by_numpy, by_own, by_method):
        assert gradcheck(function, X)
        assert gradgradcheck(function, X)


def test_the_vocabulary_of_a_rule():
    seen = {}

    def of_a(g, out, shape, a, b, scale):
        seen.update(g=g, out=out, shape=shape, a=a, b=b, scale=scale)
        return g * b * scale

    product = op(lambda a, b, scale=2.0: scale * a * b, "product_of_all", a=of_a, b=lambda g, a, scale: g * a * scale)
    a, b = leaf(2.0, 3.0), leaf(5.0)
    product(a, b, scale=10.0).backward(tensor([1.0, 0.0]))
    assert [x.tolist() for x in (seen["g"], seen["out"], seen["a"], seen["b"])] == [[1, 0], [100, 150], [2, 3], [5]]
    assert (seen["shape"], seen["scale"]) == ((2,), 10.0)
    assert (a.grad.tolist(), b.grad.tolist()) == ([50, 0], [20])
    assert gradgradcheck(product, X, X[:1])


def test_rules_see_only_arrays_or_only_tensors():
    kinds = []

    def rule(g, x, out):
        kinds.append({type(v) for v in (g, x, out)})
        return g * x * out / out

    watched = op(lambda x: x * x / 2, "watched", x=rule)
    x = leaf(2.0)
    watched(x).backward()
    grad(watched(x), x, create_graph=True)
    assert kinds == [{np.ndarray}, {Tensor}]


def test_an_operation_with_any_number_of_arguments():
    total = op(lambda *xs, scale: scale * sum(xs), "total", xs=lambda g, scale: g * scale)
    which = op(lambda *xs: math.prod(xs), "which",
               xs=lambda g, xs, i: g * math.prod(x for j, x in enumerate(xs) if j != i))  # fmt: skip
    x = leaf(1.0)
    total(x, 2.0, x, tensor([5.0]), scale=3.0).backward()
    assert x.grad.tolist() == [6]
    for n in (1, 2, 3):
        assert gradcheck(which, *[X + i for i in range(n)])
        assert gradgradcheck(which, *[X + i for i in range(n)])
    assert gradcheck(lambda x: which(x, 2.0, x), X)
    assert gradgradcheck(lambda a, b: total(a, b, scale=2.0) ** 2, X, X[0])


def test_arguments_by_position_by_name_and_by_default():
    scaled = op(lambda x, factor=2.0, shift=0.0: x * factor + shift, "scaled", x=lambda g, factor: g * factor)
    x = leaf(1.0)
    results = [scaled(x), scaled(x, 3.0), scaled(factor=5.0, x=x), scaled(x, shift=1.0), scaled(x, 3.0, shift=4.0)]
    assert [y.item() for y in results] == [2, 3, 5, 3, 7]


def test_arguments_that_are_given_only_by_name():
    scaled = op(lambda x, *, factor=2.0: x * factor, "scaled_by_name", x=lambda g, factor: g * factor)
    x = leaf(1.0)
    (scaled(x) + scaled(x, factor=5.0)).backward()
    assert x.grad.item() == 7


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda cube, x: cube(), "cube.*needs argument 'x'"),
        (lambda cube, x: cube(x, x), "cube.*1.*2 were given"),
        (lambda cube, x: cube(y=x), "cube.*no argument 'y'.*x"),
        (lambda cube, x: cube(x, x=x), "cube.*'x' twice|cube.*takes"),
    ],
)
def test_calls_that_do_not_fit(cube, call, told):
    with pytest.raises(TypeError, match=told):
        call(cube, leaf(1.0))


def test_an_operation_without_rules_has_no_gradient():
    steps = op(lambda x: np.floor(x), "my_steps")
    y = steps(leaf(1.5))
    assert (y.item(), y.requires_grad) == (1, False)


def test_on_arrays_an_operation_answers_with_an_array(cube):
    assert type(cube(np.array([2.0]))) is np.ndarray


def test_the_function_sees_arrays_and_may_return_scalars_and_views():
    kinds = []
    trace = op(lambda x: (kinds.append(type(x)), np.trace(x))[1], "my_trace", x=lambda g, shape: g * np.eye(shape[0]))
    rows = op(lambda x: x[::-1], "my_rows", x=lambda g: g[::-1])
    x = tensor(np.ones((3, 3)), requires_grad=True)
    (trace(x) + rows(x).sum()).backward()
    assert x.grad.tolist() == (1 + np.eye(3)).tolist()
    assert kinds == [np.ndarray]
    assert isinstance(trace(x).array, np.ndarray)


def test_results_keep_the_dtype_rule():
    widening = op(lambda x: x * np.float64(2) + np.zeros(()), "widening", x=lambda g: 2 * g)
    assert widening(leaf(1.0)).dtype == np.float32
    assert widening(tensor([1.0], dtype=np.float64)).dtype == np.float64


def test_an_operation_documents_itself():
    def half(x, by=2):
        """Half of x."""
        return x / by

    halved = op(half, x=lambda g, by: g / by)
    assert (halved.__name__, halved.__doc__) == ("half", "Half of x.")
    assert "half" not in registry  # which lists the operations of this package
    assert repr(halved.op) == "<op half(x, by)>"
    assert repr(halved(leaf(1.0)).grad_fn) == "<half -> float32 (1,)>"


def test_a_list_as_an_operand_is_an_array():
    x = leaf(1.0, 2.0)
    y = x @ [[3.0], [5.0]]
    y.backward()
    assert (y.tolist(), x.grad.tolist()) == ([13], [3, 5])


# ---- what a rule must not do ----------------------------------------------------------------------------------------


def test_a_rule_for_an_argument_that_does_not_exist():
    with pytest.raises(TypeError, match=r"op squared.*'y'.*'x'"):
        op(lambda x: x * x, "squared", y=lambda g, x: 2 * g * x)


def test_a_rule_that_asks_for_something_that_does_not_exist():
    asks = op(lambda x: x * x, "asks", x=lambda g, result: g * result)
    assert asks(tensor([2.0])).item() == 4
    with pytest.raises(TypeError, match="op asks.*'result'.*g, out, shape, x"):
        asks(leaf(2.0))


def test_an_argument_that_requires_grad_needs_a_rule():
    half = op(lambda a, b: a * b, "half_differentiable", a=lambda g, b: g * b)
    assert half(leaf(2.0), tensor([3.0])).requires_grad
    with pytest.raises(TypeError, match=r"half_differentiable: argument 'b' requires grad.*b\.detach\(\)"):
        half(tensor([2.0]), leaf(3.0))
    with no_grad():
        assert half(tensor([2.0]), leaf(3.0)).item() == 6


def test_a_rule_of_the_wrong_shape():
    bad = op(lambda x: np.sum(x, 0), "bad_shape", x=lambda g: g[:2])
    with pytest.raises(ValueError, match=r"bad_shape: the rule for argument 'x' of shape \(2, 3\).*\(2,\)"):
        bad(tensor(X, requires_grad=True)).sum().backward()
    x = X.detach().requires_grad_()
    with pytest.raises(ValueError, match=r"bad_shape.*the rule for argument 'x' of shape \(2, 3\).*\(2,\)"):
        bad(x).sum().backward()


@pytest.mark.parametrize("answer", [None, 1.5, [1.0], "g"])
def test_a_rule_that_returns_no_array(answer):
    bad = op(lambda x: x * 2, "returns_nothing", x=lambda g: answer)
    with pytest.raises(TypeError, match="returns_nothing.*rule for argument 'x'"):
        bad(leaf(1.0)).backward()


def test_an_operation_on_a_ufunc_leaves_the_ufunc_alone():
    """What np.exp means for tensors is decided once, by this package."""
    mine = op(np.exp, "my_exp", x=lambda g: g * 0)
    x = leaf(0.0)
    (mine(x) + np.exp(x)).backward()
    assert x.grad.item() == 1


def test_an_operation_does_not_replace_one_of_the_same_name():
    before = registry["exp"]
    op(lambda x: x, "exp", x=lambda g: g)
    assert registry["exp"] is before
    assert minigrad.exp(leaf(0.0)).item() == 1


def test_errors_inside_the_function_name_the_operation():
    glue = op(lambda a, b: np.concatenate([a, b], 1), "glue", a=lambda g: g, b=lambda g: g)
    with pytest.raises(minigrad.ShapeError, match=r"glue: .*a: float32 \(2, 3\), b: float32 \(3, 2\)"):
        glue(X, X.T)
    fails = op(lambda x: {}[0], "fails", x=lambda g: g)
    with pytest.raises(KeyError):
        fails(X)


def test_arguments_are_not_copied_and_not_changed():
    x = leaf(2.0, 3.0)
    seen = []
    look = op(lambda x: (seen.append(x), x * 2)[1], "look", x=lambda g: 2 * g)
    look(x)
    assert seen[0] is x.array


# ---- kernels beside a readable definition ---------------------------------------------------------------------------


def _kernel(x, w=None):
    y = np.tanh(x)
    return (y if w is None else y * w), (y,)


def _kernel_gradient(g, kept, needs, x, w):
    (y,) = kept
    calls.append(dict(needs))
    dx = g * (1 - y * y) * (1 if w is None else w) if needs["x"] else None
    return dx, (g * y if needs["w"] else None)


calls = []


@pytest.fixture
def weighted_tanh():
    @fused(wrt=("x", "w"), forward=_kernel, backward=_kernel_gradient)
    def weighted_tanh(x, w=None):
        """tanh(x) · w."""
        y = np.tanh(x)
        return y if w is None else y * w

    calls.clear()
    return weighted_tanh


def test_kernels_give_values_and_first_derivatives(weighted_tanh):
    assert gradcheck(weighted_tanh, X, X[0])
    assert gradcheck(weighted_tanh, X)
    assert gradcheck(weighted_tanh, X, X.flip(1))
    calls.clear()
    weighted_tanh(leaf(0.5), tensor([2.0])).backward()
    weighted_tanh(tensor([0.5]), leaf(2.0)).backward()
    assert calls == [{"x": True, "w": False}, {"x": False, "w": True}]


def test_higher_derivatives_come_from_the_definition(weighted_tanh):
    assert gradgradcheck(weighted_tanh, X, X[0])
    assert calls == []
    y = x = tensor(0.5, requires_grad=True, dtype=np.float64)
    y = weighted_tanh(x)
    t = math.tanh(0.5)
    for expected in (1 - t**2, -2 * t * (1 - t**2), (1 - t**2) * (6 * t**2 - 2)):
        (y,) = grad(y, x, create_graph=True)
        assert math.isclose(y.item(), expected, rel_tol=1e-12)
