"""Where does the time of a program go? By operation, forward and backward, and by module.

    with minigrad.profile() as p:
        for batch in batches:
            train_step(batch)
    print(p)

An operation is charged with the time since the one before it ended: its own arithmetic, what recording it costs, and
the Python that led to it. So all entries together are the whole time; a slow loop shows at what follows it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from .autograd import Node, Observer, thread


class Entry(NamedTuple):
    """What one kind of work took."""

    what: str  # the operation, or the path of the module
    calls: int
    forward: float  # seconds
    backward: float

    @property
    def total(self) -> float:
        """Seconds, forward and backward."""
        return self.forward + self.backward


class profile(Observer):
    """Measure, inside a `with` block of this thread, how much time each operation and each module takes.

    `operations` and `modules` list the entries, the longest first; `seconds` is all of the time. A module is charged
    with what happened in it but not in a module inside it; what no module ran is charged to "–".

    >>> import minigrad
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> with minigrad.profile() as p:
    ...     (x * x).sum().backward()
    >>> {entry.what: entry.calls for entry in p.operations if entry.what in ("mul", "sum")} == {"mul": 3, "sum": 2}
    True
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._by_operation: dict[str, list[float]] = {}  # calls, forward, backward
        self._by_module: dict[str, list[float]] = {}
        self._paths: dict[Any, str] = {}

    def __enter__(self) -> Self:
        self._begun = self._last = time.perf_counter()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        self._charge("Python after the last operation", None, 1)
        self.seconds += self._last - self._begun
        self._paths.clear()
        super().__exit__(*error)

    def operation(self, name: str, arguments: Sequence[Any], result: Any) -> None:
        """Charge an operation with the time since the event before."""
        self._charge(name, thread.mode.scope, 1)

    def gradient(self, node: Node, i: int, g: Any, gradient: Any) -> None:
        """Charge the gradient of an operation."""
        self._charge(node.name, node.scope, 2)

    def mark(self, what: str) -> None:
        """Charge work that is no operation."""
        self._charge(what, thread.mode.scope, 1)

    def _charge(self, what: str, scope: Any, direction: int) -> None:
        now = time.perf_counter()
        for table, key in ((self._by_operation, what), (self._by_module, self._path(scope))):
            row = table.setdefault(key, [0, 0.0, 0.0])
            row[0] += 1
            row[direction] += now - self._last
        self._last = time.perf_counter()  # what the bookkeeping takes is nobody's

    def _path(self, scope: Any) -> str:
        if scope is None:
            return "–"
        if scope not in self._paths:
            self._paths[scope] = str(scope)
        return self._paths[scope]

    @property
    def operations(self) -> list[Entry]:
        """What each operation took, the longest first."""
        return _entries(self._by_operation)

    @property
    def modules(self) -> list[Entry]:
        """What each module took by itself, the longest first."""
        return _entries(self._by_module)

    def __str__(self) -> str:
        return "\n\n".join(_table(title, rows) for title, rows in self._tables())

    def _tables(self) -> list[tuple[str, list[Entry]]]:
        return [("operation", self.operations), ("module", self.modules)]


def _entries(rows: dict[str, list[float]]) -> list[Entry]:
    found = [Entry(what, int(calls), forward, backward) for what, (calls, forward, backward) in rows.items()]
    return sorted(found, key=lambda entry: -entry.total)


def _table(title: str, entries: list[Entry], shown: int = 25) -> str:
    """The longest entries, in milliseconds; the rest in one line."""
    whole = sum(entry.total for entry in entries) or 1.0
    rest = entries[shown:]
    if rest:
        names = f"{len(rest)} more"
        entries = [
            *entries[:shown],
            Entry(names, sum(e.calls for e in rest), sum(e.forward for e in rest), sum(e.backward for e in rest)),
        ]
    size = max(len(title), *(len(entry.what) for entry in entries)) if entries else len(title)
    lines = [f"{title:{size}}  {'calls':>7}  {'forward ms':>10}  {'backward ms':>11}  {'share':>6}"]
    lines += [
        f"{e.what:{size}}  {e.calls:7,}  {e.forward * 1e3:10.2f}  {e.backward * 1e3:11.2f}  {e.total / whole:6.1%}"
        for e in entries
    ]
    return "\n".join(lines)
