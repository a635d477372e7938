"""New tensors: from data, filled with a number, or counting up."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from . import device as devices
from . import dtypes, memory
from .errors import ShapeError
from .tensor import Tensor, as_array, as_dtype, wrap


def number(name: str, value: Any) -> Any:
    """A plain number, given as one or as a tensor that holds one.

    **Raises** `TypeError`, in the name of the function that asks, for anything else.
    """
    value = value.item() if isinstance(value, Tensor) else value
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{name}: numbers are needed, not {value!r}")
    return value


def count(name: str, value: Any) -> int:
    """How many of something.

    **Raises** `ValueError`, in the name of the function that asks, for what is no whole number from 0.
    """
    if not hasattr(value, "__index__") or operator.index(value) < 0:
        raise ValueError(f"{name}: a whole number from 0 is needed, not {value!r}")
    return operator.index(value)


def sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """A shape given as numbers, or as one tuple of them."""
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = tuple(size[0])
    try:
        shape = tuple(operator.index(n) for n in size)
    except TypeError:
        raise TypeError(f"a shape is given as whole numbers, not {', '.join(map(repr, size))}") from None
    if min(shape, default=0) < 0:
        raise ShapeError(f"a shape has no negative sizes, as {shape} does")
    return shape


def chosen(dtype: Any) -> np.dtype[Any]:
    """The dtype that was asked for, the default one if none was."""
    return dtypes.get_default_dtype() if dtype is None else np.dtype(as_dtype(dtype))


def made(array: np.ndarray, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor on the new `array`.

    **Raises** `ValueError` for another device than "cpu", which is where everything is.
    """
    if device is not None:
        devices.device(device)
    return wrap(array).requires_grad_(requires_grad)


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None, name: str | None = None
) -> Tensor:
    """A tensor holding a copy of `data`: numbers, nested lists, an array.

    Python floats become the default dtype (float32), integers int64; arrays keep their dtype.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    result = made(as_array(data, dtype), requires_grad, device)
    result.name = name
    return result


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor; a tensor or array of the right dtype is not copied."""
    if isinstance(data, (Tensor, np.ndarray)) and dtype in (None, data.dtype):
        return data if isinstance(data, Tensor) else from_numpy(data)
    return tensor(data, dtype, device=device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`: a change of one is a change of the other.

    **Raises** `TypeError` if it is not an array of numbers.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiubc":
        raise TypeError(
            f"from_numpy: an array of numbers is needed, not {getattr(array, 'dtype', type(array).__name__)}"
        )
    return wrap(memory.lend(array))


def zeros(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros in a shape, given as numbers or as one tuple."""
    return made(np.zeros(sizes(shape if size is None else (size,)), chosen(dtype)), requires_grad, device)


def ones(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones in a shape, given as numbers or as one tuple."""
    return made(np.ones(sizes(shape if size is None else (size,)), chosen(dtype)), requires_grad, device)


def empty(*shape: Any, size: Any = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be filled, in a given shape; here it holds zeros."""
    return zeros(*shape, size=size, dtype=dtype, requires_grad=requires_grad, device=device)


def full(size: Any, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """`fill_value` everywhere, in the shape `size`."""
    return made(np.full(sizes((size,)), as_array(fill_value, dtype)), requires_grad, device)


def zeros_like(input: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `input`."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def ones_like(input: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """Ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad, device=device)


def empty_like(input: Tensor, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """A tensor to be filled, in the shape and dtype of `input`."""
    return zeros_like(input, dtype, requires_grad, device)


def full_like(
    input: Tensor, fill_value: Any, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`fill_value` everywhere, in the shape and dtype of `input`."""
    return full(input.shape, fill_value, dtype or input.dtype, requires_grad, device)


def eye(n: int, m: int | None = None, dtype: Any = None, requires_grad: bool = False, device: Any = None) -> Tensor:
    """The n × m matrix (square if m is not given) with ones on the diagonal."""
    rows, columns = count("eye", n), None if m is None else count("eye", m)
    return made(np.eye(rows, columns, dtype=chosen(dtype)), requires_grad, device)


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`start`, start + step, … up to, but not including, `end`; from 0 if only one number is given.

    >>> arange(3), arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1. , 1.5]))
    """
    if end is None:
        start, end = 0, start
    start, end, step = (number("arange", x) for x in (start, end, step))
    if not step or (end - start) / step < 0:
        raise ValueError(f"arange: steps of {step} do not lead from {start} to {end}")
    if dtype is None and all(isinstance(x, (int, np.integer)) for x in (start, end, step)):
        dtype = dtypes.int64
    n = math.ceil((end - start) / step)
    return made((start + step * np.arange(n)).astype(chosen(dtype)), requires_grad, device)


def linspace(
    start: float, end: float, steps: int, dtype: Any = None, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    start, end = number("linspace", start), number("linspace", end)
    return made(np.linspace(start, end, count("linspace", steps), dtype=chosen(dtype)), requires_grad, device)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places on and below a diagonal of a row × col matrix: (2, places)."""
    return wrap(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The places on and above a diagonal of a row × col matrix: (2, places)."""
    return wrap(np.stack(np.triu_indices(row, offset, col)))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """For each 1-D tensor, the tensor of its values over the whole grid."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r}")
    if any(t.ndim != 1 for t in tensors):
        raise ShapeError(f"meshgrid: 1-D tensors are needed, not {', '.join(str(t.shape) for t in tensors)}")
    grid, n = tuple(len(t) for t in tensors), len(tensors)
    grids = [t.reshape((1,) * i + (len(t),) + (1,) * (n - i - 1)).expand(grid) for i, t in enumerate(tensors)]
    return tuple(grids) if indexing == "ij" or n < 2 else tuple(g.transpose(0, 1) for g in grids)


# ---- one dtype under a name of its own -------------------------------------------------------------------------------


class TensorType:
    """The tensors of one dtype under a name of their own, such as `LongTensor`.

    Calling it makes one, of data or of a size; `isinstance(x, LongTensor)` and `x.type(LongTensor)` ask for the dtype.

    >>> LongTensor([1, 2]), LongTensor(2, 3).shape
    (tensor([1, 2]), (2, 3))
    """

    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype

    def __call__(self, *data: Any) -> Tensor:
        """A tensor of a nested list or an array; of numbers one by one, or nothing, zeros in that size."""
        if len(data) == 1 and not isinstance(data[0], int):
            return tensor(data[0], self.dtype)
        return zeros(*(data or (0,)), dtype=self.dtype)

    def __instancecheck__(self, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype == self.dtype

    def __repr__(self) -> str:
        return f"minigrad.{self.name}"


FloatTensor = TensorType("FloatTensor", dtypes.float32)
DoubleTensor = TensorType("DoubleTensor", dtypes.float64)
HalfTensor = TensorType("HalfTensor", dtypes.float16)
ByteTensor = TensorType("ByteTensor", dtypes.uint8)
CharTensor = TensorType("CharTensor", dtypes.int8)
ShortTensor = TensorType("ShortTensor", dtypes.int16)
IntTensor = TensorType("IntTensor", dtypes.int32)
LongTensor = TensorType("LongTensor", dtypes.int64)
BoolTensor = TensorType("BoolTensor", dtypes.bool)

TENSOR_TYPES = [
    FloatTensor, DoubleTensor, HalfTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor,
]  # fmt: skip
