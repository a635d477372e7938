"""reverse: the same picture in the direction of the gradients, from the loss to every `.grad`.

Each operation stands for its backward step, which takes the gradient of the result and hands one on to each argument.
Where a tensor was read several times, what comes back is added up: AccumulateGrad.
"""

from __future__ import annotations

from .picture import Edge, Picture, Vertex
from .trace import Leaf, Trace
from .words import array_text, bad_counts, norm, number, short


def reverse(forward: Picture, seen: Trace, most: int) -> Picture:
    """The picture of the backward pass through what the `forward` one shows; what gets no gradient drops out.

    Gradients of at most so many numbers are shown in full.
    """
    backward = Picture({}, [], forward.groups, forward.title, forward.rankdir, forward.legend, forward.theme, True)
    sums: dict[str, str] = {}  # for each leaf, where its gradient is added up
    leaves: list[tuple[Vertex, Leaf]] = []  # those that wait for the end of the group they lie in
    latest: str | None = None  # the group of the operation before
    for vertex in reversed(forward.vertices.values()):
        leaf = seen.items[vertex.members[0]] if vertex.members else None
        if isinstance(leaf, Leaf) and vertex.kind != "module":
            if leaf.learns:
                sums[vertex.id] = f"a{leaf.serial}"
                if vertex.group == latest:
                    _add_leaf(vertex, leaf, backward, seen, most)
                else:
                    leaves.append((vertex, leaf))
            continue
        groups = [*forward.around(vertex.group), None]
        for left in [pair for pair in leaves if pair[0].group not in groups]:
            _add_leaf(*left, backward, seen, most)
            leaves.remove(left)
        if vertex.output:
            _add_start(vertex, backward)
        backward.vertices[vertex.id] = vertex if vertex.kind == "cut" else _step(vertex)
        latest = vertex.group
    for vertex, leaf in leaves:
        _add_leaf(vertex, leaf, backward, seen, most)
    for edge in forward.edges:
        target = sums.get(edge.source, edge.source)
        if edge.flows and target in backward.vertices:
            turned = Edge(edge.target, target, edge.argument, label=edge.label, loop=edge.loop, faded=edge.faded)
            backward.edges.append(turned)
    place = {id: i for i, id in enumerate(backward.vertices)}
    backward.edges.sort(key=lambda edge: (place[edge.target], place[edge.source], edge.argument))
    return backward


def _step(forward: Vertex) -> Vertex:
    """The backward step of an operation, or of all that is in a closed module."""
    step = Vertex(forward.id, "module" if forward.kind == "module" else "gradient", f"{forward.operation} backward")
    step.tooltip, step.group = forward.tooltip, forward.group
    step.grad, step.times, step.faded, step.members = forward.grad, forward.times, forward.faded, forward.members
    of = f"of {forward.name}" if forward.name else "of a scalar" if forward.shape == () else ""
    step.notes = [" ".join(filter(None, ["grad", of, str(forward.shape) if forward.shape else ""]))]
    step.notes += [note for note in forward.notes if "bad value" not in note and (note[0] != "⚠" or "grad" in note)]
    step.bad = "bad" if any(note[0] == "⚠" for note in step.notes) else ""
    return step


def _add_start(forward: Vertex, backward: Picture) -> None:
    """The gradient of an output, with which the backward pass begins."""
    name = f"grad of {forward.name or 'the output'}"
    start = Vertex(f"g{forward.id[1:]}", "input", name=short(name), shape=forward.shape)
    start.value = "1" if forward.shape == () else ""
    start.output, start.faded = True, forward.faded
    backward.vertices[start.id] = start
    backward.edges.append(Edge(start.id, forward.id, faded=start.faded))


def _add_leaf(forward: Vertex, leaf: Leaf, backward: Picture, seen: Trace, most: int) -> None:
    """Where the gradients of a leaf are added up, and its `.grad`."""
    reads = len(leaf.readers)
    title = "AccumulateGrad" + (f" (sum of {reads})" if reads > 1 else "")
    total = Vertex(f"a{leaf.serial}", "accumulate", title, group=forward.group, faded=forward.faded)
    grad = Vertex(forward.id, "parameter", name=short(f"{forward.name or 'leaf'}.grad"), shape=forward.shape)
    grad.group, grad.faded = forward.group, forward.faded
    grad.times, grad.members, grad.tooltip = forward.times, forward.members, forward.tooltip
    gradient = seen.gradient(leaf)
    if gradient is None:
        grad.notes = ["not computed yet"]
    elif forward.times == 1:
        if bad := bad_counts(gradient):
            grad.notes, grad.bad = [f"⚠ {bad}"], "bad"
        elif 0 < gradient.size <= most:
            grad.value = array_text(gradient)
        else:
            grad.notes = [f"norm {number(norm(gradient), 3)}"]
    backward.vertices |= {total.id: total, grad.id: grad}
    backward.edges.append(Edge(total.id, grad.id, faded=total.faded))
