"""Functions that take a large array a block at a time: every entry gets what it gets in a small array."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.elementwise import BLOCK, elu, gelu, leaky_relu, logistic_loss, silu, softplus

N = 131_101  # a prime: two blocks and a rest
FUNCTIONS = {
    "sigmoid": mg.sigmoid,
    "silu": silu,
    "softplus": softplus,
    "softplus: beta": lambda x: softplus(x, 3.0),
    "gelu": gelu,
    "gelu: tanh": lambda x: gelu(x, "tanh"),
    "erf": mg.erf,
}


def value_and_gradient(function: Any, x: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    leaf = mg.tensor(x, requires_grad=True)
    y = function(leaf)
    y.backward(mg.tensor(g))
    assert leaf.grad is not None
    return y.detach().numpy(), leaf.grad.numpy()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_blocks_do_not_matter(function: Any, dtype: Any) -> None:
    assert 2 * BLOCK < N < 3 * BLOCK
    rng = np.random.default_rng(0)
    x, g = (rng.normal(0, 3, N).astype(dtype) for _ in range(2))
    whole = value_and_gradient(function, x, g)
    for start in (0, BLOCK - 7, N - 11):
        part = slice(start, start + 11)
        for all_at_once, few in zip(whole, value_and_gradient(function, x[part], g[part]), strict=True):
            assert all_at_once.dtype == few.dtype == dtype
            np.testing.assert_allclose(all_at_once[part], few, rtol=4 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu: tanh"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_from_the_result_are_those_of_the_definition(name: str, dtype: Any) -> None:
    """Also where the result has few digits, or none: around 0, and where the function is almost 0."""
    tiny = float(np.finfo(dtype).smallest_subnormal)
    x = np.array([0.0, tiny, -tiny, 3 * tiny, 1e-4, 0.3, -1.7, 2.3, -7.0, -13.0, 13.0, -60.0, 60.0], dtype)
    _, found = value_and_gradient(FUNCTIONS[name], x, np.ones_like(x))
    leaf = mg.tensor(x.astype(np.float64), requires_grad=True)
    (exact,) = mg.grad(FUNCTIONS[name](leaf), leaf, mg.ones_like(leaf), create_graph=True)
    rtol, atol = (2e-3, 1e-3) if dtype == np.float16 else (1e-5, 2e-7)
    np.testing.assert_allclose(found, exact.detach().numpy(), rtol, atol)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_activation_warns_or_overflows(dtype: Any) -> None:
    largest = float(np.finfo(dtype).max)
    x = np.array([-largest, -100.0, 100.0, largest], dtype)
    assert mg.sigmoid(mg.tensor(x)).tolist()[2:] == [1.0, 1.0]
    assert np.allclose(mg.sigmoid(mg.tensor(x)).numpy()[:2], 0, atol=1e-40)
    assert mg.erf(mg.tensor(x)).tolist() == [-1.0, -1.0, 1.0, 1.0]
    for function in (silu, gelu):
        assert np.allclose(function(mg.tensor(x)).numpy(), [0, 0, 100, x[3]], atol=1e-30)


def test_blocks_of_what_is_not_contiguous() -> None:
    x = np.random.default_rng(0).normal(size=(211, 331)).astype(np.float32)
    assert (mg.sigmoid(mg.tensor(x).T).numpy() == mg.sigmoid(mg.tensor(x)).numpy().T).all()


def test_an_infinite_gradient_stays_in_its_place() -> None:
    for op, slopes in ((leaky_relu, [0.01, 1.0]), (elu, [np.exp(-1.0), 1.0])):
        x = mg.tensor([-1.0, 2.0], requires_grad=True)
        op(x).backward(mg.tensor([1.0, np.inf]))
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.numpy(), [slopes[0], np.inf], rtol=1e-6)


def test_the_logistic_loss_of_a_sure_mistake_is_infinite() -> None:
    assert logistic_loss(np.array([np.inf]), np.array([0.0])).item() == np.inf
