"""NumPy's functions and operators on tensors: what is recorded, and what is refused rather than detached in silence."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import Array

import minigrad as mg
from minigrad.numpy_protocol import MEANINGS
from minigrad.tensor import Tensor, numpy_functions

X = np.array([[0.3, -1.2, 2.0], [1.7, 0.4, -0.6]])
Y = np.array([[1.1, -0.7], [0.2, 0.9], [-1.4, 0.5]])
ORDER = np.array([[2, 0, 1], [0, 0, 2]])

# For each NumPy function: calls of it as one writes them, on an array or on a tensor.
CALLS: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    *[
        (f, lambda x, f=f, o=o: f(x, **o))
        for f in (np.sum, np.mean, np.var, np.std, np.prod, np.max, np.amax, np.min, np.amin, np.any, np.all)
        for o in ({}, {"axis": 1}, {"axis": (0, -1)}, {"axis": 0, "keepdims": True}, {"axis": 1, "out": None})
    ],
    *[
        (f, lambda x, f=f, o=o: f(x, **o))
        for f in (np.argmax, np.argmin)
        for o in ({}, {"axis": 1}, {"axis": 0, "keepdims": True})
    ],
    (np.sum, lambda x: np.sum(x, 0)),
    (np.var, lambda x: np.var(x, axis=1, ddof=1)),
    (np.std, lambda x: np.std(x, 1, ddof=1)),
    *[
        (f, lambda x, f=f, a=a: f(x, *a))
        for f in (np.cumsum, np.cumprod, np.sort, np.argsort)
        for a in ((), (0,), (-1,))
    ],
    (np.cumsum, lambda x: np.cumsum(x, axis=None)),
    (np.sort, lambda x: np.sort(x, axis=None, kind="stable")),
    (np.clip, lambda x: np.clip(x, -0.5, 1.0)),
    (np.clip, lambda x: np.clip(x, a_min=None, a_max=1.0)),
    (np.clip, lambda x: np.clip(x, min=-0.5)),
    (np.round, lambda x: np.round(x, 1)),
    (np.around, lambda x: np.around(x, decimals=1)),
    (np.where, lambda x: np.where(x > 0, x, 0.0)),
    (np.where, lambda x: np.where(X > 0, 1.0, x)),
    (np.where, lambda x: np.where(x > 0)[1]),
    (np.copy, lambda x: np.copy(x)),
    (np.reshape, lambda x: np.reshape(x, (3, 2))),
    (np.reshape, lambda x: np.reshape(x, shape=-1)),
    (np.ravel, lambda x: np.ravel(x)),
    (np.transpose, lambda x: np.transpose(x)),
    (np.transpose, lambda x: np.transpose(x, axes=(1, 0))),
    (np.swapaxes, lambda x: np.swapaxes(x, 0, -1)),
    (np.moveaxis, lambda x: np.moveaxis(x, 0, -1)),
    (np.moveaxis, lambda x: np.moveaxis(x[None], (0, 1), (2, 0))),
    (np.expand_dims, lambda x: np.expand_dims(x, 1)),
    (np.expand_dims, lambda x: np.expand_dims(x, (0, 2))),
    (np.squeeze, lambda x: np.squeeze(x[None])),
    (np.squeeze, lambda x: np.squeeze(x[None], axis=0)),
    (np.broadcast_to, lambda x: np.broadcast_to(x, (5, 2, 3))),
    (np.broadcast_to, lambda x: np.broadcast_to(x[0, 0], shape=4)),
    (np.concatenate, lambda x: np.concatenate([x, x, X], axis=1)),
    (np.concatenate, lambda x: np.concatenate((x, 2 * x))),
    (np.concatenate, lambda x: np.concatenate((x, Y), axis=None)),
    (np.stack, lambda x: np.stack([X, x], axis=-1)),
    (np.flip, lambda x: np.flip(x)),
    (np.flip, lambda x: np.flip(x, axis=0)),
    (np.roll, lambda x: np.roll(x, 2)),
    (np.roll, lambda x: np.roll(x, (1, -1), axis=(0, 1))),
    (np.repeat, lambda x: np.repeat(x, 2)),
    (np.repeat, lambda x: np.repeat(x, [2, 0, 1], axis=1)),
    (np.tile, lambda x: np.tile(x, 2)),
    (np.tile, lambda x: np.tile(x, (5, 1, 2))),
    (np.pad, lambda x: np.pad(x, ((1, 0), (0, 2)))),
    (np.pad, lambda x: np.pad(x, 1, mode="constant", constant_values=0.5)),
    (np.tril, lambda x: np.tril(x, k=-1)),
    (np.triu, lambda x: np.triu(x)),
    (np.diag, lambda x: np.diag(x[0], k=1)),
    (np.diagonal, lambda x: np.diagonal(x, offset=1)),
    (np.shape, lambda x: np.shape(x)),
    (np.ndim, lambda x: np.ndim(x)),
    (np.size, lambda x: (np.size(x), np.size(x, 1))),
    (np.zeros_like, lambda x: np.zeros_like(x)),
    (np.ones_like, lambda x: np.ones_like(x, dtype=np.int64)),
    (np.take, lambda x: np.take(x, [1, 5, 1])),
    (np.take, lambda x: np.take(x, ORDER, axis=1)),
    (np.take_along_axis, lambda x: np.take_along_axis(x, ORDER, axis=1)),
    (np.dot, lambda x: np.dot(x, Y)),
    (np.dot, lambda x: np.dot(2, x)),
    (np.dot, lambda x: np.dot(x[0], Y.reshape(1, 3, 2))),
    (np.outer, lambda x: np.outer(x, Y)),
    (np.tensordot, lambda x: np.tensordot(x, Y, axes=1)),
    (np.tensordot, lambda x: np.tensordot(x, Y, axes=([1, 0], [0, 1]))),
    (np.einsum, lambda x: np.einsum("ij,jk", x, Y, optimize=True)),
    (np.power, lambda x: np.power(np.abs(x), 1.5)),
    (np.reciprocal, lambda x: np.reciprocal(x)),
    (np.matmul, lambda x: np.matmul(Y, x)),
    (np.arctan2, lambda x: np.arctan2(X + 1, x)),
]


def arrays(answer: Any) -> Any:
    return answer.array if isinstance(answer, Tensor) else answer


@pytest.mark.parametrize(
    ("function", "call"), [pytest.param(f, c, id=f"{f.__name__} {i}") for i, (f, c) in enumerate(CALLS)]
)
def test_means_what_numpy_means(function: Any, call: Callable[..., Any]) -> None:
    x = mg.tensor(X, requires_grad=True)
    found, expected = call(x), call(X)
    np.testing.assert_allclose(arrays(found), expected, rtol=1e-12)
    assert np.shape(found) == np.shape(expected)
    if isinstance(found, Tensor) and found.requires_grad:
        mg.gradcheck(call, x)
    else:
        assert function in NO_GRADIENT or np.asarray(expected).dtype.kind in "ib"


NO_GRADIENT = {
    np.any,
    np.all,
    np.argmax,
    np.argmin,
    np.argsort,
    np.zeros_like,
    np.ones_like,
    np.shape,
    np.ndim,
    np.size,
}


def test_every_line_is_called() -> None:
    assert not set(MEANINGS) - {function for function, _ in CALLS}


def test_ufuncs_of_the_tables_take_tensors() -> None:
    ufuncs = [f for f in numpy_functions if isinstance(f, np.ufunc)]
    assert len(ufuncs) > 40
    for ufunc in ufuncs:
        values = (
            [X > 0] * ufunc.nin if ufunc.__name__.startswith(("bitwise", "invert")) else [np.abs(X) / 4] * ufunc.nin
        )
        if ufunc is np.matmul:
            values = [X, Y]
        found = ufunc(*map(mg.tensor, values))
        assert isinstance(found, Tensor)
        np.testing.assert_allclose(found.array, ufunc(*values), rtol=1e-12)


# ---- refusals -------------------------------------------------------------------------------------------------------


def leaf() -> Tensor:
    return mg.tensor([1.0, 2.0], requires_grad=True, name="w")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda t: np.add(t, 1, out=np.zeros(2)), "np.add with out="),
        (lambda t: np.exp(t, where=np.array([True, False])), "np.exp with where="),
        (lambda t: np.add(t, 1, dtype=np.float64), "np.add with dtype="),
        (lambda t: np.sum(t, out=np.zeros(())), "np.sum with out="),
        (lambda t: np.sum(t, dtype=np.float64), "np.sum with dtype="),
        (lambda t: np.max(t, initial=0.0), "np.max with initial="),
        (lambda t: np.mean(t, where=np.array([True, False])), "np.mean with where="),
        (lambda t: np.concatenate([t, t], dtype=np.float64), "np.concatenate with dtype="),
        (lambda t: np.reshape(t, (2, 1), order="F"), "np.reshape with order="),
        (lambda t: np.pad(t, 1, mode="edge"), "minigrad.pad"),
        (lambda t: np.add.at(np.zeros(2), [0, 1], t), "np.add.at"),
        (lambda t: np.add.reduce(t), "np.add.reduce"),
        (lambda t: np.multiply.outer(t, t), "np.multiply.outer"),
        (lambda t: np.cbrt(t), "np.cbrt has no recorded form.*minigrad.op"),
        (lambda t: np.linalg.norm(t), "np.norm has no rule|np.linalg.norm has no rule"),
        (lambda t: np.interp(t, [0, 1], [0, 1]), "np.interp has no rule.*detach"),
        (lambda t: np.save("never written", t), "np.save has no rule"),
    ],
)
def test_what_cannot_be_recorded_is_refused(call: Callable[..., Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call(leaf())


@pytest.mark.parametrize(
    "call",
    [
        np.asarray,
        np.array,
        lambda t: np.array([t, t]),
        lambda t: np.array([t.sum(), t.sum()]),
        lambda t: np.exp([t, t]),
        lambda t: np.sum([t, t]),
        lambda t: np.full((2, 2), t),
        lambda t: np.zeros((2, 2)).__setitem__(0, t),
        lambda t: list(np.nditer(t)),
        lambda t: np.random.default_rng(0).normal(t),
        lambda t: t.numpy(),
    ],
)
def test_nothing_detaches_in_silence(call: Callable[..., Any]) -> None:
    with pytest.raises(RuntimeError, match=r"requires grad.*detach\(\)"):
        call(leaf())


def test_an_array_cannot_swallow_a_tensor_in_place() -> None:
    array = np.zeros(2)
    with pytest.raises(TypeError, match="np.add with out="):
        array += leaf()
    assert not array.any()


def test_without_gradients_numpy_has_its_way() -> None:
    t = mg.tensor(X)
    assert np.asarray(t) is not None
    np.testing.assert_array_equal(np.array([t, t]), np.array([X, X]))
    np.testing.assert_array_equal(np.cbrt(t).array, np.cbrt(X))
    np.testing.assert_array_equal(np.add.reduce(t), np.add.reduce(X))
    np.testing.assert_allclose(np.linalg.norm(t), np.linalg.norm(X))
    np.testing.assert_array_equal(np.asarray(leaf().detach()), [1.0, 2.0])
    out = np.zeros((2, 3))
    assert np.add(t, 1, out=out) is out
    np.testing.assert_array_equal(out, X + 1)


def test_squeeze_of_a_longer_axis_is_an_error() -> None:
    with pytest.raises(mg.ShapeError, match="dimension 1 of shape"):
        np.squeeze(mg.tensor(X), axis=1)


# ---- arrays and NumPy scalars on the left ---------------------------------------------------------------------------

OPERATORS = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["lt", "le", "eq", "ne", "gt", "ge"]
LEFT = np.array([[0.9, 2.5, 1.2], [1.9, 0.7, 0.5]])
RIGHT = np.array([[0.37, 1.1, 2.3], [1.7, 0.43, 0.61]])  # no quotient is whole
THINGS = {"array": LEFT, "row": LEFT[0], "0-d array": np.array(1.3), "scalar": np.float64(1.3), "float": 1.3, "int": 2}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("left", THINGS.values(), ids=THINGS)
def test_arithmetic_with_something_else_on_the_left(name: str, left: Any) -> None:
    operate = getattr(operator, name)
    t = mg.tensor(RIGHT, requires_grad=True)
    found = operate(left, t)
    assert isinstance(found, Tensor)
    assert found.dtype == mg.float64
    np.testing.assert_allclose(found.array, operate(left, RIGHT), rtol=1e-12)
    mg.gradcheck(lambda t: operate(left, t), t)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("left", THINGS.values(), ids=THINGS)
def test_comparison_with_something_else_on_the_left(name: str, left: Any) -> None:
    compare = getattr(operator, name)
    found = compare(left, mg.tensor(RIGHT, requires_grad=True))
    assert isinstance(found, Tensor)
    assert found.dtype == mg.bool
    np.testing.assert_array_equal(found.array, compare(left, RIGHT))


@pytest.mark.parametrize("name", ["and_", "or_", "xor"])
def test_logic_with_an_array_on_the_left(name: str) -> None:
    operate = getattr(operator, name)
    found = operate(X > 0, mg.tensor(X < 1))
    assert isinstance(found, Tensor)
    np.testing.assert_array_equal(found.array, operate(X > 0, X < 1))


def test_matmul_with_an_array_on_the_left() -> None:
    t = mg.tensor(X, requires_grad=True)
    found = Y @ t
    assert isinstance(found, Tensor)
    np.testing.assert_allclose(found.array, Y @ X)
    mg.gradcheck(lambda t: Y @ t, t)


def test_gradients_reach_the_tensor_and_not_the_array() -> None:
    t = mg.tensor([1.0, 2.0], requires_grad=True)
    left: Array = np.array([3.0, 5.0], np.float32)
    (left * t).sum().backward()
    assert t.grad.tolist() == [3.0, 5.0]
