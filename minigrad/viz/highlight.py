"""highlight: what lies on the way from a parameter, or from any result, to the outputs.

>>> from minigrad.viz.trace import trace
>>> w = Tensor(2.0, requires_grad=True, name="w")
>>> v = Tensor(3.0, requires_grad=True, name="v")
>>> seen = trace(w.exp() * v)
>>> [str(seen.items[serial]) for serial in sorted(path_of(seen, "w"))]
['w', 'exp', 'mul']
"""

from __future__ import annotations

import difflib
from typing import Any

from ..tensor import Tensor
from .trace import Leaf, Operation, Trace


def path_of(seen: Trace, highlight: Any) -> set[int] | None:
    """The serial numbers of all that lies on a path from what is highlighted to an output; None if nothing is.

    **Raises** `ValueError` for a name or tensor that is not in the trace, `TypeError` for something else.
    """
    if highlight is None:
        return None
    several = isinstance(highlight, (list, tuple, set))
    stack = [item for what in (highlight if several else [highlight]) for item in _found(seen, what)]
    path: set[int] = set()
    while stack:
        item = stack.pop()
        if item.serial not in path:
            path.add(item.serial)
            stack += item.readers
    return path


def _found(seen: Trace, what: Any) -> list[Operation | Leaf]:
    """The leaves and operations that a name or a tensor stands for."""
    known = dict.fromkeys(name for item in seen.items for name in _names(item))
    if isinstance(what, str):
        found = [item for item in seen.items if what in _names(item)]
        near = difflib.get_close_matches(what, known, 3, 0.4)
        said = repr(what)
    elif isinstance(what, Tensor):
        found = [item for item in seen.items if _is(item, what, seen)]
        near = []
        said = f"the tensor {what.name!r}" if what.name else f"a tensor of shape {what.shape}"
    else:
        raise TypeError(f"draw: highlight is a name, a tensor, or a list of them, not {type(what).__name__}")
    if not found:
        hint = f"the closest names are {', '.join(near)}" if near else f"there are {', '.join([*known][:8])}"
        hint = hint if known else "nothing in it has a name: pass the model, or give a tensor one, as in w.name = 'w'"
        raise ValueError(f"draw: highlight: {said} is not in this graph; {hint}")
    return found


def _is(item: Operation | Leaf, tensor: Tensor, seen: Trace) -> bool:
    if isinstance(item, Leaf):
        return item.tensor is tensor
    return item.node is tensor.node or seen.handed_out.get(tensor.node) is item


def _names(item: Operation | Leaf) -> list[str]:
    return [name for name in (item.name, getattr(item, "path", "")) if name]
