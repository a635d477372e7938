"""A picture as a program, for terminals: what was computed, a line for every operation.

With this file one can read a computation without any picture. Leaves stand where they belong, with their gradients; a
result has the name that the user gave it, or a number (%0, %1, …); modules indent; what is folded says how often:

    inputs      x (6, 8)
    attn: SelfAttention
      Q = [q_proj: Linear](x)    (6, 8)  weight (8, 8), bias (8,)
      %0 = matmul(Q, K)          (6, 6)
      attention = softmax(%0)    (6, 6)
    loss = sum(attention)        scalar  = 1.078
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from .measure import clean, columns
from .picture import Edge, Picture, Vertex
from .words import SIGNS

WIDE = 60  # columns of a statement; one that is longer does not move what stands behind the others
LINE = 100  # columns of a list of leaves; a longer one goes on on the next line
MOST = 8  # arguments of one operation that are written out
FIRST_BAD = "first bad value appears here"  # said of an origin in pictures; here there is an arrow

Row = tuple[str, ...]  # a statement, the shape of its result, and what else there is to say; or a line by itself


def listing(picture: Picture) -> str:
    """The picture as lines of text, in the order in which things were computed.

    >>> from minigrad.viz.picture import Edge, Picture, Vertex
    >>> w = Vertex("n0", "parameter", name="w", shape=(), value="0.8", grad="grad = 0.73")
    >>> y = Vertex("n1", "operation", "tanh", name="y", shape=(), value="0.664", output=True)
    >>> print(listing(Picture({"n0": w, "n1": y}, [Edge("n0", "n1")])))
    parameters  w = 0.8 grad = 0.73
    y = tanh(w)  scalar  = 0.664
    """
    title = [clean(picture.title)] if picture.title else []
    return "\n".join(title + _aligned(list(_Program(picture).rows())))


class _Program:
    """A picture, read as a program: its leaves are given, every other vertex is a statement."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.read: dict[str, list[Edge]] = {}  # by who reads
        for edge in picture.edges:
            self.read.setdefault(edge.target, []).append(edge)
        self.highlighted = any(vertex.faded for vertex in picture.vertices.values())
        self.statements: list[Vertex] = []
        self.sums: dict[str, Vertex] = {}  # what is added into a `.grad`, which is then the statement
        self.leaves: dict[str | None, list[Vertex]] = {}  # by their group
        for vertex in picture.vertices.values():
            if vertex.kind == "accumulate":
                self.sums[vertex.id] = vertex
            elif vertex.operation or vertex.id in self.read:
                self.statements.append(vertex)
            else:
                self.leaves.setdefault(None if vertex.copied else vertex.group, []).append(vertex)
        self.names = self._names()

    # ---- names ----

    def _names(self) -> dict[str, str]:
        """What each vertex is called: a result by one name in the whole listing, leaves and `.grad`s in their group."""
        names: dict[str, str] = {}
        taken: dict[str | None, dict[str, int]] = {None: {}}  # the names in a group, and how often each was asked for
        local = {group: list(leaves) for group, leaves in self.leaves.items()}
        unnamed = 0
        for vertex in self.statements:
            if not vertex.operation:
                local.setdefault(vertex.group, []).append(vertex)
            elif vertex.name:
                names[vertex.id] = _free(vertex.name, [taken[None]])
            else:
                names[vertex.id] = f"%{unnamed}"
                unnamed += 1
        for group in (None, *self.picture.groups):  # outer groups first: an inner leaf must not hide an outer one
            inwards = reversed(list(self.picture.around(group)))
            around = [taken[None], *(taken.setdefault(outer, {}) for outer in inwards)]
            copies: dict[tuple[str, object], str] = {}
            for leaf in local.get(group, ()):
                if _is_literal(leaf):
                    names[leaf.id] = clean(leaf.value)
                elif leaf.kind == "cut":
                    names[leaf.id] = "…"
                elif leaf.copied:
                    key = leaf.name, leaf.shape
                    names[leaf.id] = copies[key] = copies.get(key) or _free(leaf.name or leaf.kind, around)
                else:
                    names[leaf.id] = _free(leaf.name or leaf.kind, around)
        return names

    # ---- lines ----

    def rows(self) -> Iterator[Row]:
        """The leaves and statements, each behind the headings of the groups it lies in."""
        yield from self._given(None, 0)
        seen: set[str] = set()
        path: list[str] = []  # the groups under whose headings we are, from the outside in
        for vertex in self.statements:
            before, path = path, [*self.picture.around(vertex.group)][::-1] if vertex.group else []
            common = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, path, strict=False))))
            for level, group in enumerate(path[common:], common):
                yield (self._indent(level) + self._heading(group) + ("   (continued)" if group in seen else ""),)
                if group not in seen:
                    yield from self._given(group, level + 1)
                seen.add(group)
            yield (self._indent(len(path), vertex) + self._statement(vertex), _size(vertex), self._remarks(vertex))
        outputs = [self.names[vertex.id] for vertex in self.picture.vertices.values() if vertex.output]
        if len(outputs) > 1:
            yield (self._indent(0) + "outputs     " + " · ".join(outputs),)

    def _indent(self, level: int, *vertices: Vertex) -> str:
        """Blanks, and in front, where a path is highlighted, a mark for what lies on it."""
        mark = "▸ " if any(not vertex.faded for vertex in vertices) else "  "
        return mark * self.highlighted + "  " * level

    def _heading(self, group: str) -> str:
        box = self.picture.groups[group]
        return clean(box.heading)

    def _given(self, group: str | None, level: int) -> Iterator[Row]:
        """The leaves of a group: first those without gradients, then those with."""
        for word, kind in {"inputs": "input", "parameters": "parameter", "left out": "cut"}.items():
            chosen = [leaf for leaf in self.leaves.get(group, ()) if leaf.kind == kind and not _is_literal(leaf)]
            lines: list[str] = []
            room = LINE - len(self._indent(level)) - 12 - 3
            for item in dict.fromkeys(map(self._leaf, chosen)):  # copies of one leaf are one
                if lines and columns(lines[-1]) + columns(item) <= room:
                    lines[-1] += f" · {item}"
                else:
                    lines.append(item)
            for i, line in enumerate(lines):
                head = self._indent(level, *chosen) + f"{word:<12}" if i == 0 else self._indent(level) + " " * 12
                yield (head + line + " ·" * (i < len(lines) - 1),)

    def _leaf(self, leaf: Vertex) -> str:
        name = self.names[leaf.id] if leaf.kind != "cut" else leaf.title
        equals = f" = {leaf.value}" if leaf.shape == () and leaf.value else ""
        return clean(" ".join([name + equals + _times(leaf), *leaf.lines]))

    def _statement(self, vertex: Vertex) -> str:
        sources = self.read.get(vertex.id, [])
        if vertex.operation:
            arguments = _cut(self._arguments(sources))
            applied = _called if self.picture.backward else _applied
            return f"{self.names[vertex.id]} = {applied(vertex, arguments)}"
        added = [edge for source in sources if source.source in self.sums for edge in self.read.get(source.source, ())]
        if added:
            return f"{self.names[vertex.id]} += {' + '.join(_cut(self._arguments(added)))}"
        return f"{self.names[vertex.id]} = {', '.join(_cut(self._arguments(sources)))}"

    def _arguments(self, edges: list[Edge]) -> list[str]:
        arguments: list[str] = []
        positions: dict[int, int] = {}  # of the argument of the operation, in the list
        for edge in edges:
            name = self.names[edge.source]
            if edge.loop:  # what the next repeat reads there
                if edge.argument in positions:
                    arguments[positions[edge.argument]] += f" ↻ {name}"
                else:
                    arguments.append(f"↻ {name}")
                continue
            positions[edge.argument] = len(arguments)
            if edge.label.startswith("["):  # one of several results
                name += edge.label
            count = int(edge.label[1:]) if edge.label[:1] == "×" and edge.label[1:].isdigit() else 1
            arguments += [name] * count
        return arguments

    def _remarks(self, vertex: Vertex) -> str:
        value = f"= {vertex.value}" if vertex.value else ""
        notes = [note for note in vertex.notes if note != FIRST_BAD]
        said = any("first bad value" in note for note in notes)  # in some module, or that no more is known
        first = "← first NaN/inf" if vertex.bad == "origin" and not said else ""
        sums = [self.sums[edge.source].operation for edge in self.read.get(vertex.id, ()) if edge.source in self.sums]
        of_several = [said.removeprefix("AccumulateGrad").strip() for said in sums]
        return clean("  ".join(filter(None, [value, vertex.grad, *notes, *of_several, first])))


def _applied(vertex: Vertex, arguments: list[str]) -> str:
    """The operation on its arguments, arithmetic in its own notation: softmax(x), but x × y and 1 − x."""
    operation = clean(vertex.operation).removeprefix("∂ ")  # the heading says that it is of the backward pass
    sign, _, constant = operation.partition(" ")
    if sign in SIGNS.values() and len(arguments) == 2 and not constant:
        return f" {sign} ".join(arguments)
    if sign in SIGNS.values() and len(arguments) == 1 and constant:
        return f"{arguments[0]} {operation}"
    if operation.endswith(" ·") and len(arguments) == 1:
        return operation.removesuffix("·") + arguments[0]
    return _called(vertex, arguments)


def _called(vertex: Vertex, arguments: list[str]) -> str:
    """The operation, or the closed module, as a function of its arguments: softmax(x), [fc: Linear](x)."""
    name = clean(vertex.operation).removeprefix("∂ ") + _times(vertex)
    return f"[{name}]({', '.join(arguments)})" if vertex.kind == "module" else f"{name}({', '.join(arguments)})"


def _cut(arguments: list[str]) -> list[str]:
    if len(arguments) <= MOST:
        return arguments
    return [*arguments[: MOST - 1], f"… {len(arguments) - MOST} more", arguments[-1]]


def _free(name: str, around: list[dict[str, int]]) -> str:
    """`name` itself, or name#2, name#3, … where that is taken in one of the dictionaries; the last takes it up."""
    name, inner = clean(name), around[-1]
    free, count = name, inner.get(name, 1)
    while any(free in taken for taken in around):
        count += 1
        free = f"{name}#{count}"
    inner[name] = count
    inner[free] = inner.get(free, 1)
    return free


def _is_literal(leaf: Vertex) -> bool:
    """Whether it is a number that nobody gave a name, and stands where it is read."""
    return leaf.kind == "input" and not leaf.name and bool(leaf.value)


def _times(vertex: Vertex) -> str:
    return f" ×{vertex.times}" if vertex.times > 1 else ""


def _size(vertex: Vertex) -> str:
    return "" if vertex.shape is None else str(vertex.shape) if vertex.shape else "scalar"


# ---- columns --------------------------------------------------------------------------------------------------------


def _aligned(rows: list[Row]) -> list[str]:
    """The rows as lines in which shapes and remarks stand below each other, also behind Chinese names."""
    tables = [row for row in rows if len(row) > 1]
    sizes = [[columns(cell) for cell in row[:2]] for row in tables]
    widths = [max((size[i] for size in sizes if size[0] <= WIDE), default=0) for i in range(2)]
    padding = iter(sizes)
    lines = []
    for row in rows:
        if len(row) > 1:
            padded = zip(row, next(padding), widths, strict=False)
            row = (*(cell + " " * (width - size) for cell, size, width in padded), row[2])
        lines.append("  ".join(row).rstrip())
    return lines
