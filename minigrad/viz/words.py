"""What pictures say: an operation as `softmax dim=-1` or `× 0.3536`, a number as 0.7304, a gradient as its norm.

>>> x = Tensor([[1.0, 2.0]], requires_grad=True)
>>> title_of((x * 0.25).node), title_of(x.sum(dim=0).node), title_of(x[:, 0].node)
('× 0.25', 'sum dim=0', 'getitem [:, 0]')
>>> number(0.730406), number(9.19e-9), array_text(np.array([0.19, -0.1492]))
('0.7304', '9.19e-09', '[0.19, -0.149]')
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..autograd import Glimpse, Node
from ..tensor import Tensor
from .measure import clean, cut

LONGEST = 40  # columns that a name or an operation may take

SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "pow": "^"}

# Arguments that say no more than the shape of the result, or nothing to a reader.
UNSAID = {"shape", "sizes", "cuts", "dtype", "ndim"}


def short(text: str) -> str:
    """A name as it is shown: on one line, and no longer than fits."""
    return cut(clean(str(text)), LONGEST)


# ---- numbers --------------------------------------------------------------------------------------------------------


def number(x: Any, digits: int = 4) -> str:
    """A number with so many digits; those that are whole with all that they have before the point."""
    if not isinstance(x, (float, np.floating)):
        return str(x)
    whole = 10**digits <= abs(float(x)) < 1e6
    return f"{x:.0f}" if whole else f"{x:.{digits}g}"


def array_text(array: np.ndarray, digits: int = 3) -> str:
    """The values of a small array: a number, or numbers in brackets; a single row or column as one row."""
    if array.ndim == 0:
        return number(array[()])
    if array.ndim > 1 and array.size in array.shape:
        array = array.reshape(-1)
    return _nested(array.tolist() if array.dtype.kind != "f" else list(array), digits)


def _nested(x: Any, digits: int) -> str:
    if isinstance(x, (list, np.ndarray)):
        return f"[{', '.join(_nested(part, digits) for part in x)}]"
    return number(x, digits)


def norm(array: np.ndarray) -> float:
    """The Euclidean length of all values as one vector."""
    flat = array.astype(np.float64).reshape(-1)
    return float(np.sqrt(flat @ flat))


def bad_counts(array: np.ndarray | None) -> str:
    """How many values are no finite numbers, such as "2 NaN, 1 inf of 9"; empty if all are finite."""
    if array is None or array.dtype.kind not in "fc" or np.isfinite(array).all():
        return ""
    counts = {"NaN": int(np.isnan(array).sum()), "inf": int(np.isinf(array).sum())}
    return f"{', '.join(f'{n} {what}' for what, n in counts.items() if n)} of {array.size}"


def grad_text(gradient: np.ndarray, most: int) -> str:
    """`grad = 0.73`, or, of more than `most` values, `‖grad‖ = 0.459`."""
    if gradient.size <= most:
        return f"grad = {array_text(gradient)}"
    return f"‖grad‖ = {number(norm(gradient), 3)}"


def size_text(size: int) -> str:
    """So many bytes: 512 B, 1.5 kB."""
    for unit, bytes_ in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= bytes_:
            return f"{size / bytes_:.3g} {unit}"
    return f"{size} B"


# ---- operations -----------------------------------------------------------------------------------------------------


def title_of(node: Node, attributes: bool = True) -> str:
    """What a recorded operation is called: its name, or its sign, and the plain values that it was given.

    A sign stands for the arithmetic of a tensor with a number, and of numbers.
    """
    name, arguments = node.name, node.arguments
    sign = SIGNS.get(name)
    if sign is not None and len(arguments) == 2:
        constants = [x for x in arguments if not _is_data(x)]
        if not constants:
            return sign if node.shape == () else name
        if not attributes:
            return sign
        if _is_data(arguments[0]) or name in ("add", "mul"):
            return short(f"{sign} {_value(constants[0])}")
        return short(f"{_value(constants[0])} {sign} ·")
    said = _attributes(node, arguments) if attributes else ""
    return short(f"{name} {said}".strip())


def _is_data(x: Any) -> bool:
    return isinstance(x, (Node, Tensor, Glimpse))


def _attributes(node: Node, arguments: list[Any]) -> str:
    """The plain arguments that are worth saying: dim=-1, not what is None, off, or as it is unless one says so."""
    op, count = node.plan.op, len(arguments)
    first = count - len(op.parameters) if op.variadic else 0
    given: dict[str, Any] = {}
    for position, value in enumerate(arguments):
        if _is_data(value) or position < first:
            continue
        usual = op.defaults[position - first] if position - first < len(op.defaults) else inspect.Parameter.empty
        name = op.argument_name(position, count)
        if value is None or value is False or (name not in ("dim", "dims") and _same(value, usual)):
            continue
        given[name] = value
    if node.name.startswith("getitem") and "index" in given:
        return index_text(given["index"])
    if given.keys() == {"dim0", "dim1"}:
        return f"({given['dim0']}, {given['dim1']})"
    if op.views and node.name != "permute" and not given.keys() <= {"dim", "dims"}:
        return ""  # the shape of the result says it
    if node.name == "permute":
        return _value(given.get("dims"))
    return " ".join(_said(name, value) for name, value in given.items() if name not in UNSAID)


def _said(name: str, value: Any) -> str:
    if value is True:
        return name
    return _value(value) if name in ("value", "subscripts") or name.startswith("inputs") else f"{name}={_value(value)}"


def _same(value: Any, usual: Any) -> bool:
    return type(value) is type(usual) and isinstance(value, (int, float, str, tuple)) and bool(value == usual)


def _value(x: Any) -> str:
    if isinstance(x, (tuple, list)):
        inside = ", ".join(map(_value, x))
        return f"({inside}{',' * (len(x) == 1)})" if isinstance(x, tuple) else f"[{inside}]"
    if isinstance(x, np.ndarray):
        return f"{x.dtype}{x.shape}"
    return x if isinstance(x, str) else number(x)


def index_text(index: Any) -> str:
    """An index as it is written in brackets."""
    parts = index if isinstance(index, tuple) else (index,)
    return f"[{', '.join(map(_index_part, parts))}]"


def _index_part(part: Any) -> str:
    if isinstance(part, slice):
        ends = ":".join("" if end is None else str(end) for end in (part.start, part.stop))
        return ends if part.step is None else f"{ends}:{part.step}"
    return "…" if part is Ellipsis else _value(part)
