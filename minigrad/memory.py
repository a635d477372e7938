"""When memory was changed, so that no gradient is ever computed from a value that has since been overwritten.

One clock counts both the operations that are recorded and the changes made in place. A node remembers the tick at
which it was made; a change stamps the memory that it writes to with the tick at which it happened. A saved array is
still what it was if the stamp of its memory is older than the node. Views share their owner's memory and so its stamp.
"""

from __future__ import annotations

import itertools
import os
import sys
import weakref
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

tick = itertools.count(1).__next__


class Change(NamedTuple):
    """The last in-place change of one piece of memory."""

    alive: weakref.ref[Any]
    tick: int
    by: str


class Clock:
    """The tick of the last change anywhere, so that the usual case (nothing changed) costs one comparison."""

    latest = 0


changes: dict[int, Change] = {}


def owner(array: np.ndarray) -> Any:
    """The array that owns the memory which `array` is a view of (itself if it owns its own)."""
    memory: Any = array
    while isinstance(base := getattr(memory, "base", None), np.ndarray) or hasattr(base, "base"):
        memory = base
    return memory


class Pieces:
    """Pieces of memory, each forgotten when it is freed."""

    def __init__(self) -> None:
        self.alive: dict[int, weakref.ref[Any]] = {}

    def add(self, array: np.ndarray) -> None:
        """Take in the memory that `array` shows."""
        memory = owner(array)
        key = id(memory)
        if key not in self.alive:
            self.alive[key] = weakref.ref(memory, lambda _: self.alive.pop(key, None))

    def __contains__(self, array: np.ndarray) -> bool:
        return id(owner(array)) in self.alive

    def __len__(self) -> int:
        return len(self.alive)


lent = Pieces()  # what NumPy code holds too, and may write to unseen (see `fingerprint`)
shared = Pieces()  # what tensors without the history of its owner show too, as x.detach() does


def touch(array: np.ndarray, by: str) -> None:
    """Stamp the memory of `array` as changed now, by the operation named `by`."""
    memory, now = owner(array), tick()
    key = id(memory)
    if key in changes:
        changes[key] = Change(changes[key].alive, now, by)
    else:
        changes[key] = Change(weakref.ref(memory, lambda _: changes.pop(key, None)), now, by)
    Clock.latest = now


def change_since(array: Any, since: int) -> str | None:
    """What changed the memory of `array` after tick `since`, or None."""
    if not isinstance(array, np.ndarray):
        return None
    change = changes.get(id(owner(array)))
    return change.by if change is not None and change.tick > since else None


def lend(array: np.ndarray) -> np.ndarray:
    """Note that NumPy code outside the engine holds `array`."""
    lent.add(array)
    return array


def seen_elsewhere(array: np.ndarray) -> bool:
    """Whether somebody outside the graph shows the memory of `array`, and expects to see it change."""
    return array in lent or array in shared


def fingerprint(values: Iterable[Any]) -> dict[int, int]:
    """Checksums of those `values` whose memory is lent: writes to it set no stamp, but they do change its sum."""
    return {
        i: zlib.crc32(value.tobytes())
        for i, value in enumerate(values)
        if isinstance(value, np.ndarray) and value in lent
    }


_home = os.path.dirname(os.path.abspath(__file__))
_inside = (_home + os.sep, os.path.join(os.path.dirname(_home), "nn") + os.sep)


def caller() -> str:
    """`file:line` of the innermost running line that is not part of this package (or of `nn`, which stands on it)."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_inside):
        frame = frame.f_back
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
