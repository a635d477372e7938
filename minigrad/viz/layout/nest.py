"""Nest: a picture with groups inside groups, taken apart into flat graphs, one per group.

Inside one group only its own vertices and its child groups are seen, each child as one big node. A value that comes
from outside enters through a port on the group's first border, and one that is read outside leaves through a port on
the last; whoever reads it inside reads the port. So a value enters a group once, however many inside read it, and no
two boxes overlap because no two nodes do. TensorBoard draws models in this way (Wongsuphasawat et al., "Visualizing
Dataflow Graphs of Deep Learning Models in TensorFlow", 2018). The flat graphs are drawn in layers (Sugiyama, Tagawa and
Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981).

There is no left or top yet: **along** runs with the arrows, **across** at right angles to them. When all is placed they
become y and x for rankdir TB, x and y for LR.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ..measure import width
from ..picture import Edge, Picture, Vertex

ARGUMENT = 15.0  # between the arrows of two arguments, where there is room
WEIGHT = {"input": 3.0, "parameter": 1.0, "cut": 2.0}  # how much an arrow from there wants to be straight; others 6
LOOP_WEIGHT = 0.5


@dataclass(slots=True, eq=False)
class Node:
    """What stands in a layer: a vertex, a child group, a port, or a bend, where an arrow passes the layer.

    A group that is high may have a shadow in each of some further layers, which then pass beside it.
    """

    kind: str  # vertex, group, shadow, entry, exit, bend
    name: str = ""
    across: float = 0.0  # its extent
    along: float = 0.0
    number: int = 0  # in the order in which the nodes of the level were made
    layer: int = 0
    place: int = 0  # in its layer
    centre: float = 0.0  # across
    start: float = 0.0  # along
    shadows: list[Node] = field(default_factory=list)  # of a group that several layers pass, one in each further one


@dataclass(slots=True, eq=False)
class Pin:
    """Where an arrow meets a node: `offset` across from its centre."""

    node: Node
    offset: float = 0.0

    @property
    def across(self) -> float:
        """Its coordinate."""
        return self.node.centre + self.offset


class Value(NamedTuple):
    """What runs along a wire."""

    vertex: str  # whose result it is
    loop: bool  # whether it goes to the next repeat


@dataclass(slots=True, eq=False)
class Wire:
    """One value inside one level: the pin it comes from, and the pins it goes to.

    Ends are named for what stands there: "exit", a child group, or "edge 7".
    """

    origin: Pin
    ends: dict[str, Pin] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)  # by end: how much the arrow wants to be straight
    trunk: list[Node] = field(default_factory=list)  # its bends, layer by layer; the arrows to all ends share them
    returns: dict[str, Pin] = field(default_factory=dict)  # the ends that lie against the direction
    back: list[Node] = field(default_factory=list)  # the bends of the way to these
    room: float = 0.0  # that a label takes


@dataclass(slots=True, eq=False)
class Segment:
    """A piece of an arrow between two neighbouring layers."""

    tail: Pin
    head: Pin
    weight: float


@dataclass(slots=True, eq=False)
class Level:
    """The flat graph inside one group, or, for None, of the whole picture."""

    group: str | None
    title: float = 0.0  # the length of its title
    nodes: list[Node] = field(default_factory=list)
    wires: dict[Value, Wire] = field(default_factory=dict)
    borders: list[tuple[Node, Pin]] = field(default_factory=list)  # a port, and the pin that it is for those outside
    layers: list[list[Node]] = field(default_factory=list)
    gaps: list[list[Segment]] = field(default_factory=list)  # what runs between layer i and layer i + 1
    bands: list[tuple[float, float]] = field(default_factory=list)  # where each layer starts and ends, along
    across: float = 0.0
    along: float = 0.0

    def add(self, kind: str, name: str = "", across: float = 0.0, along: float = 0.0, layer: int = 0) -> Node:
        """A new node."""
        self.nodes.append(Node(kind, name, across, along, len(self.nodes), layer))
        return self.nodes[-1]

    def wire(self, value: Value, origin: Node) -> Wire:
        """The wire of a value, which comes from `origin` if it is new."""
        return self.wires.setdefault(value, Wire(Pin(origin)))

    @property
    def segments(self) -> Iterator[Segment]:
        """All pieces of arrows, gap by gap."""
        return (segment for gap in self.gaps for segment in gap)


class Hop(NamedTuple):
    """The part of an edge that lies in one level: along which wire, to which of its ends."""

    level: Level
    value: Value
    end: str


def nest(picture: Picture, turned: bool) -> tuple[dict[str | None, Level], list[list[Hop]]]:
    """The levels, children before parents, and the way of each edge through them; `turned` for rankdir LR."""
    levels: dict[str | None, Level] = {None: Level(None)}
    for group in picture.groups.values():
        levels[group.id] = Level(group.id, title=width(group.heading, 11, bold=True))
    nodes: dict[str, Node] = {}
    for vertex in picture.vertices.values():
        across, along = reversed(size(vertex)) if turned else size(vertex)
        nodes[vertex.id] = levels[vertex.group].add("vertex", vertex.id, across, along)
        for inner, outer in pairwise([*picture.around(vertex.group), None]):
            if inner is not None and inner not in nodes:  # a group stands where its first vertex would
                nodes[inner] = levels[outer].add("group", inner)
    offsets = arguments(picture, nodes)
    hops = [lead(picture, levels, nodes, number, offsets[number]) for number in range(len(picture.edges))]
    return dict(reversed(levels.items())), hops


def lead(
    picture: Picture, levels: dict[str | None, Level], nodes: dict[str, Node], number: int, offset: float
) -> list[Hop]:
    """Lead one edge out of the groups around its source, and into those around its target, port by port."""
    edge = picture.edges[number]
    value = Value(edge.source, edge.loop)
    outward = [*picture.around(picture.vertices[edge.source].group), None]
    inward = [*picture.around(picture.vertices[edge.target].group), None]
    while len(outward) > 1 and len(inward) > 1 and outward[-2] == inward[-2]:  # down to the innermost common level
        outward.pop()
        inward.pop()
    origin = nodes[edge.source]
    hops: list[Hop] = []
    for inner, outer in pairwise(outward):
        wire = levels[inner].wire(value, origin)
        origin = nodes[inner or ""]
        if "exit" not in wire.ends:
            wire.ends["exit"] = Pin(levels[inner].add("exit"))
            levels[inner].borders.append((wire.ends["exit"].node, levels[outer].wire(value, origin).origin))
        hops.append(Hop(levels[inner], value, "exit"))
    for outer, inner in pairwise(reversed(inward)):
        wire = levels[outer].wire(value, origin)
        origin, end = nodes[inner or ""], inner or ""
        if end not in wire.ends:
            wire.ends[end] = Pin(origin)
            levels[inner].borders.append((levels[inner].add("entry"), wire.ends[end]))
            levels[inner].wire(value, levels[inner].nodes[-1])
        hops.append(Hop(levels[outer], value, end))
    end = f"edge {number}"
    levels[inward[0]].wire(value, origin).ends[end] = Pin(nodes[edge.target], offset)
    hops.append(Hop(levels[inward[0]], value, end))
    for level, _, end in hops:
        wire = level.wires[value]
        wire.weights[end] = max(weight(picture, edge), wire.weights.get(end, 0.0))
        wire.room = max(wire.room, width(edge.label, 10))
    return hops


def weight(picture: Picture, edge: Edge) -> float:
    """How much an edge wants to be straight: the path of the data most, parameters least."""
    return LOOP_WEIGHT if edge.loop else WEIGHT.get(picture.vertices[edge.source].kind, 6.0)


def arguments(picture: Picture, nodes: dict[str, Node]) -> list[float]:
    """For each edge, how far from the middle it meets its target: arguments in their order, the main one in the middle.

    Where several weigh the same, they lie evenly about the middle; loops come last.
    """
    arriving: dict[str, list[int]] = {}
    for number, edge in enumerate(picture.edges):
        arriving.setdefault(edge.target, []).append(number)
    offsets = [0.0] * len(picture.edges)
    for target, numbers in arriving.items():
        numbers.sort(key=lambda number: (picture.edges[number].loop, picture.edges[number].argument))
        weights = [weight(picture, picture.edges[number]) for number in numbers]
        main = [place for place, one in enumerate(weights) if one == max(weights)]
        middle = (main[0] + main[-1]) / 2
        furthest = max(middle, len(numbers) - 1 - middle)
        room = nodes[target].across / 2 - 8
        if picture.vertices[target].kind == "input":  # an ellipse is narrow at its top
            room /= 2
        step = min(ARGUMENT, room / furthest) if furthest else 0.0
        for place, number in enumerate(numbers):
            offsets[number] = (place - middle) * step
    return offsets


def size(vertex: Vertex) -> tuple[float, float]:
    """Width and height of a vertex: its text, and what its shape needs around that."""
    wide = max(width(vertex.title, 12, bold=True), *(width(line, 11) for line in vertex.lines), 0.0)
    high = 16.0 + 14.0 * len(vertex.lines)
    match vertex.kind:
        case "input":
            return max(44.0, 1.18 * wide + 16), max(32.0, 1.25 * high + 6)
        case "parameter":
            return max(44.0, wide + 18), high + 20
        case "accumulate":
            return max(44.0, wide + 32), high + 10
    return max(40.0, wide + 18), high + 10
