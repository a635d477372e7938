"""record: let every operation remember what it computed, of what, and on which line of the program.

    with minigrad.record():
        loss = model(x)
    minigrad.explain(loss)  # steps through the run, each step beside its line of the program

A node by itself keeps what its derivative needs and small results. That is enough for most of a picture; what `record`
adds are the values that nobody needed and the places where the operations were called.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..autograd import Node, Observer
from ..tensor import Tensor
from .rules import OURS

INSIDE = tuple(f"{home}{os.sep}" for home in OURS)
COPIED = 4096  # arrays of so many numbers are copied; of larger ones, the array itself is kept


class Record(NamedTuple):
    """What is remembered of one operation."""

    result: np.ndarray
    inputs: tuple[Any, ...]  # all of them, in order: arrays, and plain values such as dim=1
    place: str  # where it was called: train.py:12
    line: str  # what stands there


_records: WeakKeyDictionary[Node, Record] = WeakKeyDictionary()


def recorded(node: Node) -> Record | None:
    """What `record` remembers of an operation, or None if none was running when it was computed."""
    return _records.get(node)


class record(Observer):
    """A `with` block in which every recorded operation also remembers its result, its inputs and its line.

    Arrays of up to 4096 numbers are copied. Larger ones are kept as they are, so that they stay in memory as long as
    the graph does, and show what they hold by then if they are overwritten.

    >>> x = Tensor([2.0, 3.0], requires_grad=True)
    >>> with record():
    ...     y = (x * x).sum()
    >>> recorded(y.node).inputs[0]
    array([4., 9.], dtype=float32)
    >>> recorded(y.node).line
    'y = (x * x).sum()'
    """

    def operation(self, name: str, arguments: Sequence[Any], result: Any) -> None:
        """Note an operation, if it has a history."""
        node = getattr(result, "node", None)
        if node is None or node in _records:
            return
        frame = _calling_line()
        file, number = frame.f_code.co_filename, frame.f_lineno
        line = linecache.getline(file, number, frame.f_globals).strip()
        inputs = tuple(_kept(x) for x in arguments)
        _records[node] = Record(_kept(result), inputs, f"{os.path.basename(file)}:{number}", line)


def _kept(x: Any) -> Any:
    array = x.array if isinstance(x, Tensor) else x
    return array.copy() if isinstance(array, np.ndarray) and array.size <= COPIED else array


def _calling_line() -> FrameType:
    """The innermost running frame whose code is neither in this package nor in `nn`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(INSIDE):
        frame = frame.f_back
    return frame
