"""Place: all steps of the layout, and where everything in a picture stands in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ..measure import width
from ..picture import Picture
from .align import align
from .bends import bend, gather, spread, torn
from .layers import layer
from .nest import Hop, Level, Node, Value, nest
from .order import order
from .route import MARGIN, TITLE, Path, stack, title_start, trace

Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle by its centre."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        """The x of its left border."""
        return self.x - self.width / 2

    @property
    def top(self) -> float:
        """The y of its upper border."""
        return self.y - self.height / 2

    @property
    def right(self) -> float:
        """The x of its right border."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """The y of its lower border."""
        return self.y + self.height / 2


@dataclass
class Placed:
    """Where everything in a picture stands, in pixels from the top left."""

    width: float = 0.0
    height: float = 0.0
    vertices: dict[str, Box] = field(default_factory=dict)
    groups: dict[str, Box] = field(default_factory=dict)  # without those that are empty
    titles: dict[str, Point] = field(default_factory=dict)  # where the title of a group starts, on its base line
    edges: list[Path] = field(default_factory=list)  # one for each of `picture.edges`, from border to border
    labels: list[Point | None] = field(default_factory=list)  # where the label of each edge starts, on its base line


def place(picture: Picture) -> Placed:
    """Find a place for everything in the picture.

    **Raises** `ValueError` for a rankdir other than TB and LR.

    >>> from minigrad.viz.picture import Edge, Vertex
    >>> x, y = Vertex("n0", "input", name="x", shape=(2, 3)), Vertex("n1", "operation", operation="tanh", shape=(2, 3))
    >>> placed = place(Picture({"n0": x, "n1": y}, [Edge("n0", "n1")]))
    >>> placed.vertices["n0"].x == placed.vertices["n1"].x, placed.vertices["n0"].bottom < placed.vertices["n1"].top
    (True, True)
    """
    if picture.rankdir not in ("TB", "LR"):
        raise ValueError(
            f"rankdir {picture.rankdir!r}: our own layout draws 'TB' (top to bottom) and 'LR' (left to right); "
            f"'BT' and 'RL' are drawn by Graphviz: .render() or .pipe() the graph with dot"
        )
    turned = picture.rankdir == "LR"
    levels, hops = nest(picture, turned)
    outside = {node.name: node for level in levels.values() for node in level.nodes if node.kind == "group"}
    for level in levels.values():  # children first: their parent has to know how big they are
        layer(level)
        spread(level)
        bend(level)
        order(level)
        if torn(level):  # an arrow has to pass where a group would stand
            gather(level)
            bend(level)
            order(level)
        align(level)
        stack(level, turned)
        if level.group in outside:
            _close(level, outside[level.group])
    return _assemble(picture, levels, hops, turned)


def _close(level: Level, node: Node) -> None:
    """Tell the level around, where this one is a node, how big it is and where its pins are."""
    node.across, node.along = level.across, level.along
    for port, pin in level.borders:
        pin.offset = port.centre - level.across / 2


def _assemble(picture: Picture, levels: dict[str | None, Level], hops: list[list[Hop]], turned: bool) -> Placed:
    """From coordinates across and along in each level to x and y in the picture."""
    root = levels[None]
    placed = Placed(*((root.along, root.across) if turned else (root.across, root.along)))
    corners: dict[str | None, Point] = {None: (0.0, 0.0)}
    boxes: dict[str, Box] = {}
    for level in reversed(levels.values()):
        for node in level.nodes:
            if node.kind in ("vertex", "group"):
                across, along = corners[level.group]
                corners[node.name] = (across + node.centre - node.across / 2, along + node.start)
                centre = (across + node.centre, along + node.start + node.along / 2)
                size = (node.across, node.along)
                boxes[node.name] = Box(*centre[::-1], *size[::-1]) if turned else Box(*centre, *size)
    placed.vertices = {name: boxes[name] for name in picture.vertices}
    placed.groups = {name: boxes[name] for name in picture.groups if name in boxes}
    for name, box in placed.groups.items():
        beside = None if turned else title_start(levels[name])
        placed.titles[name] = (box.left + (MARGIN if beside is None else beside), box.top + TITLE - 5)
    pieces: dict[tuple[str | None, Value, str], Path] = {}
    for way in hops:
        path: Path = []
        for level, value, end in way:
            key = (level.group, value, end)
            if key not in pieces:
                line = trace(level.wires[value], end, level.bands)
                pieces[key] = [_moved(point, corners[level.group], turned) for point in line]
            path += pieces[key][1:] if path else pieces[key]
        placed.edges.append(path)
    labelled: set[tuple[str, str, float]] = set()
    for edge, path in zip(picture.edges, placed.edges, strict=True):
        at = _beside(path, turned, width(edge.label, 10)) if edge.label else None
        if at and edge.loop:  # loops that share their way share their label
            same = (edge.source, edge.label, round(at[turned], 3))
            at = None if same in labelled else at
            labelled.add(same)
        placed.labels.append(at)
    return placed


def _moved(point: tuple[float, ...], corner: Point, turned: bool) -> tuple[float, ...]:
    """A point of a level, or several in a row, in the coordinates of the picture."""
    moved = [value + corner[i % 2] for i, value in enumerate(point)]
    return tuple(moved[i ^ 1] for i in range(len(moved))) if turned else tuple(moved)


def _beside(path: Path, turned: bool, room: float) -> Point:
    """Where a label that takes so much `room` starts: beside the middle of an arrow back, else beside the arrow's head.

    There it stands on the side that the arrow does not come from.
    """
    along, across = (0, 1) if turned else (1, 0)
    for before, point in pairwise(path):
        if len(point) == 2 and point[along] < before[along - 2]:
            x, y = (before[-2] + point[0]) / 2, (before[-1] + point[1]) / 2
            return (x - 8, y + 12) if turned else (x + 5, y + 3)
    x, y = end = path[-1][-2:]
    before_it = next((point for point in reversed(path) if abs(point[across - 2] - end[across]) > 1), end)
    lower = before_it[across - 2] < end[across]  # it comes from the left or, if turned, from above
    if turned:
        return x - room - 4, y + (13 if lower else -6)
    return x + (6 if lower or before_it is end else -6 - room), y - 8
