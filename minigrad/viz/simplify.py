"""simplify: from a trace to a picture that a reader can take in.

With this file one can say how much of a trace is to be seen: how deep modules are open, what is folded, which path is
highlighted, in which direction the arrows point. `picture` is what `draw` asks for; `levels` makes one picture for each
depth, for a page on which the reader opens and closes modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..tensor import Tensor
from .arrange import Arrangement, Link, Spot, arrange, depths
from .fold import Folds
from .highlight import path_of
from .labels import Labels, title_of_calls
from .look import Look
from .measure import clean
from .picture import Edge, Group, Picture, Vertex
from .reverse import reverse
from .trace import Call, Operation, Trace, calls_around, trace

READABLE = 40  # vertices that a reader takes in; depth="auto" opens modules as long as there are no more


def picture(
    outputs: Tensor | Sequence[Tensor],
    model: Any = None,
    *,
    params: Mapping[str, Tensor] | None = None,
    variables: Mapping[str, Any] | None = None,
    **look: Any,
) -> Picture:
    """The picture of how `outputs` were computed, as `draw` describes it.

    **Raises** `TypeError` if an output is no tensor; `ValueError` if it has no graph, if there is more to draw than
    `max_nodes`, and for options that do not exist.

    >>> w = Tensor(0.8, requires_grad=True, name="w")
    >>> [vertex.title for vertex in picture((w * 1.5).tanh()).vertices.values()]
    ['w = 0.8', '× 1.5', 'tanh']
    """
    asked = Look(**look)  # so that what is wrong with the options is said first
    return seen_as(trace(outputs, model, params, variables), asked)


def seen_as(seen: Trace, look: Look) -> Picture:
    """The picture of a trace.

    **Raises** `ValueError` if a depth is asked for at which there is more to draw than `max_nodes`.
    """
    folds = Folds(look.fold)
    if look.depth != "auto":
        arranged = arrange(seen, look.depth, folds)
        if len(arranged.spots) > look.max_nodes:
            raise ValueError(
                f"draw: at depth={look.depth} there are {len(arranged.spots):,} nodes to draw, more than "
                f"max_nodes={look.max_nodes}; say depth='auto', open fewer levels of modules with a smaller depth, "
                f"draw an earlier tensor, or raise max_nodes"
            )
        return _drawn(seen, arranged, look, "")
    every, tried = depths(seen), []
    for depth in every:
        tried.append(arrange(seen, depth, folds))
        if len(tried[-1].spots) <= READABLE:
            break
    fewest = min(tried, key=lambda arranged: len(arranged.spots))
    reduced = fewest.depth is not None
    note = f"modules opened to depth {fewest.depth} of {every[1]} (depth=None shows everything)" if reduced else ""
    return _drawn(seen, fewest, look, note)


def levels(seen: Trace, look: Look) -> list[Picture]:
    """The same trace at each depth, from all modules closed to all open, as far as `max_nodes` allows.

    If there is more to draw at any depth, the only one is that of `depth="auto"`.
    """
    folds = Folds(look.fold)
    found: list[Arrangement] = []
    for depth in reversed(depths(seen)):
        arranged = arrange(seen, depth, folds)
        if len(arranged.spots) <= look.max_nodes and not (found and _alike(found[-1], arranged)):
            found.append(arranged)
    if not found:
        return [seen_as(seen, look)]
    return [_drawn(seen, arranged, look, "") for arranged in found]


def _alike(one: Arrangement, other: Arrangement) -> bool:
    return [spot.item for spot in one.spots] == [spot.item for spot in other.spots]


# ---- from the arrangement to the picture ----------------------------------------------------------------------------


def _drawn(seen: Trace, arranged: Arrangement, look: Look, note: str) -> Picture:
    """The picture of what is seen at one depth, cut where it would be too large."""
    ids = _ids(arranged)
    kept: list[Spot] = arranged.spots
    dropped: list[Spot] = []
    if len(kept) > look.max_nodes:
        kept, dropped = _nearest(seen, arranged, look.max_nodes)
        note = ", ".join(filter(None, [note, f"the {len(kept):,} nodes nearest to the output"]))
    path = path_of(seen, look.highlight)
    labels = Labels(seen, arranged, look)
    drawing = Picture(
        title=clean(" — ".join(filter(None, [look.title or "", note]))),
        rankdir=look.rankdir,
        legend=look.legend,
        theme=look.theme,  # type: ignore[arg-type]  # checked by Look
        backward=look.direction == "backward",
    )
    for spot in kept:
        vertex = labels.vertex(spot, ids[spot])
        vertex.faded = path is not None and not any(serial in path for serial in vertex.members)
        vertex.group = _group(spot.box, drawing, arranged)
        drawing.vertices[vertex.id] = vertex
    if dropped:
        cut = Vertex("cut", "cut", name=f"{len(dropped):,} earlier nodes not drawn", faded=path is not None)
        drawing.vertices = {cut.id: cut, **drawing.vertices}
        ids |= dict.fromkeys(dropped, cut.id)
    _connect(drawing, arranged.links, ids, labels)
    return reverse(drawing, seen, look.max_values) if drawing.backward else drawing


def _connect(drawing: Picture, links: list[Link], ids: dict[Spot, str], labels: Labels) -> None:
    """Add the edges between the vertices; what was cut off reads nothing."""
    edges: dict[tuple[str, str, str], Edge] = {}
    for link in links:
        if ids[link.target] != "cut":
            edge = _edge(link, ids, labels)
            edge.faded = drawing.vertices[edge.source].faded or drawing.vertices[edge.target].faded
            edges.setdefault((edge.source, edge.target, edge.label), edge)
    place = {id: i for i, id in enumerate(drawing.vertices)}
    drawing.edges = sorted(edges.values(), key=lambda edge: (place[edge.target], edge.argument, place[edge.source]))


def _ids(arranged: Arrangement) -> dict[Spot, str]:
    """Names for the program that draws: by serial number, never by what users call things."""
    ids: dict[Spot, str] = {}
    copies: dict[int, int] = {}
    for spot in arranged.spots:
        if isinstance(spot.item, Call):
            ids[spot] = f"m{spot.item.number}"
            continue
        ids[spot] = f"n{spot.item.serial}"
        if spot.copied:
            copies[spot.item.serial] = copies.get(spot.item.serial, 0) + 1
            ids[spot] += f"c{copies[spot.item.serial]}"
    return ids


def _group(box: Call | None, drawing: Picture, arranged: Arrangement) -> str | None:
    """The group of an open call, made with those around it when it is first asked for."""
    chain = [call for call in calls_around(box) if f"c{call.number}" not in drawing.groups]
    for call in reversed(chain):
        repeats = arranged.boxes.get(call, [call])
        parent = f"c{call.outer.number}" if call.outer is not None else None
        tooltip = "\n".join(filter(None, [call.path, call.kind]))
        drawing.groups[f"c{call.number}"] = Group(
            f"c{call.number}", title_of_calls(repeats), parent, len(repeats), tooltip
        )
    return None if box is None else f"c{box.number}"


def _edge(link: Link, ids: dict[Spot, str], labels: Labels) -> Edge:
    source, target = ids[link.source], ids[link.target]
    argument, label = link.argument, ""
    if isinstance(link.target.item, Operation):
        times = link.reads // len(link.target.same)
        label = f"×{times}" if times > 1 else ""
    else:
        argument = 0  # as what a module was given something is not recorded
    if link.repeats:
        label = f"×{link.repeats}"
    elif isinstance(link.source.item, Call):
        label = label or labels.which_result(link)
    return Edge(source, target, argument, link.flows, "" if source == "cut" else label, bool(link.repeats))


def _nearest(seen: Trace, arranged: Arrangement, most: int) -> tuple[list[Spot], list[Spot]]:
    """The spots by the fewest steps from an output, the newer first, and the others."""
    sources: dict[Spot, list[Spot]] = {}
    for link in arranged.links:
        sources.setdefault(link.target, []).append(link.source)
    kept: dict[Spot, None] = {}
    ring = {arranged.spot_of[output.serial]: None for output in seen.outputs}
    while ring and len(kept) < most:
        newest = sorted(ring, key=lambda spot: spot.order, reverse=True)
        kept.update(dict.fromkeys(newest[: most - len(kept)]))
        ring = {source: None for spot in newest for source in sources.get(spot, ()) if source not in kept}
    return [spot for spot in arranged.spots if spot in kept], [spot for spot in arranged.spots if spot not in kept]
