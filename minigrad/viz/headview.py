"""head_view: who looks at whom, as threads between two columns of tokens, in one colour for each head.

Where the mouse rests on a query, the threads of all others fade; that is CSS alone, so it works without scripts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .drawing import BAD, EDGE, PAGE, SERIES, TEXT, Drawing, number
from .figure import Figure
from .maptext import map_text
from .measure import width
from .weights import Layer, one_layer, short

LEAST = 0.03  # thinner threads are left out
SPAN = 240  # pixels between the two columns
LEGEND = f"opacity = weight, from {LEAST} · rest on a query to see it alone"
RULES = {
    ".q rect": "cursor:default",
    ".all:hover .thread": "opacity:.05",
    ".all .q:hover .thread": "opacity:1",
    ".q:hover text": "font-weight:bold",
}


def head_view(weights: Any, tokens: Sequence[Any], keys: Sequence[Any] | None = None) -> Figure:
    """Threads from each query (left) to the keys it looks at (right), the darker the more; a colour for each head.

    Weights under 0.03 are left out, those above 1 drawn as 1. `keys` are given for cross-attention.

    **Shapes**: (T, S), (H, T, S) or (1, H, T, S), with at most 8 heads, 64 queries and 64 keys.

    **Raises** as `attention` does, and `ValueError` for more than 8 heads.

    Source: the head view of BertViz (Vig 2019, A Multiscale Visualization of Attention in the Transformer Model,
    arXiv:1906.05714).

    >>> figure = head_view([[1.0, 0.0], [0.25, 0.75]], ["I", "know"])
    >>> figure.svg.count(' thread"')
    3
    """
    if isinstance(weights, Mapping):
        some = next(iter(weights), "path")
        raise TypeError(
            f"head_view: one layer is shown at a time, not {len(weights)}; pick a call, as in maps[{some!r}][0], "
            f"or see all with attention(maps, tokens)"
        )
    layer = one_layer("head_view", weights, tokens, keys)
    heads, rows, columns = layer.weights.shape
    if heads > len(SERIES):
        raise ShapeError(
            f"head_view: {heads} heads, and there are {len(SERIES)} colours to tell them apart; pick some, as in "
            f"weights[[0, 3, 5]], or see all with attention(weights, tokens)"
        )
    most = max(rows, columns)
    pitch = 32 if most <= 16 else 24 if most <= 32 else 18
    left = max(60.0, max(width(q, 12, bold=True) for q in short(layer.queries)) + 28)
    top = 62 if heads > 1 else 40
    drawing = Drawing()
    if heads > 1:
        _swatches(drawing, heads, left)
    drawing.text(left - 10, top - 12, "query", 10, EDGE, "end")
    drawing.text(left + SPAN + 10, top - 12, "key", 10, EDGE)
    starts, ends = (top + pitch * (np.arange(n) + (most - n) / 2 + 0.5) for n in (rows, columns))
    for key, y in zip(short(layer.keys), ends, strict=True):
        drawing.text(left + SPAN + 10, y + 4, key, 12)
    with drawing.group(class_="all"):
        for i in range(rows):
            _query(drawing, layer, i, left, starts[i], ends, pitch)
    bottom = top + pitch * most + 22
    drawing.text(16, bottom, LEGEND, 10, EDGE)
    right = max(left + SPAN + 26 + max(width(key, 12) for key in short(layer.keys)), 32 + width(LEGEND, 10))
    titles = [f"head {h}" for h in range(heads)] if heads > 1 else [""]
    label = f"{rows} queries looking at {columns} keys, {heads} head{'s' * (heads > 1)}"
    svg = drawing.svg(math.ceil(right), math.ceil(bottom + 14), label, RULES)
    return Figure(svg, map_text([layer], [titles]), label, interactive=True)


def _swatches(drawing: Drawing, heads: int, left: float) -> None:
    start = left + SPAN / 2 - 12 * heads
    drawing.text(start - 8, 26, "head", 10, EDGE, "end")
    for h in range(heads):
        drawing.rectangle(start + 24 * h, 14, 20, 17, SERIES[h], f"head {h}", rx=3)
        drawing.text(start + 24 * h + 10, 26, str(h), 10, PAGE, "middle", bold=True, pointer_events="none")


def _query(drawing: Drawing, layer: Layer, i: int, left: float, start: float, ends: np.ndarray, pitch: int) -> None:
    """The name of query `i` and its threads; together, so that the mouse on the one picks out the others."""
    heads = len(layer.weights)
    bad = not np.isfinite(layer.weights[:, i]).all()
    with drawing.group(_summary(layer, i), class_="q"):
        # Something to rest on that is wider than the letters.
        drawing.rectangle(4, start - pitch / 2, left - 4, pitch, PAGE)
        drawing.text(left - 10, start + 4, short(layer.queries)[i], 12, BAD if bad else TEXT, "end")
        for h, j in np.argwhere(layer.weights[:, i] >= LEAST):
            weight = float(layer.weights[h, i, j])
            if math.isfinite(weight):
                shift = (h - (heads - 1) / 2) * min(3, (pitch - 6) / heads)  # so that heads lie side by side
                x, middle, end = (number(left + part * SPAN) for part in (0, 0.5, 1))
                y, to = number(start + shift), number(ends[j] + shift)
                curve = f"M{x} {y}C{middle} {y} {middle} {to} {end} {to}"
                drawing.path(
                    curve,
                    stroke=SERIES[h],
                    stroke_width=2.2,
                    stroke_opacity=min(weight, 1.0),
                    pointer_events="none",
                    class_="thread",
                )


def _summary(layer: Layer, i: int) -> str:
    """What each head of query `i` looks at most."""
    lines = [layer.queries[i]]
    for h, row in enumerate(layer.weights[:, i]):
        j = int(row.argmax())  # of a row with NaN, the first NaN
        lines.append(f"head {h} → " + ("nothing" if row[j] == 0 else f"{layer.keys[j]}: {row[j]:.4g}"))
    return "\n".join(lines)
