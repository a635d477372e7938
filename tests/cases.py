"""The case table: for every operation how to call it, on what, and which value NumPy or a pencil finds.

    Case("matmul: vector by matrix", mg.matmul, np.matmul, real(3), real(3, 5))
         what is covered             the call   the value  a sampler for each tensor

The text before the colon names an entry of `minigrad.op.registry`, or a function composed of them. The value comes from
plain NumPy, written without the package. `test_ops.py` walks the table and asks every question about each row: value,
derivatives, dtypes, memory, empty and oddly stored inputs. So a row is all that a new operation needs.

Sizes are unequal primes: no transposed result can pass, and a size names its dimension (with 3 replaced by 0 everywhere,
a row becomes a case with an empty dimension). Samplers stay inside the domain and away from kinks; what happens at
kinks, at zeros and at infinities is written out by hand in `CORNERS`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.methods import to_dtype
from minigrad.op import identity
from minigrad.ops import attention, convolution, fused, index, linalg, recurrent, reduce, shape, window
from minigrad.ops.elementwise import cut_log, elu, gelu, hardtanh, leaky_relu, logistic_loss, silu, softplus

Array = np.ndarray
inf, nan = math.inf, math.nan


# ---- samplers: random inputs inside a domain ------------------------------------------------------------------------


class Sampler(NamedTuple):
    """Draws arrays of one shape from one domain."""

    shape: tuple[int, ...]
    draw: Callable[[np.random.Generator, tuple[int, ...]], Array]
    resizable: bool = True


def real(*sizes: int, low: float = 0.2, high: float = 1.8) -> Sampler:
    """Magnitudes from `low` to `high`, of either sign."""
    return Sampler(sizes, lambda rng, n: np.array(rng.choice([-1.0, 1.0], n) * rng.uniform(low, high, n)))


def unit(*sizes: int) -> Sampler:
    """Magnitudes from 0.1 to 0.9, of either sign."""
    return real(*sizes, low=0.1, high=0.9)


def positive(*sizes: int, low: float = 0.2, high: float = 1.8) -> Sampler:
    """Numbers from `low` to `high`."""
    return Sampler(sizes, lambda rng, n: np.array(rng.uniform(low, high, n)))


def apart(*sizes: int, offset: float = 0.1) -> Sampler:
    """Numbers of either sign, no two nearer to each other than 0.2, so that an order is no accident."""

    def draw(rng: np.random.Generator, n: tuple[int, ...]) -> Array:
        return np.array(0.3 * (rng.permutation(math.prod(n)).reshape(n) - math.prod(n) // 2) + offset)

    return Sampler(sizes, draw)


def whole(high: int, *sizes: int, low: int = 0) -> Sampler:
    """Integers from `low` up to, but not including, `high`."""
    return Sampler(sizes, lambda rng, n: np.array(rng.integers(low, high, n)))


def truth(*sizes: int) -> Sampler:
    """Booleans."""
    return Sampler(sizes, lambda rng, n: np.array(rng.random(n) < 0.5))


def given(values: Any) -> Sampler:
    """Always the same values."""
    array = np.array(values)
    return Sampler(array.shape, lambda rng, n: array.copy(), resizable=False)


# ---- rows -----------------------------------------------------------------------------------------------------------


class Case:
    """One row of the table.

    `value` gets the inputs as arrays and answers with an array, or a tuple of arrays where the operation does. `order`
    is how often the row is differentiated; 0 means that the result has no gradient. `view` says that the result
    lies in the memory of an input. `needs` lists sizes that the call speaks of, so that a 0 in their place is an error.
    """

    def __init__(
        self, what: str, call: Any, value: Any, *inputs: Sampler, order: int = 2, view: bool = False, needs: Any = ()
    ) -> None:
        self.what, self.call, self.value, self.inputs = what, call, value, inputs
        self.order, self.view, self.needs = order, view, needs

    def calling(self, call: Callable[..., Any]) -> Case:
        """The same row for another function."""
        return Case(self.what, call, self.value, *self.inputs, order=self.order, view=self.view, needs=self.needs)

    @property
    def covers(self) -> str:
        """The operation that the row is about."""
        return self.what.partition(":")[0]

    def draw(self, seed: int = 0, resize: Callable[[int], int] = int) -> list[Array]:
        """Inputs for the row, with every size n of the samplers replaced by `resize(n)`."""
        rng = np.random.default_rng(seed)
        return [s.draw(rng, tuple(map(resize, s.shape)) if s.resizable else s.shape) for s in self.inputs]


def broadcasts(what: str, call: Any, value: Any, a: Any, b: Any, **flags: Any) -> list[Case]:
    """Rows for a function of two tensors of one shape, and of shapes that are spread to each other."""
    pairs = [((2, 3), (2, 3)), ((3,), (2, 1)), ((5, 2, 3), (1, 3)), ((2, 3), ()), ((), (2, 3))]
    return [Case(f"{what}: {m} and {n}", call, value, a(*m), b(*n), **flags) for m, n in pairs]


def reductions(what: str, call: Any, value: Any, sampler: Sampler, dims: Sequence[Any], **flags: Any) -> list[Case]:
    """Rows for each `dim`, with and without keepdim; `sampler` draws (2, 3, 5)."""
    return [
        Case(
            f"{what}: dim={dim} keepdim={keepdim}",
            lambda x, dim=dim, keepdim=keepdim: call(x, dim=dim, keepdim=keepdim),
            lambda x, dim=dim, keepdim=keepdim: value(x, axis=dim, keepdims=keepdim),
            sampler,
            **flags,
        )
        for dim, keepdim in itertools.product(dims, (False, True))
    ]


DIMS: list[Any] = [None, 1, -1, (0, 2), (-1, 0), (0, 1, 2)]
ONE_DIM: list[Any] = [0, 1, -1]

# ---- elementwise ----------------------------------------------------------------------------------------------------


def each(function: Callable[..., float]) -> Callable[..., Array]:
    """A function of Python numbers, applied entry by entry."""
    return np.vectorize(function, otypes=[np.float64])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# Their quotients stay away from whole numbers, where `//` and `%` jump.
DIVIDEND, DIVISOR = partial(real, low=2.3, high=2.7), partial(real, low=1, high=1.1)

ARITHMETIC = [
    *broadcasts("add", mg.add, np.add, real, real),
    *broadcasts("sub", mg.sub, np.subtract, real, real),
    *broadcasts("mul", mg.mul, np.multiply, real, real, order=3),
    *broadcasts("div", mg.div, np.divide, real, real, order=3),
    *broadcasts("pow", mg.pow, np.power, positive, real, order=3),
    *broadcasts("remainder", mg.remainder, np.remainder, DIVIDEND, DIVISOR),
    *broadcasts("floor_divide", mg.floor_divide, np.floor_divide, DIVIDEND, DIVISOR),
    *broadcasts("maximum", mg.maximum, np.maximum, apart, partial(apart, offset=0.2)),
    *broadcasts("minimum", mg.minimum, np.minimum, apart, partial(apart, offset=0.2)),
    *broadcasts("atan2", mg.atan2, np.arctan2, real, real, order=3),
    *broadcasts("logaddexp", mg.logaddexp, np.logaddexp, real, real, order=3),
    Case("add: a number", lambda x: 2 + x + 3, lambda x: x + 5, real(2, 3)),
    Case("add: with itself", lambda x: x + x, lambda x: 2 * x, real(2, 3)),
    Case("add: alpha", lambda a, b: mg.add(a, b, alpha=3), lambda a, b: a + 3 * b, real(2, 3), real(3)),
    Case("sub: a number", lambda x: 2 - (x - 3), lambda x: 5 - x, real(2, 3)),
    Case("sub: alpha", lambda a, b: mg.sub(a, b, alpha=3), lambda a, b: a - 3 * b, real(2, 3), real(3)),
    Case("mul: a number", lambda x: 2 * x * 3, lambda x: 6 * x, real(2, 3)),
    Case("mul: by itself", lambda x: x * x, np.square, real(2, 3), order=3),
    Case("div: a number", lambda x: 2 / (x / 3), lambda x: 6 / x, real(2, 3), order=3),
    Case("div: rounded down", lambda a, b: mg.div(a, b, rounding_mode="floor"), lambda a, b: np.floor(a / b),
         DIVIDEND(2, 3), DIVISOR(3)),
    Case("div: rounded to zero", lambda a, b: mg.div(a, b, rounding_mode="trunc"), lambda a, b: np.trunc(a / b),
         DIVIDEND(2, 3), DIVISOR(3)),
    Case("remainder: of a number", lambda x: 7 % x, lambda x: np.mod(7, x), positive(2, 3, low=1.5, high=1.7)),
    Case("pow: squared", lambda x: x**2, np.square, real(2, 3), order=3),
    Case("pow: cubed", lambda x: x**3, lambda x: x * x * x, real(2, 3), order=3),
    Case("pow: −2", lambda x: x**-2, lambda x: 1 / (x * x), real(2, 3), order=3),
    Case("pow: a half", lambda x: x**0.5, np.sqrt, positive(2, 3), order=3),
    Case("pow: 1", lambda x: x**1, lambda x: x, real(2, 3)),
    Case("pow: 0", lambda x: x**0, np.ones_like, real(2, 3)),
    Case("pow: whole exponents of negative bases", lambda x: x ** mg.tensor([2, 3, 0]),
         lambda x: np.stack([x[:, 0] ** 2, x[:, 1] ** 3, np.ones(len(x))], 1), real(2, 3), order=3),
    Case("pow: of a number", lambda x: 2.0**x, lambda x: np.exp(x * math.log(2)), real(2, 3), order=3),
    Case("neg", mg.neg, lambda x: 0 - x, real(2, 3)),
    Case("abs", mg.abs, lambda x: np.where(x < 0, -x, x), real(2, 3)),
    Case("sign", mg.sign, lambda x: np.where(x < 0, -1.0, 1.0), real(2, 3)),
    Case("square", mg.square, lambda x: x * x, real(2, 3), order=3),
    Case("sqrt", mg.sqrt, lambda x: x**0.5, positive(2, 3), order=3),
    Case("reciprocal", mg.reciprocal, lambda x: 1 / x, real(2, 3), order=3),
    Case("rsqrt", mg.rsqrt, lambda x: x**-0.5, positive(2, 3), order=3),
    Case("lerp", mg.lerp, lambda a, b, w: (1 - w) * a + w * b, real(2, 3), real(3), real(2, 1), order=3),
    Case("lerp: by a number", lambda a, b: mg.lerp(a, b, 0.25), lambda a, b: 0.75 * a + 0.25 * b, real(2, 3),
         real(2, 3)),
    Case("identity", identity, np.copy, real(2, 3), view=True),
    Case("to", lambda x: to_dtype(x, x.dtype), np.copy, real(2, 3)),
]  # fmt: skip

TRANSCENDENTAL = [
    Case("exp", mg.exp, each(math.exp), real(2, 3), order=3),
    Case("exp2", mg.exp2, lambda x: 2.0**x, real(2, 3), order=3),
    Case("expm1", mg.expm1, lambda x: np.exp(x) - 1, real(2, 3), order=3),
    Case("log", mg.log, each(math.log), positive(2, 3), order=3),
    Case("log1p", mg.log1p, lambda x: np.log(1 + x), unit(2, 3), order=3),
    Case("log2", mg.log2, lambda x: np.log(x) / math.log(2), positive(2, 3), order=3),
    Case("log10", mg.log10, lambda x: np.log(x) / math.log(10), positive(2, 3), order=3),
    Case("sin", mg.sin, each(math.sin), real(2, 3), order=3),
    Case("cos", mg.cos, each(math.cos), real(2, 3), order=3),
    Case("tan", mg.tan, lambda x: np.sin(x) / np.cos(x), unit(2, 3), order=3),
    Case("asin", mg.asin, each(math.asin), unit(2, 3), order=3),
    Case("acos", mg.acos, each(math.acos), unit(2, 3), order=3),
    Case("atan", mg.atan, each(math.atan), real(2, 3), order=3),
    Case("sinh", mg.sinh, lambda x: (np.exp(x) - np.exp(-x)) / 2, real(2, 3), order=3),
    Case("cosh", mg.cosh, lambda x: (np.exp(x) + np.exp(-x)) / 2, real(2, 3), order=3),
    Case("tanh", mg.tanh, lambda x: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)), real(2, 3), order=3),
    Case("erf", mg.erf, each(math.erf), real(2, 3, high=3), order=3),
]

ACTIVATIONS = [
    Case("sigmoid", mg.sigmoid, sigmoid, real(2, 3), order=3),
    Case("relu", mg.relu, lambda x: x * (x > 0), real(2, 3)),
    Case("softplus", softplus, lambda x: np.log(1 + np.exp(x)), real(2, 3), order=3),
    Case("softplus: beta", lambda x: softplus(x, 3.0), lambda x: np.log(1 + np.exp(3 * x)) / 3, real(2, 3)),
    Case("softplus: above the threshold", lambda x: softplus(x, 1.0, 0.7),
         lambda x: np.where(x > 0.7, x, np.log(1 + np.exp(x))), given([[-1.0, 0.3, 1.1], [0.9, -0.2, 2.0]])),
    Case("silu", silu, lambda x: x * sigmoid(x), real(2, 3), order=3),
    Case("leaky_relu", leaky_relu, lambda x: np.where(x < 0, 0.01 * x, x), real(2, 3)),
    Case("leaky_relu: slope", lambda x: leaky_relu(x, 0.3), lambda x: np.where(x < 0, 0.3 * x, x), real(2, 3)),
    Case("elu", elu, lambda x: np.where(x < 0, np.exp(x) - 1, x), real(2, 3), order=3),
    Case("elu: alpha", lambda x: elu(x, 0.7), lambda x: np.where(x < 0, 0.7 * (np.exp(x) - 1), x), real(2, 3)),
    Case("gelu", gelu, each(lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2), real(2, 3), order=3),
    Case("gelu: tanh", lambda x: gelu(x, approximate="tanh"),
         lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), real(2, 3), order=3),
    Case("hardtanh", hardtanh, lambda x: np.where(np.abs(x) < 1, x, np.sign(x)),
         given([[-1.7, 0.3, 1.2], [0.8, -0.6, -1.1]])),
    Case("hardtanh: bounds", lambda x: hardtanh(x, -0.5, 2.0), lambda x: np.minimum(np.maximum(x, -0.5), 2),
         given([[-1.7, 0.3, 2.2], [0.8, -0.6, 1.1]])),
    Case("cut_log", cut_log, np.log, positive(2, 3), order=3),
    *broadcasts("logistic_loss", logistic_loss, lambda x, t: -t * np.log(sigmoid(x)) - (1 - t) * np.log(sigmoid(-x)),
                real, positive),
]  # fmt: skip

CHOOSING = [
    Case("clamp: numbers", lambda x: mg.clamp(x, -0.7, 1.1), lambda x: np.minimum(np.maximum(x, -0.7), 1.1),
         apart(2, 3)),
    Case("clamp: from below", lambda x: mg.clamp(x, min=0.2), lambda x: np.maximum(x, 0.2), apart(2, 3)),
    Case("clamp: from above", lambda x: mg.clamp(x, max=0.2), lambda x: np.minimum(x, 0.2), apart(2, 3)),
    Case("clamp: tensors", mg.clamp, lambda x, a, b: np.minimum(np.maximum(x, a), b),
         given([[-1.7, 0.3, 2.2], [0.8, -0.6, 1.1]]), given([-1.0, 0.5, 0.3]), given([[1.6], [0.9]])),
    Case("where", mg.where, lambda c, a, b: np.choose(c, [b, a]), truth(2, 3), real(2, 3), real(2, 3)),
    Case("where: broadcast", mg.where, lambda c, a, b: np.where(c, a, b), truth(5, 2, 3), real(2, 1), real()),
    Case("where: numbers", lambda c, x: mg.where(c, x, 0.5) + mg.where(c, 2, x),
         lambda c, x: np.where(c, x + 2, 0.5 + x), truth(2, 3), real(3)),
    Case("where: as a method", lambda c, a, b: a.where(c, b), np.where, truth(2, 3), real(3), real(2, 1)),
    Case("where: the condition alone", lambda c: mg.where(c), np.nonzero, truth(2, 3), order=0),
    Case("masked_fill: a number", lambda x, m: mg.masked_fill(x, m, -0.5), lambda x, m: np.where(m, -0.5, x),
         real(2, 3), truth(2, 3)),
    Case("masked_fill: a tensor", mg.masked_fill, lambda x, m, v: np.where(m, v, x), real(5, 2, 3), truth(3), real()),
    Case("masked_fill: x spread to the mask", mg.masked_fill, lambda x, m, v: np.where(m, v, x), real(3), truth(2, 3),
         real()),
]  # fmt: skip

STEPS_AND_QUESTIONS = [
    Case("floor", mg.floor, each(math.floor), real(2, 3, low=1.2, high=1.8)),
    Case("ceil", mg.ceil, each(math.ceil), real(2, 3, low=1.2, high=1.8)),
    Case("trunc", mg.trunc, each(math.trunc), real(2, 3, low=1.2, high=1.8)),
    Case("round", mg.round, each(lambda x: math.floor(x + 0.5)), real(2, 3, low=0.6, high=1.4)),
    Case("round: decimals", lambda x: mg.round(x, decimals=1), lambda x: x / np.abs(x) * 1.2,
         real(2, 3, low=1.16, high=1.24)),
    *broadcasts("eq", mg.eq, lambda a, b: a - b == 0, partial(whole, 3), partial(whole, 3), order=0),
    *broadcasts("ne", mg.ne, lambda a, b: a - b != 0, partial(whole, 3), partial(whole, 3), order=0),
    *broadcasts("lt", mg.lt, lambda a, b: b - a > 0, real, real, order=0),
    *broadcasts("le", mg.le, lambda a, b: b - a >= 0, real, real, order=0),
    *broadcasts("gt", mg.gt, lambda a, b: b - a < 0, real, real, order=0),
    *broadcasts("ge", mg.ge, lambda a, b: b - a <= 0, real, real, order=0),
    *[Case(f"{f.op.name}: of special numbers", f, numpys, given([0.0, nan, inf, -inf, 1.0]), order=0)
      for f, numpys in ((mg.isnan, lambda x: x != x),
                        (mg.isinf, lambda x: np.abs(x) == inf),
                        (mg.isfinite, lambda x: np.abs(x) < inf))],
    Case("logical_not", mg.logical_not, lambda a: a == 0, whole(2, 2, 3), order=0),
    *broadcasts("logical_and", mg.logical_and, lambda a, b: (a != 0) & (b != 0), partial(whole, 2), partial(whole, 2),
                order=0),
    *broadcasts("logical_or", mg.logical_or, lambda a, b: (a != 0) | (b != 0), partial(whole, 2), partial(whole, 2),
                order=0),
    *broadcasts("logical_xor", mg.logical_xor, lambda a, b: (a != 0) != (b != 0), partial(whole, 2), partial(whole, 2),
                order=0),
    Case("bitwise_not", mg.bitwise_not, lambda a: -a - 1, whole(7, 2, 3), order=0),
    Case("bitwise_not: of booleans", lambda a: ~a, lambda a: a ^ True, truth(2, 3), order=0),
    Case("bitwise_and", lambda a, b: a & b, lambda a, b: a * b, truth(2, 3), truth(3), order=0),
    Case("bitwise_or", lambda a, b: a | b, lambda a, b: a + b, truth(2, 3), truth(3), order=0),
    Case("bitwise_xor", lambda a, b: a ^ b, lambda a, b: a != b, truth(2, 3), truth(3), order=0),
]  # fmt: skip

# ---- reductions -----------------------------------------------------------------------------------------------------


def prod(x: Array, axis: Any, keepdims: bool) -> Array:
    return np.sign(x).prod(axis, keepdims=keepdims) * np.exp(np.log(np.abs(x)).sum(axis, keepdims=keepdims))


def logsumexp(x: Array, axis: Any, keepdims: bool = False) -> Array:
    return np.log(np.exp(x).sum(axis, keepdims=keepdims))


def logsumexp_all(x: Array) -> Array:
    return logsumexp(x, None)


def variance(x: Array, axis: Any = None, keepdims: bool = False, correction: float = 1) -> Array:
    n = math.prod(np.array(x.shape)[np.arange(x.ndim) if axis is None else np.atleast_1d(axis)].tolist())
    total = ((x - x.mean(axis, keepdims=True)) ** 2).sum(axis, keepdims=keepdims)
    return total / (n - correction) if n > correction else total * nan


def norm(x: Array, axis: Any = None, keepdims: bool = False, p: float = 2) -> Array:
    return (np.abs(x) ** p).sum(axis, keepdims=keepdims) ** (1 / p)


def best(pick: Any, where: Any) -> Callable[..., Any]:
    """(values, indices) of an extreme along one dimension."""
    return lambda x, axis, keepdims: (pick(x, axis=axis, keepdims=keepdims), where(x, axis=axis, keepdims=keepdims))


REDUCTIONS = [
    *reductions("sum", mg.sum, np.sum, real(2, 3, 5), DIMS),
    *reductions("mean", mg.mean, np.mean, real(2, 3, 5), DIMS),
    *reductions("var", mg.var, variance, real(2, 3, 5), DIMS, order=3),
    *reductions("std", mg.std, lambda x, axis, keepdims: np.sqrt(variance(x, axis, keepdims)), real(2, 3, 5), DIMS),
    *reductions("prod", mg.prod, prod, real(2, 3, 5), [None, 1, -1], order=3),
    *reductions("prod", mg.prod, prod, real(2, 3, 5), [(0, 2)]),
    *reductions("amax", mg.amax, np.max, apart(2, 3, 5), DIMS),
    *reductions("amin", mg.amin, np.min, apart(2, 3, 5), DIMS),
    *reductions("max", mg.max, best(np.max, np.argmax), apart(2, 3, 5), ONE_DIM),
    *reductions("min", mg.min, best(np.min, np.argmin), apart(2, 3, 5), ONE_DIM),
    *reductions("logsumexp", mg.logsumexp, logsumexp, real(2, 3, 5), DIMS, order=3),
    *reductions("norm", mg.norm, norm, real(2, 3, 5), DIMS),
    *reductions("argmax", mg.argmax, np.argmax, apart(2, 3, 5), [None, *ONE_DIM], order=0),
    *reductions("argmin", mg.argmin, np.argmin, apart(2, 3, 5), [None, *ONE_DIM], order=0),
    *reductions("any", mg.any, np.any, truth(2, 3, 5), DIMS, order=0),
    *reductions("all", mg.all, np.all, truth(2, 3, 5), DIMS, order=0),
    Case("any: of numbers", mg.any, lambda x: (x != 0).any(), whole(2, 2, 3), order=0),
    Case("sum: of floats, as integers", lambda x: mg.sum(x, dtype=int), lambda x: np.trunc(x).sum().astype(int),
         real(2, 3), order=0),
    *[Case(f"{f.__name__}: no dimension named is all of them", lambda x, f=f: f(x, ()), numpys, sampler)
      for f, numpys, sampler in ((mg.sum, np.sum, real(2, 3)), (mg.mean, np.mean, real(2, 3)),
                                 (mg.amax, np.max, apart(2, 3)), (mg.logsumexp, logsumexp_all, real(2, 3)))],
    Case("sum: of a 0-d tensor", lambda x: mg.sum(x * x), np.square, real()),
    Case("sum: of integers", mg.sum, np.sum, whole(7, 2, 3), order=0),
    Case("sum: of booleans", lambda x: mg.sum(x, 1), lambda x: np.count_nonzero(x, 1), truth(2, 3), order=0),
    Case("sum: a list of dimensions", lambda x: mg.sum(x, [0, -1]), lambda x: x.sum((0, 2)), real(2, 3, 5)),
    Case("sum: NumPy's words", lambda x: x.sum(axis=1, keepdims=True), lambda x: x.sum(1)[:, None], real(2, 3, 5)),
    Case("mean: of a 0-d tensor", mg.mean, np.copy, real()),
    Case("var: unbiased=False", lambda x: mg.var(x, 1, False), lambda x: variance(x, 1, correction=0), real(2, 3)),
    Case("var: unbiased=False, over all", lambda x: mg.var(x, unbiased=False), lambda x: variance(x, correction=0),
         real(2, 3)),
    Case("var: unbiased first", lambda x: mg.var(x, False), lambda x: variance(x, correction=0), real(2, 3)),
    Case("var: correction=2", lambda x: mg.var(x, 1, correction=2), lambda x: variance(x, 1, correction=2), real(2, 3)),
    Case("std: unbiased=False", lambda x: mg.std(x, 1, unbiased=False), lambda x: np.sqrt(variance(x, 1, correction=0)),
         real(2, 3)),
    Case("prod: with one zero", lambda x: mg.prod(x, 1), lambda x: np.array([0, 0.7 * -1.1 * 2 * 0.3 * 1.3]),
         given([[1.3, 0.0, -0.7, 2, 0.4], [0.7, -1.1, 2, 0.3, 1.3]]), order=3),
    Case("prod: with two zeros", lambda x: mg.prod(x, 0), lambda x: np.array([0, 0]) * 1.0,
         given([[1.3, 0.0], [0.0, 1.1], [2.0, 0.0]]), order=3),
    Case("prod: over all, with zeros", mg.prod, lambda x: np.array(0.0), given([[1.3, 0.0, 0.5], [0.7, 1.1, 0.0]])),
    Case("prod: of a 0-d tensor", lambda x: mg.prod(x), np.copy, real()),
    *[Case(f"cumsum: dim={d}", lambda x, d=d: mg.cumsum(x, d), lambda x, d=d: np.add.accumulate(x, d), real(2, 3, 5))
      for d in ONE_DIM],
    *[Case(f"cumprod: dim={d}", lambda x, d=d: mg.cumprod(x, d), lambda x, d=d: np.multiply.accumulate(x, d),
           real(2, 3, 5), order=3)
      for d in ONE_DIM],
    Case("cumprod: with one zero", lambda x: mg.cumprod(x, 1), lambda x: np.multiply.accumulate(x, 1),
         given([[1.3, 0.0, -0.7, 2, 0.4], [0.7, -1.1, 2, 0.3, 1.3]]), order=3),
    Case("cumprod: with two zeros", lambda x: mg.cumprod(x, 0), lambda x: np.multiply.accumulate(x, 0),
         given([[0.0, 0.3], [1.1, 0.0], [0.0, -0.4]]), order=3),
    Case("max: over all", mg.max, np.max, apart(2, 3)),
    Case("max: of two tensors", mg.max, np.maximum, apart(2, 3), apart(3, offset=0.2)),
    Case("min: over all", mg.min, np.min, apart(2, 3)),
    Case("min: of two tensors", mg.min, np.minimum, apart(2, 3), apart(3, offset=0.2)),
    *[Case(f"norm: p={p}", lambda x, p=p: mg.norm(x, p, dim=1), lambda x, p=p: norm(x, 1, p=p), real(2, 3))
      for p in (1, 3, 0.5, -1, 2.5)],
    Case("norm: fro", lambda x: mg.norm(x, "fro"), norm, real(2, 3)),
    Case("norm: p=inf", lambda x: mg.norm(x, inf, dim=0), lambda x: np.abs(x).max(0), apart(2, 3)),
    Case("norm: p=−inf", lambda x: mg.norm(x, -inf, dim=(0, 1)), lambda x: np.abs(x).min(), apart(2, 3)),
    Case("norm: p=0", lambda x: mg.norm(x, 0, dim=1), lambda x: np.array([2.0, 3.0]),
         given([[1.3, 0, 0.5], [0.7, 1.1, -2]])),
]  # fmt: skip

# ---- shape ----------------------------------------------------------------------------------------------------------


def pieces(x: Array, cuts: Any, dim: int) -> tuple[Array, ...]:
    return tuple(np.split(x, cuts, dim))


def rolled(x: Array, by: int, dim: int) -> Array:
    return np.take(x, (np.arange(x.shape[dim]) - by) % max(x.shape[dim], 1), dim)


def on_diagonal(x: Array, n: int, m: int) -> Array:
    out = np.zeros((*x.shape[:-1], n, m))
    for i in range(x.shape[-1]):
        out[..., i, i] = x[..., i]
    return out


SHAPES = [
    Case("reshape", lambda x: mg.reshape(x, (5, 6)), lambda x: np.array(x.ravel().tolist()).reshape(5, 6),
         real(2, 3, 5), view=True),
    Case("reshape: with −1", lambda x: x.reshape(-1, 2), lambda x: np.reshape(x, (-1, 2)), real(2, 3, 5), view=True),
    Case("reshape: ravel", lambda x: x.ravel(), np.ravel, real(2, 3, 5), view=True),
    Case("reshape: to a number", lambda x: x.reshape(()), lambda x: x[0, 0], real(1, 1), view=True),
    Case("flatten", mg.flatten, np.ravel, real(2, 3, 5), view=True),
    Case("flatten: from 1", lambda x: mg.flatten(x, 1), lambda x: x.reshape(x.shape[0], x.shape[1] * x.shape[2]),
         real(2, 3, 5), view=True),
    Case("flatten: to −2", lambda x: mg.flatten(x, 0, -2), lambda x: x.reshape(x.shape[0] * x.shape[1], x.shape[2]),
         real(2, 3, 5), view=True),
    Case("flatten: of a 0-d tensor", mg.flatten, lambda x: x[None], real(), view=True),
    Case("unflatten", lambda x: mg.unflatten(x, 1, (2, 3)), lambda x: x.reshape(5, 2, 3),
         given(np.arange(30.0).reshape(5, 6)), view=True),
    Case("unflatten: with −1", lambda x: mg.unflatten(x, -1, (3, -1)), lambda x: x.reshape(5, 3, 2),
         given(np.arange(30.0).reshape(5, 6)), view=True),
    Case("squeeze", mg.squeeze, lambda x: x.reshape(x.shape[1], x.shape[3]), real(1, 2, 1, 3), view=True),
    Case("squeeze: dim", lambda x: mg.squeeze(x, -2), lambda x: x[:, :, 0], real(1, 2, 1, 3), view=True),
    Case("squeeze: a dim that is longer", lambda x: mg.squeeze(x, 1), np.copy, real(1, 2, 1, 3), view=True),
    Case("squeeze: dims", lambda x: mg.squeeze(x, (0, 1, 2)), lambda x: x[0, :, 0], real(1, 2, 1, 3), view=True),
    Case("unsqueeze", lambda x: mg.unsqueeze(x, 1), lambda x: x[:, None], real(2, 3), view=True),
    Case("unsqueeze: last", lambda x: mg.unsqueeze(x, -1), lambda x: x[..., None], real(2, 3), view=True),
    Case("clone", mg.clone, np.copy, real(2, 3)),
    Case("contiguous", lambda x: x.mT.contiguous(), lambda x: np.moveaxis(x, 1, 2), real(2, 3, 5)),
    Case("permute", lambda x: mg.permute(x, (2, 0, 1)), lambda x: np.moveaxis(x, 2, 0), real(2, 3, 5), view=True),
    Case("permute: negative dims", lambda x: x.permute(-1, 0, -2), lambda x: np.moveaxis(x, 2, 0), real(2, 3, 5),
         view=True),
    Case("permute: T", lambda x: x.T, lambda x: np.moveaxis(x, 0, 1), real(2, 3), view=True),
    Case("permute: of a 0-d tensor", lambda x: mg.permute(x, ()), np.copy, real(), view=True),
    Case("transpose", lambda x: mg.transpose(x, 0, -1), lambda x: x.T, real(2, 3, 5), view=True),
    Case("transpose: mT", lambda x: x.mT, lambda x: np.moveaxis(x, 1, 2), real(2, 3, 5), view=True),
    Case("transpose: swapaxes", lambda x: x.swapaxes(0, 1), lambda x: np.moveaxis(x, 0, 1), real(2, 3, 5), view=True),
    Case("t: of a matrix", mg.t, lambda x: np.moveaxis(x, 0, 1), real(2, 3), view=True),
    Case("t: of a vector", lambda x: mg.t(x) * 1, np.copy, real(3)),
    Case("movedim", lambda x: mg.movedim(x, 0, 2), lambda x: np.moveaxis(x, 0, 2), real(2, 3, 5), view=True),
    Case("movedim: negative", lambda x: mg.movedim(x, -1, 0), lambda x: np.moveaxis(x, -1, 0), real(2, 3, 5),
         view=True),
    Case("movedim: several", lambda x: mg.movedim(x, (0, 1), (-1, 0)), lambda x: np.moveaxis(x, (0, 1), (-1, 0)),
         real(2, 3, 5), view=True),
    Case("flip", lambda x: mg.flip(x, (0, -1)), lambda x: x[::-1, :, ::-1], real(2, 3, 5)),
    Case("flip: one dim", lambda x: x.flip(1), lambda x: x[:, ::-1], real(2, 3, 5)),
    Case("roll", lambda x: mg.roll(x, 2, 1), lambda x: rolled(x, 2, 1), real(2, 3, 5)),
    Case("roll: backwards", lambda x: mg.roll(x, -4, -1), lambda x: rolled(x, -4, 2), real(2, 3, 5)),
    Case("roll: several dims", lambda x: mg.roll(x, (1, -2), (0, 2)), lambda x: rolled(rolled(x, 1, 0), -2, 2),
         real(2, 3, 5)),
    Case("roll: flattened", lambda x: mg.roll(x, 4), lambda x: rolled(x.ravel(), 4, 0).reshape(x.shape), real(2, 3)),
    *[Case(f"tril: diagonal={k}", lambda x, k=k: mg.tril(x, k),
           lambda x, k=k: x * (np.arange(x.shape[-1]) <= np.arange(x.shape[-2])[:, None] + k), real(2, 3, 5))
      for k in (0, 2, -1)],
    *[Case(f"triu: diagonal={k}", lambda x, k=k: mg.triu(x, k),
           lambda x, k=k: x * (np.arange(x.shape[-1]) >= np.arange(x.shape[-2])[:, None] + k), real(2, 3, 5))
      for k in (0, 2, -1)],
    Case("diagonal", mg.diagonal, np.diagonal, real(2, 3, 5), view=True),
    Case("diagonal: offset and dims", lambda x: mg.diagonal(x, 1, -2, -1), lambda x: np.diagonal(x, 1, 1, 2),
         real(2, 3, 5), view=True),
    Case("diagonal: below, dims exchanged", lambda x: mg.diagonal(x, -1, 2, 0), lambda x: np.diagonal(x, 1, 0, 2),
         real(2, 3, 5), view=True),
    Case("on_diagonal", lambda x: shape.on_diagonal(x, (2, 3, 5), 0, 1, 2), lambda x: on_diagonal(x, 3, 5), real(2, 3),
         needs=(2, 3)),
    Case("diag: of a matrix", mg.diag, np.diagonal, real(2, 3)),
    Case("diag: of a vector", mg.diag, lambda x: on_diagonal(x, len(x), len(x)), real(3)),
    Case("diag: beside", lambda x: mg.diag(x, diagonal=-2),
         lambda x: np.pad(on_diagonal(x, len(x), len(x)), [(2, 0), (0, 2)]), real(3)),
    Case("narrow", lambda x: mg.narrow(x, 2, 1, 3), lambda x: x[:, :, 1:4], real(2, 3, 5), view=True, needs=(5,)),
    Case("narrow: from the end", lambda x: mg.narrow(x, -1, -3, 2), lambda x: x[:, :, 2:4], real(2, 3, 5), view=True,
         needs=(5,)),
    Case("split", lambda x: mg.split(x, 2, 2), lambda x: pieces(x, range(2, x.shape[2], 2), 2), real(2, 3, 5),
         view=True),
    Case("split: by sizes", lambda x: mg.split(x, [1, 4], -1), lambda x: pieces(x, [1], 2), real(2, 3, 5), view=True,
         needs=(5,)),
    Case("split: a size of 0", lambda x: mg.split(x, [0, 2]), lambda x: pieces(x, [0], 0), real(2, 3), view=True,
         needs=(2,)),
    Case("chunk", lambda x: mg.chunk(x, 2, 1), lambda x: pieces(x, [3], 1), real(2, 5), view=True),
    Case("chunk: more than entries", lambda x: mg.chunk(x, 7), lambda x: pieces(x, [1], 0), given([[1.0], [2.0]]),
         view=True),
    Case("unbind", mg.unbind, tuple, real(2, 3, 5), view=True),
    Case("unbind: last", lambda x: mg.unbind(x, -1), lambda x: tuple(np.moveaxis(x, 1, 0)), real(2, 3), view=True),
    Case("unbind: to numbers", mg.unbind, tuple, real(3), view=True),
    Case("select", lambda x: mg.select(x, 1, -1), lambda x: x[:, x.shape[1] - 1], real(2, 3, 5), view=True),
    Case("expand", lambda x: x.expand(2, 5, 3), lambda x: x + np.zeros((2, 5, 3)), real(5, 1), view=True),
    Case("expand: with −1", lambda x: x.expand(2, -1, 3), lambda x: x + np.zeros((2, x.shape[0], 3)), real(5, 1),
         view=True),
    Case("expand: of a 0-d tensor", lambda x: x.expand(2, 3), lambda x: np.full((2, 3), x), real(), view=True),
    Case("expand: to another's shape", lambda x: x.expand_as(mg.zeros(2, 5, 3)), lambda x: x + np.zeros((2, 5, 3)),
         real(5, 1), view=True),
    Case("repeat", lambda x: x.repeat(2, 3), lambda x: np.concatenate([np.concatenate([x, x, x], 1)] * 2), real(3, 5)),
    Case("repeat: with new dimensions", lambda x: x.repeat(2, 1, 3),
         lambda x: np.stack([np.concatenate([x, x, x], 1)] * 2), real(3, 5)),
    Case("repeat: no times", lambda x: x.repeat(0, 2), lambda x: np.zeros((0, 2 * x.shape[1])), real(3, 5)),
    Case("repeat_interleave", lambda x: mg.repeat_interleave(x, 2, 1),
         lambda x: np.stack([x, x], 2).reshape(x.shape[0], 2 * x.shape[1]), real(2, 3)),
    Case("repeat_interleave: flattened", lambda x: mg.repeat_interleave(x, 3), lambda x: np.stack([x, x, x], 2).ravel(),
         real(2, 3)),
    Case("repeat_interleave: positions", lambda n: mg.repeat_interleave(n),
         lambda n: np.array([i for i, times in enumerate(n) for _ in range(times)], int), whole(5, 3), order=0),
    Case("repeat_interleave: as often as said", lambda x, n: mg.repeat_interleave(x, n, 1),
         lambda x, n: x[:, [0, 0, 2, 2, 2]], real(2, 3), given([2, 0, 3])),
    Case("cat", lambda a, b, c: mg.cat([a, b, c], 1), lambda a, b, c: np.concatenate([a, b, c], 1), real(2, 3),
         real(2, 5), real(2, 1)),
    Case("cat: negative dim", lambda a, b: mg.cat((a, b), dim=-2), lambda a, b: np.concatenate([a, b]), real(2, 3),
         real(5, 3)),
    Case("cat: to nothing yet", lambda a: mg.cat([mg.tensor([]), a], 1), np.copy, real(2, 3)),
    Case("hstack", lambda a, b: shape.hstack([a, b]), lambda a, b: np.concatenate([a, b], 1), real(2, 3), real(2, 5)),
    Case("hstack: of vectors and numbers", lambda a, b: shape.hstack([a, b]), lambda a, b: np.append(a, b), real(3),
         real()),
    Case("vstack", lambda a, b: shape.vstack([a, b]), lambda a, b: np.concatenate([a, [b]], 0), real(2, 3), real(3)),
    Case("cat: the same twice", lambda a: mg.cat([a, a]), lambda a: np.concatenate([a, a]), real(2, 3)),
    Case("stack", lambda a, b: mg.stack([a, b], 1), lambda a, b: np.moveaxis(np.array([a, b]), 0, 1), real(2, 3),
         real(2, 3)),
    Case("stack: last", lambda a, b: mg.stack([a, b, a], -1), lambda a, b: np.moveaxis(np.array([a, b, a]), 0, 2),
         real(2, 3), real(2, 3)),
    Case("stack: of 0-d tensors", lambda a, b: mg.stack([a, b]), lambda a, b: np.array([a, b]), real(), real()),
    Case("pad", lambda x: mg.pad(x, (1, 2)), lambda x: np.pad(x, [(0, 0), (1, 2)]), real(2, 3)),
    Case("pad: two dims and a value", lambda x: mg.pad(x, (1, 0, 2, 3), value=0.5),
         lambda x: np.pad(x, [(0, 0), (2, 3), (1, 0)], constant_values=0.5), real(2, 3, 5)),
    Case("pad: cutting off", lambda x: mg.pad(x, (-1, 2, 1, -2)),
         lambda x: np.pad(x[:, :-2, 1:], [(0, 0), (1, 0), (0, 2)]), real(2, 3, 5), needs=(3, 5)),
    *[Case(f"pad: {mode}", lambda x, mode=mode: mg.pad(x, (2, 1), mode=mode),
           lambda x, m=numpys: np.pad(x, [(0, 0), (0, 0), (2, 1)], mode=m), real(2, 3, 5))
      for mode, numpys in (("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"))],
    Case("pad: replicate in two dims", lambda x: mg.pad(x[None], (4, 0, 1, 3), mode="replicate")[0],
         lambda x: np.pad(x, [(0, 0), (1, 3), (4, 0)], mode="edge"), real(2, 3, 5)),
]  # fmt: skip

# ---- indexing -------------------------------------------------------------------------------------------------------

A, B = np.array([1, 0, 1, 1]), np.array([2, 0, -1, 2])
MASK = np.array([[True, False, True], [False, False, True]])
# Indices of a tensor of shape (2, 3, 5), by whether NumPy answers with a view.
BASIC: dict[str, Any] = {
    "an integer": 1,
    "a negative integer": -1,
    "a NumPy integer": np.int64(1),
    "a slice": slice(1, None),
    "steps": (slice(None), slice(None, None, 2), slice(1, 5, 3)),
    "backwards": (slice(None), slice(None, None, -1), slice(3, 0, -2)),
    "nothing": slice(2, 2),
    "None": (None, 1, None),
    "Ellipsis": (..., 2),
    "Ellipsis alone": ...,
    "Ellipsis between": (0, ..., slice(1, 3)),
    "the empty tuple": (),
    "one entry": (1, 2, 3),
}
ADVANCED: dict[str, Any] = {
    "an array": np.array([1, 0]),
    "repeated indices": A,
    "negative indices": np.array([-1, 0, -2, 1]),
    "a 2-D array": np.array([[1, 0, 1], [0, 0, 1]]),
    "a 0-d array": np.array(1),
    "a list": [0, 1, 1],
    "an empty list": [],
    "a range": range(2),
    "bytes": np.array([1, 1], np.uint8),
    "two arrays": (A, B),
    "broadcast arrays": (np.array([[0], [1]]), B),
    "an array after a slice": (slice(None), B),
    "an array before Ellipsis": (A, ..., slice(1, 4)),
    "arrays around a slice": (A, slice(None), B),
    "arrays side by side": (slice(None), B, np.array([4, 4, 0, 4])),
    "an array and an integer": (A, slice(None), 3),
    "an integer and an array": (1, B),
    "an array and None": (None, A, None, B),
    "a boolean vector": np.array([True, False]),
    "a boolean matrix": MASK,
    "a list of booleans": [False, True],
    "a boolean vector after a slice": (slice(None), np.array([True, False, True])),
    "a boolean matrix and an integer": (MASK, 2),
    "a boolean vector and an array": (np.array([True, True]), slice(None), np.array([4, 4])),
    "nothing true": np.zeros((2, 3, 5), bool),
    "True": True,
    "False": np.False_,
}
ANY_INDEX = BASIC | ADVANCED


def assigned(x: Array, where: Any, value: Array) -> Array:
    out = x.copy()
    out[where] = value
    return out


def added(sizes: tuple[int, ...], where: Any, value: Array) -> Array:
    out = np.zeros(sizes)
    np.add.at(out, where, value)
    return out


def there(where: Any) -> tuple[int, ...]:
    """The shape of x[where]."""
    return np.empty((2, 3, 5))[where].shape


def written(x: Any, where: Any, value: Any) -> Any:
    """A tensor that was assigned to in place."""
    y = x * 1
    y[where] = value
    return y


def through_a_view(x: Any, value: Any) -> tuple[Any, Any]:
    """A tensor of which a row was overwritten through a view of it, and another view of the same memory."""
    y = x * 1
    column, row = y[:, 1], y[1]
    column.copy_(value)
    return y, row


def through_a_view_in_numpy(x: Array, value: Array) -> tuple[Array, Array]:
    y = assigned(x, (slice(None), 1), value)
    return y, y[1]


def gathered(x: Array, dim: int, where: Array) -> Array:
    out = np.empty(where.shape)
    for place in np.ndindex(where.shape):
        source = list(place)
        source[dim] = where[place]
        out[place] = x[tuple(source)]
    return out


def scattered(x: Array, dim: int, where: Array, source: Any, add: bool) -> Array:
    out = x.copy()
    for place in np.ndindex(where.shape):
        target = list(place)
        target[dim] = where[place]
        value = source if np.ndim(source) == 0 else source[place]
        out[tuple(target)] = out[tuple(target)] * add + value
    return out


SMALLER = given([[1, 0, 1], [2, 1, 0]])  # an index into dimension 0 of a (3, 5) that leaves out some of the others
TWICE = given([[1, 0, 1], [1, 2, 1]])  # the same, with some places named twice

INDEXING = [
    *[Case(f"getitem: {name}", lambda x, i=i: x[i], lambda x, i=i: x[i], real(2, 3, 5), view=True)
      for name, i in BASIC.items()],
    *[Case(f"getitem_array: {name}", lambda x, i=i: x[i], lambda x, i=i: x[i], real(2, 3, 5))
      for name, i in ADVANCED.items()],
    Case("getitem_array: by tensors", lambda x, i, j: x[i, :, j], lambda x, i, j: x[i, :, j], real(2, 3, 5),
         whole(2, 7), whole(5, 7, low=-5)),
    Case("getitem_array: by a mask tensor", lambda x, m: x[m > 1], lambda x, m: x[m > 1], real(2, 3, 5),
         whole(3, 2, 3)),
    *[Case(f"setitem: {name}", lambda x, v, i=i: index.setitem(x, index.plain(i), v),
           lambda x, v, i=i: assigned(x, i, v), real(2, 3, 5), real(*there(i)))
      for name, i in ANY_INDEX.items()],
    Case("setitem: one number for many", lambda x, v: index.setitem(x, A, v), lambda x, v: assigned(x, A, v),
         real(2, 3, 5), real()),
    Case("setitem: one row for many", lambda x, v: index.setitem(x, A, v), lambda x, v: assigned(x, A, v),
         real(2, 3, 5), real(3, 5)),
    Case("setitem: y[i] = v", lambda x, v: written(x, (slice(None), 1), v),
         lambda x, v: assigned(x, (slice(None), 1), v), real(2, 3), real(2)),
    Case("replace_view", through_a_view, through_a_view_in_numpy, real(2, 3), real(2)),
    Case("view_at", through_a_view, through_a_view_in_numpy, real(2, 3), real()),
    *[Case(f"put: {name}", lambda v, i=i: index.put(v, (2, 3, 5), index.plain(i)),
           lambda v, i=i: added((2, 3, 5), i, v), real(*there(i)))
      for name, i in ANY_INDEX.items()],
    Case("gather: dim 0", lambda x, i: mg.gather(x, 0, i), lambda x, i: gathered(x, 0, i), real(2, 3), whole(2, 5, 3)),
    Case("gather: dim −1", lambda x, i: mg.gather(x, -1, i), lambda x, i: gathered(x, 2, i), real(2, 3, 5),
         whole(5, 2, 3, 7)),
    Case("gather: a smaller index", lambda x, i: mg.gather(x, 0, i), lambda x, i: gathered(x, 0, i), real(3, 5),
         SMALLER),
    Case("gather: 1-D", lambda x, i: mg.gather(x, 0, i), lambda x, i: x[i], real(3), whole(3, 5)),
    Case("scatter: dim 1", lambda x, s: mg.scatter(x, 1, mg.tensor([[4, 0, 2], [1, 3, 0]]), s),
         lambda x, s: scattered(x, 1, np.array([[4, 0, 2], [1, 3, 0]]), s, False), real(2, 5), real(2, 3)),
    Case("scatter: a smaller index", lambda x, s: mg.scatter(x, 0, mg.tensor([[2, 0, 1]]), s),
         lambda x, s: scattered(x, 0, np.array([[2, 0, 1]]), s, False), real(3, 5), real(2, 5)),
    Case("scatter: the last of several wins", lambda x, i, s: mg.scatter(x, 0, i, s),
         lambda x, i, s: scattered(x, 0, i, s, False), real(3, 5), TWICE, real(2, 3)),
    Case("scatter: a 0-d tensor, twice in one place", lambda x, i, s: mg.scatter(x, 0, i, s),
         lambda x, i, s: scattered(x, 0, i, s, False), real(3, 5), TWICE, real()),
    Case("scatter: a number", lambda x, i: mg.scatter(x, 0, i, 0.5), lambda x, i: scattered(x, 0, i, 0.5, False),
         real(3, 5), SMALLER),
    Case("scatter: value=", lambda x, i: mg.scatter(x, 0, i, value=0.5), lambda x, i: scattered(x, 0, i, 0.5, False),
         real(3, 5), SMALLER),
    Case("scatter: a 0-d tensor", lambda x, i, s: mg.scatter(x, 0, i, s), lambda x, i, s: scattered(x, 0, i, s, False),
         real(3, 5), SMALLER, real()),
    Case("scatter: reduce=add", lambda x, i, s: mg.scatter(x, 0, i, s, reduce="add"),
         lambda x, i, s: scattered(x, 0, i, s, True), real(3, 5), SMALLER, real(2, 3)),
    Case("scatter_add: dim 0", lambda x, i, s: mg.scatter_add(x, 0, i, s), lambda x, i, s: scattered(x, 0, i, s, True),
         real(2, 3), whole(2, 5, 3), real(5, 3)),
    Case("scatter_add: dim −1", lambda x, i, s: mg.scatter_add(x, -1, i, s),
         lambda x, i, s: scattered(x, 2, i, s, True), real(2, 3, 5), whole(5, 2, 3, 7), real(2, 3, 7)),
    Case("scatter_add: a smaller index", lambda x, i, s: mg.scatter_add(x, 0, i, s),
         lambda x, i, s: scattered(x, 0, i, s, True), real(3, 5), SMALLER, real(3, 5)),
    Case("take_along_dim", lambda x, i: mg.take_along_dim(x, i, 1), lambda x, i: np.take_along_axis(x, i, 1),
         real(2, 3), whole(3, 2, 5)),
    Case("take_along_dim: broadcast", lambda x, i: mg.take_along_dim(x, i, -1),
         lambda x, i: np.take_along_axis(x, i, -1), real(2, 1, 5), whole(5, 1, 3, 7)),
    Case("take_along_dim: flattened", lambda x, i: mg.take_along_dim(x, i), lambda x, i: x.ravel()[i.ravel()],
         real(2, 3), whole(6, 5)),
    Case("index_select", lambda x, i: mg.index_select(x, -1, i), lambda x, i: x[:, :, i], real(2, 3, 5), whole(5, 7)),
    Case("index_select: one", lambda x, i: mg.index_select(x, 0, i), lambda x, i: x[i][None], real(2, 3), whole(2)),
    Case("masked_select", mg.masked_select, lambda x, m: x[m], real(2, 3), truth(2, 3)),
    Case("masked_select: broadcast", mg.masked_select, lambda x, m: x[np.broadcast_to(m, x.shape)], real(2, 3),
         truth(3)),
    Case("index_add", lambda x, i, s: mg.index_add(x, 1, i, s), lambda x, i, s: x + added(x.shape, (slice(None), i), s),
         real(2, 3), whole(3, 5), real(2, 5)),
    Case("index_add: alpha", lambda x, i, s: mg.index_add(x, 0, i, s, alpha=-2),
         lambda x, i, s: x - 2 * added(x.shape, i, s), real(2, 3), whole(2, 5), real(5, 3)),
    Case("embedding", lambda i, w: index.embedding(w, i), lambda i, w: np.eye(len(w))[i] @ w, whole(7, 2, 3),
         real(7, 5)),
    *[Case(f"argsort: dim={d}", lambda x, d=d: mg.argsort(x, d), lambda x, d=d: np.argsort(x, d), apart(2, 3, 5),
           order=0)
      for d in ONE_DIM],
    Case("argsort: descending", lambda x: mg.argsort(x, 1, True), lambda x: np.argsort(-x, 1), apart(2, 5), order=0),
    Case("argsort: ties keep their order", lambda x: mg.argsort(x, descending=True, stable=True),
         lambda x: np.array([1, 4, 0, 3, 2]), given([1.0, 2.0, 0.0, 1.0, 2.0]), order=0),
    *[Case(f"sort: dim={d}", lambda x, d=d: mg.sort(x, d), lambda x, d=d: (np.sort(x, d), np.argsort(x, d)),
           apart(2, 3, 5))
      for d in ONE_DIM],
    Case("sort: descending", lambda x: mg.sort(x, descending=True), lambda x: (-np.sort(-x), np.argsort(-x)),
         apart(2, 5)),
    Case("topk", lambda x: mg.topk(x, 2), lambda x: (-np.sort(-x)[:, :2], np.argsort(-x)[:, :2]), apart(3, 5),
         needs=(5,)),
    Case("topk: smallest along dim 0", lambda x: mg.topk(x, 2, 0, largest=False),
         lambda x: (np.sort(x, 0)[:2], np.argsort(x, 0)[:2]), apart(5, 3), needs=(5,)),
    Case("topk: none", lambda x: mg.topk(x, 0), lambda x: (x[:, :0], np.argsort(x)[:, :0]), apart(5, 3)),
    Case("one_hot", lambda x: index.one_hot(x, 5), lambda x: np.eye(5, dtype=int)[x], whole(5, 2, 3), order=0),
    Case("one_hot: as many as there are", index.one_hot, lambda x: np.array([[0, 1, 0], [0, 0, 1]]), given([1, 2]),
         order=0),
    Case("nonzero", mg.nonzero, lambda x: np.argwhere(x != 0), whole(2, 2, 3), order=0),
    Case("nonzero: as a tuple", lambda x: mg.nonzero(x, as_tuple=True), np.nonzero, whole(2, 2, 3), order=0),
    Case("unique", mg.unique, lambda x: np.array(sorted(set(x.ravel().tolist())), int), whole(3, 7), order=0),
    Case("unique: rows", lambda x: mg.unique(x, dim=0), lambda x: np.array(sorted(set(map(tuple, x.tolist())))),
         given([[1, 0], [0, 1], [1, 0], [0, -1]]), order=0),
    Case("unique: inverse and counts", lambda x: mg.unique(x, return_inverse=True, return_counts=True),
         lambda x: (np.array([2, 5]), np.array([1, 0, 1, 1]), np.array([1, 3])), given([5, 2, 5, 5]), order=0),
]  # fmt: skip


# ---- linear algebra -------------------------------------------------------------------------------------------------


def summed_products(equation: str, *sizes: tuple[int, ...], note: str = "") -> Case:
    """A row for `einsum`."""
    ours, numpys = partial(mg.einsum, equation), partial(np.einsum, equation)
    return Case(f"einsum: {equation}{note}", ours, numpys, *[real(*n) for n in sizes])


LINALG = [
    *[Case(f"matmul: {m} @ {n}", lambda a, b: a @ b, np.dot if len(n) < 3 else np.matmul, real(*m), real(*n), order=3)
      for m, n in (((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 5)), ((2, 3), (3, 5)),
                   ((7, 2, 3), (3,)), ((7, 2, 3), (3, 5)), ((3,), (7, 3, 5)), ((2, 3), (7, 3, 5)),
                   ((7, 2, 3), (7, 3, 5)), ((7, 2, 3), (1, 3, 5)), ((1, 2, 3), (7, 3, 5)),
                   ((11, 1, 2, 3), (7, 3, 5)), ((7, 1, 3), (3, 1)))],
    Case("matmul: by itself", lambda a: a @ a.T, lambda a: np.inner(a, a), real(2, 3)),
    Case("linear", linalg.linear, lambda x, w, b: np.inner(x, w) + b, real(2, 3), real(5, 3), real(5), order=3),
    Case("linear: no bias", linalg.linear, np.inner, real(2, 3), real(5, 3)),
    Case("linear: one vector", linalg.linear, lambda x, w, b: np.inner(x, w) + b, real(3), real(5, 3), real(5)),
    Case("linear: a stack", linalg.linear, lambda x, w, b: np.inner(x, w) + b, real(7, 2, 3), real(5, 3), real(5)),
    Case("dot", mg.dot, lambda a, b: np.sum(a * b), real(3), real(3)),
    Case("mm", mg.mm, np.dot, real(2, 3), real(3, 5)),
    Case("mv", mg.mv, np.dot, real(2, 3), real(3)),
    Case("bmm", mg.bmm, lambda a, b: (a[..., None] * b[:, None]).sum(2), real(7, 2, 3), real(7, 3, 5)),
    Case("outer", mg.outer, lambda a, b: a[:, None] * b, real(2), real(3)),
    Case("addmm", lambda x, a, b: mg.addmm(x, a, b, beta=0.5, alpha=3), lambda x, a, b: 0.5 * x + 3 * a @ b, real(5),
         real(2, 3), real(3, 5)),
    Case("baddbmm", lambda x, a, b: mg.baddbmm(x, a, b, beta=0.5, alpha=3), lambda x, a, b: 0.5 * x + 3 * a @ b,
         real(7, 2, 5), real(7, 2, 3), real(7, 3, 5)),
    summed_products("ij,jk->ik", (2, 3), (3, 5)),
    summed_products("ij,jk", (2, 3), (3, 5), note=" (implicit)"),
    summed_products("ba", (2, 3), note=" (implicit, transposed)"),
    summed_products("ij,kj", (2, 3), (5, 3), note=" (implicit)"),
    summed_products("i,i->", (3,), (3,)),
    summed_products("i,j->ij", (2,), (3,)),
    summed_products("ij->", (2, 3)),
    summed_products("ij->j", (2, 3)),
    summed_products("ijk->kij", (2, 3, 5)),
    summed_products("ij,ij->i", (2, 3), (2, 3)),
    summed_products("ij,ij->i", (2, 3), (2, 1), note=" (a length of 1 is spread)"),
    summed_products("ij,j->i", (2, 1), (3,), note=" (a length of 1 is spread)"),
    summed_products("ij,k->i", (2, 3), (5,), note=" (letters that stand alone)"),
    summed_products("ii->", (3, 3)),
    summed_products("ii", (3, 3), note=" (implicit trace)"),
    summed_products("ii->i", (3, 3)),
    summed_products("iij->j", (3, 3, 5)),
    summed_products("iji->ji", (3, 5, 3)),
    summed_products("iii->i", (3, 3, 3)),
    summed_products("ii,ij->j", (3, 3), (3, 5)),
    summed_products("bij,bjk->bik", (7, 2, 3), (7, 3, 5)),
    summed_products("bhqd,bhkd->bhqk", (2, 3, 5, 7), (2, 3, 11, 7)),
    summed_products("adbce,cbfe->bdfa", (2, 3, 5, 7, 2), (7, 5, 3, 2), note=" (stacks, in another order)"),
    summed_products("ijk,jk->i", (2, 3, 5), (3, 5)),
    summed_products("...ij,...jk->...ik", (7, 2, 3), (7, 3, 5)),
    summed_products("...ij,...jk->...ik", (11, 1, 2, 3), (7, 3, 5), note=" (broadcast)"),
    summed_products("...ij,jk", (7, 2, 3), (3, 5), note=" (implicit)"),
    summed_products("i...->...", (2, 3, 5)),
    summed_products("...i->...", (2, 3, 5)),
    summed_products("...,...->...", (2, 3), (3,)),
    summed_products("...ii->...i", (2, 3, 3)),
    summed_products("ij,jk,kl->il", (2, 3), (3, 5), (5, 7)),
    summed_products("i,ij,j->", (2,), (2, 3), (3,)),
    summed_products("a,b,c->cab", (2,), (3,), (5,)),
    summed_products("bi,oij,bj->bo", (2, 3), (7, 3, 5), (2, 5)),
    summed_products("iJ,Jk->ki", (2, 3), (3, 5)),
    summed_products(" i j , j k -> i k ", (2, 3), (3, 5), note=" (spaces)"),
    summed_products(",ij->ij", (), (2, 3)),
    Case("einsum: the same operand twice", lambda x: mg.einsum("ij,kj->ik", x, x), lambda x: np.inner(x, x),
         real(2, 3)),
    Case("einsum: operands in a list", lambda a, b: mg.einsum("i,i->", [a, b]), np.dot, real(3), real(3)),
    Case("tensordot", lambda a, b: mg.tensordot(a, b), np.tensordot, real(2, 3, 5), real(3, 5, 7)),
    Case("tensordot: one dim", lambda a, b: mg.tensordot(a, b, 1), lambda a, b: np.tensordot(a, b, 1), real(2, 3),
         real(3, 5, 7)),
    Case("tensordot: no dims", lambda a, b: mg.tensordot(a, b, 0), lambda a, b: np.multiply.outer(a, b), real(2, 3),
         real(5)),
    Case("tensordot: all dims", lambda a, b: mg.tensordot(a, b), lambda a, b: (a * b).sum(), real(2, 3), real(2, 3)),
    Case("tensordot: listed dims", lambda a, b: mg.tensordot(a, b, ([0, -1], [2, 1])),
         lambda a, b: np.einsum("ijk,lki->jl", a, b), real(2, 3, 5), real(7, 5, 2)),
]  # fmt: skip

# ---- windows --------------------------------------------------------------------------------------------------------


def slid(x: Array, dim: int, size: int, step: int, dilation: int = 1) -> Array:
    starts = range(0, x.shape[dim] - dilation * (size - 1), step)
    entries = [[start + dilation * k for k in range(size)] for start in starts]
    return np.stack([np.moveaxis(np.take(x, window, dim), dim, -1) for window in entries], dim)


def overlapped(x: Array, n: int, step: int, dilation: int) -> Array:
    out = np.zeros((x.shape[0], n))
    for i, k in np.ndindex(x.shape[1:]):
        out[:, i * step + k * dilation] += x[:, i, k]
    return out


def convolved(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    before: Any = 0,
    after: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Convolution of (B, C, …) by its definition, padded by zeros before and after, one place of the window at a time."""
    n = x.ndim - 2
    stride, before, after, dilation = (np.broadcast_to(v, n) for v in (stride, before, after, dilation))
    x = np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)])
    reach = dilation * (np.array(weight.shape[2:]) - 1) + 1
    places = (np.array(x.shape[2:]) - reach) // stride + 1
    out = np.zeros((x.shape[0], weight.shape[0], *places))
    per_group, out_group = weight.shape[1], weight.shape[0] // groups
    for o in range(weight.shape[0]):
        channels = slice(o // out_group * per_group, (o // out_group + 1) * per_group)
        for place in np.ndindex(*places):
            seen = tuple(slice(p * s, p * s + r, d) for p, s, r, d in zip(place, stride, reach, dilation, strict=True))
            out[(slice(None), o, *place)] = (x[(slice(None), channels, *seen)] * weight[o]).sum(tuple(range(1, n + 2)))
    return out if bias is None else out + bias.reshape(-1, *[1] * n)


def pooled(x: Array, pick: Any, size: list[int], step: list[int], padding: int = 0, border: float = 0.0) -> Array:
    """One number for each window over the last dimensions."""
    n = len(size)
    x = np.pad(x, [(0, 0)] * (x.ndim - n) + [(padding, padding)] * n, constant_values=border)
    places = [(length - k) // s + 1 for length, k, s in zip(x.shape[-n:], size, step, strict=True)]
    out = np.empty((*x.shape[:-n], *places))
    for place in np.ndindex(*places):
        seen = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, step, size, strict=True))
        out[(..., *place)] = pick(x[(..., *seen)], tuple(range(-n, 0)))
    return out


WINDOWS = [
    Case("windows", lambda x: window.windows(x, 1, 3, 2), lambda x: slid(x, 1, 3, 2), real(2, 7, 5), view=True,
         needs=(7,)),
    Case("windows: dilation", lambda x: window.windows(x, -1, 2, 1, 3), lambda x: slid(x, 1, 2, 1, 3), real(2, 7),
         view=True, needs=(7,)),
    Case("overlap_add", lambda x: window.overlap_add(x, (2, 7), 1, 3, 2), lambda x: overlapped(x, 7, 2, 1),
         real(2, 3, 3), needs=(2, 3)),
    Case("overlap_add: dilation", lambda x: window.overlap_add(x, (2, 11), 1, 3, 1, 2),
         lambda x: overlapped(x, 11, 1, 2), given(np.linspace(-1, 2, 42).reshape(2, 7, 3) ** 2)),
    Case("unfold", lambda x: window.unfold(x, 0, 3, 2), lambda x: slid(x, 0, 3, 2), real(7, 2), view=True, needs=(7,)),
    Case("convolve", lambda x, w, b: convolution.convolve(x, w, b, (1,), [(0, 0)], (1,)), convolved, real(2, 3, 11), real(5, 3, 4), real(5), needs=(4, 11)),
    Case("convolve: no bias, stride and dilation", lambda x, w: convolution.convolve(x, w, None, (2,), [(0, 0)], (3,)), lambda x, w: convolved(x, w, stride=2, dilation=3), real(2, 3, 11), real(5, 3, 2), needs=(2, 11)),
    Case("conv1d", mg.conv1d, convolved, real(2, 3, 11), real(5, 3, 4), real(5), order=3, needs=(4, 11)),
    Case("conv1d: no bias", mg.conv1d, convolved, real(2, 3, 7), real(5, 3, 2), needs=(2, 7)),
    Case("conv1d: one example", mg.conv1d, lambda x, w, b: convolved(x[None], w, b)[0], real(3, 7), real(5, 3, 2),
         real(5), needs=(2, 7)),
    Case("conv1d: stride", lambda x, w, b: mg.conv1d(x, w, b, stride=3), lambda x, w, b: convolved(x, w, b, stride=3),
         real(2, 3, 11), real(5, 3, 2), real(5), needs=(2, 11)),
    Case("conv1d: padding", lambda x, w, b: mg.conv1d(x, w, b, padding=2), lambda x, w, b: convolved(x, w, b, 1, 2, 2),
         real(2, 3, 5), real(7, 3, 3), real(7), needs=(3,)),
    Case("conv1d: dilation", lambda x, w, b: mg.conv1d(x, w, b, dilation=2),
         lambda x, w, b: convolved(x, w, b, dilation=2), real(2, 3, 7), real(5, 3, 3), real(5), needs=(3, 7)),
    Case("conv1d: groups", lambda x, w, b: mg.conv1d(x, w, b, groups=3), lambda x, w, b: convolved(x, w, b, groups=3),
         given(np.linspace(-1, 1, 84).reshape(2, 6, 7) ** 2), given(np.linspace(-2, 1, 36).reshape(9, 2, 2)), real(9)),
    Case("conv1d: depthwise", lambda x, w: mg.conv1d(x, w, groups=3), lambda x, w: convolved(x, w, groups=3),
         real(2, 3, 7), real(3, 1, 2), needs=(2, 3, 7)),
    Case("conv1d: all at once", lambda x, w, b: mg.conv1d(x, w, b, (2,), (3,), (2,), 3),
         lambda x, w, b: convolved(x, w, b, 2, 3, 3, 2, 3), real(2, 3, 7),
         given(np.linspace(-2, 1, 18).reshape(6, 1, 3)), real(6), needs=(3,)),
    Case("conv1d: same", lambda x, w, b: mg.conv1d(x, w, b, padding="same"),
         lambda x, w, b: convolved(x, w, b, 1, 1, 1), real(2, 5, 7), real(5, 5, 3), real(5), needs=(3, 7)),
    Case("conv1d: same, even window", lambda x, w, b: mg.conv1d(x, w, b, padding="same", dilation=3),
         lambda x, w, b: convolved(x, w, b, 1, 1, 2, 3), real(2, 3, 7), real(5, 3, 2), real(5), needs=(2, 7)),
    Case("conv1d: valid", lambda x, w, b: mg.conv1d(x, w, b, padding="valid"), convolved, real(2, 3, 7), real(5, 3, 2),
         real(5), needs=(2, 7)),
    Case("conv1d: inner products with ones", lambda x: mg.conv1d(x, x * 0 + 1), lambda x: np.array([[[21.0]]]),
         given([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])),
    Case("conv2d", mg.conv2d, convolved, real(2, 3, 5, 7), real(5, 3, 2, 3), real(5), needs=(2, 3, 5, 7)),
    Case("conv2d: all at once",
         lambda x, w, b: mg.conv2d(x, w, b, stride=(2, 1), padding=(0, 2), dilation=(1, 2), groups=2),
         lambda x, w, b: convolved(x, w, b, (2, 1), (0, 2), (0, 2), (1, 2), 2),
         given(np.linspace(-1, 1, 280).reshape(2, 4, 5, 7) ** 2), given(np.linspace(-2, 1, 72).reshape(6, 2, 2, 3)),
         real(6)),
    Case("conv2d: same", lambda x, w: mg.conv2d(x, w, padding="same"),
         lambda x, w: convolved(x, w, None, 1, (0, 1), (1, 1)), real(2, 3, 5, 7), real(5, 3, 2, 3), needs=(2, 3, 5, 7)),
    Case("conv2d: one example", mg.conv2d, lambda x, w, b: convolved(x[None], w, b)[0], real(3, 5, 7), real(5, 3, 2, 3),
         real(5), needs=(2, 3, 5, 7)),
    Case("window_max", lambda x: window.window_max(x, (3, 2), (2, 1), (1, 1)),
         lambda x: pooled(x, np.max, [3, 2], [2, 1]), apart(2, 5, 7), needs=(5, 7)),
    Case("window_sum", lambda x: window.window_sum(x, (3, 2), (2, 1), (1, 1)),
         lambda x: pooled(x, np.sum, [3, 2], [2, 1]), real(2, 5, 7), needs=(5, 7)),
    Case("max_pool1d", lambda x: window.max_pool1d(x, 3), lambda x: pooled(x, np.max, [3], [3]), apart(2, 3, 7),
         needs=(7,)),
    Case("max_pool1d: stride and padding", lambda x: window.max_pool1d(x, 3, 2, 1),
         lambda x: pooled(x, np.max, [3], [2], 1, -inf), apart(2, 3, 7), needs=(7,)),
    Case("max_pool1d: the rest as a window", lambda x: window.max_pool1d(x, 3, 2, 1, ceil_mode=True),
         lambda x: pooled(np.pad(x, [(0, 0), (0, 0), (0, 1)], constant_values=-inf), np.max, [3], [2], 1, -inf),
         apart(2, 3, 6), needs=(6,)),
    Case("max_pool1d: dilation", lambda x: window.max_pool1d(x, 2, 1, 0, 3),
         lambda x: np.maximum(x[..., :-3], x[..., 3:]), apart(2, 3, 7), needs=(7,)),
    Case("max_pool2d", lambda x: window.max_pool2d(x, (2, 3), 2), lambda x: pooled(x, np.max, [2, 3], [2, 2]),
         apart(2, 3, 5, 7), needs=(5, 7)),
    Case("max_pool2d: padding", lambda x: window.max_pool2d(x, 3, padding=1),
         lambda x: pooled(x, np.max, [3, 3], [3, 3], 1, -inf), apart(3, 5, 7), needs=(5, 7)),
    Case("avg_pool1d", lambda x: window.avg_pool1d(x, 2), lambda x: pooled(x, np.mean, [2], [2]), real(2, 3, 7),
         needs=(7,)),
    Case("avg_pool1d: stride and padding", lambda x: window.avg_pool1d(x, 3, 2, 1),
         lambda x: pooled(x, np.mean, [3], [2], 1), real(2, 3, 7), needs=(7,)),
    Case("avg_pool1d: the rest as a window", lambda x: window.avg_pool1d(x, 5, 3, ceil_mode=True),
         lambda x: np.stack([x[:, :, :5].mean(-1), x[:, :, 3:7].mean(-1)], -1), real(2, 3, 7), needs=(7,)),
    Case("avg_pool1d: no window begins behind the end", lambda x: window.avg_pool1d(x, 2, 3, ceil_mode=True),
         lambda x: np.stack([x[:, :, :2].mean(-1), x[:, :, 3:5].mean(-1)], -1), real(2, 3, 5), needs=(5,)),
    Case("avg_pool1d: without the padding", lambda x: window.avg_pool1d(x, 3, 2, 1, count_include_pad=False),
         lambda x: np.stack([x[:, :, :2].mean(-1), x[:, :, 1:4].mean(-1), x[:, :, 3:].mean(-1)], -1), real(2, 3, 5),
         needs=(5,)),
    Case("avg_pool1d: the padding and the rest", lambda x: window.avg_pool1d(x, 3, 2, 1, ceil_mode=True),
         lambda x: np.stack([x[:, :, :2].sum(-1) / 3, x[:, :, 1:4].mean(-1), x[:, :, 3:].sum(-1) / 2], -1),
         real(2, 3, 4), needs=(4,)),
    Case("avg_pool2d", lambda x: window.avg_pool2d(x, 2, (1, 3), 1), lambda x: pooled(x, np.mean, [2, 2], [1, 3], 1),
         real(2, 3, 5, 7)),
    Case("adaptive_avg_pool1d", lambda x: window.adaptive_avg_pool1d(x, 3),
         lambda x: np.stack([x[..., :3].mean(-1), x[..., 2:5].mean(-1), x[..., 4:].mean(-1)], -1), real(2, 3, 7),
         needs=(7,)),
    Case("adaptive_max_pool1d", lambda x: window.adaptive_max_pool1d(x, 3),
         lambda x: np.stack([x[..., :3].max(-1), x[..., 2:5].max(-1), x[..., 4:].max(-1)], -1), apart(2, 7),
         needs=(7,)),
    Case("adaptive_max_pool2d", lambda x: window.adaptive_max_pool2d(x, (1, None)), lambda x: x.max(-2, keepdims=True),
         apart(2, 3, 5), needs=(3, 5)),
    Case("adaptive_avg_pool1d: even parts", lambda x: window.adaptive_avg_pool1d(x, 1),
         lambda x: x.mean(-1, keepdims=True), real(2, 3, 7), needs=(7,)),
    Case("adaptive_avg_pool2d", lambda x: window.adaptive_avg_pool2d(x, (1, 2)),
         lambda x: np.stack([x[..., :4].mean((-2, -1)), x[..., 3:].mean((-2, -1))], -1)[..., None, :], real(2, 3, 5, 7),
         needs=(5, 7)),
]  # fmt: skip

# ---- compositions that every network is made of ---------------------------------------------------------------------


def attended(q: Array, k: Array, v: Array, bias: Any = 0.0, mask: Any = True, scale: Any = None) -> Array:
    """Attention by its definition; a query that may look nowhere gets zeros."""
    scores = np.einsum("...id,...jd->...ij", q, k) * (max(q.shape[-1], 1) ** -0.5 if scale is None else scale) + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True, initial=0)) * mask
    total = weights.sum(-1, keepdims=True)
    return np.einsum("...ij,...jd->...id", weights / np.where(total == 0, 1, total), v)


def softmax(x: Array, dim: int) -> Array:
    e = np.exp(x)
    return e / e.sum(dim, keepdims=True)


def normalised(x: Array, ndim: int, eps: float) -> Array:
    dims = tuple(range(-ndim, 0))
    return (x - x.mean(dims, keepdims=True)) / np.sqrt(x.var(dims, keepdims=True) + eps)


def batch_norm(x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """The operation, with the statistics of x."""
    return fused.batch_norm(x, fused.channel_statistics(x), weight, bias, eps)


def batch_normalised(x: Array, eps: float = 1e-5) -> Array:
    """Each channel with mean 0 and variance 1."""
    rows = np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)
    rows = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + eps)
    return np.moveaxis(rows.reshape(x.shape[1], x.shape[0], *x.shape[2:]), 0, 1)


def rms_normalised(x: Array, ndim: int, eps: float = 1e-6) -> Array:
    return x / np.sqrt((x * x).mean(tuple(range(-ndim, 0)), keepdims=True) + eps)


def cross_entropy(
    x: Array, target: Array, weight: Any = None, ignore: int = -100, reduction: str = "mean", smoothing: float = 0.0
) -> Any:
    """By the definition: for each row, −Σ over classes of weight · aim · log p."""
    weight = np.ones(x.shape[1]) if weight is None else weight
    losses, counts = np.zeros(len(x)), np.zeros(len(x))
    for i, label in enumerate(target):
        if label != ignore:
            aim = (1 - smoothing) * np.eye(x.shape[1])[label] + smoothing / x.shape[1]
            losses[i], counts[i] = -(weight * aim * np.log(softmax(x[i], 0))).sum(), weight[label]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / counts.sum() if len(x) else nan}[reduction]


def cross_entropies() -> list[Case]:
    """A row for every combination of the options of `cross_entropy`."""
    rows = []
    for reduction, weighted, ignore, smoothing in itertools.product(
        ("mean", "sum", "none"), (False, True), (-100, 1), (0.0, 0.2)
    ):
        weight = [0.25, 1.5, 0.5, 2.0, 0.75] if weighted else None
        options = (ignore, reduction, smoothing)
        words = {"weight": weighted, "ignore": ignore == 1, "smoothed": smoothing}
        rows.append(
            Case(
                f"cross_entropy: {', '.join([reduction, *(word for word in words if words[word])])}",
                lambda x, t, w=weight, o=options: fused.cross_entropy(x, t, w and mg.tensor(w), *o),
                lambda x, t, w=weight, o=options: cross_entropy(x, t, w and np.array(w), *o),
                real(7, 5),
                given([3, 0, 1, 4, 1, 2, 3]),
            )
        )
    return rows


COMPOSED = [
    Case("row_top", lambda x: reduce.row_top(x, 1),
         lambda x: x.max(1, keepdims=True) if x.size else np.zeros((len(x), 1)), apart(2, 3), order=0),
    *[Case(f"softmax: dim={d}", lambda x, d=d: mg.softmax(x, d), lambda x, d=d: softmax(x, d), real(2, 3, 5), order=3)
      for d in (0, 1, -1)],
    *[Case(f"log_softmax: dim={d}", lambda x, d=d: mg.log_softmax(x, d), lambda x, d=d: np.log(softmax(x, d)),
           real(2, 3, 5), order=3)
      for d in (0, 1, -1)],
    Case("attention", attention.attention, attended, real(2, 5, 3), real(2, 7, 3), real(2, 7, 11), order=3),
    Case("attention: bias for each head", attention.attention, attended, real(2, 3, 5, 7), real(2, 3, 11, 7), real(2, 3, 11, 2), real(3, 1, 11)),
    *[Case(f"attention: causal, {queries} queries", lambda q, k, v: attention.attention(q, k, v, causal=True),
           lambda q, k, v: attended(q, k, v, 0.0, np.tri(q.shape[-2], k.shape[-2], dtype=bool)),
           real(2, queries, 3), real(2, 7, 3), real(2, 7, 11), order=3)
      for queries in (5, 7, 11)],
    Case("attention: a mask, a scale", lambda q, k, v, m: attention.attention(q, k, v, None, m, 0.3),
         lambda q, k, v, m: attended(q, k, v, 0.0, m, 0.3), real(2, 5), real(3, 5), real(3, 7),
         given([[False, True, False], [True, False, True]])),
    Case("softmax: of a 0-d tensor", lambda x: mg.softmax(x, 0), np.ones_like, real()),
    Case("softmax: masked", lambda x, m: mg.softmax(mg.masked_fill(x, m, -inf), -1),
         lambda x, m: np.exp(x) * ~m / (np.exp(x) * ~m).sum(-1, keepdims=True), real(2, 3),
         given([[False, True, False], [True, False, True]])),
    Case("layer_norm", lambda x: fused.layer_norm(x, 1), lambda x: normalised(x, 1, 1e-5), real(2, 3), order=3),
    Case("layer_norm: weight and bias", lambda x, w, b: fused.layer_norm(x, 1, w, b, 1e-3),
         lambda x, w, b: normalised(x, 1, 1e-3) * w + b, real(2, 3, 5), real(5), real(5)),
    Case("layer_norm: bias alone", lambda x, b: fused.layer_norm(x, 1, None, b),
         lambda x, b: normalised(x, 1, 1e-5) + b, real(2, 5), real(5)),
    Case("layer_norm: two dims", lambda x, w: fused.layer_norm(x, 2, w), lambda x, w: normalised(x, 2, 1e-5) * w,
         real(2, 3, 5), real(3, 5)),
    Case("layer_norm: one vector", lambda x, w, b: fused.layer_norm(x, 1, w, b),
         lambda x, w, b: normalised(x, 1, 1e-5) * w + b, real(5), real(5), real(5)),
    Case("rms_norm", lambda x: fused.rms_norm(x, 1), lambda x: rms_normalised(x, 1), real(2, 3), order=3),
    Case("rms_norm: weight", lambda x, w: fused.rms_norm(x, 1, w), lambda x, w: rms_normalised(x, 1) * w, real(2, 3, 5),
         real(5)),
    Case("rms_norm: two dims", lambda x, w: fused.rms_norm(x, 2, w, 0.1), lambda x, w: rms_normalised(x, 2, 0.1) * w,
         real(2, 3, 5), real(3, 5)),
    Case("channel_statistics", fused.channel_statistics, lambda x: np.stack([x.mean((0, 2)), x.var((0, 2))]),
         real(2, 3, 5), order=0),
    Case("batch_norm", batch_norm, batch_normalised, given(np.linspace(-1, 2, 15).reshape(5, 3) ** 2), order=3),
    Case("batch_norm: weight and bias", lambda x, w, b: batch_norm(x, w, b, 1e-3),
         lambda x, w, b: batch_normalised(x, 1e-3) * w[:, None, None] + b[:, None, None],
         given(np.linspace(-1, 2, 60).reshape(2, 3, 5, 2) ** 2), real(3), real(3)),
    Case("batch_norm: bias alone", lambda x, b: batch_norm(x, None, b),
         lambda x, b: batch_normalised(x) + b[:, None], given(np.linspace(-1, 2, 30).reshape(2, 3, 5) ** 2), real(3)),
    Case("cross_entropy", fused.cross_entropy, cross_entropy, real(7, 5), whole(5, 7), order=3),
    *cross_entropies(),
]  # fmt: skip

# ---- recurrent layers -----------------------------------------------------------------------------------------------


def stepped(kind: str, zx: Array, zh: Array, h: Array, c: Array, relu: bool = False) -> tuple[Array, Array]:
    """One step of one sentence, from W_ih x + b_ih and W_hh h + b_hh: (h, c)."""
    if kind == "rnn":
        return (np.maximum(zx + zh, 0) if relu else np.tanh(zx + zh)), c
    if kind == "gru":
        (rx, zx, nx), (rh, zh, nh) = np.split(zx, 3, -1), np.split(zh, 3, -1)
        new = np.tanh(nx + nh * sigmoid(rx + rh))
        return new + sigmoid(zx + zh) * (h - new), c
    i, f, g, o = np.split(zx + zh, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def unrolled(
    kind: str, xs: Array, h: Array, *rest: Array, lengths: Any = None, reverse: bool = False, relu: bool = False
) -> Array:
    """One sentence after the other, one step after the other: all hidden states, then the last states."""
    c, weights = (rest[0], rest[1:]) if kind == "lstm" else (h, rest)
    w_ih, w_hh, b_ih, b_hh = (*weights, 0, 0)[:4]
    states, last_h, last_c = np.zeros((len(xs), *h.shape)), h.copy(), c.copy()
    for b in range(len(h)):
        real = range(len(xs) if lengths is None else lengths[b])
        for t in reversed(real) if reverse else real:
            zx, zh = w_ih @ xs[t, b] + b_ih, w_hh @ last_h[b] + b_hh
            states[t, b], last_c[b] = stepped(kind, zx, zh, last_h[b], last_c[b], relu)
            last_h[b] = states[t, b]
    return np.concatenate([states, last_h[None], last_c[None]][: 3 if kind == "lstm" else 2])


def recurrences(kind: str, gates: int) -> list[Case]:
    """Rows for a recurrent layer, with weights that leave its gates half open."""
    small = partial(real, low=0.05, high=0.4)
    states = [real(2, 7)] * (2 if kind == "lstm" else 1)
    weights = [small(7 * gates, 5), small(7 * gates, 7)]
    biases = [small(7 * gates)] * 2
    function = getattr(recurrent, kind)

    def row(about: str, inputs: list[Sampler], relu: bool = False, **options: Any) -> Case:
        extra = {"nonlinearity": "relu"} if relu else {}
        needs = (3, *([7, 7 * gates] if gates > 1 else []), *([2] if "lengths" in options else []))
        return Case(
            kind + about,
            lambda *xs: function(*xs, **options, **extra),
            lambda *xs: unrolled(kind, *xs, relu=relu, **options),
            *(real(3, 2, 5), *states, *inputs),
            needs=needs,
        )

    return [
        row("", weights + biases),
        row(": reverse, no bias", weights, reverse=True),
        row(": lengths", weights + biases, lengths=np.array([1, 3])),
        row(": reverse, lengths", weights + biases, lengths=np.array([2, 0]), reverse=True),
        *([row(": relu", weights + biases, relu=True)] if kind == "rnn" else []),
    ]


RECURRENT = [
    Case("rnn_step", recurrent.rnn_step, lambda zx, zh: stepped("rnn", zx, zh, zh, zh)[0], real(2, 3), real(2, 3)),
    Case("rnn_step: relu", lambda zx, zh: recurrent.rnn_step(zx, zh, "relu"), lambda zx, zh: np.maximum(zx + zh, 0), real(2, 3), real(2, 3)),
    Case("gru_step", recurrent.gru_step, lambda zx, zh, h: stepped("gru", zx, zh, h, h)[0], real(2, 9), real(2, 9), real(2, 3), needs=(3, 9)),
    Case("lstm_step", recurrent.lstm_step, lambda zx, zh, c: stepped("lstm", zx, zh, c, c), real(2, 12), real(2, 12), real(2, 3), needs=(3, 12)),
    Case("lstm_states", recurrent.lstm_states, lambda zx, zh, c: np.stack(stepped("lstm", zx, zh, c, c)), real(2, 12), real(2, 12), real(2, 3), needs=(3, 12)),
    *[Case(f"{kind}_cell{what}", call, value, real(2, 5), real(2, 3), real(rows, 5), real(rows, 3), real(rows), real(rows), needs=(3, rows) * (rows > 3))
      for kind, rows, what, call, value in [
          ("rnn", 3, "", recurrent.rnn_cell, lambda x, h, w, u, b, d: np.tanh(x @ w.T + b + h @ u.T + d)),
          ("rnn", 3, ": relu", lambda *a: recurrent.rnn_cell(*a, "relu"), lambda x, h, w, u, b, d: np.maximum(x @ w.T + b + h @ u.T + d, 0)),
          ("gru", 9, "", recurrent.gru_cell, lambda x, h, w, u, b, d: stepped("gru", x @ w.T + b, h @ u.T + d, h, h)[0]),
          ("lstm", 12, "", lambda x, h, w, u, b, d: recurrent.lstm_cell(x, h, h * 0.5, w, u, b, d),
           lambda x, h, w, u, b, d: np.stack(stepped("lstm", x @ w.T + b, h @ u.T + d, h, h * 0.5)))]],
    Case("rnn_cell: no biases, one example", lambda x, h, w, u: recurrent.rnn_cell(x, h, w, u), lambda x, h, w, u: np.tanh(w @ x + u @ h), real(5), real(3), real(3, 5), real(3, 3)),
    *recurrences("rnn", 1),
    *recurrences("gru", 3),
    *recurrences("lstm", 4),
]  # fmt: skip

CASES: list[Case] = [
    *ARITHMETIC,
    *TRANSCENDENTAL,
    *ACTIVATIONS,
    *CHOOSING,
    *STEPS_AND_QUESTIONS,
    *REDUCTIONS,
    *SHAPES,
    *INDEXING,
    *LINALG,
    *WINDOWS,
    *COMPOSED,
    *RECURRENT,
]


# ---- corners: kinks, zeros and infinities, by hand ------------------------------------------------------------------


@dataclass
class Corner:
    """A value and gradients found with a pencil, the entries of the result being weighted 1, 2, 3, …

    `inputs` lists each input, `gradients` the gradient of each floating-point one. `noisy` marks what NumPy itself
    warns about, such as a division by zero.
    """

    what: str
    call: Callable[..., Any]
    inputs: list[Any]
    value: Any
    gradients: list[Any]
    noisy: bool = False


CORNERS = [
    # ---- powers
    Corner("pow: 0 to 0, 1 and 2", mg.pow, [[0.0, 0.0, 0.0], [0.0, 1.0, 2.0]], [1, 0, 0], [[0, 2, 0], [0, 0, 0]]),
    Corner("pow: 2 to the 0", mg.pow, [[2.0], [0.0]], [1], [[0], [math.log(2)]]),
    Corner("pow: squares at 0", lambda x: x**2, [[0.0, -1.0]], [0, 1], [[0, -4]]),
    Corner("pow: x¹ at 0", lambda x: x**1, [[0.0, 3.0]], [0, 3], [[1, 2]]),
    Corner("pow: x⁰ at 0", lambda x: x**0, [[0.0, 3.0]], [1, 1], [[0, 0]]),
    Corner("pow: 0ˣ", lambda x: 0.0**x, [[0.0, 1.0, 2.0]], [1, 0, 0], [[0, 0, 0]]),
    Corner("pow: negative bases", mg.pow, [[-2.0, -2.0, -2.0], [3, -1, 0]], [-8, -0.5, 1], [[12, -0.5, 0]]),
    Corner("pow: √x at 0", lambda x: x**0.5, [[0.0, 4.0]], [0, 2], [[inf, 0.5]]),
    Corner("sqrt: at 0", mg.sqrt, [[0.0, 4.0]], [0, 2], [[inf, 0.5]]),
    # ---- kinks and ties
    Corner("abs: at 0", mg.abs, [[0.0, -2.0, 3.0]], [0, 2, 3], [[0, -2, 3]]),
    Corner("sign: at 0", mg.sign, [[0.0, -2.0]], [0, -1], [[0, 0]]),
    Corner("relu: at 0", mg.relu, [[0.0, -1.0, 2.0]], [0, 0, 2], [[0, 0, 3]]),
    Corner("leaky_relu: at 0", lambda x: leaky_relu(x, 0.5), [[0.0, -1.0, 2.0]], [0, -0.5, 2], [[0.5, 1, 3]]),
    Corner("elu: at 0", lambda x: elu(x, 0.5), [[0.0, 2.0]], [0, 2], [[0.5, 2]]),
    Corner("hardtanh: on the bounds", hardtanh, [[-1.0, 1.0, 0.5]], [-1, 1, 0.5], [[0, 0, 3]]),
    Corner("clamp: on the bounds", lambda x: mg.clamp(x, -1, 1), [[-1.0, 1.0, 2.0]], [-1, 1, 1], [[1, 2, 0]]),
    Corner("maximum: ties", mg.maximum, [[1.0, 2.0], [1.0, 3.0]], [1, 3], [[0.5, 0], [0.5, 2]]),
    Corner("minimum: ties", mg.minimum, [[1.0, 2.0], [1.0, 3.0]], [1, 2], [[0.5, 2], [0.5, 0]]),
    Corner("amax: ties share", lambda x: mg.amax(x, 1), [[[3.0, 1.0, 3.0], [0.0, 0.0, 0.0]]], [3, 0],
           [[[0.5, 0, 0.5], [2 / 3] * 3]]),
    Corner("amin: ties share", lambda x: mg.amin(x, 1), [[[1.0, 3.0, 1.0]]], [1], [[[0.5, 0, 0.5]]]),
    Corner("max: over all, ties share", mg.max, [[[3.0, 1.0, 3.0]]], 3, [[[0.5, 0, 0.5]]]),
    Corner("min: over all, ties share", mg.min, [[[1.0, 3.0, 1.0]]], 1, [[[0.5, 0, 0.5]]]),
    Corner("max: along a dim, the first of those that tie", lambda x: mg.max(x, 1), [[[1.0, 3.0, 3.0]]], ([3], [1]),
           [[[0, 1, 0]]]),
    Corner("min: along a dim, the first of those that tie", lambda x: mg.min(x, 1), [[[3.0, 1.0, 1.0]]], ([1], [1]),
           [[[0, 1, 0]]]),
    Corner("argmax: the first of those that tie", lambda x: mg.argmax(x), [[1.0, 3.0, 3.0]], 1, []),
    Corner("argmin: the first of those that tie", lambda x: mg.argmin(x), [[3.0, 1.0, 1.0]], 1, []),
    Corner("sort: ties keep their order", mg.sort, [[2.0, 1.0, 1.0]], ([1, 1, 2], [1, 2, 0]), [[3, 1, 2]]),
    Corner("max_pool1d: ties share", lambda x: window.max_pool1d(x, 2, 1), [[[1.0, 1.0, 0.0]]], [[1, 1]],
           [[[0.5, 2.5, 0]]]),
    Corner("norm: p=inf, ties share", lambda x: mg.norm(x, inf), [[3.0, -3.0, 1.0]], 3, [[0.5, -0.5, 0]]),
    Corner("round: halves go to the even side", mg.round, [[0.5, 1.5, 2.5, -0.5]], [0, 2, 2, 0], [[0, 0, 0, 0]]),
    Corner("remainder: has the sign of the divisor", mg.remainder, [[-7.0, 7.0], [3.0, -3.0]], [2, -2],
           [[1, 2], [3, 6]]),
    # ---- zero vectors, equal numbers
    *[Corner(f"norm: of zeros, p={p}", lambda x, p=p: mg.norm(x, p), [[0.0, 0.0]], 0, [[0, 0]])
      for p in (1, 2, 3, 1.5, inf)],
    Corner("norm: one zero, p=0.5", lambda x: mg.norm(x, 0.5), [[0.0, 4.0]], 4, [[0, 1]]),
    Corner("std: of equal numbers", lambda x: mg.std(x, 1), [[[3.0, 3.0], [0.0, 2.0]]], [0, math.sqrt(2)],
           [[[0, 0], [-math.sqrt(2), math.sqrt(2)]]]),
    Corner("prod: of one zero", mg.prod, [[2.0, 0.0, 5.0]], 0, [[0, 10, 0]]),
    Corner("cumprod: of one zero", lambda x: mg.cumprod(x, 0), [[2.0, 0.0, 5.0]], [2, 0, 0], [[1, 4 + 30, 0]]),
    # ---- branches not taken
    Corner("where: NaN in the branch not taken", lambda x: mg.where(x > 0, mg.sqrt(x), 0.0), [[4.0, -1.0, 0.0]],
           [2, 0, 0], [[0.25, 0, 0]], noisy=True),
    Corner("where: NaN in the other branch", lambda x: mg.where(x == 0, x, mg.log(x)), [[0.0, 2.0]], [0, math.log(2)],
           [[1, 1]], noisy=True),
    Corner("where: NaN some steps before the branch", lambda x: mg.where(x > 0, 2 * mg.exp(-1 / x), 1.0), [[0.0, 1.0]],
           [1, 2 / math.e], [[0, 4 / math.e]], noisy=True),
    Corner("where: NaN as a value", lambda x: mg.where(x > 0, x, nan), [[-1.0, 2.0]], [nan, 2], [[0, 2]]),
    Corner("masked_fill: over an infinity", lambda x: mg.masked_fill(1 / x, x == 0, 0.0), [[0.0, 2.0]], [0, 0.5],
           [[0, -0.5]], noisy=True),
    # ---- far away
    Corner("sigmoid: far away", mg.sigmoid, [[-1000.0, 0.0, 1000.0]], [0, 0.5, 1], [[0, 0.5, 0]]),
    Corner("softplus: far away", softplus, [[-1000.0, 0.0, 1000.0]], [0, math.log(2), 1000], [[0, 1, 3]]),
    Corner("silu: far away", silu, [[-1000.0, 1000.0]], [0, 1000], [[0, 2]]),
    Corner("gelu: far away", gelu, [[-100.0, 0.0, 100.0]], [0, 0, 100], [[0, 1, 3]]),
    Corner("gelu: tanh, far away", lambda x: gelu(x, "tanh"), [[-100.0, 0.0, 100.0]], [0, 0, 100], [[0, 1, 3]]),
    Corner("elu: far away", elu, [[-1000.0, 1000.0]], [-1, 1000], [[0, 2]]),
    Corner("tanh: far away", mg.tanh, [[-1000.0, 1000.0]], [-1, 1], [[0, 0]]),
    Corner("erf: far away", mg.erf, [[-inf, -30.0, 30.0, inf]], [-1, -1, 1, 1], [[0, 0, 0, 0]]),
    Corner("expm1: near 0", mg.expm1, [[1e-12]], [1e-12], [[1]]),
    Corner("log1p: near 0", mg.log1p, [[1e-12]], [1e-12], [[1]]),
    Corner("logaddexp: far away", mg.logaddexp, [[1000.0, -inf, -inf], [0.0, 0.0, -inf]], [1000, 0, -inf],
           [[1, 0, 0], [0, 2, 0]]),
    Corner("asin: at 1", mg.asin, [[1.0]], [math.pi / 2], [[inf]]),
    Corner("log: of 0", mg.log, [[0.0, 2.0]], [-inf, math.log(2)], [[inf, 1]], noisy=True),
    Corner("cut_log: of nearly nothing", cut_log, [[0.0, 1e-50, 2.0]], [-100, -100, math.log(2)], [[0, 0, 1.5]]),
    Corner("logistic_loss: far away", logistic_loss, [[-1000.0, 0.0, 1000.0], [0.0, 1.0, 0.0]],
           [0, math.log(2), 1000], [[0, -1, 3], [1000, 0, -3000]]),
    Corner("div: by 0", lambda x: 1 / x, [[0.0, 2.0]], [inf, 0.5], [[-inf, -0.5]], noisy=True),
    # ---- rows of −inf
    Corner("logsumexp: rows of −inf", lambda x: mg.logsumexp(x, 1), [[[-inf, -inf], [0.0, -inf], [1000.0, 1000.0]]],
           [-inf, 0, 1000 + math.log(2)], [[[0, 0], [2, 0], [1.5, 1.5]]]),
    Corner("logsumexp: of an infinity", mg.logsumexp, [[0.0, inf]], inf, [[0, nan]]),
    Corner("softmax: rows of −inf", lambda x: mg.softmax(x, 1), [[[-inf, -inf], [0.0, -inf], [1000.0, 1000.0]]],
           [[0, 0], [1, 0], [0.5, 0.5]], [[[0, 0], [0, 0], [-0.25, 0.25]]]),
    Corner("log_softmax: far away and −inf", lambda x: mg.log_softmax(x, 1), [[[1000.0, 0.0], [0.0, -inf]]],
           [[0, -1000], [0, -inf]], [[[-2, 2], [-4, 4]]]),
    Corner("cross_entropy: −inf in a row that is ignored", fused.cross_entropy,
           [[[0.0, 0.0], [-inf, 0.0]], [0, -100]],
           math.log(2), [[[-0.5, 0.5], [0, 0]]]),
    Corner("cross_entropy: −inf in a row that is ignored, smoothed",
           lambda x, t: fused.cross_entropy(x, t, None, 1, "sum", 0.5), [[[0.0, 0.0], [-inf, 0.0]], [0, 1]],
           math.log(2), [[[-0.25, 0.25], [0, 0]]]),
    Corner("cross_entropy: everything ignored", lambda x, t: fused.cross_entropy(x, t, reduction="sum"),
           [[[0.0, 1.0]], [-100]], 0, [[[0, 0]]]),
    Corner("cross_entropy: the mean of nothing", fused.cross_entropy, [[[0.0, 1.0]], [-100]], nan, [[[0, 0]]],
           noisy=True),
    # ---- entries that are used twice, or not at all
    Corner("getitem_array: an entry picked twice", lambda x: x[[1, 0, 1]], [[5.0, 7.0]], [7, 5, 7], [[2, 4]]),
    Corner("setitem: an entry assigned twice", lambda x, v: index.setitem(x, np.array([0, 0]), v),
           [[5.0, 6.0], [7.0, 8.0]], [8, 6], [[0, 2], [0, 1]]),
    Corner("scatter: an entry written twice", lambda x, v: mg.scatter(x, 0, mg.tensor([0, 0]), v),
           [[5.0, 6.0], [7.0, 8.0]], [8, 6], [[0, 2], [0, 1]]),
    Corner("scatter_add: an entry added to twice", lambda x, v: mg.scatter_add(x, 0, mg.tensor([0, 0]), v),
           [[5.0, 6.0], [7.0, 8.0]], [20, 6], [[1, 2], [1, 1]]),
    Corner("embedding: the padding row", lambda w: index.embedding(w, mg.tensor([1, 0, 1]), padding_idx=0),
           [[[1.0, 2.0], [3.0, 4.0]]], [[3, 4], [1, 2], [3, 4]], [[[0, 0], [6, 8]]]),
    # ---- nothing
    Corner("sum: of nothing", lambda x: mg.sum(x, 1), [np.zeros((2, 0))], [0, 0], [np.zeros((2, 0))]),
    Corner("prod: of nothing", lambda x: mg.prod(x, 1), [np.zeros((2, 0))], [1, 1], [np.zeros((2, 0))]),
    Corner("logsumexp: of nothing", lambda x: mg.logsumexp(x, 1), [np.zeros((2, 0))], [-inf, -inf], [np.zeros((2, 0))]),
    Corner("mean: of nothing", lambda x: mg.mean(x, 1), [np.zeros((2, 0))], [nan, nan], [np.zeros((2, 0))], noisy=True),
]  # fmt: skip
