"""Pictures of few pixels side by side: what a network sees, and where in it one pixel looks.

    pixels({"the digit": ink, "head 0": weights}, asks=(2, 3))      # arrays (H, W); in colours, (H, W, 3)

Numbers are drawn from 0 to the greatest of their own picture, which stands below it: 64 weights that sum to 1 are all
small, and what one wants to see is how they differ.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from examples.lesson import shaded
from minigrad.viz import Figure
from minigrad.viz.drawing import EDGE, SERIES, Drawing, Ink
from minigrad.viz.heatmap import LEVELS, STEPS
from minigrad.viz.measure import columns, width

CELL, TOP, GAP = 22, 36, 24  # in SVG's pixels: the side of a cell, and the room above and between pictures


def pixels(pictures: Mapping[str, np.ndarray], asks: tuple[int, int] | None = None) -> Figure:
    """The pictures by their titles, with a frame around the pixel that `asks` in (row, column).

    As text, it has two characters for each pixel, [] for the one that asks, and nothing of what is in colours.

    >>> print(pixels({"digit": np.array([[0.2, 1.0]]), "looks at": np.array([[0.1, 0.0]])}, asks=(0, 1)))
    digit    looks at
    |░░[]|   |██  |
    """
    drawing, x, bottom = Drawing(), 16.0, 0.0
    for title, picture in pictures.items():
        drawing.text(x, TOP - 10, title, 13, bold=True)
        high, wide = picture.shape[:2]
        for i, j in np.ndindex(high, wide):
            tip = f"row {i}, column {j}: {np.array2string(picture[i, j], precision=3)}"
            fill = colour(picture[i, j], picture.max())
            drawing.rectangle(x + CELL * j, TOP + CELL * i, CELL - 1, CELL - 1, fill, tip)
        if asks is not None:
            left, top = x + CELL * asks[1] - 1, TOP + CELL * asks[0] - 1
            drawing.path(f"M{left:g} {top:g}h{CELL + 1}v{CELL + 1}h-{CELL + 1}z", stroke=SERIES[1], stroke_width=2)
        y = TOP + CELL * high + 18
        drawing.text(x, y, "in colours" if picture.ndim == 3 else f"from 0 to {picture.max():.2g}", 11, EDGE)
        x, bottom = x + max(CELL * wide, width(title, 13, bold=True)) + GAP, max(bottom, y)
    label = f"pixels: {', '.join(pictures)}"
    return Figure(drawing.svg(x - GAP + 16, bottom + 16, label), as_text(pictures, asks), label)


def colour(pixel: np.ndarray, greatest: float) -> Ink:
    """The colour of a number between 0 and the greatest, or of a pixel of three numbers between 0 and 1."""
    if pixel.ndim:
        plain = "#" + "".join(f"{round(255 * float(channel)):02X}" for channel in pixel)
        return Ink(plain, plain)
    return LEVELS[round(STEPS * float(pixel) / greatest)][0]


def as_text(pictures: Mapping[str, np.ndarray], asks: tuple[int, int] | None) -> str:
    """The pictures without colours, side by side."""
    plain = {title: picture for title, picture in pictures.items() if picture.ndim == 2}
    blocks: list[list[str]] = []
    for title, picture in plain.items():
        marks = 2 * shaded(picture).astype(object)
        if asks is not None and not blocks:
            marks[asks] = "[]"
        lines = [title, *(f"|{''.join(row)}|" for row in marks)]
        widest = max(map(columns, lines))
        blocks.append([line + " " * (widest - columns(line)) for line in lines])
    return "\n".join("   ".join(line).rstrip() for line in zip(*blocks, strict=True))
