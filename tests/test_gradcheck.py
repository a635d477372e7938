"""gradcheck must find every kind of wrong gradient, name it, and find none where there is none."""

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, gradcheck, gradgradcheck, no_grad, op, tensor
from minigrad.gradcheck import GradcheckError

X = tensor([[0.3, -1.2, 0.7], [1.9, 0.2, -0.4]])


def right(x, y):
    return (x * y).tanh() + x.exp()


# ---- what is right --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"full": True}, {"method": "complex"}, {"method": "complex", "full": True}])
def test_right_gradients_pass(options):
    assert gradcheck(right, X, X.flip(0), **options)
    assert gradgradcheck(right, X, X.flip(0), **options)


def test_inputs_may_be_given_as_one_tuple():
    assert gradcheck(right, (X, X.flip(0)))
    assert gradgradcheck(right, [X, X.flip(0)])


def test_float32_inputs_are_checked_in_float64_and_left_alone():
    x = tensor([0.3, 0.7], requires_grad=True)
    dtypes = []
    assert gradcheck(lambda x: (dtypes.append(x.dtype), x.exp())[1], x)
    assert set(dtypes) == {np.dtype("float64"), np.dtype("float64")}
    assert (x.dtype, x.grad, x.node) == (np.float32, None, None)
    assert x.tolist() == tensor([0.3, 0.7]).tolist()


def test_only_tensors_that_require_grad_are_checked_if_some_do():
    wrong_in_b = op(lambda a, b: a * b, "half_right", a=lambda g, b: g * b, b=lambda g, a: 2 * g * a)
    x = tensor([0.3, 0.7])
    assert gradcheck(wrong_in_b, tensor([0.2, 0.5], requires_grad=True), x)
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(wrong_in_b, tensor([0.2, 0.5]), x)


def test_integers_and_other_things_are_passed_on():
    def pick(x, index, scale):
        return x[index] * scale

    assert gradcheck(pick, X, tensor([1, 0, 1]), 3)


def test_several_outputs_and_outputs_without_gradient():
    assert gradcheck(lambda x: (x.sin(), x.max(1).indices, x.cos(), "text"), X)
    assert gradgradcheck(lambda x: (x.sin(), x.max(1).indices, x.cos()), X)


def test_a_constant_has_gradient_zero():
    assert gradcheck(lambda x: minigrad.ones(3, dtype=np.float64), X)
    assert gradcheck(lambda x: (x * 0 + 1).sum(), X)
    assert gradgradcheck(lambda x: 3 * x, X)


def test_empty_and_0d_inputs():
    assert gradcheck(lambda x, y: x.sum() * y, minigrad.zeros(0, 3), tensor(0.7))


def test_nothing_to_check():
    with pytest.raises(ValueError, match="no input is a floating-point tensor"):
        gradcheck(lambda x: x, tensor([1, 2]))
    with pytest.raises(ValueError, match="no output is a floating-point tensor"):
        gradcheck(lambda x: x.argmax(), X)
    with pytest.raises(ValueError, match="'forward'"):
        gradcheck(lambda x: x, X, method="forward")


# ---- what is wrong --------------------------------------------------------------------------------------------------


def _one_entry(g, x):
    factor = np.ones(x.shape)
    factor[1, 2] = 1.001
    return g * np.cos(x) * factor


WRONG = {
    "sign": (np.sin, lambda g, x: -g * np.cos(x)),
    "factor": (np.square, lambda g, x: g * x),
    "forgets g": (np.sin, lambda g, x: np.cos(x)),
    "zero": (np.sin, lambda g: 0 * g),
    "one entry": (np.sin, _one_entry),
    "reversed": (np.sin, lambda g, x: (g * np.cos(x))[::-1]),
    "zero of a softmax": (lambda x: np.exp(x) / np.sum(np.exp(x), -1, keepdims=True), lambda g: 0 * g),
    "not a number": (np.sin, lambda g: g * np.nan),
}


def wrong(name):
    function, rule = WRONG[name]
    return op(lambda x: function(x), "wrong", x=rule)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("options", [{}, {"full": True}, {"method": "complex"}])
def test_a_wrong_rule_is_found(name, options):
    with pytest.raises(GradcheckError, match=r"at input 0\["):
        gradcheck(wrong(name), X, **options)
    assert gradcheck(wrong(name), X, raise_exception=False, **options) is False


def test_the_worst_entry_is_named_with_both_numbers():
    x = tensor([[0.3, -1.2, 0.7], [1.9, 0.2, -0.4]], name="scores")
    with pytest.raises(GradcheckError) as error:
        gradcheck(wrong("one entry"), x, full=True)
    text = str(error.value)
    for part in (
        "scores",
        "[1, 2]",
        "-0.4",
        "output 0[1, 2]",
        f"{np.cos(-0.4):.8f}"[:9],
        f"{1.001 * np.cos(-0.4):.8f}"[:9],
    ):
        assert part in text


def test_a_rule_of_the_wrong_shape_names_the_operation():
    column_sums = op(lambda x: np.sum(x, 0), "column_sums", x=lambda g: np.sum(g))
    with pytest.raises(ValueError, match=r"column_sums.*'x' of shape \(2, 3\).*\(\)"):
        gradcheck(column_sums, X)


def test_broadcasting_is_undone_for_a_rule():
    scaled = op(lambda a, b: a * b, "scaled", a=lambda g, b: g * b, b=lambda g, a: g * a)
    assert gradcheck(scaled, X, tensor([0.3, 0.5, 0.7]))
    assert gradcheck(scaled, X[:, :1], tensor([0.3, 0.5, 0.7]))


def test_a_rule_may_answer_in_another_dtype():
    low = op(lambda x: np.sin(x), "low", x=lambda g, x: (g * np.cos(x)).astype(np.float32))
    assert gradcheck(low, X)


def test_a_difference_too_small_for_any_entry_is_still_found():
    """Each entry is wrong by less than the tolerance of one entry; together they are not."""
    n = 10_007
    x = tensor(np.full(n, 0.5))
    drift = op(lambda x: np.sin(x), "drift", x=lambda g, x: g * np.cos(x) + 3e-7 * np.sign(g))
    try:
        gradcheck(drift, x, atol=1e-7, rtol=0)
    except GradcheckError:
        return
    assert gradcheck(drift, x[:7], atol=1e-6, rtol=0)  # the tolerance is stated, and it is met


# ---- kinks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (lambda x: x.relu(), 0.0),
        (lambda x: x.abs(), 1e-8),
        (lambda x: x.clamp(max=0.5), 0.5),
        (lambda x: x.relu(), -3e-8),
    ],
)
def test_a_kink_is_named(function, value):
    with pytest.raises(GradcheckError, match=r"input 0\[1\].*kink.*to the left.*to the right"):
        gradcheck(function, tensor([0.3, value, 0.8], dtype=np.float64))


def test_a_wrong_rule_is_not_called_a_kink():
    with pytest.raises(GradcheckError) as error:
        gradcheck(wrong("factor"), X)
    assert "kink" not in str(error.value)


def test_steps_away_from_kinks_are_fine():
    assert gradcheck(lambda x: x.relu() + x.abs() + x.clamp(-0.5, 0.5), X)


def test_the_complex_step_refuses_what_is_not_analytic():
    with pytest.raises(ValueError, match="not analytic; use 'central'"):
        gradcheck(lambda x: x.abs(), X, method="complex")


def test_the_complex_step_is_exact_to_the_last_digits():
    slightly = op(lambda x: np.sin(x), "slightly", x=lambda g, x: g * np.cos(x) * (1 + 1e-9))
    assert gradcheck(slightly, X)  # differences cannot tell
    with pytest.raises(GradcheckError, match="error"):
        gradcheck(slightly, X, method="complex", rtol=1e-12, atol=1e-14)
    assert gradcheck(lambda x: x.sin() * x.exp(), X, method="complex", rtol=1e-12, atol=1e-14)


# ---- functions that cannot be checked -------------------------------------------------------------------------------


def test_random_functions_see_the_same_numbers_in_every_call():
    minigrad.manual_seed(5)
    expected = minigrad.rand(2)
    minigrad.manual_seed(5)
    assert gradcheck(lambda x: x * minigrad.rand(2, 3, dtype=np.float64), X)
    assert gradgradcheck(lambda x: x**2 * minigrad.rand(2, 3, dtype=np.float64), X)
    assert minigrad.rand(2).tolist() == expected.tolist()  # and the generator stands where it stood


def test_a_function_that_differs_from_call_to_call():
    rng = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="different results"):
        gradcheck(lambda x: x * rng.random(), X)


def test_a_function_that_changes_its_input():
    def sneaky(x):
        y = x.sin()
        x.data[0, 0] += 1
        return y

    with pytest.raises(GradcheckError, match="changes input 0 in place"):
        gradcheck(sneaky, X)
    kept = X.tolist()
    assert kept[0][0] == tensor(0.3).item()


# ---- modules --------------------------------------------------------------------------------------------------------


class Affine:
    """What gradcheck needs of a module: a call, and its parameters and buffers by name."""

    def __init__(self):
        self.weight = tensor([[0.3, -0.2, 0.5], [0.7, 0.1, -0.4]], requires_grad=True)
        self.bias = tensor([0.2, -0.1], requires_grad=True)
        self.frozen = tensor([0.5, 0.7])
        self.seen = minigrad.zeros(2)
        self.product = lambda a, b: a * b

    def named_parameters(self):
        yield from (("weight", self.weight), ("bias", self.bias), ("frozen", self.frozen))

    def named_buffers(self):
        yield "seen", self.seen

    def __call__(self, x):
        y = self.product(x @ self.weight.T, self.bias) * self.frozen
        with no_grad():
            self.seen += y.mean(0)
        return y.tanh()


def test_the_parameters_of_a_module_are_checked():
    module = Affine()
    before = [p.array for _, p in module.named_parameters()] + [module.seen.array]
    for check in (gradcheck, gradgradcheck):
        assert check(module, X)
        assert check(module, X, full=True)
    after = [p.array for _, p in module.named_parameters()] + [module.seen.array]
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert module.seen.tolist() == [0, 0]
    assert (module.weight.grad, module.bias.grad) == (None, None)


def test_a_wrong_gradient_of_a_parameter_is_named():
    module = Affine()
    module.product = op(lambda a, b: a * b, "wrong_product", a=lambda g, b: g * b, b=lambda g, a: g)
    with pytest.raises(GradcheckError, match=r"parameter bias\[[01]\]"):
        gradcheck(module, X)
    assert module.weight.dtype == np.float32


def test_a_module_is_put_back_when_it_fails():
    class Failing(Affine):
        def __call__(self, x):
            raise KeyError

    module = Failing()
    with pytest.raises(KeyError):
        gradcheck(module, X)
    assert module.weight.dtype == np.float32


# ---- second derivatives ---------------------------------------------------------------------------------------------


def _detached(x):
    return x.detach() if isinstance(x, Tensor) else x


LOSING = {
    "a detached argument": (np.sin, {"x": lambda g, x: g * np.cos(_detached(x))}),
    "a detached gradient": (np.square, {"x": lambda g, x: 2 * _detached(g) * x}),
    "a detached result": (np.exp, {"x": lambda g, out: g * _detached(out)}),
    "an array": (np.sin, {"x": lambda g, x: g * np.cos(getattr(x, "array", x))}),
    "the other argument": (np.multiply, {"x": lambda g, y: g * _detached(y), "y": lambda g, x: g * x}),
}


@pytest.mark.parametrize("name", LOSING)
def test_a_rule_that_loses_the_second_order_is_found(name):
    function, rules = LOSING[name]
    inputs = (X, X.flip(1))[: len(rules)]
    losing = op((lambda x: function(x)) if len(rules) == 1 else lambda x, y: function(x, y), "losing", **rules)
    assert gradcheck(losing, *inputs)
    with pytest.raises(GradcheckError, match="input"):
        gradgradcheck(losing, *inputs)


def test_a_wrong_first_derivative_is_a_wrong_second_one_of_what_it_claims():
    """The gradient claims to be that of x³; its own derivative is consistent, so only gradcheck tells."""
    claims = op(lambda x: x * x, "claims", x=lambda g, x: 3 * g * x * x)
    assert gradgradcheck(claims, X)
    with pytest.raises(GradcheckError):
        gradcheck(claims, X)
