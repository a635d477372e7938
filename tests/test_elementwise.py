"""Functions that take a large array a block at a time: every entry gets what it gets in a small array."""

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops.elementwise import BLOCK, gelu, silu, softplus

N = 65_537  # a prime: two blocks and a rest
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
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


def test_blocks_of_what_is_not_contiguous() -> None:
    x = np.random.default_rng(0).normal(size=(211, 331)).astype(np.float32)
    assert (mg.sigmoid(mg.tensor(x).T).numpy() == mg.sigmoid(mg.tensor(x)).numpy().T).all()
