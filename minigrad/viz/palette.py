"""The colours of every picture, on a light and on a dark page.

Kinds of node are told apart by shape and words first and by colour last; yet all borders, but those of an operation and
a gradient, differ also for readers who see no red, no green or no blue. Text stands on every fill with a contrast of at
least 9.9, a border on its page with 4.2 (the ratio of WCAG 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """The colours on one kind of page: `theme["parameter"]` is (fill, border); what is no node has a name.

    >>> fill, border = LIGHT["parameter"]
    >>> fill, border, DARK.page
    ('#FDE8C0', '#B26A00', '#0F1720')
    """

    page: str
    text: str
    edge: str
    """Arrows, axes and what is said in passing."""
    grid: str
    """Lines that are looked through: of a grid, of a masked cell."""
    clusters: tuple[str, ...]
    """The fill of a module's box by how deep it is nested; deeper ones take the last."""
    cluster_line: str
    nodes: Mapping[str, tuple[str, str]]
    series: tuple[str, ...]
    """Curves and heads, in this order; each can be read as text on the page."""
    ramp: tuple[str, ...]
    """From nothing to one, in equal steps of weight."""

    def __getitem__(self, kind: str) -> tuple[str, str]:
        return self.nodes[kind]


LIGHT = Theme(
    page="#FFFFFF",
    text="#1F2933",
    edge="#52606D",
    grid="#DDE3EA",
    clusters=("#F5F7FA", "#E9EEF4", "#DEE6EF"),
    cluster_line="#9AA5B1",
    nodes={
        "input": ("#D6EBF8", "#0072B2"),
        "parameter": ("#FDE8C0", "#B26A00"),
        "operation": ("#FFFFFF", "#52606D"),
        "view": ("#FFFFFF", "#9AA5B1"),
        "module": ("#E4E0F3", "#5B4B9A"),
        "output": ("#CFEDE2", "#007A5A"),
        "gradient": ("#F8E1EE", "#A3457B"),
        "bad": ("#FFDAD6", "#B00020"),
    },
    series=("#0072B2", "#B26A00", "#007A5A", "#A3457B", "#5B4B9A", "#6B6F00", "#52606D", "#8A3B12"),
    ramp=("#F7FBFF", "#DEEBF7", "#C6DBEF", "#9ECAE1", "#6BAED6", "#4292C6", "#2171B5", "#08519C", "#08306B"),
)

DARK = Theme(
    page="#0F1720",
    text="#E6EDF3",
    edge="#9FB3C8",
    grid="#2B3947",
    clusters=("#16212D", "#1D2B3A", "#263747"),
    cluster_line="#52667A",
    nodes={
        "input": ("#123A55", "#56B4E9"),
        "parameter": ("#4A3305", "#E69F00"),
        "operation": ("#1B2733", "#9FB3C8"),
        "view": ("#1B2733", "#627D98"),
        "module": ("#2F2950", "#A99BE0"),
        "output": ("#0B4033", "#2FC89B"),
        "gradient": ("#4A1F38", "#E39AC3"),
        "bad": ("#5A1A1A", "#FF6B6B"),
    },
    series=("#56B4E9", "#E69F00", "#2FC89B", "#E39AC3", "#A99BE0", "#C9CE5B", "#9FB3C8", "#E8895A"),
    ramp=("#14202C", "#16304A", "#184268", "#1B5688", "#226CA6", "#3A86C0", "#62A3D6", "#97C4E8", "#DCEEFA"),
)
