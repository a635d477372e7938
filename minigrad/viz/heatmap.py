"""attention: the weights of attention as heat maps, a row of maps for each layer and a map for each head.

A row is a query (who looks), a column is a key (who is looked at). The scale goes from 0 to 1 in every map, so that
heads, layers and pictures can be compared; a cell that is exactly 0 is hatched, for it is (nearly always) masked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .drawing import BAD, EDGE, GRID, PAGE, Drawing, Ink, number
from .figure import Figure
from .maptext import map_text
from .measure import clean, width
from .palette import DARK, LIGHT, Theme
from .weights import Layer, all_layers, entropy_text, short

STEPS = 20  # of the colour scale; more the eye cannot tell apart
WRITTEN = 0.05  # smaller weights are not written into their cell, so that the map stays calm
PAGE_WIDTH = 1240  # as many maps stand side by side as fit
MASKED = Ink("#F1F3F6", DARK.page)
HATCH = Ink("#C3CBD5", "#52667A")


def attention(
    weights: Any,
    tokens: Sequence[Any],
    keys: Sequence[Any] | None = None,
    *,
    titles: Sequence[str] | None = None,
    cols: int | None = None,
    values: bool | Literal["auto"] = "auto",
) -> Figure:
    """Heat maps of attention weights: one layer, or all that `nn.record_attention` has seen of a model.

    `tokens` name the queries, and the keys too unless `keys` do (cross-attention: the maps are then an alignment).
    `titles` name the heads, `cols` maps stand side by side, `values` writes the weights into the cells ("auto": up
    to 12 × 12). Rows need not sum to one. Under each title stands the head's `entropy` in bits.

    **Shapes**: (T, S), (H, T, S) or (1, H, T, S), with at most 64 queries and 64 keys; or a mapping from a layer's
    path to its calls.

    **Raises** `ShapeError` where tokens and weights do not fit or there are several examples or too many tokens,
    `ValueError` for negative weights, `TypeError` for what is no number.

    >>> print(attention([[1.0, 0.0], [0.25, 0.75]], ["我", "know"]))
    entropy 0.41 bits
          我 kn
      我  ██ ××  → 我 1.00
    know  ▒▒ ██  → know 0.75
    █ from .75  ▓ from .5  ▒ from .25  ░ from .05  · less  × exactly 0 (masked)
    """
    layers = all_layers("attention", weights, tokens, keys)
    if cols is not None and (not isinstance(cols, int) or cols < 1):
        raise ValueError(f"attention: cols={cols!r} is no number of columns; give 1 or more, or None to fill the page")
    if values not in (True, False, "auto"):
        raise ValueError(f"attention: values={values!r}; give True, False or 'auto' (up to 12 × 12)")
    named = [_titles(layer, titles) for layer in layers]
    drawing = Drawing()
    right, y = 0.0, 16.0
    for layer, names in zip(layers, named, strict=True):
        if layer.path:
            drawing.text(16, y + 12, layer.path, 13, bold=True)
            right, y = max(right, 16 + width(layer.path, 13, bold=True)), y + 26
        panel = _Panel(layer, any(names), values)
        beside = cols or (len(layer.weights) if layer.path else panel.beside(len(layer.weights)))
        for head, (title, map_) in enumerate(zip(names, layer.weights, strict=True)):
            row, column = divmod(head, beside)
            panel.draw(drawing, 16 + column * panel.pitch, y + row * panel.height, title, map_)
        right = max(right, 16 + (min(beside, len(names)) - 1) * panel.pitch + panel.width + 16)
        y += math.ceil(len(names) / beside) * panel.height + 4
    right, y = _legend(drawing, layers, max(right, 320), y)
    first = layers[0]
    label = f"attention of {len(first.queries)} queries on {len(first.keys)} keys"
    label = f"{label} and {len(layers) - 1} more" if len(layers) > 1 else label
    return Figure(drawing.svg(right, y, label), map_text(layers, named), label)


def _titles(layer: Layer, titles: Sequence[str] | None) -> list[str]:
    heads = len(layer.weights)
    if titles is None:
        return [f"head {h}" for h in range(heads)] if heads > 1 else [""]
    if isinstance(titles, str) or len(titles) != heads:
        given = "one text" if isinstance(titles, str) else f"{len(titles)} titles"
        where = f" of {layer.path}" if layer.path else ""
        raise ValueError(f"attention: {given} for {heads} heads{where}; give a list with one title for each head")
    return [clean(str(title)) for title in titles]


class _Panel:
    """The measures that all maps of one layer share, and how one is drawn."""

    def __init__(self, layer: Layer, titled: bool, values: bool | Literal["auto"]) -> None:
        heads, rows, columns = layer.weights.shape
        self.layer = layer
        self.written = max(rows, columns) <= 12 if values == "auto" else values
        self.cell = (36 if heads <= 4 else 30) if self.written else min(24, max(14, 400 // max(rows, columns)))
        self.size = 12 if self.cell > 17 else 11 if self.cell > 15 else 10
        self.queries, self.keys = short(layer.queries), short(layer.keys)
        room = [width(key, self.size) for key in self.keys]
        self.turned = max(room) > self.cell - 4
        slope = math.sqrt(0.5)
        # A turned label starts over the middle of its column and leans out to the right.
        reach = [(j + 0.5) * self.cell + slope * w + 6 for j, w in enumerate(room)] if self.turned else [0.0]
        self.left = max(width(query, self.size) for query in self.queries) + 8
        self.top = (38 if titled else 22) + (slope * max(room) + 12 if self.turned else 20)
        self.width = max(self.left + columns * self.cell, self.left + max(reach))
        self.pitch = max(self.left + columns * self.cell + 28, self.width + 8)
        self.height = self.top + rows * self.cell + 24

    def beside(self, heads: int) -> int:
        """How many maps to a line: as many as fit on the page, and lines of about equal length."""
        most = max(1, int((PAGE_WIDTH - self.width) // self.pitch) + 1)
        return math.ceil(heads / math.ceil(heads / most))

    def draw(self, drawing: Drawing, x: float, y: float, title: str, weights: np.ndarray) -> None:
        middle = self.left + len(self.keys) * self.cell / 2
        with drawing.group(transform=f"translate({round(x)} {round(y)})"):
            if title:
                drawing.text(middle, 12, title, 13, anchor="middle", bold=True)
            drawing.text(middle, 27 if title else 12, entropy_text(weights), 10, EDGE, "middle")
            for i, query in enumerate(self.queries):
                drawing.text(self.left - 6, self.top + (i + 0.5) * self.cell + 4, query, self.size, anchor="end")
            for j, key in enumerate(self.keys):
                middle = self.left + (j + 0.5) * self.cell
                if self.turned:
                    drawing.text(middle + 3, self.top - 6, key, self.size, turned=True)
                else:
                    drawing.text(middle, self.top - 7, key, self.size, anchor="middle")
            self._cells(drawing, weights)

    def _cells(self, drawing: Drawing, weights: np.ndarray) -> None:
        side = self.cell - 1
        corners = [(self.left + j * self.cell, self.top + i * self.cell) for i, j in np.argwhere(weights == 0)]
        if corners:  # in two strokes, however many there are
            squares = "".join(f"M{x:.0f} {y:.0f}h{side}v{side}h-{side}z" for x, y in corners)
            lines = "".join(f"M{x + 4:.0f} {y + side - 4:.0f}l{side - 8} -{side - 8}" for x, y in corners)
            drawing.path(squares, "exactly 0: masked", fill=MASKED)
            drawing.path(lines, stroke=HATCH, pointer_events="none")
        for i, j in np.argwhere(weights != 0):
            weight, x, y = float(weights[i, j]), round(self.left + j * self.cell), round(self.top + i * self.cell)
            fill, ink = (LEVELS[round(min(weight, 1) * STEPS)]) if math.isfinite(weight) else (BAD, PAGE)
            tip = f"{self.layer.queries[i]} → {self.layer.keys[j]}: {weight:.4g}"
            drawing.rectangle(x, y, side, side, fill, tip)
            if self.written and not weight < WRITTEN:
                at = x + side / 2, y + side / 2 + 3.5
                drawing.text(*at, brief(weight), 10, ink, "middle", pointer_events="none")


def brief(weight: float) -> str:
    """A weight in at most four characters: .07, .5 as .50, 1, 3.2."""
    if not math.isfinite(weight):
        return "NaN" if math.isnan(weight) else "inf"
    if weight < 0.995:
        return f"{weight:.2f}"[1:]
    return f"{weight:.1f}".removesuffix(".0") if weight < 99.5 else f"{weight:.0e}".replace("e+0", "e")


# ---- colours --------------------------------------------------------------------------------------------------------


def _channels(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def _shade(theme: Theme, weight: float) -> str:
    """The colour of a weight between 0 and 1, on the straight line between its neighbours on the ramp."""
    i, between = divmod(weight * (len(theme.ramp) - 1), 1)
    low, high = (_channels(theme.ramp[min(int(i) + k, len(theme.ramp) - 1)]) for k in (0, 1))
    return "#" + "".join(f"{round(a + (b - a) * between):02X}" for a, b in zip(low, high, strict=True))


def _luminance(colour: str) -> float:
    """The relative luminance of WCAG 2, from 0 for black to 1 for white."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _readable(theme: Theme, fill: str) -> str:
    """Of the theme's text and page colours the one with the higher contrast to `fill`."""
    ratio = {c: (_luminance(c) + 0.05) / (_luminance(fill) + 0.05) for c in (theme.text, theme.page)}
    return max(ratio, key=lambda c: max(ratio[c], 1 / ratio[c]))


def _level(weight: float) -> tuple[Ink, Ink]:
    light, dark = _shade(LIGHT, weight), _shade(DARK, weight)
    return Ink(light, dark), Ink(_readable(LIGHT, light), _readable(DARK, dark))


LEVELS = [_level(i / STEPS) for i in range(STEPS + 1)]  # what a cell is filled with, and what is written on it


def _legend(drawing: Drawing, layers: list[Layer], right: float, y: float) -> tuple[float, float]:
    """The colour scale and what the picture means, below it all; the picture's width and height."""
    weights = [layer.weights for layer in layers]
    said = ["row = query (looks)", "column = key (is looked at)"]
    if any((w == 0).any() for w in weights):
        said.append("hatched = exactly 0 (masked)")
    if not all(np.isfinite(w).all() for w in weights):
        said.append("red = not a finite number")
    if any((w > 1).any() for w in weights):
        said.append("strongest = 1 and above")
    said.append("entropy = mean of the rows")
    for i, (fill, _) in enumerate(LEVELS):
        drawing.rectangle(16 + 6 * i, y, 6.5 if i < STEPS else 6, 10, fill)
    end = 16 + 6 * len(LEVELS)
    drawing.path(f"M16 {number(y)}H{end}v10H16z", stroke=GRID)
    for x, mark, anchor in ((16, "0", "start"), ((16 + end) / 2, ".5", "middle"), (end, "1", "end")):
        drawing.text(x, y + 22, mark, 10, EDGE, anchor)
    lines = [said[0]]
    for part in said[1:]:
        joined = f"{lines[-1]} · {part}"
        lines[-1:] = [joined] if end + 16 + width(joined, 10) + 16 <= right else [lines[-1], part]
    for i, line in enumerate(lines):
        drawing.text(end + 16, y + 9 + 14 * i, line, 10, EDGE)
        right = max(right, end + 16 + width(line, 10) + 16)
    return math.ceil(right), math.ceil(y + max(22, 9 + 14 * (len(lines) - 1)) + 14)


# ---- text -----------------------------------------------------------------------------------------------------------

SHADES = [(0.995, "█"), (0.6, "▓"), (0.2, "▒"), (0.05, "░"), (0.0, "·")]
