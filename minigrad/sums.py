"""Sums over the rows and columns of a matrix, written as products, and sums of products over the steps of a loop.

NumPy adds up a row with one short loop of its own, which for rows of a few dozen numbers costs more than the additions.
The same sums as an `einsum` or as a product with a vector of ones run through the whole matrix at once, two to six
times faster. For arrays that are not floating-point they are plain sums.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

SMALL = 512  # numbers are added soonest by NumPy itself


def row_sums(x: np.ndarray) -> np.ndarray:
    """The sum over the last dimension, which is kept with length 1."""
    if x.size <= SMALL:
        return x.sum(-1, keepdims=True)
    return np.einsum("...i->...", x)[..., None]


def row_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of a · b over the last dimension, which is kept with length 1."""
    return np.einsum("...i,...i->...", a, b)[..., None]


def column_sums(x: np.ndarray) -> np.ndarray:
    """The sum over all dimensions but the last."""
    if x.size <= SMALL or x.dtype.char not in "fd":
        return x.sum(tuple(range(x.ndim - 1)))
    if x.ndim != 2:
        x = x.reshape(-1, x.shape[-1])
    return np.ones(len(x), x.dtype).dot(x)


def column_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The sum of a · b over the rows of two matrices."""
    return np.einsum("ni,ni->i", a, b)


# ---- of matrices that come in pieces --------------------------------------------------------------------------------

FEW = 6  # pieces, at least, that a `TallProduct` has room for: fewer are not worth the trouble


def tall(x: Any) -> Any:
    """All leading dimensions as one: a stack of matrices, or a vector, as one tall matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def tall_product(g: Any, x: Any) -> Any:
    """gᵀ x, all leading dimensions together, as the gradient of a weight is; of arrays with few rows, a `TallProduct`.

    What a rule says with it, it says of tensors as well.
    """
    g, x = tall(g), tall(x)
    if type(g) is not np.ndarray:
        return g.T @ x
    (rows, height), width = g.shape, x.shape[1]
    if 0 < FEW * rows * (height + width) <= height * width:
        return TallProduct(g, x)
    return g.T.dot(x)


class TallProduct:
    """gᵀ x for few rows, not multiplied out yet: more rows may come.

    A weight that every step of a loop uses has the gradient Σₜ gₜᵀ xₜ. To multiply, and to add an array of the size of
    the weight, in every step can take ten times as long as one product of the rows of many steps. So what `+` adds is
    kept in pieces. They are multiplied out when an array is asked for, and before they hold more numbers than it does.

    In a + b, a takes over what b has: neither is used again.
    """

    __slots__ = ("shape", "dtype", "g", "x", "rows", "room", "done")

    def __init__(self, g: np.ndarray, x: np.ndarray) -> None:
        height, width = self.shape = (g.shape[1], x.shape[1])
        self.dtype = g.dtype if x.dtype is g.dtype else np.result_type(g, x)
        self.g, self.x, self.rows = [g], [x], len(g)
        self.room = height * width // (height + width)  # rows
        self.done: Any = None  # the sum of what is multiplied out

    def __add__(self, other: Any) -> TallProduct:
        if type(other) is not TallProduct or not other.rows:
            np.add(self.__array__(), other, out=self.done)
            return self
        if self.rows + other.rows > self.room:
            self.__array__()
        self.g += other.g
        self.x += other.x
        self.rows += other.rows
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.rows:
            product = np.concatenate(self.g).T.dot(np.concatenate(self.x))
            self.done = product if self.done is None else np.add(self.done, product, out=self.done)
            self.g, self.x, self.rows = [], [], 0
        return self.done if dtype is None else self.done.astype(dtype)

    def astype(self, dtype: Any) -> np.ndarray:
        """The product in another dtype."""
        return self.__array__(dtype)
