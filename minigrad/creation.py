"""New tensors: from data, filled with a number, or counting up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes, memory
from .random import _sizes
from .tensor import Tensor, as_array, wrap


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None, name: str | None = None
) -> Tensor:
    """A tensor holding a copy of `data`: numbers, nested lists, an array.

    Python floats become the default dtype (float32), integers int64; arrays keep their dtype.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    return Tensor(data, requires_grad, dtype, name)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor; a tensor or array of the right dtype is not copied."""
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtype):
        return data
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtype):
        return from_numpy(data)
    return wrap(as_array(data, dtype))


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`: a change of one is a change of the other.

    **Raises** `TypeError` if it is not an array of numbers.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiubc":
        raise TypeError(f"from_numpy: an array of numbers is needed, not {getattr(array, 'dtype', type(array).__name__)}")
    return wrap(memory.lend(array))


def _new(array: np.ndarray, requires_grad: bool) -> Tensor:
    return wrap(array).requires_grad_(requires_grad)


def _dtype(dtype: Any) -> Any:
    return dtypes.get_default_dtype() if dtype is None else dtype


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros in the shape `size`, given as numbers or as one tuple."""
    return _new(np.zeros(_sizes(size, None), _dtype(dtype)), requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones in the shape `size`, given as numbers or as one tuple."""
    return _new(np.ones(_sizes(size, None), _dtype(dtype)), requires_grad)


def empty(*size: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be filled, in the shape `size`; here it holds zeros."""
    return zeros(*size, dtype=dtype, requires_grad=requires_grad)


def full(size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """`fill_value` everywhere, in the shape `size`."""
    value = as_array(fill_value)
    return _new(np.full(_sizes((size,), None), value, dtype or value.dtype), requires_grad)


def zeros_like(x: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return zeros(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def ones_like(x: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of x."""
    return ones(x.shape, dtype=dtype or x.dtype, requires_grad=requires_grad)


def empty_like(x: Tensor, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor to be filled, in the shape and dtype of x."""
    return zeros_like(x, dtype, requires_grad)


def full_like(x: Tensor, fill_value: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """`fill_value` everywhere, in the shape and dtype of x."""
    return full(x.shape, fill_value, dtype or x.dtype, requires_grad)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """The n × m matrix (square if m is not given) with ones on the diagonal."""
    return _new(np.eye(n, m, dtype=_dtype(dtype)), requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`start`, start + step, … up to, but not including, `end`; from 0 if only one number is given.

    >>> arange(3), arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1. , 1.5]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if not step or (end - start) / step < 0:
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
    if dtype is None:
        dtype = dtypes.get_default_dtype() if any(isinstance(x, float) for x in (start, end, step)) else dtypes.int64
    n = math.ceil((end - start) / step)
    return _new((start + step * np.arange(n)).astype(dtype), requires_grad)


def linspace(
    start: float, end: float, steps: int, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    return _new(np.linspace(start, end, steps, dtype=_dtype(dtype)), requires_grad)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places on and below a diagonal of a row × col matrix: (2, places)."""
    return wrap(np.stack(np.tril_indices(row, offset, col)))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """For each 1-D tensor, the tensor of its values over the whole grid."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    sizes = tuple(len(t) for t in tensors)
    grids = [t.reshape((1,) * i + (-1,) + (1,) * (len(sizes) - i - 1)).expand(sizes) for i, t in enumerate(tensors)]
    return tuple(grids) if indexing == "ij" else tuple(g.transpose(0, 1) for g in grids)
