"""When memory was changed, so that no gradient is ever computed from a value that has since been overwritten.

One clock counts both the operations that are recorded and the changes made in place. A node remembers the tick at
which it was made; a change stamps the memory that it writes to with the tick at which it happened. A saved array is
still what it was if the stamp of its memory is older than the node. Views share their owner's memory and so its stamp.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import weakref
import zlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

tick = itertools.count(1).__next__


class Clock:
    """The tick of the last change anywhere, so that the usual case (nothing changed) costs one comparison."""

    latest = 0


def owner(array: Any) -> Any:
    """The array that owns the memory which `array` is a view of (itself if it owns its own)."""
    memory: Any = array
    while (base := getattr(memory, "base", None)) is not None and (type(base) is np.ndarray or hasattr(base, "base")):
        memory = base
    return memory


def shows(view: np.ndarray, array: np.ndarray) -> bool:
    """Whether `view` was made by looking at the memory that `array` shows, all of it or a part."""
    return view is array or view.base is array or (view.base is not None and owner(view) is owner(array))


class Notes:
    """One note on each of some pieces of memory, forgotten when the memory is freed."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def write(self, array: np.ndarray, note: Any) -> None:
        """Put a note on the memory that `array` shows, in place of the one before."""
        memory = owner(array)
        key = id(memory)
        found = self.kept.get(key)
        alive = found[0] if found else weakref.ref(memory, lambda _: self.kept.pop(key, None))
        self.kept[key] = alive, note

    def read(self, array: np.ndarray) -> Any:
        """The note on the memory that `array` shows, or None."""
        return self.kept.get(id(owner(array)), (None, None))[1]

    def __len__(self) -> int:
        return len(self.kept)


class Change(NamedTuple):
    """The last change that an operation made in place."""

    tick: int
    by: str


class Loan(NamedTuple):
    """Since when NumPy code holds a piece of memory, the checksum of the memory at that time, and what it holds."""

    tick: int
    checksum: int | None
    handed: weakref.ref[Handed] | None  # None for an array that was NumPy code's own


class Handed:
    """An array, as it is shown to NumPy code: as long as that has it, or a view of it, this object is alive."""

    __slots__ = ("base", "earlier", "__weakref__")

    def __init__(self, array: np.ndarray, earlier: Handed | None) -> None:
        self.base, self.earlier = array, earlier  # of one piece of memory, all that was handed out ends together

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.base.__array_interface__


changes = Notes()
lent = Notes()  # what NumPy code holds too, and may write to unseen: such a write sets no stamp, but changes a checksum
shared = Notes()  # what tensors without the history of its owner show too, as x.detach() does


def touch(array: np.ndarray, by: str) -> None:
    """Stamp the memory of `array` as changed now, by the operation named `by`."""
    touch_all((array,), by)


def touch_all(arrays: Iterable[np.ndarray], by: str) -> None:
    """Stamp the memory of each of the `arrays` as changed now, by the operation named `by`."""
    Clock.latest = tick()
    change = Change(Clock.latest, by)
    for array in arrays:
        changes.write(array, change)


def change_since(array: Any, since: int) -> str | None:
    """What changed the memory of `array` after tick `since`, or None."""
    if not isinstance(array, np.ndarray):
        return None
    change, loan = changes.read(array), lent.read(array)
    if change is not None and change.tick > since:
        return change.by
    if loan is not None and loan.tick > since and loan.checksum not in (None, checksum(owner(array))):
        return "NumPy code"
    return None


def share(array: np.ndarray) -> None:
    """Note that a tensor with another history, or none, shows the memory of `array`."""
    shared.write(array, True)


def lend(array: np.ndarray) -> np.ndarray:
    """Note that NumPy code holds the memory of `array`, which no operation has used yet."""
    if lent.read(array) is None:
        lent.write(array, Loan(tick(), None, None))
    return array


def hand_out(array: np.ndarray) -> np.ndarray:
    """`array` for NumPy code, which holds its memory from now on, though operations may have saved it before."""
    loan = lent.read(array)
    if loan is not None and loan.handed is None:
        return array
    handed = Handed(array, loan and loan.handed())
    if loan is None:
        memory, Clock.latest = owner(array), tick()
        lent.write(array, Loan(Clock.latest, checksum(memory), weakref.ref(handed)))
        weakref.finalize(handed, _take_back, weakref.ref(memory)).atexit = False
    return np.asarray(handed)


def _take_back(memory: weakref.ref[np.ndarray]) -> None:
    """End the loan of a piece of memory that NumPy code no longer holds."""
    array = memory()
    _, loan = lent.kept.pop(id(array), (None, None))
    if array is not None and loan is not None and loan.checksum != checksum(array):
        touch(array, "NumPy code")


def seen_elsewhere(array: np.ndarray) -> bool:
    """Whether somebody outside the graph shows the memory of `array`, and expects to see it change."""
    return lent.read(array) is not None or shared.read(array) is not None


def fingerprint(values: Iterable[Any]) -> dict[int, int]:
    """Checksums, at the time when they are saved, of those `values` whose memory is lent."""
    return {
        i: checksum(value)
        for i, value in enumerate(values)
        if isinstance(value, np.ndarray) and lent.read(value) is not None
    }


def checksum(array: np.ndarray) -> int:
    """What is equal for equal values, and hardly ever for others."""
    return zlib.crc32(np.ascontiguousarray(array).data)


_basename = functools.cache(os.path.basename)
_home = os.path.dirname(os.path.abspath(__file__))
_inside = (_home + os.sep, os.path.join(os.path.dirname(_home), "nn") + os.sep)


def caller() -> str:
    """`file:line` of the innermost running line that is not part of this package (or of `nn`, which stands on it)."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_inside):
        frame = frame.f_back
    return f"{_basename(frame.f_code.co_filename)}:{frame.f_lineno}"
