"""html: one page on which a reader steps through their own run, forward and then backward.

    minigrad.explain(loss).write("run.html")

The page holds everything: a picture for each level of detail, the numbers of every step, style and script. It loads
nothing, so it opens from a file, without a network, today and in ten years. `page.css` says how it looks and `page.js`
what it does; here it is filled.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..autograd import Glimpse, Node
from ..tensor import Tensor
from .dot import ComputationGraph
from .files import write
from .layout import Placed, place
from .palette import DARK, LIGHT, Theme
from .picture import Picture, Vertex
from .rules import Formula
from .simplify import Look, levels
from .steps import Flow, Numbers, Step, steps
from .svg import drawing, style
from .trace import Operation, Trace, trace
from .typeset import typeset
from .words import title_of

MOST = 3000  # a run of more operations is shown, but not told step by step
MARGIN = 14.0  # around a picture
NAMING = ("model", "params", "variables")  # the options of `draw` that say what things are called


@dataclass(frozen=True, repr=False)
class Page:
    """A finished page: `.write(path)` it and open it in a browser, or let a notebook show it."""

    html: str
    said: str

    def __str__(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return f"<Page: {self.said}; show it in a notebook, or .write('run.html') and open it in a browser>"

    def write(self, path: str | Path) -> str:
        """Write the page to `path`, an .html file, and return the path.

        **Raises** `ValueError` for another suffix, `FileNotFoundError` for a directory that does not exist.
        """
        return write(path, "a page", dict.fromkeys((".html", ".htm"), lambda: self.html))

    def _repr_html_(self) -> str:
        """A window of its own inside the notebook, so that styles and keys stay apart."""
        frame = 'style="width:100%;height:720px;border:1px solid #9aa5b1;border-radius:6px"'
        return f'<iframe title="a run, step by step" {frame} srcdoc="{escape(self.html)}"></iframe>'


def explain(
    outputs: Tensor | Sequence[Tensor], model: Any = None, path: str | Path | None = None, **options: Any
) -> Page:
    """A page that steps through the run that computed `outputs`, forward and backward, with its numbers.

    Call it before `loss.backward()`, which frees the values that the backward steps need (or keep them with
    `loss.backward(retain_graph=True)`). Nothing is changed: no `.grad` is touched and no hook is called. Where the
    forward pass ran inside `minigrad.record()`, every value is known, and each step shows its line of the program.

    With `path` the page is written there, too. `model` and the `options` are those of `draw`.

    **Raises** `RuntimeError` if the graph has been freed, `ValueError` if the run has more than 3,000 operations, and
    what `draw` raises.

    >>> import minigrad
    >>> w = minigrad.tensor(0.8, requires_grad=True)
    >>> explain((w * 1.5).tanh())
    <Page: 2 operations, 5 steps; show it in a notebook, or .write('run.html') and open it in a browser>
    """
    from .draw import draw  # here, because a graph can ask for its page

    graph = draw(outputs, model, **options)
    seen = _seen(graph)
    count = len(list(seen.operations))
    if count > MOST:
        raise ValueError(
            f"explain: {count:,} operations are too many to step through, which {MOST:,} are not; explain an earlier "
            f"tensor, or a smaller model (draw(loss).write('graph.html') shows this one without steps)"
        )
    told = steps(graph.outputs, _Names(seen))
    page = Page(_page(graph, seen, told), f"{count:,} operation{'s' * (count != 1)}, {len(told):,} steps")
    if path is not None:
        page.write(path)
    return page


def page(graph: ComputationGraph) -> str:
    """The page of a graph. If its run can no longer be told, the page says why, and shows the pictures alone."""
    seen = _seen(graph)
    count = len(list(seen.operations))
    if count > MOST:
        return _page(graph, seen, [], f"{count:,} operations are too many to step through; draw a part of the run.")
    try:
        return _page(graph, seen, steps(graph.outputs, _Names(seen)))
    except RuntimeError as error:  # the graph was freed, or a value it needs was overwritten
        return _page(graph, seen, [], f"This run cannot be stepped through: {str(error).removeprefix('explain: ')}.")


def _seen(graph: ComputationGraph) -> Trace:
    return trace(graph.outputs, *(graph.options.get(name) for name in NAMING))


class _Names:
    """What the trace calls nodes and leaves: `steps` asks for it."""

    def __init__(self, seen: Trace) -> None:
        items = {id(item.node if isinstance(item, Operation) else item.source): item for item in seen.items}
        self.named = {key: getattr(item, "path", "") or item.name for key, item in items.items()}
        # Arguments without a gradient are glimpses, which a trace meets once for each tensor.
        self.named |= {id(leaf.tensor): leaf.path or leaf.name for leaf in seen.leaves if leaf.tensor is not None}

    def __call__(self, what: Any) -> str:
        if isinstance(what, Glimpse):
            return self.named.get(id(what.where()), what.name or "")
        return self.named.get(id(what), "")


# ---- what the page knows, as JSON -----------------------------------------------------------------------------------


class _Run:
    """The steps, with every value and every formula written once and numbered."""

    def __init__(self, seen: Trace) -> None:
        self.operations = {operation.node: operation for operation in seen.operations}
        self.values: dict[str, int] = {}  # by their JSON
        self.formulas: dict[Formula, int] = {}
        self.arrivals: dict[int, Any] = {}  # what came last to each node or leaf

    def steps(self, told: Sequence[Step]) -> list[dict[str, Any]]:
        """All steps but those of copies, which a trace leaves out."""
        return [self.step(step) for step in told if step.phase == "start" or step.node in self.operations]

    def step(self, step: Step) -> dict[str, Any]:
        node = step.node
        while node not in self.operations:
            node = node.inputs[0]
        operation = self.operations[node]
        sources = {position: source.serial for position, source, _ in operation.reads}
        takes = [
            {
                "argument": operand.argument,
                "name": operand.name,
                "operation": operand.source.name if isinstance(operand.source, Node) else "",
                "value": self.value(operand.value),
                "from": sources.get(position),
            }
            for position, operand in enumerate(step.operands)
        ]
        positions = dict(zip(map(id, step.node.inputs), step.node.plan.positions, strict=True))
        flows = [self.flow(flow, sources[positions[id(flow.target)]]) for flow in step.flows]
        return {
            "phase": step.phase,
            "at": operation.serial,
            "title": title_of(step.node),
            "operation": step.operation,
            "name": step.name,
            "scope": step.scope,
            "place": step.place,
            "line": step.line,
            "value": self.value(step.value),
            "hooked": step.hooked,
            "takes": takes,
            "flows": flows,
        }

    def flow(self, flow: Flow, serial: int) -> dict[str, Any]:
        leaf = not isinstance(flow.target, Node)
        said = {
            "argument": flow.argument,
            "name": flow.name,
            "operation": "" if leaf else flow.target.name,
            "to": serial,
            "leaf": leaf,
            "last": True,
            "formula": self.formulas.setdefault(flow.formula, len(self.formulas)),
            "reads": [[name, self.value(value)] for name, value in flow.reads.items()],
            "value": self.value(flow.value),
            "summed": flow.summed,
        }
        if flow.before is not None and flow.total is not None:
            said |= {"before": self.value(flow.before), "total": self.value(flow.total)}
        if serial in self.arrivals:
            self.arrivals[serial]["last"] = False
        self.arrivals[serial] = said
        return said

    def value(self, value: Numbers) -> int:
        said: dict[str, Any] = {
            "shape": value.shape,
            "text": value.text,
            "nan": value.nan or None,
            "infinite": value.infinite or None,
            "entries": _digits(value.entries),
            "norm": _digits(value.norm),
            "least": _digits(value.least),
            "greatest": _digits(value.greatest),
        }
        text = json.dumps({name: x for name, x in said.items() if x is not None and x != ""}, ensure_ascii=False)
        return self.values.setdefault(text, len(self.values))


def _digits(x: Any) -> Any:
    """Numbers with six digits, and as words what JSON has no numbers for."""
    if isinstance(x, list):
        return [_digits(part) for part in x]
    if not isinstance(x, float):
        return x
    return float(f"{x:.6g}") if math.isfinite(x) else str(x).replace("nan", "NaN")


def _level(picture: Picture, most: int, title: str) -> dict[str, Any]:
    """What the script has to know of one picture; `most` nodes has the one in which all is open."""
    where: dict[int, list[str]] = {}
    for vertex in picture.vertices.values():
        for serial in vertex.members:
            where.setdefault(serial, []).append(vertex.id)
    shown = picture.vertices.values()
    return {
        "note": picture.title.removeprefix(title).removeprefix(" — "),  # what was cut
        "label": f"{len(shown):,} of {most:,} nodes",
        "where": where,
        "members": {vertex.id: vertex.members for vertex in shown if vertex.members},
        "operations": [vertex.id for vertex in shown if vertex.kind not in ("input", "parameter", "accumulate", "cut")],
        "edges": [[edge.source, edge.target] for edge in picture.edges],
        "words": {vertex.id: _words(vertex) for vertex in shown},
    }


def _words(vertex: Vertex) -> str:
    """By what a vertex can be found; not by the rules in its tooltip, which name the arguments of others."""
    full = vertex.tooltip if vertex.kind in ("input", "parameter", "module") else ""
    return " ".join([vertex.title, vertex.name, *vertex.lines, full]).lower()


def _embedded(data: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end that element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# ---- the page -------------------------------------------------------------------------------------------------------


def _page(graph: ComputationGraph, seen: Trace, told: Sequence[Step], note: str = "") -> str:
    """The page, with the steps that are `told`, or the `note` on why there are none."""
    look = Look(**{name: option for name, option in graph.options.items() if name not in NAMING})
    pictures = levels(seen, look)
    shown = next((k for k, one in enumerate(pictures) if [*one.vertices] == [*graph.picture.vertices]), -1)
    names = [output.name or "L" for output in seen.outputs]
    title = look.title or f"How {' and '.join(names)} {'was' if len(names) == 1 else 'were'} computed"
    run = _Run(seen)
    data = {
        "title": title,
        "name": names[0] if len(names) == 1 else f"({' + '.join(names)})",
        "note": note,
        "theme": look.theme,
        "steps": run.steps(told),
        "values": [json.loads(value) for value in run.values],
        "formulas": [_formula(formula) for formula in run.formulas],
        "leaves": [leaf.serial for leaf in seen.leaves if leaf.learns],
        "levels": [_level(picture, len(pictures[-1].vertices), look.title or "") for picture in pictures],
        "level": shown % len(pictures),
    }
    drawn = "\n".join(_drawn(picture, place(picture), k) for k, picture in enumerate(pictures))
    parts = files(__package__)
    css, script = (parts.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return PAGE.format(
        title=escape(title),
        style=_colours() + css + style("dark .graph"),
        pictures=drawn,
        data=_embedded(data),
        script=script,
        **ICONS,
    )


def _formula(formula: Formula) -> dict[str, Any]:
    lines = typeset(formula.text)
    return {"lines": lines, "place": formula.place, "source": formula.source, "twin": formula.twin}


def _drawn(picture: Picture, placed: Placed, k: int) -> str:
    """One level of detail as an element of the page; its ids begin with its number."""
    across, high = placed.width + 2 * MARGIN, placed.height + 2 * MARGIN
    words = f'role="img" aria-label="computation graph, {len(picture.vertices)} nodes"'
    body = drawing(picture, placed, f"{k}-")
    return (
        f'<div class="level" hidden><svg xmlns="http://www.w3.org/2000/svg" class="graph" width="{across:.1f}" '
        f'height="{high:.1f}" {words} font-family="Helvetica, Arial, sans-serif">'
        f'<g transform="translate({MARGIN} {MARGIN})">\n{body}</g></svg></div>'
    )


def _colours() -> str:
    """The variables of page.css, for a light and for a dark page."""
    light, dark = (_variables(theme) for theme in (LIGHT, DARK))
    return f":root{{color-scheme:light;{light}}}\n.dark{{color-scheme:dark;{dark}}}\n"


def _variables(theme: Theme) -> str:
    colours = {"page": theme.page, "text": theme.text, "edge": theme.edge, "grid": theme.grid, "box": theme.clusters[0]}
    colours |= {"line": theme.cluster_line, "now": theme["input"][1], "result": theme["output"][1]}
    for kind, (fill, border) in theme.nodes.items():
        colours |= {kind: fill, f"{kind}-line": border}
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


# The signs on the buttons, drawn, because not every font has them.
ICONS = {
    name: f'<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{paths}</svg>'
    for name, paths in {
        "first": '<path d="M2 2h2v12h-2zM14 2v12L5 8z"/>',
        "back": '<path d="M12 2v12L3 8z"/>',
        "play": '<path class="paused" d="M4 2v12l10-6z"/><path class="running" d="M3 2h4v12h-4zM9 2h4v12h-4z"/>',
        "on": '<path d="M4 2v12l9-6z"/>',
        "last": '<path d="M12 2h2v12h-2zM2 2v12l9-6z"/>',
        "theme": '<path fill-rule="evenodd" d="M8 1a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM8 3v10a5 5 0 0 0 0-10z"/>',
    }.items()
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<span class="room"></span>
<label id="depth-box">detail <input id="depth" type="range" min="0" step="1"><output id="depth-label"></output></label>
<label><input id="find" type="search" placeholder="find …" aria-label="find a node"><output id="found"></output></label>
<span class="group" role="group" aria-label="zoom">
<button id="farther" aria-label="smaller">−</button>
<button id="whole" aria-label="original size"><span id="zoom">100 %</span></button>
<button id="closer" aria-label="larger">+</button>
<button id="fit" title="all of it (0)">fit</button>
</span>
<button id="theme">{theme}</button>
</header>
<main id="canvas" aria-label="the picture; drag to move it">
{pictures}
</main>
<aside id="panel" tabindex="0" aria-label="the step"></aside>
<footer>
<span class="group" role="group" aria-label="steps">
<button id="first" aria-label="to the beginning" title="to the beginning (Home)">{first}</button>
<button id="back" aria-label="one step back" title="one step back (←)">{back}</button>
<button id="play" class="main" aria-label="play" title="play, pause (space)">{play}</button>
<button id="on" aria-label="one step on" title="one step on (→)">{on}</button>
<button id="last" aria-label="to the last step" title="to the last step (End)">{last}</button>
</span>
<select id="speed" aria-label="speed">
<option value="0.5">½ ×</option>
<option value="1" selected>1 ×</option>
<option value="2">2 ×</option>
<option value="4">4 ×</option>
</select>
<input id="slider" type="range" min="0" step="1" value="0" aria-label="step">
<output id="progress" aria-live="polite"></output>
</footer>
<script type="application/json" id="run">{data}</script>
<script>
{script}</script>
</body>
</html>
"""
