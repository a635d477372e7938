"""What a claim of the lab is: what a lecture says, a function that measures it, and the verdict on the numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minigrad.viz import Figure
from minigrad.viz.measure import columns

HOLDS, CONDITION, FAILS = "holds", "holds with a condition", "does not hold"
WIDTH = 100  # of what is printed, in columns


class Table(NamedTuple):
    """Numbers with their names, and how numbers that are not whole are written."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    form: str = ".3g"

    def column(self, heading: str) -> list[Any]:
        """The entries below a heading."""
        place = list(self.headings).index(heading)
        return [row[place] for row in self.rows]

    def __str__(self) -> str:
        lines = [list(self.headings), *([_written(cell, self.form) for cell in row] for row in self.rows)]
        widths = [max(map(columns, column)) for column in zip(*lines, strict=True)]
        body = ["  ".join(_set(cell, w, not i) for i, (cell, w) in enumerate(zip(line, widths, strict=True)))
                for line in lines]  # fmt: skip
        return "\n".join([self.title, *(f"    {line.rstrip()}" for line in body)])


def _written(cell: Any, form: str) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int):
        return f"{cell:,}"
    text = f"{float(cell):{form}}"
    return text if float(text) else text.lstrip("-")  # what rounds to −0 is 0


def _set(cell: str, width: int, left: bool) -> str:
    room = " " * (width - columns(cell))
    return cell + room if left else room + cell


@dataclass
class Finding:
    """What a claim's measurement found."""

    verdict: str
    why: str
    tables: list[Table]
    pictures: dict[str, Figure] = field(default_factory=dict)


class Claim(NamedTuple):
    """A claim by its short name: what a lecture says, in our words, and the function (seed, short) that measures it."""

    name: str
    says: str
    measure: Callable[[int, bool], Finding]


def claim(name: str, says: str) -> Callable[[Callable[[int, bool], Finding]], Claim]:
    """Make a claim of the function that measures it.

    With `short`, it runs with little data and a few steps, to see that it works: what is counted has to be right even
    then, what is learned has not.
    """
    return lambda measure: Claim(name, says, measure)


def report(claim: Claim, finding: Finding) -> str:
    """A claim, its numbers and the verdict, as text."""
    parts = [
        f"── {claim.name} " + "─" * (WIDTH - len(claim.name) - 4),
        _paragraph("The lecture", claim.says),
        *(f"\n{table}" for table in finding.tables),
        "\n" + _paragraph(finding.verdict.capitalize(), finding.why),
    ]
    return "\n".join(parts) + "\n"


def _paragraph(head: str, text: str) -> str:
    return textwrap.fill(f"{head}: {text}", WIDTH, subsequent_indent="  ")
