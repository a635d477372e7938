r"""A picture in DOT, the language of Graphviz, and the graph that `draw` returns.

With this file one can hand a `Picture` to the program `dot`, for a PNG or a PDF or for its way of laying out; and use
what `draw` returns like any `graphviz.Digraph`, or without a program at all: as SVG, as a page, as text.

Three rules keep the source right for every name and for every version of Graphviz:

- What a user named appears in labels only. Vertices are called n0, n1, …, so that no name can be a keyword of DOT, have
  a colon in it (a port), or be there twice.
- Labels are plain quoted strings: no labels in HTML, which not every Graphviz can read, and no records, in which
  { | } have a meaning. In a plain string three characters have one: the backslash, the quote, and the & of entities.
- Every vertex says how wide it has to be, since `dot` may not know the font in which a reader will see it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import graphviz  # type: ignore[import-untyped]  # it says nothing of its types

from .files import replace, write
from .measure import clean, width
from .palette import DARK, LIGHT, Theme
from .picture import Edge, Picture, Vertex
from .shapes import LEGEND, colours
from .shapes import look as look_of
from .simplify import picture as picture_of
from .svg import svg
from .text import listing

FONT = "Helvetica,Arial,sans-serif"
LEFT = r"\l"  # ends a line and aligns it to the left
MANY = 150  # from here on `dot` is told to settle for a good layout, which it finds twenty times sooner

# ---- what a thing looks like ----------------------------------------------------------------------------------------

_SHAPES = {
    "input": {"shape": "ellipse", "style": "filled"},
    "parameter": {"shape": "cylinder", "style": "filled", "margin": "0.11,0.065"},  # room below the lid
    "operation": {"shape": "box", "style": "rounded,filled"},
    "view": {"shape": "box", "style": "rounded,filled", "penwidth": "0.8"},
    "module": {"shape": "box3d", "style": "filled", "margin": "0.14,0.1"},
    "gradient": {"shape": "box", "style": "rounded,filled"},
    "accumulate": {"shape": "cds", "style": "filled", "margin": "0.14,0.1"},
    "cut": {"shape": "box", "style": "rounded,dashed"},
}
_BAD = {"bad": "1.6", "origin": "3.5", "grad": "2.2"}  # how thick the border is
_ROUND = {"ellipse": 1.25, "cds": 1.2}  # shapes with less room in them than their width


def _look(vertex: Vertex, theme: Theme) -> dict[str, str]:
    """Shape and colours of a vertex."""
    fill, border = colours(look_of(vertex), theme)
    look = {"penwidth": "1.1", "fontcolor": theme.edge if vertex.kind in ("view", "cut") else theme.text}
    look |= _SHAPES[vertex.kind]
    if vertex.output:
        look["penwidth"] = "2"
    if vertex.bad:
        border = theme["bad"][1]
        look["penwidth"] = _BAD[vertex.bad]
    if vertex.copied:
        look["style"] += ",dashed"
    if vertex.times > 1:
        look["peripheries"] = "2"
    if vertex.faded:
        fill, border = theme.page, theme.cluster_line
        look |= {"fontcolor": theme.cluster_line, "penwidth": "0.8"}
    return {**look, "fillcolor": fill, "color": border}


def _width(lines: Sequence[str], shape: str, size: float = 11) -> str:
    """The least width in inches; a margin of 0.11 on either side."""
    return f"{max(width(clean(line), size) for line in lines) / 72 * _ROUND.get(shape, 1) + 0.22:.2f}"


# ---- lines of DOT ---------------------------------------------------------------------------------------------------


def escaped(*lines: str) -> str:
    r"""What has to stand between the quotes of a label for it to show these lines, letter for letter.

    >>> print(escaped(r"a\b & c", "{x|<y>}"))
    a\\b &amp; c\n{x|<y>}
    """
    return r"\n".join(clean(line).replace("\\", r"\\").replace("&", "&amp;").replace('"', r"\"") for line in lines)


def _attributes(**values: str) -> str:
    return " ".join(f'{name.rstrip("_")}="{value}"' for name, value in sorted(values.items()))


def statements(picture: Picture) -> list[str]:
    r"""The statements of a picture in DOT, a line each: its vertices in their groups, its edges, its legend.

    >>> from minigrad.viz.picture import Edge, Picture, Vertex
    >>> x, y = Vertex("n0", "input", name="x", shape=(2, 3)), Vertex("n1", "operation", "tanh", shape=(2, 3))
    >>> lines = statements(Picture({"n0": x, "n1": y}, [Edge("n0", "n1", flows=False)], legend=False))
    >>> lines[-1]
    '\tn0 -> n1 [style="dashed" weight="3"]\n'
    """
    theme = theme_of(picture)
    lines = [*_boxes(picture, theme), *_arrows(picture, theme)]
    if picture.legend and picture.vertices:
        lines += _legend(picture, theme)
    return [f"\t{line}\n" for line in lines]


def theme_of(picture: Picture) -> Theme:
    """The colours of a picture that cannot follow its reader: light ones, unless it asks for dark ones."""
    return DARK if picture.theme == "dark" else LIGHT


def _boxes(picture: Picture, theme: Theme) -> Iterator[str]:
    """Every vertex, inside its groups."""
    inside: dict[str | None, list[Vertex]] = {}
    for vertex in picture.vertices.values():
        inside.setdefault(vertex.group, []).append(vertex)
    groups: dict[str | None, list[str]] = {}
    for group in picture.groups.values():
        groups.setdefault(group.parent, []).append(group.id)

    yield from (_box(vertex, theme) for vertex in inside.get(None, ()))
    stack = [iter(groups.get(None, ()))]  # not a recursive function: a module may call itself a thousand times over
    while stack:
        indent = "\t" * (len(stack) - 1)
        identity = next(stack[-1], None)
        if identity is None:
            stack.pop()
            if stack:
                yield indent[:-1] + "}"
            continue
        group, level = picture.groups[identity], min(len(stack), len(theme.clusters)) - 1
        look = _attributes(
            label=escaped(group.heading),
            tooltip=escaped(*(group.tooltip or group.title).split("\n")),
            class_="mg-group",
            style="rounded,filled",
            labeljust="l",
            margin="9",
            fontsize="10",
            penwidth="2" if group.times > 1 else "1",
            fillcolor=theme.clusters[level],
            color=theme.cluster_line,
            fontcolor=theme.edge,
        )
        yield f"{indent}subgraph cluster_{identity} {{"
        yield f"{indent}\tgraph [{look}]"
        yield from (f"{indent}\t{_box(vertex, theme)}" for vertex in inside.get(identity, ()))
        stack.append(iter(groups.get(identity, ())))


def _box(vertex: Vertex, theme: Theme) -> str:
    lines, look = [vertex.title, *vertex.lines], _look(vertex, theme)
    tooltip = escaped(*(vertex.tooltip or vertex.name or vertex.title).split("\n"))
    look |= {"class_": f"mg-{vertex.kind}", "tooltip": tooltip, "width": _width(lines, look["shape"])}
    return f'{vertex.id} [label="{escaped(*lines)}" {_attributes(**look)}]'


def _arrows(picture: Picture, theme: Theme) -> Iterator[str]:
    with_parameter = {edge.target for edge in picture.edges if picture.vertices[edge.source].kind == "parameter"}
    highlighted = any(vertex.faded for vertex in picture.vertices.values())
    for edge in picture.edges:
        look = _course(edge, picture, edge.target in with_parameter)
        if not edge.flows:
            look["style"] = "dashed"
        if edge.loop:
            look |= {"style": "dashed", "constraint": "false", "color": theme["module"][1]}
        if edge.label:
            look["label"] = escaped(f" {edge.label}")
        if edge.faded:
            look |= {"color": theme.cluster_line, "penwidth": "0.7"}
        elif highlighted:
            look |= {"color": theme["output"][1], "penwidth": "2.4"}
        yield f"{edge.source} -> {edge.target} [{_attributes(**look)}]".removesuffix(" []")


def _course(edge: Edge, picture: Picture, beside_parameter: bool) -> dict[str, str]:
    """What makes `dot` draw the main path straight, and what enters a module above it instead of beside it."""
    source, target = picture.vertices[edge.source], picture.vertices[edge.target]
    course = {"parameter": {}, "input": {"weight": "3"}}.get(source.kind, {"weight": "6"})
    enters = target.group is not None and target.group not in picture.around(source.group)
    if enters and beside_parameter and source.kind != "parameter":
        course["minlen"] = "2"
    return course


# ---- the legend -----------------------------------------------------------------------------------------------------


def _legend(picture: Picture, theme: Theme) -> Iterator[str]:
    """One specimen of every kind that occurs, all in one rank; an invisible arrow keeps it in front of the rest."""
    specimens: dict[str, Vertex] = {}
    for vertex in picture.vertices.values():
        if vertex.output:
            specimens["output"] = Vertex("", "operation", output=True)
        else:
            specimens[vertex.kind] = Vertex("", vertex.kind)
        if vertex.bad:
            specimens["bad"] = Vertex("", "operation", bad="bad")

    small = {"fontsize": "9", "height": "0.2", "margin": "0.08,0.03"}
    look = {"label": "legend", "labeljust": "l", "margin": "6", "fontsize": "9", "style": "rounded"}
    yield "subgraph cluster_legend {"
    yield f"\tgraph [{_attributes(**look, color=theme.cluster_line, fontcolor=theme.edge, class_='mg-legend')}]"
    shown = [kind for kind in LEGEND if kind in specimens]
    lines = []
    for kind in shown:
        look = _look(specimens[kind], theme) | small
        look["width"] = _width([LEGEND[kind]], look["shape"], 9)
        lines.append(f'\tlegend_{kind} [label="{LEGEND[kind]}" {_attributes(**look)}]')
    if arrows := list(_arrow_meanings(picture)):
        look = small | {"shape": "plaintext", "margin": "0.02,0", "fontcolor": theme.edge}
        lines.append(f'\tlegend_arrows [label="{"".join(arrow + LEFT for arrow in arrows)}" {_attributes(**look)}]')
    yield from reversed(lines) if picture.rankdir in ("TB", "BT") else lines  # `dot` begins a row on the right
    yield "}"
    if picture.edges:
        yield f'legend_{shown[len(shown) // 2]} -> {_first(picture)} [style="invis" weight="0"]'


def _first(picture: Picture) -> str:
    """Where the longest way through the picture starts: what stands there stands in its first rank."""
    start, steps = {name: name for name in picture.vertices}, dict.fromkeys(picture.vertices, 0)
    for edge in picture.edges:  # ordered by target
        if not edge.loop and steps[edge.source] >= steps[edge.target]:
            start[edge.target], steps[edge.target] = start[edge.source], steps[edge.source] + 1
    return start[max(steps, key=lambda name: steps[name])]


def _arrow_meanings(picture: Picture) -> Iterator[str]:
    if picture.backward:
        yield "arrow: the way of the gradient"
    elif any(not edge.flows for edge in picture.edges):
        yield "solid arrow: gradient flows back"
        yield "dashed arrow: no gradient"
    if any(edge.loop for edge in picture.edges):
        yield "violet arrow: from one repeat to the next"


# ---- the graph that draw returns ------------------------------------------------------------------------------------


class ComputationGraph(graphviz.Digraph):
    """What `minigrad.draw` returns: a `graphviz.Digraph` that can also show itself without Graphviz.

    `to_svg`, `to_html`, `to_text`, `write` and the display in a notebook need no program. `source`, `save`, `render`,
    `pipe`, `view`, `unflatten` and `copy` are those of `graphviz.Digraph`; what it is given afterwards, as by
    `graph.attr(...)` or `graph.node(...)`, appears in these alone. `print(graph)` shows the listing of `to_text`;
    for DOT, print `graph.source`. A graph keeps the tensors it was drawn of, so that it can be drawn anew.

    >>> import minigrad
    >>> from minigrad.viz.draw import draw
    >>> w = minigrad.tensor(2.0, requires_grad=True)
    >>> y = (w * 3).tanh()
    >>> graph = draw(y)
    >>> graph
    <ComputationGraph: 3 nodes, 2 edges; show it in a notebook, print it, or .write('graph.svg')>
    """

    def __init__(
        self,
        *arguments: Any,
        picture: Picture | None = None,
        outputs: Any = (),
        options: dict[str, Any] | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.picture = Picture() if picture is None else picture
        self.outputs = outputs
        self.options = {} if options is None else options

    @classmethod
    def of(
        cls, picture: Picture, name: str = "computation_graph", outputs: Any = (), **options: Any
    ) -> ComputationGraph:
        """The graph of a picture, and of what `redraw` needs: the `outputs` and `options` that it was drawn with."""
        theme = theme_of(picture)
        look = {"bgcolor": theme.page, "fontname": FONT, "fontsize": "11", "fontcolor": theme.text}
        look |= {"rankdir": picture.rankdir, "nodesep": "0.22", "ranksep": "0.32", "pad": "0.2", "compound": "true"}
        if picture.title:
            look |= {"label": graphviz.nohtml(escaped(picture.title)), "labelloc": "t"}
        if len(picture.vertices) > MANY:
            look |= {"nslimit": "5", "nslimit1": "5"}
        return cls(
            name,
            graph_attr=look,
            node_attr={"fontname": FONT, "fontsize": "11", "margin": "0.11,0.055", "height": "0.3", "width": "0.45"},
            edge_attr={"fontname": FONT, "fontsize": "9", "color": theme.edge, "fontcolor": theme.edge}
            | {"arrowsize": "0.6", "penwidth": "1.1"},
            body=statements(picture),
            picture=picture,
            outputs=outputs,
            options=options,
        )

    def redraw(self, **changes: Any) -> ComputationGraph:
        """The same outputs, drawn with other options of `draw`: `graph.redraw(depth=1, rankdir="LR")`."""
        options = self.options | changes
        return self.of(picture_of(self.outputs, **options), self.name, self.outputs, **options)

    def _copy_kwargs(self, **keywords: Any) -> dict[str, Any]:
        kept = {"picture": self.picture, "outputs": self.outputs, "options": self.options}
        return super()._copy_kwargs(**keywords) | kept

    # ---- what needs no program ----

    def to_svg(self) -> str:
        """The picture as SVG, laid out by this package."""
        return svg(self.picture)

    def to_html(self) -> str:
        """One page that holds the picture and steps through what it shows; it needs no network and no other file."""
        return importlib.import_module(".html", __package__).page(self)  # by name: a page is built of graphs

    def to_text(self) -> str:
        """The picture as a program, for terminals: a line for every operation."""
        return listing(self.picture)

    __str__ = to_text

    def __repr__(self) -> str:
        return f"<{self._said()}; show it in a notebook, print it, or .write('graph.svg')>"

    def _said(self) -> str:
        vertices, edges = len(self.picture.vertices), len(self.picture.edges)
        return f"ComputationGraph: {vertices:,} node{'s' * (vertices != 1)}, {edges:,} edge{'s' * (edges != 1)}"

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """For notebooks: SVG, and a text where none is shown; a PNG, through `dot`, only where it is asked for."""
        forms = {
            "image/svg+xml": self.to_svg,
            "text/plain": lambda: f"<{self._said()}>",
            "image/png": lambda: self.pipe(format="png"),
        }
        wanted = {"image/svg+xml", "text/plain"} if include is None else set(include)
        return {kind: form() for kind, form in forms.items() if kind in wanted - set(exclude or ())}

    def write(self, path: str | os.PathLike[str]) -> str:
        """Write the graph to `path` in the form that the suffix names, and return the path.

        `.svg`, `.html`, `.txt` and `.dot` or `.gv` need no program; `.png`, `.pdf` and whatever else Graphviz can
        draw goes through `dot`. The file appears when it is complete, in place of one that was there.

        **Raises** `ValueError` for a suffix that names no form, `FileNotFoundError` for a directory that does not
        exist, and `graphviz.ExecutableNotFound` where a form needs `dot` and there is none.
        """
        forms: dict[str, Callable[[], str | bytes]] = {
            ".svg": self.to_svg,
            ".html": self.to_html,
            ".txt": lambda: self.to_text() + "\n",
            ".dot": lambda: self.source,
            ".gv": lambda: self.source,
        }
        format = Path(path).suffix.lower()[1:]
        if format in graphviz.FORMATS:
            forms.setdefault(f".{format}", lambda: self.pipe(format))
        return write(path, "a graph", forms, ", and through Graphviz as .png, .pdf and the others of graphviz.FORMATS")

    # ---- what needs Graphviz ----

    def pipe(self, format: str | None = None, *arguments: Any, **keywords: Any) -> Any:
        """As `graphviz.Digraph.pipe`; where there is no `dot`, through the package pygraphviz (2.0 or later).

        **Raises** `graphviz.ExecutableNotFound` without both; the message says what to install and what to do without.
        """
        try:
            return super().pipe(format, *arguments, **keywords)
        except graphviz.ExecutableNotFound as error:
            drawn = _by_pygraphviz(self.source, format or self.format, error)
            encoding = keywords.get("encoding")
            return drawn.decode(encoding) if encoding else drawn

    def render(
        self,
        filename: str | os.PathLike[str] | None = None,
        directory: str | os.PathLike[str] | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,
        **keywords: Any,
    ) -> str:
        """As `graphviz.Digraph.render`; where there is no `dot`, through the package pygraphviz (2.0 or later).

        **Raises** `graphviz.ExecutableNotFound` without both; the message says what to install and what to do without.
        """
        try:
            return super().render(filename, directory=directory, view=view, cleanup=cleanup, format=format, **keywords)
        except graphviz.ExecutableNotFound as error:  # the source has been saved by now
            outfile = keywords.get("outfile")
            format = format or (Path(outfile).suffix[1:] if outfile else self.format)
            drawn = _by_pygraphviz(self.source, format, error)
            rendered = Path(directory or self.directory, outfile) if outfile else Path(f"{self.filepath}.{format}")
            replace(rendered, drawn)
            if cleanup:
                os.remove(self.filepath)
            if view:
                self._view(rendered, format=format, quiet=keywords.get("quiet_view", False))
            return str(rendered)


_ADVICE = (
    "{0} is drawn by Graphviz's program dot, which was not found. Install it (apt install graphviz, brew install "
    "graphviz, conda install graphviz), or pip install pygraphviz, which brings its own. Three things work without: "
    "the display in a notebook, also as graph.write('graph.svg'); a page to step through, graph.write('graph.html'); "
    "and the listing, print(graph)"
)


def _by_pygraphviz(source: str, format: str, missing: graphviz.ExecutableNotFound) -> bytes:
    """What the Graphviz inside of pygraphviz makes of it; from 2.0 on, its wheels bring one."""
    try:
        pygraphviz = importlib.import_module("pygraphviz")
    except ImportError:
        pygraphviz = None
    if pygraphviz is None or int(pygraphviz.__version__.split(".")[0]) < 2:
        missing.args = (_ADVICE.format(format),)
        raise missing
    return pygraphviz.AGraph(string=source).draw(format=format, prog="dot")
