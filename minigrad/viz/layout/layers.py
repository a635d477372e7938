"""Layers: which nodes of a level stand in one row.

**Cycle removal.** Calls of modules can be interleaved, so that seen from outside two of them read each other. A
depth-first search in the order of creation finds the arrows that lead back to a node still being searched. Sugiyama et
al. (1981) turn such arrows about; here they are set aside, to be drawn around.

**Layer assignment.** A node stands one layer behind the last of those that it reads (the longest-path method). What
reads only leaves of its own would then stand far from its reader, so it is let down to it: a step that never makes an
arrow longer, towards the shortest arrows in all that the network simplex method finds (Gansner, Koutsofios, North and
Vo, "A Technique for Drawing Directed Graphs", 1993, section 2).
"""

from __future__ import annotations

from .nest import Level, Node, Value


def layer(level: Level) -> None:
    """Give each node its layer."""
    _remove_cycles(level)
    _assign(level)


def lengths(level: Level) -> dict[tuple[int, int], int]:
    """How many layers an arrow takes at least, from node to node.

    Two from a group to what also reads a leaf: the leaf then stands below the group and not far beside it.
    """
    read = {pin.node.number for wire in level.wires.values() for pin in wire.ends.values()}
    leaves = [wire for wire in level.wires.values() if wire.origin.node.number not in read]
    reads_leaf = {pin.node.number for wire in leaves if wire.origin.node.kind == "vertex" for pin in wire.ends.values()}
    return {
        (wire.origin.node.number, head): 2 if wire.origin.node.kind == "group" and head in reads_leaf else 1
        for wire in level.wires.values()
        for head in [pin.node.number for pin in wire.ends.values()]
    }


def _remove_cycles(level: Level) -> None:
    """Move the ends of wires that lead back from `ends` to `returns`."""
    ways: list[list[tuple[Value, str]]] = [[] for _ in level.nodes]
    for value, wire in level.wires.items():
        ways[wire.origin.node.number] += [(value, end) for end in wire.ends]
    searched: list[bool | None] = [None] * len(level.nodes)  # False while a node is being searched
    back: list[tuple[Value, str]] = []
    for root in level.nodes:
        if searched[root.number] is not None:
            continue
        searched[root.number] = False
        stack = [(root, iter(ways[root.number]))]
        while stack:
            tail, rest = stack[-1]
            for value, end in rest:
                head = level.wires[value].ends[end].node
                repeat = value.loop and tail.kind != "entry" and head.kind != "exit"
                if repeat or searched[head.number] is False:
                    back.append((value, end))
                elif searched[head.number] is None:
                    searched[head.number] = False
                    stack.append((head, iter(ways[head.number])))
                    break
            else:
                searched[tail.number] = True
                stack.pop()
    for value, end in back:
        wire = level.wires[value]
        wire.returns[end] = wire.ends.pop(end)


def _assign(level: Level) -> None:
    """Longest paths from the leaves, and then leaves down to their readers."""
    readers: list[list[Node]] = [[] for _ in level.nodes]
    read: list[list[Node]] = [[] for _ in level.nodes]
    for wire in level.wires.values():
        for pin in wire.ends.values():
            readers[wire.origin.node.number].append(pin.node)
            read[pin.node.number].append(wire.origin.node)
    leaf = [node.kind == "vertex" and not read[node.number] for node in level.nodes]
    length = lengths(level)
    waiting = [len(nodes) for nodes in read]
    order = [node for node in level.nodes if not read[node.number]]
    for node in order:  # it grows meanwhile: the topological order of Kahn (1962)
        for head in readers[node.number]:
            head.layer = max(head.layer, node.layer + length[node.number, head.number])
            waiting[head.number] -= 1
            if not waiting[head.number]:
                order.append(head)
    free = [False] * len(level.nodes)  # whatever it reads follows it
    for node in order:
        alone = len({head.number for head in readers[node.number]}) <= 1
        free[node.number] = node.kind != "entry" and alone and all(free[tail.number] for tail in read[node.number])
    for node in reversed(order):
        heads = [head for head in readers[node.number] if head.kind != "exit"]
        if heads and (leaf[node.number] or free[node.number]):
            node.layer = min(head.layer - length[node.number, head.number] for head in heads)
    _close(level)


def _close(level: Level) -> None:
    """Ports in rows of their own at both ends, and no empty layer between."""
    entries = any(node.kind == "entry" for node in level.nodes)
    exits = any(node.kind == "exit" for node in level.nodes)
    used = sorted({node.layer for node in level.nodes if node.kind in ("vertex", "group")})
    numbers = {old: new for new, old in enumerate(used, start=entries)}
    last = entries + len(used)
    for node in level.nodes:
        node.layer = 0 if node.kind == "entry" else last if node.kind == "exit" else numbers[node.layer]
    level.layers = [[] for _ in range(last + exits)]
