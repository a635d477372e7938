"""What an operation says when it is given something it cannot work with.

Every message names the operation, the shapes or numbers that do not fit, and a way out; NumPy's own text is kept only
where it says more than we know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class ShapeError(ValueError, RuntimeError):
    """Shapes, sizes or dimensions that do not fit (a `ValueError` as in NumPy, a `RuntimeError` as in PyTorch)."""


class DimError(ShapeError, IndexError):
    """A dimension or index that does not exist."""


def explain(name: str, parameters: Sequence[str], values: Sequence[Any], error: Exception) -> Exception:
    """The exception to raise instead of NumPy's `error` from calling the operation `name` with `values`."""
    given = [(p, v) for p, v in zip(parameters, values, strict=False) if isinstance(v, np.ndarray)]
    told = ", ".join(f"{p}: {v.dtype} {v.shape}" for p, v in given)
    shapes = [v.shape for _, v in given]
    text = str(error).replace("\n", " ").removeprefix(f"{name}: ")
    kind: type[Exception] = type(error) if type(error) in (TypeError, OverflowError, KeyError) else ShapeError
    if isinstance(error, np.exceptions.AxisError):
        kind = DimError
        dims = shapes[0] if shapes else ()
        text = f"there is no dimension {error.axis} in shape {dims}; dim goes from {-len(dims)} to {len(dims) - 1}"
    elif isinstance(error, TypeError):
        kind = TypeError
        wrong = [v for v in values if not isinstance(v, (np.ndarray, np.generic, int, float, complex, bool))]
        if wrong and ("ufunc" in text or "operand type" in text):
            text = f"a number, an array or a tensor is needed, not {type(wrong[0]).__name__}"
    elif isinstance(error, AttributeError):  # a function looked at .shape or .ndim of something that has none
        wrong = [(p, v) for p, v in zip(parameters, values, strict=False) if isinstance(v, (list, tuple, str, dict))]
        if not wrong:
            return error
        kind = TypeError
        text = f"a tensor is needed as {wrong[0][0]}, not {type(wrong[0][1]).__name__}; make one with minigrad.tensor"
    elif isinstance(error, IndexError):
        kind = DimError
    elif name == "matmul":
        text = _matmul(*[np.shape(v) for v in values])
    elif "broadcast" in text and len(shapes) >= 2:
        text = _broadcast(shapes) or text
    return kind(f"{name}: {text}" + (f" (given {told})" if told else ""))


def _matmul(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    if not a or not b:
        return f"{a} @ {b}: a single number has no rows or columns; multiply by it with *"
    inner_a, inner_b = a[-1], b[-2] if len(b) > 1 else b[0]
    if inner_a == inner_b:
        return f"the batch dimensions {a[:-2]} and {b[:-2]} cannot be broadcast together"
    text = f"{a} @ {b}: the inner sizes {inner_a} and {inner_b} differ"
    if len(b) > 1 and a[-1] == b[-1]:
        text += "; did you mean `a @ b.mT` (b.swapaxes(-1, -2))?"
    elif len(a) > 1 and a[-2] == inner_b:
        text += "; did you mean `a.mT @ b` (a.swapaxes(-1, -2))?"
    return text


def _broadcast(shapes: Sequence[tuple[int, ...]]) -> str | None:
    for d in range(1, max(map(len, shapes)) + 1):
        sizes = {s[-d] for s in shapes if len(s) >= d} - {1}
        if len(sizes) > 1:
            one, other = sorted(sizes)[:2]
            listed = " and ".join(map(str, shapes))
            return (
                f"the shapes {listed} cannot be broadcast: sizes {one} and {other} differ in dimension {-d} and "
                f"neither is 1; reshape or transpose one of them, or add a dimension with x[:, None]"
            )
    return None
