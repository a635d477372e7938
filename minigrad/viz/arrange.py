"""arrange: what of a trace is seen at a given depth, and as one with what.

A spot is what will be one vertex: an operation, a leaf, or a closed call with all that happened in it. Repeats that are
folded share the spots of the first one. Open calls become boxes around the spots in them; links lead from spot to spot.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from .fold import Folds
from .trace import Call, Leaf, Operation, Trace, calls_around, unique

COPIES = 4  # an input that so many read is drawn beside each of them

Stamp = tuple[tuple[int, int], ...]  # in which runs something lies, and in which of their repeats


@dataclass(slots=True, eq=False)
class Spot:
    """What will be one vertex."""

    item: Operation | Leaf | Call
    box: Call | None  # the open call that it lies in
    same: list[Operation | Leaf | Call]  # all that it stands for at the same position, the item first
    times: int = 1  # how many of them there are each time that its box is run
    leaves: list[Leaf] = field(default_factory=list)  # that only a closed call reads
    copied: bool = False

    @property
    def order(self) -> int:
        """Where it stands in the order of creation; a closed call, where it ends."""
        return self.item.operations[-1].serial if isinstance(self.item, Call) else self.item.serial

    @property
    def operations(self) -> Iterator[Operation]:
        """The recorded operations that it stands for."""
        for item in self.same:
            if isinstance(item, Call):
                yield from item.operations
            elif isinstance(item, Operation):
                yield item


@dataclass(slots=True, eq=False)
class Link:
    """The result of one spot is read by another."""

    source: Spot
    target: Spot
    argument: int
    flows: bool
    reads: int = 0  # how often, all repeats together
    results: list[Operation | Leaf] = field(default_factory=list)  # what is read
    repeats: int = 0  # of a loop: from how many repeats to the next


@dataclass
class Arrangement:
    """What is seen of a trace at one depth."""

    depth: int | None
    spots: list[Spot]
    links: list[Link]
    boxes: dict[Call, list[Call]]  # the open calls, and the repeats that each stands for
    spot_of: dict[int, Spot]  # by serial number


def depths(seen: Trace) -> list[int | None]:
    """The depths at which a trace looks different, the most detailed first."""
    deepest = max((call.level + 1 for call in seen.calls), default=0)
    return [None, *range(deepest, -1, -1)] if deepest else [None]


def is_closed(call: Call, depth: int | None) -> bool:
    """Whether a call is drawn as one vertex; layers without parts always are, unless all is open."""
    return depth is not None and (call.level >= depth or _is_layer(call))


def _is_layer(call: Call) -> bool:
    """Whether it is a module that has parameters but no modules inside."""
    module = call.module
    if call.gradient and call.outer is None:
        return False
    if hasattr(module, "children") and hasattr(module, "parameters"):
        return not any(True for _ in module.children()) and any(True for _ in module.parameters())
    return all(isinstance(item, Operation) for item in call.body)


def arrange(seen: Trace, depth: int | None, folds: Folds) -> Arrangement:
    """What is seen of a trace at a depth."""
    return _Arranging(seen, depth, folds).done()


class _Arranging:
    def __init__(self, seen: Trace, depth: int | None, folds: Folds) -> None:
        self.seen, self.depth, self.folds = seen, depth, folds
        self.spots: dict[Spot, None] = {}  # an ordered set
        self.boxes: dict[Call, list[Call]] = {}
        self.spot_of: dict[int, Spot] = {}
        self.stamps: dict[int, Stamp] = {}
        self.place: dict[Call, Spot | Call] = {}  # what a call is part of, or the box that it is drawn as
        self.sizes: list[int] = []  # of each run
        self.folded: list[list[Call]] = []  # the repeats of each run, those in repeats of an outer one too

    def done(self) -> Arrangement:
        self._walk([self.seen.body], None, [()])
        first = self._merge()
        shared = {leaf.serial for leaf in first.values()} | first.keys()
        for leaf in self.seen.leaves:
            self._put_leaf(leaf, first.get(leaf.serial, leaf), leaf.serial not in shared)
        links = self._copied(self._links())
        return Arrangement(self.depth, _sorted(list(self.spots), links), links, self.boxes, self.spot_of)

    # ---- operations and calls ----

    def _walk(self, bodies: list[list[Operation | Call]], box: Call | None, stamps: list[Stamp]) -> None:
        """Put what is in one body into spots, and with it, position by position, what is in its repeats."""
        first = bodies[0]
        runs = {call: run for run in self.folds.runs(first) for call in run}
        position = {item: i for i, item in enumerate(first)} if runs else {}
        for i, item in enumerate(first):
            alike = [k for k, body in enumerate(bodies) if i < len(body)]  # the last repeat may end earlier
            same: list[Any] = [bodies[k][i] for k in alike]
            places = [stamps[k] for k in alike]
            if isinstance(item, Operation):
                self._put(Spot(item, box, same), [[stamp] for stamp in places])
            elif item not in runs:
                self._put_call(same, 1, box, places)
            elif item is runs[item][0]:
                run, number = runs[item], len(self.sizes)
                repeats: list[Call] = [bodies[k][position[call]] for k in alike for call in run]  # type: ignore[misc]
                self.sizes.append(len(run))
                self.folded.append(repeats)
                inner = [(*stamp, (number, k)) for stamp in places for k in range(len(run))]
                self._put_call(repeats, len(run), box, inner)

    def _put_call(self, same: list[Call], times: int, box: Call | None, stamps: list[Stamp]) -> None:
        call = same[0]
        if is_closed(call, self.depth):
            spot = Spot(call, box, list(same), times)
            self.place.update(dict.fromkeys(same, spot))
            self._put(spot, [[stamp] * len(c.operations) for c, stamp in zip(same, stamps, strict=True)])
        else:
            self.boxes[call] = same[:times]
            self.place.update(dict.fromkeys(same, call))
            self._walk([c.body for c in same], call, stamps)

    def _put(self, spot: Spot, stamps: list[list[Stamp]]) -> None:
        self.spots[spot] = None
        flat = (stamp for part in stamps for stamp in part)
        for operation, stamp in zip(spot.operations, flat, strict=True):
            self.spot_of[operation.serial] = spot
            if stamp:
                self.stamps[operation.serial] = stamp

    # ---- what each repeat has for itself ----

    def _merge(self) -> dict[int, Leaf]:
        """See as one what repeats read at the same position, if each has its own; return which leaf each stands behind.

        What is computed for a repeat alone, such as x[:, t], is merged with its like, and what that reads, too.
        """
        merged: dict[int, Leaf] = {}
        for repeats in self.folded:
            inside = {operation.serial: i for i, call in enumerate(repeats) for operation in call.operations}
            columns = zip_longest(*[call.operations for call in repeats])  # the last repeat may end earlier
            stack: list[tuple[Operation, ...]] = [tuple(filter(None, column)) for column in columns]
            while stack:
                alike = stack.pop()
                for reads in zip(*[operation.reads for operation in alike], strict=True):
                    sources = [source for _, source, _ in reads]
                    if len(set(map(id, sources))) < len(sources) or len(set(map(_kind, sources))) > 1:
                        continue
                    if isinstance(sources[0], Leaf):
                        oldest = min(sources, key=lambda source: source.serial)
                        for leaf in sources:
                            if leaf is not oldest:
                                merged.setdefault(leaf.serial, oldest)
                    elif self._own(sources, inside):
                        self._join(sources)
                        inside |= {source.serial: i for i, source in enumerate(sources)}
                        stack.append(tuple(sources))
        for serial, leaf in merged.items():
            while leaf.serial in merged:  # a repeat of repeats
                leaf = merged[leaf.serial]
            merged[serial] = leaf
        return merged

    def _own(self, operations: list[Operation], inside: dict[int, int]) -> bool:
        """Whether these were computed outside of the repeats, each for one of them."""
        return len({(o.node.name, o.call, len(o.reads)) for o in operations}) == 1 and all(
            o.serial not in inside
            and isinstance(self.spot_of[o.serial].item, Operation)
            and all(inside.get(reader.serial) == i for reader in o.readers)
            for i, o in enumerate(operations)
        )

    def _join(self, operations: list[Operation]) -> None:
        spots = unique(self.spot_of[operation.serial] for operation in operations)
        first = min(spots, key=lambda spot: spot.order)
        for spot in spots:
            if spot is not first:
                first.same += spot.same
                first.times += spot.times
                del self.spots[spot]
                self.spot_of.update({operation.serial: first for operation in spot.operations})

    # ---- leaves ----

    def _put_leaf(self, leaf: Leaf, first: Leaf, alone: bool) -> None:
        """Put a leaf where it is read; `first` is that of the first repeat, and a leaf `alone` has none like it."""
        place = next((self.place[call] for call in calls_around(first.home) if call in self.place), None)
        while alone and place is not None and self._is_folded(place):
            place = place.box if isinstance(place, Spot) else self._around(place)
        if isinstance(place, Spot):
            self.spot_of[leaf.serial] = place
            if leaf is first:
                place.leaves.append(leaf)
        elif leaf is not first:
            spot = self.spot_of[leaf.serial] = self.spot_of[first.serial]
            spot.same.append(leaf)
            spot.times = max(1, len(spot.same) // self._repeats(place))
        else:
            spot = self.spot_of[leaf.serial] = Spot(leaf, place, [leaf])
            self.spots[spot] = None

    def _is_folded(self, place: Spot | Call) -> bool:
        return (place.times if isinstance(place, Spot) else len(self.boxes[place])) > 1

    def _around(self, box: Call) -> Call | None:
        return next((call for call in calls_around(box.outer) if call in self.boxes), None)

    def _repeats(self, box: Call | None) -> int:
        """How many repeats a box stands for, with the boxes that it lies in."""
        count = 1
        for call in calls_around(box):
            count *= len(self.boxes.get(call, [call]))
        return count

    # ---- links ----

    def _links(self) -> list[Link]:
        links: dict[tuple[Spot, Spot, int], Link] = {}
        for operation in self.seen.operations:
            target = self.spot_of[operation.serial]
            for argument, item, flows in operation.reads:
                source = self.spot_of[item.serial]
                if source is target:
                    continue
                repeats = self._crossed(item.serial, operation.serial)
                key = source, target, repeats
                if key not in links:
                    links[key] = Link(source, target, argument, flows, repeats=repeats)
                link = links[key]
                link.reads += 1
                link.flows |= flows
                if not link.results or link.results[-1] is not item:
                    link.results.append(item)
        return list(links.values())

    def _crossed(self, source: int, target: int) -> int:
        """If a value is carried from one repeat of a run to the next: how often that happens."""
        if source not in self.stamps or target not in self.stamps:
            return 0
        for (run, i), (other, j) in zip(self.stamps[source], self.stamps[target], strict=False):
            if run == other and i != j:
                return self.sizes[run] - 1
        return 0

    def _copied(self, links: list[Link]) -> list[Link]:
        """The links, those from an input that many read each from a copy beside its reader."""
        from_input: dict[Spot, list[Link]] = {}
        for link in links:
            if isinstance(link.source.item, Leaf) and not link.source.item.parameter:
                from_input.setdefault(link.source, []).append(link)
        for spot, its in from_input.items():
            if len(its) >= COPIES:
                del self.spots[spot]
                for link in its:
                    link.source = Spot(spot.item, link.target.box, spot.same, spot.times, copied=True)
                    self.spots[link.source] = None
        return links


def _kind(item: Operation | Leaf) -> tuple[Any, ...]:
    return type(item), item.shape, item.dtype, getattr(item, "parameter", None)


def _sorted(spots: list[Spot], links: list[Link]) -> list[Spot]:
    """The spots, each after those that it reads from; otherwise in the order of creation."""
    by_age = sorted(spots, key=lambda spot: spot.order)
    place = {spot: i for i, spot in enumerate(by_age)}
    waiting = dict.fromkeys(by_age, 0)  # for how many that it reads from
    readers: dict[Spot, list[Spot]] = {}
    for link in links:
        if not link.repeats:
            waiting[link.target] += 1
            readers.setdefault(link.source, []).append(link.target)
    ready = [place[spot] for spot in by_age if not waiting[spot]]
    done: dict[Spot, None] = {}
    while ready:
        spot = by_age[heapq.heappop(ready)]
        done[spot] = None
        for reader in readers.get(spot, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, place[reader])
    # Closed calls of a forward and a backward pass may each wait for the other.
    return [*done, *(spot for spot in by_age if spot not in done)]
