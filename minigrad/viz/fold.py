"""fold: which calls in a row are repeats of each other, so that a picture need show only the first, as ×N.

Calls are repeats if the same operations happened in them, on the same shapes, and if they form a chain: each one takes
up what the one before left, at the same place. So the six blocks of an encoder are, and the steps of an RNN; the
projections to queries, keys and values are not, for they lie side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .trace import Call, Operation
from .words import title_of

# Of each operation in a call: where the call before made what it reads as this and that argument (-1: not there).
Carry = tuple[tuple[int, ...], ...]


class Folds:
    """The runs of repeats among the calls of a trace, at least `least` long; found once, for pictures of any depth."""

    def __init__(self, least: int | None) -> None:
        self.least = least
        self.known: dict[int, list[list[Call]]] = {}
        self.patterns: dict[Call, Any] = {}

    def runs(self, body: list[Operation | Call]) -> list[list[Call]]:
        """The runs among the calls of one body, each in order."""
        if self.least is None:
            return []
        if id(body) not in self.known:
            self.known[id(body)] = self._found([item for item in body if isinstance(item, Call)])
        return self.known[id(body)]

    def _found(self, calls: list[Call]) -> list[list[Call]]:
        runs: list[list[Call]] = []
        keys: list[Callable[[Call], Any]] = [lambda call: id(call.module), lambda call: call.kind]
        for key in keys:  # the same module again and again; then different modules of the same kind
            taken = {call for run in runs for call in run}
            free = [call for call in calls if call not in taken]
            for alike in _groups(_groups([free], key, self.least), lambda call: len(call.operations), self.least):
                for group in _groups([alike], self._pattern, self.least):
                    for run in _chains(group):
                        if len(run) >= (self.least or 0) and _closed(run):
                            same = [call for call in free if key(call) == key(run[0])]
                            runs.append([*run, *self._last(run, same)])
        return sorted(runs, key=lambda run: run[0].number)

    def _last(self, run: list[Call], calls: list[Call]) -> list[Call]:
        """The call behind a run, if it goes on with it and lacks only the last operations, whose results nobody read.

        So the last step of an LSTM makes no cell state for a step behind it.
        """
        for last in calls[calls.index(run[-1]) + 1 :][:1]:
            count = len(last.operations)
            alike = self._pattern(last) == self._pattern(run[0])[: count + 1]
            if alike and _carry(run[-1], last) == _carry(*run[:2])[:count] and _closed([*run, last]):
                return [last]
        return []

    def _pattern(self, call: Call) -> Any:
        """What repeats have in common: the operations, their shapes, and which reads which."""
        if call not in self.patterns:
            at = {operation.serial: i for i, operation in enumerate(call.operations)}
            self.patterns[call] = (call.kind, *(_pattern(operation, call, at) for operation in call.operations))
        return self.patterns[call]


def _groups(groups: Any, key: Callable[[Call], Any], least: int | None) -> Iterator[list[Call]]:
    """Each of the groups split by a key; without those that are too small."""
    for group in groups:
        split: dict[Any, list[Call]] = {}
        for call in group:
            split.setdefault(key(call), []).append(call)
        yield from (part for part in split.values() if len(part) >= (least or 0))


def _pattern(operation: Operation, call: Call, at: dict[int, int]) -> Any:
    node, inner = operation.node, operation.call
    inside = inner.number - call.number if inner is not None else 0
    reads = tuple((position, at.get(source.serial, -1), source.shape) for position, source, _ in operation.reads)
    return title_of(node), node.shape, node.dtype.str, inside, reads


def _chains(calls: list[Call]) -> Iterator[list[Call]]:
    """Cut calls of one pattern into runs in which each takes up what the one before left, always at the same place."""
    run, carried = calls[:1], None
    for call in calls[1:]:
        carry = _carry(run[-1], call)
        if any(place >= 0 for places in carry for place in places) and carried in (None, carry):
            run.append(call)
            carried = carry
        else:
            yield run
            run, carried = [call], None
    yield run


def _carry(before: Call, call: Call) -> Carry:
    at = {operation.serial: i for i, operation in enumerate(before.operations)}
    return tuple(tuple(at.get(source.serial, -1) for _, source, _ in o.reads) for o in call.operations)


def _closed(run: list[Call]) -> bool:
    """Whether what is carried goes straight from each call to the next, and by no way around, outside of them."""
    own = {operation.serial: i for i, call in enumerate(run) for operation in call.operations}
    start = min(own)
    stack, seen = [], set()
    for i, call in enumerate(run):
        for operation in call.operations:
            for _, source, _ in operation.reads:
                if isinstance(source, Operation) and own.get(source.serial) not in (i, i - 1):
                    stack.append(source)
    while stack:
        operation = stack.pop()
        if operation.serial in own:
            return False
        if operation.serial > start and operation.serial not in seen:
            seen.add(operation.serial)
            stack += [source for _, source, _ in operation.reads if isinstance(source, Operation)]
    return True


def range_of(names: list[str]) -> str:
    """One name for several: `x1 … x4`, `getitem [0] … [3]`, or the name that they share; nothing if some have none.

    >>> range_of(["x1", "x2", "x3"]), range_of(["Q", "Q"]), range_of(["getitem [0]", "getitem [1]"])
    ('x1 … x3', 'Q', 'getitem [0] … [1]')
    """
    first, last = names[0], names[-1]
    if len(set(names)) == 1 or not all(names):
        return first if all(names) else ""
    word = first.partition(" ")[0] + " "
    return f"{first} … {last.removeprefix(word)}"
