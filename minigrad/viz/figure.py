"""Figure: a finished picture, for a notebook, a file and a terminal."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .files import write
from .palette import DARK, LIGHT


@dataclass(frozen=True, repr=False)
class Figure:
    """A picture in two forms: `svg`, which a notebook shows, and `text`, which `print` shows.

    >>> figure = Figure("<svg/>", "▁▄█", "a curve")
    >>> print(figure)
    ▁▄█
    """

    svg: str
    text: str
    title: str
    """What a page calls it."""
    interactive: bool = False
    """Whether it answers to the mouse; a notebook is then given HTML too, for what it shows as an image does not."""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Figure: {self.title}; show it in a notebook, print it, or .write('figure.svg')>"

    def to_html(self) -> str:
        """The picture on a page of its own, which needs nothing from anywhere else."""
        page = f"margin:16px;background:{LIGHT.page}"
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{escape(self.title)}</title>\n<style>body{{{page}}}"
            f"@media(prefers-color-scheme:dark){{body{{background:{DARK.page}}}}}</style>\n{self.svg}</html>\n"
        )

    def write(self, path: str | Path) -> str:
        """Write it to `path` in the form that the suffix names, .svg, .html or .txt, and return the path.

        **Raises** `ValueError` for any other suffix, `FileNotFoundError` for a directory that does not exist.
        """
        forms = {".svg": lambda: self.svg, ".html": self.to_html, ".txt": lambda: self.text + "\n"}
        return write(path, "a figure", forms, " (a browser prints .svg to PDF)")

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        bundle = {"image/svg+xml": self.svg, "text/plain": self.text}
        if self.interactive:
            bundle["text/html"] = self.svg
        return {
            kind: form
            for kind, form in bundle.items()
            if (include is None or kind in include) and (exclude is None or kind not in exclude)
        }
