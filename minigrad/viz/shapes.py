"""Shapes: the outline and the colours of each kind of vertex, and what the legend says of it.

Kinds differ by shape and by words before they differ by colour, so that a picture can be read in print and by readers
who see few colours.
"""

from __future__ import annotations

from html import escape

from .drawing import number
from .layout import Box
from .palette import Theme
from .picture import Vertex

DASHED = "5 3"

# What the legend says of each look, in this order.
LEGEND = {
    "input": "input",
    "parameter": "parameter (has .grad)",
    "operation": "operation → output",
    "view": "view (no copy)",
    "module": "module (closed)",
    "gradient": "gradient operation",
    "accumulate": "adds into .grad",
    "cut": "not drawn",
    "output": "output",
    "bad": "⚠ NaN / inf",
}


def look(vertex: Vertex) -> str:
    """Which entry of the legend speaks of the vertex: its kind, unless there is more important news."""
    return "bad" if vertex.bad in ("bad", "origin") else "output" if vertex.output else vertex.kind


def colours(look: str, theme: Theme) -> tuple[str, str]:
    """Fill and border."""
    if look == "cut":
        return theme.page, theme["view"][1]
    return theme["gradient" if look == "accumulate" else look]


def tag(name: str, inside: str = "", /, **attributes: str | float | None) -> str:
    """An element with what stands `inside` it; class_ is written class, stroke_width stroke-width, None is left out.

    >>> tag("text", "x &lt; 1", class_="t", x=1.25, font_size=None)
    '<text class="t" x="1.25">x &lt; 1</text>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value) if isinstance(value, str) else number(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>"


def outline(kind: str, box: Box, times: int = 1, **ink: str | float | None) -> str:
    """The outline of a kind in its box; a second one inside it where the vertex stands for several."""
    if kind == "module":  # sheets behind each other, the more the more it stands for
        behind = [8.0, 4.0] if times > 1 else [4.0]
        return "".join(rectangle(box._replace(x=box.x + d, y=box.y + d), 2, **ink) for d in [*behind, 0.0])
    inner = Box(box.x, box.y, box.width - 6, box.height - 6)
    return "".join(_outline(kind, one, **ink) for one in ([box, inner] if times > 1 else [box]))


def _outline(kind: str, box: Box, **ink: str | float | None) -> str:
    match kind:
        case "input":
            return tag("ellipse", cx=box.x, cy=box.y, rx=box.width / 2, ry=box.height / 2, **ink)
        case "parameter":
            return tag("path", d=_cylinder(box), **ink)
        case "accumulate":
            return tag("path", d=_arrow(box), **ink)
    return rectangle(box, 7, **ink)


def rectangle(box: Box, corner: float, **ink: str | float | None) -> str:
    """A rectangle with round corners."""
    return tag("rect", x=box.left, y=box.top, width=box.width, height=box.height, rx=corner, **ink)


def _cylinder(box: Box) -> str:
    """Around the body, and then once more along the front of the lid."""
    lid = 5 if box.height > 30 else 3
    left, right, top, bottom = map(number, (box.left, box.right, box.top + lid, box.bottom - lid))
    arc = f"A{number(box.width / 2)} {lid} 0 0 1"
    return f"M{left} {top}{arc} {right} {top}V{bottom}{arc} {left} {bottom}ZM{right} {top}{arc} {left} {top}"


def _arrow(box: Box) -> str:
    left, neck, right = map(number, (box.left, box.right - 12, box.right))
    top, middle, bottom = map(number, (box.top, box.y, box.bottom))
    return f"M{left} {top}H{neck}L{right} {middle}L{neck} {bottom}H{left}Z"
