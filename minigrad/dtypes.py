"""Which number type a result has.

With this file one can name dtypes as PyTorch does (`minigrad.float32`), set the default one, and see the one
rule by which every operation's result gets its type:

    A result is floating point in the widest float type among its inputs. Arrays count before 0-d arrays,
    and plain Python or NumPy scalars never count, so that `x * 2.0` and `x * np.sqrt(3)` keep `x.dtype`.
    If no input is floating point, the result is in the default dtype.

(float16 is for storing: mixed with integers or with numbers in float32 it follows NumPy's rule, not this one.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

float16 = half = np.dtype("float16")
float32 = float = np.dtype("float32")
float64 = double = np.dtype("float64")
int8 = np.dtype("int8")
int16 = short = np.dtype("int16")
int32 = int = np.dtype("int32")
int64 = long = np.dtype("int64")
uint8 = np.dtype("uint8")
bool = np.dtype("bool")

dtype = np.dtype  # what they are, for isinstance(x, dtype)
finfo, iinfo = np.finfo, np.iinfo  # their limits: finfo(x.dtype).min, finfo(float32).eps, iinfo(int64).max

default = float32  # set by set_default_dtype


def get_default_dtype() -> np.dtype[Any]:
    """The floating-point type of new tensors made from Python numbers (float32 unless it was set)."""
    return default


def set_default_dtype(dtype: Any) -> None:
    """Set the floating-point type of new tensors made from Python numbers.

    **Raises** `TypeError` if `dtype` is not a floating-point type.
    """
    global default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: a floating-point type is needed (float32, float64), not {dtype}")
    default = dtype
    constants.clear()


constants: dict[Any, np.ndarray] = {}  # Python numbers that operations have met


def constant(number: Any) -> np.ndarray:
    """A Python number as an array of the default dtype, which NumPy reads in half the time."""
    if len(constants) >= 1024:
        constants.clear()
    array = np.array(number, default)
    array.flags.writeable = False
    return constants.setdefault(number, array)


def in_single(values: Sequence[Any]) -> list[Any]:
    """The values, arrays of half precision in single: to add up in half precision is inexact, or overflows."""
    return [v.astype(float32) if isinstance(v, np.ndarray) and v.dtype == float16 else v for v in values]


def settle(out: np.ndarray, function: Callable[..., Any], values: Any) -> np.ndarray:
    """`out`, which NumPy computed as `function(*values)`, in the type that the rule of this file gives it.

    Asked only about results in another type than the default one. Results that are not floating point stay as they are,
    and so do conversions, for which a type was asked.
    """
    if out.dtype.kind != "f" or any(isinstance(v, (np.dtype, type)) for v in values):
        return out
    arrays = [v for v in values if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    counting = [a.dtype for a in arrays if a.ndim] or [a.dtype for a in arrays] or [default]
    dtype = max(counting, key=lambda dtype: dtype.itemsize)
    if out.dtype.itemsize < dtype.itemsize:  # of small integers NumPy computes in half precision: once more, in full
        out = function(*[v.astype(dtype) if isinstance(v, np.ndarray) and v.dtype.kind in "iub" else v for v in values])
    return out.astype(dtype, copy=False)
