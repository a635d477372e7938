"""Attention maps for the terminal: a line for each query, a shade for each key, and where the query looks most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .measure import columns
from .weights import Layer, entropy_text, short

SHADES = [(0.75, "█"), (0.5, "▓"), (0.25, "▒"), (0.05, "░")]
LEGEND = "█ from .75  ▓ from .5  ▒ from .25  ░ from .05  · less  × exactly 0 (masked)"


def map_text(layers: Sequence[Layer], titles: Sequence[Sequence[str]]) -> str:
    """All maps below each other, two columns of the terminal for each key."""
    blocks = []
    for layer, names in zip(layers, titles, strict=True):
        if layer.path:
            blocks.append(layer.path)
        for title, weights in zip(names, layer.weights, strict=True):
            about = entropy_text(weights)
            blocks.append("\n".join([f"{title} · {about}" if title else about, *_lines(layer, weights)]))
    return "\n\n".join(blocks) + "\n" + LEGEND


def _lines(layer: Layer, weights: np.ndarray) -> list[str]:
    queries, keys = short(layer.queries), short(layer.keys)
    room = max(map(columns, queries))
    # Up to 24 keys the columns stand apart, so that the first two letters of each key can be told from the next's.
    apart = " " if len(keys) <= 24 else ""
    lines = [" " * (room + 2) + apart.join(map(_first_two, layer.keys)).rstrip()]
    for query, row in zip(queries, weights, strict=True):
        shades = apart.join(2 * _shade(weight) for weight in row)
        lines.append(f"{' ' * (room - columns(query))}{query}  {shades}  {_most(row, keys)}")
    return lines


def _first_two(key: str) -> str:
    """What of a key fits into two columns, filled up."""
    while columns(key) > 2:
        key = key[:-1]
    return key + " " * (2 - columns(key))


def _shade(weight: float) -> str:
    if not np.isfinite(weight):
        return "⚠"
    if weight == 0:
        return "×"
    return next((shade for least, shade in SHADES if weight >= least), "·")


def _most(row: np.ndarray, keys: Sequence[str]) -> str:
    bad = int((~np.isfinite(row)).sum())
    if bad:
        return f"⚠ {bad} not finite"
    best = int(row.argmax())
    return f"→ {keys[best]} {row[best]:.2f}" if row[best] > 0 else "→ nothing: all masked"
