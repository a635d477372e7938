"""Order: who stands left of whom in a layer, so that few arrows cross.

**The first order** is that of a reader who follows the arguments of the outputs backwards, first argument first: an
expression that uses every value once has no crossing then. **Barycentre sweeps** (Sugiyama et al. 1981) follow: down
and up the layers, each is sorted by where the neighbours of its nodes stand on average. After each sweep neighbours
change places where that removes crossings (the **transposition** of Gansner et al. 1993). The best order seen is kept.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from .nest import Level, Node, Pin, Segment

SWEEPS = 12
PATIENCE = 4  # sweeps without gain

Pieces = list[list[Segment]]  # the segments above, or below, each node


def order(level: Level) -> None:
    """Fill `level.layers`, each from left to right."""
    above: Pieces = [[] for _ in level.nodes]
    below: Pieces = [[] for _ in level.nodes]
    for segment in level.segments:
        above[segment.head.node.number].append(segment)
        below[segment.tail.node.number].append(segment)
    back = [node for wire in level.wires.values() for node in wire.back]
    _follow_arguments(level, above, below, {node.number for node in back})
    _sweep(level, above, below)
    for node in back:  # arrows back run right of everything
        level.layers[node.layer].append(node)
    for layer in level.layers:
        _number(layer)


def _follow_arguments(level: Level, above: Pieces, below: Pieces, seen: set[int]) -> None:
    """Depth first from what nobody reads; a node takes its place when all that it reads has one."""
    for root in level.nodes:
        if below[root.number] or root.number in seen:
            continue
        seen.add(root.number)
        stack = [(root, _tails(above[root.number]))]
        while stack:
            node, rest = stack[-1]
            if not rest:
                level.layers[node.layer].append(node)
                stack.pop()
            elif (tail := rest.pop()).number not in seen:
                seen.add(tail.number)
                stack.append((tail, _tails(above[tail.number])))
    for layer in level.layers:
        _number(layer)


def _tails(segments: list[Segment]) -> list[Node]:
    """Where the segments come from, the last argument first."""
    return [s.tail.node for s in sorted(segments, key=lambda s: s.head.offset, reverse=True)]


def _number(layer: list[Node]) -> None:
    for place, node in enumerate(layer):
        node.place = place


def _at(pin: Pin) -> float:
    """The place of a pin: that of its node, and a fraction for where on its border it is."""
    return pin.node.place + pin.offset / (pin.node.across + 1)


def crossings(gap: list[Segment]) -> int:
    """How many segments cross between two layers: the inversions among their heads, sorted by their tails."""
    heads: list[float] = []
    count = 0
    for _, head in sorted((_at(s.tail), _at(s.head)) for s in gap):
        count += len(heads) - bisect_right(heads, head)
        insort(heads, head)
    return count


def _sweep(level: Level, above: Pieces, below: Pieces) -> None:
    best, fewest = [layer[:] for layer in level.layers], sum(map(crossings, level.gaps))
    idle = 0
    for turn in range(SWEEPS):
        if not fewest or idle == PATIENCE:
            break
        if turn % 2 == 0:
            for layer in level.layers:
                _sort(layer, [[_at(s.tail) for s in above[node.number]] for node in layer])
        else:
            for layer in reversed(level.layers):
                _sort(layer, [[_at(s.head) for s in below[node.number]] for node in layer])
        for layer in level.layers:
            _transpose(layer, above, below)
        count = sum(map(crossings, level.gaps))
        idle += 1
        if count < fewest:
            best, fewest, idle = [layer[:] for layer in level.layers], count, 0
    level.layers = best
    for layer in best:
        _number(layer)


def _sort(layer: list[Node], neighbours: list[list[float]]) -> None:
    """Sort by the mean place of the neighbours; a node without any keeps its own place."""
    ranked = sorted((sum(places) / len(places), at) for at, places in enumerate(neighbours) if places)
    nodes = iter([layer[at] for _, at in ranked])
    layer[:] = [next(nodes) if places else node for node, places in zip(layer, neighbours, strict=True)]
    _number(layer)


def _transpose(layer: list[Node], above: Pieces, below: Pieces) -> None:
    """Change neighbours that cross less the other way round."""
    for place in range(len(layer) - 1):
        left, right = layer[place], layer[place + 1]
        gain = 0
        for p in above[left.number]:
            for q in above[right.number]:
                gain += (_at(p.tail) > _at(q.tail)) - (_at(p.tail) < _at(q.tail))
        for p in below[left.number]:
            for q in below[right.number]:
                gain += (_at(p.head) > _at(q.head)) - (_at(p.head) < _at(q.head))
        if gain > 0:
            layer[place], layer[place + 1] = right, left
            left.place, right.place = place + 1, place
