"""Route: where the layers lie along the arrows, how big a level is, and which line each arrow takes.

Each layer is a band as high as its highest node. Between two bands arrows change their place across in one S-shaped
Bézier curve (Gansner et al. 1993, section 5, fit such curves into boxes); within a band they run straight. So no arrow
can pass over a node, whatever the curve.
"""

from __future__ import annotations

from .nest import Level, Node, Pin, Segment, Wire

TITLE = 20.0  # the strip for the title of a group
CLEAR = 6.0  # on either side of a title
MARGIN = 10.0  # between the border of a group and what is in it
ARROW = 8.0  # the straight last piece of every curve, where the head of the arrow is
CURVE = 14.0  # the extent of a curve along, at least; it is longer where arrows go far across
TURN = 14.0  # what an arrow takes to turn round
NEAR = 30.0  # a node that is less than its band by no more than this stands in the middle of it

Curve = tuple[float, ...]  # (x, y) for a line to there, or (x1, y1, x2, y2, x, y) for a cubic Bézier curve
Path = list[Curve]  # the first is the point to start from


def stack(level: Level, turned: bool) -> None:
    """Set `node.start` of all nodes, `level.bands` and the extent of the level; `turned` for rankdir LR."""
    _frame(level, turned)
    inside = level.group is not None
    title = TITLE if inside and not turned else 0.0
    kinds = [{node.kind for node in layer} for layer in level.layers] or [set()]
    turns = {pin.node.layer - 1 for wire in level.wires.values() for pin in wire.returns.values()}
    turns |= {wire.origin.node.layer for wire in level.wires.values() if wire.returns}
    at = 0.0
    if "entry" not in kinds[0]:
        at += title + (MARGIN / 2 if inside else 0.0) + (TURN + ARROW if -1 in turns else 0.0)
    for i, layer in enumerate(level.layers):
        band = max((node.along for node in layer if not node.shadows and node.kind != "shadow"), default=0.0)
        if "entry" in kinds[i]:  # arrows go straight on beside the title
            band = max(band, title)
        for node in level.nodes:
            if node.shadows and node.shadows[-1].layer == i:  # what is left of it
                band = max(band, level.bands[node.layer][0] + node.along - at)
        level.bands.append((at, at + band))
        at += band
        if i + 1 < len(level.layers):
            at += _gap(level.gaps[i]) + (TURN if i in turns else 0.0)
        elif "exit" not in kinds[i]:
            at += (MARGIN if inside else 0.0) + (TURN if i in turns else 0.0)
    if turned and at < level.title + 2 * MARGIN:  # a group is as long as its title
        at = level.title + 2 * MARGIN
        if "exit" in kinds[-1]:
            level.bands[-1] = (at, at)
    level.along = at
    for layer, (start, end) in zip(level.layers, level.bands, strict=True):
        for node in layer:
            if node.kind == "bend":
                node.along = end - start
            node.start = start + _within(level, node, end - start - node.along)
    for node in level.nodes:
        for shadow in node.shadows:
            shadow.start, shadow.along = node.start, node.along


def _frame(level: Level, turned: bool) -> None:
    """The extent across, and coordinates across that start at the border."""
    low = min((node.centre - node.across / 2 for node in level.nodes), default=0.0)
    high = max((node.centre + node.across / 2 for node in level.nodes), default=0.0)
    before = after = MARGIN if level.group is not None else 0.0
    if level.group is not None and turned:
        before += TITLE - 4
    if not turned:  # a group is as wide as its title
        more = max(0.0, level.title + 2 * MARGIN - (before + high - low + after)) / 2
        before, after = before + more, after + more
    level.across = before + high - low + after
    for node in level.nodes:
        node.centre += before - low
    if level.group is not None and not turned and title_start(level) is None:
        doors = [node.centre for node in level.nodes if node.kind == "entry"]
        left, right = MARGIN + level.title + CLEAR - min(doors), max(doors) + level.title + 2 * CLEAR - level.across
        level.across += min(left, right)
        if left <= right:
            for node in level.nodes:
                node.centre += left


def title_start(level: Level) -> float | None:
    """Where across a title fits between the arrows that enter a group: as far left as it does; None if nowhere."""
    doors = sorted(node.centre for node in level.nodes if node.kind == "entry")
    starts = [MARGIN, *(door + CLEAR for door in doors)]
    ends = [*(door - CLEAR for door in doors), level.across - CLEAR]
    return next((start for start, end in zip(starts, ends, strict=True) if end - start > level.title - 0.01), None)


def _gap(gap: list[Segment]) -> float:
    """How far two bands are apart: the further the arrows between them go across, the more."""
    far = max((abs(s.tail.across - s.head.across) for s in gap), default=0.0)
    return ARROW + CURVE + min(24.0, far / 8)


def _within(level: Level, node: Node, free: float) -> float:
    """Where in its band a node starts: in the middle, but in a much higher band next to whom it belongs to."""
    if node.kind in ("group", "shadow", "entry") or free == 0:
        return 0.0
    if free <= NEAR:
        return free / 2
    reads = node.layer and any(s.head.node is node for s in level.gaps[node.layer - 1])
    return 0.0 if reads else free


def trace(wire: Wire, end: str, bands: list[tuple[float, float]]) -> Path:
    """The line from the origin of a wire to one of its ends."""
    x = wire.origin.across
    path: Path = [(x, wire.origin.node.start + wire.origin.node.along)]
    if end in wire.returns:
        return _around(path, wire, wire.returns[end], bands)
    first, last = wire.origin.node.layer, wire.ends[end].node.layer
    pins = [*map(Pin, wire.trunk[: last - first - 1]), wire.ends[end]]
    for layer, pin in enumerate(pins, start=first):
        _line(path, x, bands[layer][1])
        x = _bow(path, x, pin.across, bands[layer][1], bands[layer + 1][0] - ARROW)
    _line(path, x, wire.ends[end].node.start)
    return path


def _around(path: Path, wire: Wire, end: Pin, bands: list[tuple[float, float]]) -> Path:
    """Out at the last border, round the corner, back beside the layers, round, and in at the first border."""
    x, beside, to = wire.origin.across, wire.back[0].centre, end.across
    bottom, top = bands[wire.origin.node.layer][1], bands[end.node.layer][0] - ARROW
    deep = TURN  # of the control points; the curve itself goes three quarters as far
    _line(path, x, bottom)
    path.append((x, bottom + deep, beside, bottom + deep, beside, bottom))
    _line(path, beside, top)
    path.append((beside, top - deep, to, top - deep, to, top))
    _line(path, to, end.node.start)
    return path


def _line(path: Path, x: float, y: float) -> None:
    """Straight on to (x, y): the last line is made longer if there is one."""
    if abs(path[-1][-1] - y) < 0.01:
        return
    if len(path) > 1 and len(path[-1]) == 2:
        path.pop()
    path.append((x, y))


def _bow(path: Path, x: float, to: float, start: float, end: float) -> float:
    """From x to `to` in one curve, unless that is straight on; returns where it arrives."""
    if abs(to - x) < 0.5:
        _line(path, x, end)
        return x
    middle = (start + end) / 2
    path.append((x, middle, to, middle, to, end))
    return to
