"""Which number type a result has: PyTorch's promotion of floating-point tensors, and no widening by plain numbers."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import elementwise, fused, linalg
from minigrad.tensor import Tensor
from nn import functional

INTEGERS = [mg.bool, mg.uint8, mg.int8, mg.int16, mg.int32, mg.int64]
FLOATS = [mg.float16, mg.float32, mg.float64]
OPERATORS = [getattr(operator, name) for name in ("add", "sub", "mul", "truediv", "pow", "floordiv", "mod")]
ARITHMETIC = [*OPERATORS, mg.maximum]


def ones(dtype: Any, *shape: int) -> Tensor:
    return mg.tensor(np.ones(shape), dtype=dtype)


# ---- what PyTorch documents under "type promotion" ------------------------------------------------------------------


@pytest.mark.parametrize("function", ARITHMETIC)
@pytest.mark.parametrize(
    ("a", "b", "result"),
    [
        (ones(mg.float32, 3), ones(mg.float32, 3), mg.float32),
        (ones(mg.float32, 3), ones(mg.float64, 3), mg.float64),
        (ones(mg.float16, 3), ones(mg.float32, 3), mg.float32),
        (ones(mg.float32, 3), ones(mg.float64), mg.float32),  # a 0-d tensor does not widen one with dimensions
        (ones(mg.float32), ones(mg.float64, 3), mg.float64),
        (ones(mg.float32), ones(mg.float64), mg.float64),
        (ones(mg.float32, 1), ones(mg.float64), mg.float32),
        (ones(mg.int64, 3), ones(mg.float32, 3), mg.float32),
        (ones(mg.int64, 3), ones(mg.float64), mg.float64),
        (ones(mg.int64, 3), ones(mg.float16), mg.float16),
        (ones(mg.int64), ones(mg.float32, 3), mg.float32),
    ],
    ids=lambda x: f"{x.dtype} {x.shape}" if isinstance(x, Tensor) else str(x),
)
def test_widest_float_wins(function: Callable[..., Any], a: Tensor, b: Tensor, result: Any) -> None:
    assert function(a, b).dtype == result
    assert function(b, a).dtype == result


@pytest.mark.parametrize("function", ARITHMETIC)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.5), np.float16(2.5), np.int64(2)], ids=repr)
def test_numbers_never_widen(function: Callable[..., Any], dtype: Any, number: Any) -> None:
    x = ones(dtype, 2, 3).requires_grad_()
    for y in (function(x, number), function(number, x)):
        assert y.dtype == dtype
        (g,) = mg.grad(y, x, mg.ones_like(y))
        assert g.dtype == dtype


@pytest.mark.parametrize("number", [0.5, np.float64(0.5), np.sqrt(0.25)], ids=repr)
def test_numbers_as_arguments_never_widen(number: Any) -> None:
    x = ones(mg.float32, 2, 3)
    mask = mg.tensor([True, False, True])
    results = [
        mg.clamp(x, number, 2 * number),
        mg.where(mask, x, number),
        mg.where(mask, number, x),
        mg.masked_fill(x, mask, number),
        mg.lerp(x, 2 * x, number),
        mg.add(x, x, alpha=number),
        mg.norm(x, 1 + number),
        mg.pad(x, (1, 1), value=number),
        mg.scatter(x, 0, mg.tensor([[0, 0, 0]]), number),
        elementwise.leaky_relu(x, number),
        elementwise.softplus(x, number),
        fused.layer_norm(x, 1, eps=number),
        fused.cross_entropy(x, mg.tensor([0, 1]), label_smoothing=number),
    ]
    assert [y.dtype for y in results] == [mg.float32] * len(results)


# ---- integers -------------------------------------------------------------------------------------------------------

TO_FLOAT = [
    mg.exp, mg.expm1, mg.sqrt, mg.log1p, mg.sin, mg.tanh, mg.atan, mg.erf, mg.rsqrt, mg.reciprocal, mg.log2,
    elementwise.gelu, elementwise.softplus, mg.var, mg.std, mg.norm, mg.logsumexp, mg.softmax, mg.log_softmax,
    lambda x: x / x, lambda x: x * 0.5, lambda x: x + np.float64(0.5), lambda x: 1 / x,
]  # fmt: skip


@pytest.mark.parametrize("function", TO_FLOAT, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("default", [mg.float32, mg.float64], ids=str)
def test_float_functions_of_integers_give_the_default_dtype(function: Any, dtype: Any, default: Any) -> None:
    mg.set_default_dtype(default)
    try:
        found = function(ones(dtype, 2, 3))
    finally:
        mg.set_default_dtype(mg.float32)
    assert found.dtype == default


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_float_functions_of_integers_are_as_exact_as_the_default_dtype(dtype: Any) -> None:
    np.testing.assert_allclose(ones(dtype, 1).exp().array, [np.e], rtol=1e-6)


@pytest.mark.parametrize("dtype", INTEGERS[1:], ids=str)
def test_arithmetic_of_integers_stays_whole(dtype: Any) -> None:
    x = mg.tensor([1, 2, 3], dtype=dtype)
    for y in (
        x + x,
        x * 2,
        x - 1,
        x // 2,
        x % 2,
        x**2,
        -x,
        x.abs(),
        x.sign(),
        x.floor(),
        x.clamp(1, 2),
        x.amax(),
        mg.cat([x, x]),
    ):
        assert y.dtype == dtype


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_totals_of_integers_are_int64(dtype: Any) -> None:
    x = ones(dtype, 2, 3)
    for y in (x.sum(), x.sum(1), x.prod(1), x.prod(), x.cumsum(0), x.cumprod(0)):
        assert y.dtype == mg.int64
    assert mg.tensor([200, 100], dtype=mg.uint8).sum().item() == 300


def test_positions_are_int64_and_answers_bool() -> None:
    x = ones(mg.float32, 2, 3)
    for y in (
        x.argmax(),
        x.argsort(),
        x.max(1).indices,
        x.topk(2).indices,
        mg.nonzero(x),
        mg.arange(3),
        mg.randperm(3),
    ):
        assert y.dtype == mg.int64
    for y in (x > 0, x == x, x.isnan(), x.any(), x.all(1), mg.logical_not(x), ~(x > 0)):
        assert y.dtype == mg.bool


def test_mean_of_integers_is_refused() -> None:
    with pytest.raises(TypeError, match=r"mean of int64 values.*float\(\)"):
        mg.arange(3).mean()


def test_integers_carry_no_gradient() -> None:
    for dtype in INTEGERS:
        with pytest.raises(TypeError, match="only floating-point values have gradients"):
            ones(dtype, 3).requires_grad_()
    x = ones(mg.float32, 3).requires_grad_()
    assert not x.to(mg.int64).requires_grad
    assert not x.argmax().requires_grad


# ---- joining, choosing and assigning --------------------------------------------------------------------------------


def test_mixtures() -> None:
    single, double, whole = ones(mg.float32, 2), ones(mg.float64, 2), ones(mg.int64, 2)
    mask = mg.tensor([True, False])
    assert mg.cat([single, double]).dtype == mg.float64
    assert mg.stack([single, whole]).dtype == mg.float32
    assert mg.where(mask, single, double).dtype == mg.float64
    assert mg.where(mask, single, whole).dtype == mg.float32
    assert mg.masked_fill(single, mask, mg.tensor(0.5, dtype=mg.float64)).dtype == mg.float32
    assert mg.matmul(single, double).dtype == mg.float64
    assert linalg.linear(single, ones(mg.float32, 3, 2), ones(mg.float64, 3)).dtype == mg.float64
    y = single.clone()
    y[0] = double[0]
    assert y.dtype == mg.float32


# ---- gradients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [False, True])
def test_a_gradient_has_the_dtype_of_what_it_belongs_to(record: bool) -> None:
    half, single, double = (ones(dtype, 3).requires_grad_() for dtype in FLOATS)
    y = (half * single * double).sum()
    assert y.dtype == mg.float64
    found = mg.grad(y, [half, single, double], create_graph=record)
    assert [g.dtype for g in found] == FLOATS


def test_gradients_pass_conversions() -> None:
    x = ones(mg.float32, 3).requires_grad_()
    (x.double() * mg.tensor([0.1, 0.2, 0.3], dtype=mg.float64)).sum().backward()
    assert x.grad.dtype == mg.float32
    np.testing.assert_allclose(x.grad.array, np.array([0.1, 0.2, 0.3], np.float32))
    (g,) = mg.grad((x.double() ** 3).sum(), x, create_graph=True)
    (second,) = mg.grad(g.sum(), x)
    assert second.dtype == mg.float32
    np.testing.assert_allclose(second.array, [6, 6, 6])


# ---- new tensors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, mg.float32),
        ([1.5, 2], mg.float32),
        ([[1], [2]], mg.int64),
        (True, mg.bool),
        (np.float64(1.5), mg.float64),
        ([np.float64(1.5)], mg.float64),
        (np.ones(2), mg.float64),
        (np.ones(2, np.float16), mg.float16),
        (np.ones(2, np.int8), mg.int8),
        ([], mg.float32),
    ],
    ids=repr,
)
def test_tensor(data: Any, dtype: Any) -> None:
    assert mg.tensor(data).dtype == dtype
    assert mg.tensor(data, dtype=mg.float16).dtype == mg.float16


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: mg.zeros(2, **k),
        lambda **k: mg.ones(2, **k),
        lambda **k: mg.empty(2, **k),
        lambda **k: mg.full((2,), 0.5, **k),
        lambda **k: mg.eye(2, **k),
        lambda **k: mg.linspace(0, 1, 3, **k),
        lambda **k: mg.arange(0, 1, 0.5, **k),
        lambda **k: mg.arange(np.float32(3), **k),
        lambda **k: mg.rand(2, **k),
        lambda **k: mg.randn(2, **k),
    ],
)
def test_creation(make: Callable[..., Tensor]) -> None:
    assert make().dtype == mg.float32
    assert make(dtype=mg.float64).dtype == mg.float64
    mg.set_default_dtype(mg.float64)
    try:
        assert make().dtype == mg.float64
    finally:
        mg.set_default_dtype(mg.float32)


def test_creation_of_integers_and_likeness() -> None:
    assert mg.full((2,), 3).dtype == mg.int64
    assert mg.full((2,), True).dtype == mg.bool
    assert mg.randint(5, (2,)).dtype == mg.int64
    like = ones(mg.float64, 2)
    for y in (mg.zeros_like(like), mg.ones_like(like), mg.full_like(like, 3), mg.rand_like(like), mg.randn_like(like)):
        assert y.dtype == mg.float64
    assert mg.zeros_like(like, dtype=mg.int32).dtype == mg.int32


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod"])
def test_totals_in_another_dtype(name: str) -> None:
    """The values are converted first, and the gradient comes back in the dtype of x."""
    values = np.random.default_rng(3).uniform(0.5, 1.5, (2, 3)).astype(np.float32)
    x, wide = Tensor(values, requires_grad=True), Tensor(np.float64(values), requires_grad=True)
    weight = np.array([1.0, 0.1, 0.01]) if name.startswith("cum") else np.array([1.0, 10.0])
    for dtype in (mg.float64, float):
        found, expected = (getattr(mg, name)(x, 1, dtype=dtype), getattr(mg, name)(wide, 1))
        assert found.dtype == mg.float64
        np.testing.assert_array_equal(found.detach(), expected.detach())
        (gradient,) = mg.grad((found * weight).sum(), x)
        (exact,) = mg.grad((expected * weight).sum(), wide)
        assert gradient.dtype == mg.float32
        np.testing.assert_allclose(gradient, exact, rtol=1e-6)
    whole = getattr(mg, name)(Tensor([[1, 2]]), 1, dtype=mg.float32)
    assert whole.dtype == mg.float32
    with pytest.raises(TypeError, match=f"{name}: a dtype is needed, not the text 'float64'"):
        getattr(mg, name)(x, 1, dtype="float64")


def test_default_dtype_must_be_a_float() -> None:
    with pytest.raises(TypeError, match="floating-point type is needed"):
        mg.set_default_dtype(mg.int64)


@pytest.mark.parametrize("dim", [None, 0, -2], ids=repr)
def test_sums_of_half_precision_are_added_up_in_single_precision(dim: int | None) -> None:
    quarters = mg.tensor(np.full((4099, 1), 0.25, np.float16))  # in half precision, 512 + 0.25 is 512
    total = quarters.sum(dim)
    assert total.dtype == mg.float16
    assert total.item() == 1025  # 1024.75, rounded
    assert mg.tensor(np.zeros((4099, 1), np.float16)).logsumexp(0).item() == np.float16(np.log(4099))


def test_half_precision_beside_single_and_differentiated_twice() -> None:
    """The widest type among the inputs; and the values kept are those of the leaf, so its history is found."""
    x = mg.tensor(np.array([[1.0, 2.0, 4.0]], np.float16), requires_grad=True)
    assert functional.layer_norm(x, (3,), mg.ones(3)).dtype == np.float32
    y = functional.layer_norm(x, (3,))
    (g,) = mg.grad((y * y * y).sum(), x, create_graph=True)
    (second,) = mg.grad(g.sum(), x)
    assert second is not None
    assert y.dtype == g.dtype == second.dtype == np.float16


def test_kernels_add_up_half_precision_in_single() -> None:
    """The sum of 64 · 40 · 40 entries near 100, and that of as many gradients, exceed what float16 can hold."""
    entries = (100 + 30 * np.random.default_rng(0).standard_normal((64, 3, 40, 40))).astype(np.float16)
    x = mg.tensor(entries, requires_grad=True)
    y = functional.batch_norm(x, None, None, training=True)
    y.backward(mg.ones_like(y))
    assert x.grad is not None
    assert y.dtype == x.grad.dtype == np.float16
    single = functional.batch_norm(mg.tensor(entries.astype(np.float32)), None, None, training=True)
    np.testing.assert_allclose(y.detach().numpy(), single.numpy(), atol=4e-3)
    assert np.abs(x.grad.numpy()).max() < 1e-3
    rows = functional.layer_norm(x.detach().reshape(-1, 1600), (1600,))
    assert np.isfinite(rows.numpy()).all()
