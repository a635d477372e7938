"""Bends: what else stands in a layer, so that arrows and groups that pass several layers have room in each.

**Dummy vertices** (Sugiyama et al. 1981), here called bends, split an arrow that passes layers into pieces between
neighbouring layers. A value has one bend in a layer, whoever reads it further on: its arrows run together until they
have to part (edge bundling).

**Shadows** let a high group pass several layers in the same way: a chain of operations can then stand beside it, step
by step, instead of waiting for its end. Where an arrow would have to cross it, the group stays in one layer after all.
"""

from __future__ import annotations

from itertools import pairwise

from .layers import lengths
from .nest import Level, Node, Pin, Segment, Wire

CLEAR = 22.0  # between two layers, about
STRAIGHT = 100.0  # the weight of a piece that has no choice


def bend(level: Level) -> None:
    """Give each arrow a bend in each layer that it passes."""
    level.gaps = [[] for _ in level.layers]
    for node in level.nodes:
        for above, below in pairwise([node, *node.shadows]):
            level.gaps[above.layer].append(Segment(Pin(above), Pin(below), STRAIGHT))
    for wire in level.wires.values():
        _bend_back(level, wire)
        if wire.ends:
            _bend(level, wire)


def _bend(level: Level, wire: Wire) -> None:
    """The trunk goes as far as the furthest end needs; the others leave it in the layer before theirs."""
    start = wire.origin.node.layer
    pins = [wire.origin]
    for at in range(start + 1, max(pin.node.layer for pin in wire.ends.values())):
        wire.trunk.append(level.add("bend", layer=at))
        pins.append(Pin(wire.trunk[-1]))
        most = max(wire.weights[end] for end, pin in wire.ends.items() if pin.node.layer > at)
        level.gaps[at - 1].append(Segment(pins[-2], pins[-1], most))
    for end, pin in wire.ends.items():
        before = pin.node.layer - 1
        level.gaps[before].append(Segment(pins[before - start], pin, wire.weights[end]))


def _bend_back(level: Level, wire: Wire) -> None:
    """Bends from the layer of the origin back to that of the furthest end."""
    last = wire.origin.node.layer
    for end, pin in list(wire.returns.items()):
        if pin.node.layer > last:  # a loop that runs with the direction after all
            wire.ends[end] = wire.returns.pop(end)
    if wire.returns:
        first = min(pin.node.layer for pin in wire.returns.values())
        room = 2 * wire.room + 8 if wire.room else 0.0  # the label stands on one side of the arrow
        wire.back = [level.add("bend", across=room, layer=at) for at in range(first, last + 1)]


def spread(level: Level) -> None:
    """Give each high group a shadow in those layers that can pass before somebody reads it."""
    if any(wire.returns for wire in level.wires.values()):
        return  # arrows back need the space between all layers
    exits = any(node.kind == "exit" for node in level.nodes)
    until = [len(level.layers) - 1 - exits] * len(level.nodes)  # the last layer that leaves room for the readers
    length = lengths(level)
    for wire in level.wires.values():
        tail = wire.origin.node.number
        for head in [pin.node for pin in wire.ends.values()]:
            until[tail] = min(until[tail], head.layer - length[tail, head.number])
    groups: list[Node] = []
    high = [0.0] * len(level.layers)  # of the others in each layer
    for node in level.nodes:
        if node.kind == "group" and node.layer < until[node.number]:
            groups.append(node)
        else:
            high[node.layer] = max(high[node.layer], node.along)
    for node in groups:
        last, reached = node.layer, high[node.layer]
        while reached < node.along and last < until[node.number]:
            last += 1
            reached += CLEAR + high[last]
        node.shadows = [level.add("shadow", across=node.across, layer=at) for at in range(node.layer + 1, last + 1)]
    for wire in level.wires.values():  # the way out is below the last one
        wire.origin.node = [wire.origin.node, *wire.origin.node.shadows][-1]


def torn(level: Level) -> bool:
    """Whether an arrow crosses a group, in the order that was found."""
    for gap in level.gaps:
        shadows = [s for s in gap if s.head.node.kind == "shadow"]
        for s in shadows:
            a, b = s.tail.node.place, s.head.node.place
            if any((other.tail.node.place < a) != (other.head.node.place < b) for other in gap if other is not s):
                return True
    return False


def gather(level: Level) -> None:
    """Undo `spread` and `bend`."""
    caster = {shadow.number: node for node in level.nodes for shadow in node.shadows}
    for wire in level.wires.values():
        wire.origin.node = caster.get(wire.origin.node.number, wire.origin.node)
        wire.trunk, wire.back = [], []
    level.nodes = [node for node in level.nodes if node.kind not in ("bend", "shadow")]
    for node in level.nodes:
        node.shadows = []
    level.layers = [[] for _ in level.layers]
