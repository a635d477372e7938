"""look: how much of a computation a picture shows, and how: the options of `draw`, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Look:
    """How a trace is to be seen: the options of `draw`, in its words.

    **Raises** `ValueError` for what does not exist.
    """

    depth: int | Literal["auto"] | None = "auto"
    direction: str = "forward"
    rankdir: str = "TB"
    highlight: Any = None
    show_shapes: bool = True
    show_values: bool = True
    max_values: int = 4
    show_grad: bool = True
    show_attrs: bool = True
    show_saved: bool = False
    show_rules: bool = False
    fold: int | None = 3
    max_nodes: int = 500
    legend: bool = True
    theme: str = "auto"
    title: str | None = None

    def __post_init__(self) -> None:
        _check("direction", self.direction, "forward", "backward")
        _check("rankdir", self.rankdir, "TB", "LR", "BT", "RL")
        _check("theme", self.theme, "auto", "light", "dark")
        if self.depth not in (None, "auto") and not _is_count(self.depth, 0):
            raise ValueError(f"draw: depth is 'auto', None (all), or how many levels to open, not {self.depth!r}")
        if self.fold is not None and not _is_count(self.fold, 2):
            raise ValueError(f"draw: fold is None (never), or from how many repeats on, 2 at least, not {self.fold!r}")
        if not _is_count(self.max_nodes, 1):
            raise ValueError(f"draw: max_nodes is a number, 1 at least, not {self.max_nodes!r}")


def _check(option: str, given: Any, *known: str) -> None:
    if given not in known:
        raise ValueError(f"draw: {option}={given!r} is not one of {', '.join(map(repr, known))}")


def _is_count(given: Any, least: int) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= least
