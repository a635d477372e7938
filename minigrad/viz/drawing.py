"""Drawing: shapes and words in, one SVG out that reads well on a light and on a dark page.

A colour is a pair, `Ink(light, dark)`. The light one is written on the element itself, so that every program that
draws SVG shows it; the dark one stands in a style sheet for readers who prefer a dark page. All its rules begin with a
class that is a hash of the drawing: several pictures on one page leave each other alone, and the same drawing has the
same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from html import escape
from typing import NamedTuple

from .palette import DARK, LIGHT

SVG = "http://www.w3.org/2000/svg"
FONT = "Helvetica,Arial,sans-serif"


class Ink(NamedTuple):
    """One colour on two kinds of page."""

    light: str
    dark: str


Attribute = str | float | Ink

PAGE = Ink(LIGHT.page, DARK.page)
TEXT = Ink(LIGHT.text, DARK.text)
EDGE = Ink(LIGHT.edge, DARK.edge)
GRID = Ink(LIGHT.grid, DARK.grid)
BAD = Ink(LIGHT["bad"][1], DARK["bad"][1])
SERIES = [Ink(*pair) for pair in zip(LIGHT.series, DARK.series, strict=True)]


def number(value: float) -> str:
    """At most two decimals, and no more than are needed: 3, 0.5, 12.25."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Drawing:
    """A picture in the making; coordinates are pixels from the top left."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._classes: dict[tuple[str, Ink], str] = {}  # of the dark colours: a, b, … in the order of first use

    def element(self, tag: str, inside: str = "", **attributes: Attribute) -> None:
        """Any SVG element, with what stands `inside` it as XML; `stroke_width` is written stroke-width."""
        if "stroke" in attributes:
            attributes = {"fill": "none"} | attributes
        attributes["class_"] = " ".join(
            [self._class(name, ink) for name, ink in attributes.items() if isinstance(ink, Ink)]
            + [str(attributes.get("class_", ""))]
        ).strip()
        self._parts.append(f"<{tag}{_written(attributes)}" + (f">{inside}</{tag}>" if inside else "/>"))

    def rectangle(
        self, x: float, y: float, width: float, height: float, fill: Ink, title: str = "", **attributes: Attribute
    ) -> None:
        """A filled rectangle; `title` is shown where the mouse rests on it."""
        self.element("rect", _title(title), fill=fill, x=x, y=y, width=width, height=height, **attributes)

    def path(self, d: str, title: str = "", **attributes: Attribute) -> None:
        """A path in SVG's own language: M move, L line, C curve, h and v along an axis, Z close."""
        self.element("path", _title(title), d=d, **attributes)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 11,
        ink: Ink = TEXT,
        anchor: str = "start",
        bold: bool = False,
        turned: bool = False,
        **attributes: Attribute,
    ) -> None:
        """One line of `text` on the base line `y`; `turned` lets it rise to the right at 45°."""
        if anchor != "start":
            attributes["text_anchor"] = anchor
        if bold:
            attributes["font_weight"] = "bold"
        if turned:
            attributes["transform"] = f"rotate(-45 {number(x)} {number(y)})"
        self.element("text", escape(text), fill=ink, x=x, y=y, font_size=size, **attributes)

    @contextmanager
    def group(self, title: str = "", **attributes: Attribute) -> Iterator[None]:
        """What is drawn inside belongs together."""
        self._parts.append(f"<g{_written(attributes)}>{_title(title)}")
        yield
        self._parts.append("</g>")

    def svg(self, width: float, height: float, label: str, rules: dict[str, str] | None = None) -> str:
        """The whole as SVG on a page of its own; `label` is read out to those who do not see it.

        `rules` are further rules of the style sheet, selector → declarations, which hold within this picture alone.
        """
        body = "\n".join(self._parts)
        page = f'<rect width="100%" height="100%" rx="4" fill="{PAGE.light}" class="{self._class("fill", PAGE)}"/>'
        dark = {f".{name}": f"{what}:{ink.dark}" for (what, ink), name in self._classes.items()}
        scope = "mg-" + sha256(repr((body, dark, rules)).encode()).hexdigest()[:10]

        def sheet(rules: dict[str, str]) -> str:
            return "".join(f".{scope} {selector}{{{declared}}}" for selector, declared in rules.items())

        size: dict[str, Attribute] = {
            "width": width,
            "height": height,
            "viewBox": f"0 0 {number(width)} {number(height)}",
        }
        about: dict[str, Attribute] = {"class": scope, "role": "img", "aria-label": label, "font-family": FONT}
        style = f"{sheet(rules or {})}@media(prefers-color-scheme:dark){{{sheet(dark)}}}"
        return (
            f'<svg xmlns="{SVG}"{_written(size | about)} style="max-width:100%;height:auto">\n'
            f"<style>{style}</style>\n{page}\n{body}\n</svg>\n"
        )

    def _class(self, what: str, ink: Ink) -> str:
        """The class under which the style sheet finds what has this colour."""
        return self._classes.setdefault((what, ink), f"c{len(self._classes)}")


def _written(attributes: dict[str, Attribute]) -> str:
    """Attributes as XML: `stroke_width` is stroke-width and `class_` is class; an empty one is left out."""
    text = ""
    for name, value in attributes.items():
        value = value.light if isinstance(value, Ink) else value
        if value != "":
            value = escape(value) if isinstance(value, str) else number(value)
            text += f' {name.rstrip("_").replace("_", "-")}="{value}"'
    return text


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
