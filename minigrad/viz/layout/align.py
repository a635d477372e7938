"""Align: where each node stands across the arrows, so that what matters runs straight.

**Linear segments** (Sander, "A Fast Heuristic for Hierarchical Manhattan Layout", 1996). Pieces of arrows that do not
cross are made straight, the path of the data before that of the parameters; nodes joined by straight pieces are a block
that moves as one. As with Brandes and Köpf ("Fast and Simple Horizontal Coordinate Assignment", 2001) a node is joined
to its median neighbour, and to none of two equals: it then stands in the middle between them. What is aligned are pins,
not centres (Rüegg, Schulze, Carstens and von Hanxleden, "Size- and Port-Aware Horizontal Node Coordinate Assignment",
2015).

**Pendulum method** (Sander 1996). Blocks are packed from the left and then swing: each is drawn towards the mean of its
neighbours, as far as the blocks beside it allow; those that touch and push each other swing together. At the end each
goes to the median of what its neighbours ask for, which makes one more piece straight where there is room.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

from .nest import Level, Node, Pin, Segment

SWINGS = 40
STEPS = 4  # towards the median
APART = {
    "vertex": 14.0,
    "group": 14.0,
    "shadow": 14.0,
    "bend": 9.0,
    "entry": 5.0,
    "exit": 5.0,
}  # half a gap is each neighbour's part
SIDEWAYS = 0.01  # the weight of an arrow back: it stays near, but moves nobody


def align(level: Level) -> None:
    """Set `node.centre` of all nodes."""
    blocks = Blocks(level)
    blocks.pack()
    for _ in range(SWINGS):
        blocks.swing()
    for turn in range(STEPS):
        blocks.settle(backwards=turn % 2 == 0)
    for node in level.nodes:
        node.centre = blocks.position[blocks.of[node.number]] + blocks.shift[node.number]


class Blocks:
    """The blocks of a level: a node stands at `position[of[node]] + shift[node]`."""

    def __init__(self, level: Level) -> None:
        self.of = [-1] * len(level.nodes)
        self.shift = [0.0] * len(level.nodes)
        below = straight(level)
        count = 0
        for layer in level.layers:
            for node in layer:
                if self.of[node.number] < 0:
                    self._collect(node, below, count)
                    count += 1
        self.position = [0.0] * count
        least: dict[tuple[int, int], float] = {}  # the least distance of two blocks that are neighbours somewhere
        for layer in level.layers:
            for one, next_ in pairwise(layer):
                pair = self.of[one.number], self.of[next_.number]
                gap = (one.across + next_.across + APART[one.kind] + APART[next_.kind]) / 2
                distance = gap + self.shift[one.number] - self.shift[next_.number]
                least[pair] = max(distance, least.get(pair, distance))
        self.left: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        self.right: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for (a, b), distance in least.items():
            self.left[b].append((a, distance))
            self.right[a].append((b, distance))
        self.pulls: list[tuple[int, int, float, float]] = []  # (a, b, c, w): a + c would like to be b, with weight w
        for s in level.segments:
            self._pull(s.tail, s.head, s.weight)
        for wire in level.wires.values():
            if wire.back:
                self._pull(wire.origin, Pin(wire.back[-1]), SIDEWAYS)
        self.order: list[int] = []  # from left to right

    def _collect(self, node: Node, below: dict[int, Segment], number: int) -> None:
        """Block `number`: from its first node down."""
        self.of[node.number] = number
        while (s := below.get(node.number)) is not None:
            self.of[s.head.node.number] = number
            self.shift[s.head.node.number] = self.shift[node.number] + s.tail.offset - s.head.offset
            node = s.head.node

    def _pull(self, tail: Pin, head: Pin, weight: float) -> None:
        a, b = tail.node.number, head.node.number
        if self.of[a] != self.of[b]:
            c = self.shift[a] + tail.offset - self.shift[b] - head.offset
            self.pulls.append((self.of[a], self.of[b], c, weight))

    def pack(self) -> None:
        """Each block as far left as it goes."""
        waiting = [len(pairs) for pairs in self.left]
        self.order = [b for b, count in enumerate(waiting) if not count]
        for a in self.order:
            for b, distance in self.right[a]:
                self.position[b] = max(self.position[b], self.position[a] + distance)
                waiting[b] -= 1
                if not waiting[b]:
                    self.order.append(b)

    def swing(self) -> None:
        """Move each block towards the mean of its neighbours."""
        position = self.position
        force, mass = [0.0] * len(position), [0.0] * len(position)
        for a, b, c, weight in self.pulls:
            pull = weight * (position[b] - position[a] - c)
            force[a] += pull
            force[b] -= pull
            mass[a] += weight
            mass[b] += weight
        move = self._together(force, mass)
        for b in reversed(self.order):
            if move[b] > 0:
                position[b] = min(position[b] + move[b], self._room(b)[1])
        for b in self.order:
            if move[b] < 0:
                position[b] = max(position[b] + move[b], self._room(b)[0])

    def _together(self, force: list[float], mass: list[float]) -> list[float]:
        """How far each block moves, when those that touch and push each other move as one."""
        leader = list(range(len(force)))

        def find(b: int) -> int:
            while leader[b] != b:
                leader[b] = leader[leader[b]]
                b = leader[b]
            return b

        def move(b: int) -> float:
            return force[b] / mass[b] / 2 if mass[b] else 0.0  # half the way: the other side comes as well

        position = self.position
        touching = [(a, b) for a in self.order for b, d in self.right[a] if position[b] - position[a] < d + 0.01]
        pushing = True
        while pushing:
            pushing = False
            for a, b in touching:
                a, b = find(a), find(b)
                if a != b and move(a) > move(b) + 1e-9:
                    leader[b] = a
                    force[a] += force[b]
                    mass[a] += mass[b]
                    pushing = True
        return [move(find(b)) for b in range(len(force))]

    def settle(self, backwards: bool) -> None:
        """Move each block, where there is room, to the median of what its neighbours ask for."""
        asked: list[list[tuple[int, float, float]]] = [[] for _ in self.position]
        for a, b, c, weight in self.pulls:
            asked[a].append((b, -c, weight))
            asked[b].append((a, c, weight))
        for b in reversed(self.order) if backwards else self.order:
            if asked[b]:
                wish = median(sorted((self.position[other] + c, weight) for other, c, weight in asked[b]))
                low, high = self._room(b)
                self.position[b] = min(max(wish, low), high)

    def _room(self, b: int) -> tuple[float, float]:
        """Between which positions the neighbours leave room for the block."""
        low = max((self.position[a] + distance for a, distance in self.left[b]), default=-float("inf"))
        return low, min((self.position[c] - distance for c, distance in self.right[b]), default=float("inf"))


def median(wishes: list[tuple[float, float]]) -> float:
    """The weighted median of sorted (wish, weight); the middle of two wishes where the weight falls in halves.

    >>> median([(1.0, 2.0), (5.0, 1.0), (9.0, 2.0)]), median([(1.0, 3.0), (5.0, 3.0)])
    (5.0, 3.0)
    """
    half = sum(weight for _, weight in wishes) / 2
    for i, (wish, weight) in enumerate(wishes):
        half -= weight
        if half < -1e-9:
            return wish
        if half < 1e-9:
            return (wish + wishes[min(i + 1, len(wishes) - 1)][0]) / 2
    return wishes[-1][0]


def straight(level: Level) -> dict[int, Segment]:
    """The segments to be drawn straight, by the node above them: at most one above and one below each node."""
    above: dict[int, list[Segment]] = {}
    below: dict[int, list[Segment]] = {}
    for s in level.segments:
        above.setdefault(s.head.node.number, []).append(s)
        below.setdefault(s.tail.node.number, []).append(s)
    chosen: dict[int, Segment] = {}
    for wire in level.wires.values():
        for a, b in pairwise(wire.back):
            chosen[a.number] = Segment(Pin(a), Pin(b), SIDEWAYS)
    for gap in level.gaps:
        places: list[tuple[int, int]] = []  # of those chosen, above and below, from left to right
        heads: set[int] = set()
        for s in sorted(gap, key=lambda s: (-_worth(s), s.tail.node.place, s.head.node.place)):
            a, b = s.tail.node, s.head.node
            if a.number in chosen or b.number in heads:
                continue
            if not (_central(s, below[a.number], True) and _central(s, above[b.number], False)):
                continue
            at = bisect_left(places, (a.place, b.place))
            if (at and places[at - 1][1] > b.place) or (at < len(places) and places[at][1] < b.place):
                continue  # it would cross one that is straight already
            places.insert(at, (a.place, b.place))
            chosen[a.number] = s
            heads.add(b.number)
    return chosen


def _worth(s: Segment) -> float:
    """How much the segment wants to be straight: its weight, and among equals short arrows before long ones."""
    bends = (s.tail.node.kind == "bend") + (s.head.node.kind == "bend")
    return s.weight + (0.2, 0.0, 0.1)[bends]


def _central(s: Segment, rivals: list[Segment], heads: bool) -> bool:
    """Whether the segment is the middle one of the best at one of its ends; a group, being wide, takes one of two.

    A lesser segment may be straight only where a best one could be.
    """
    best = max(map(_worth, rivals))
    equal = [r for r in rivals if _worth(r) == best]
    wide = (s.tail if heads else s.head).node.kind == "group"
    if len(equal) % 2 == 0 and not wide:
        return False
    equal.sort(key=lambda r: (r.head if heads else r.tail).node.place)
    return _worth(s) < best or equal[(len(equal) - wide) // 2] is s
