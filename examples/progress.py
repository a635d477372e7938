"""A progress bar for the terminal, in a few lines of the standard library."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


class Progress(Iterable[T]):
    """Iterate over `items` and show how far one has come; `note` may be changed on the way, and is shown at once.

    Without a terminal (in a log file, say) only the last state is printed.
    """

    def __init__(self, items: Iterable[T], label: str = "", total: int | None = None) -> None:
        self.items, self.label = items, label
        self.total = total if total is not None else len(items) if isinstance(items, Sized) else 0
        self.live = sys.stderr.isatty()
        self.done, self.drawn, self._note = 0, 0.0, ""

    @property
    def note(self) -> str:
        """What stands behind the bar."""
        return self._note

    @note.setter
    def note(self, note: str) -> None:
        self._note = note
        self.draw()

    def draw(self) -> None:
        """Draw the bar anew, at most ten times a second."""
        if self.live and time.monotonic() - self.drawn > 0.1:
            self.drawn = time.monotonic()
            full = round(24 * self.done / max(self.total, self.done, 1))
            bar = "█" * full + "·" * (24 - full)
            line = f"{self.label} {bar} {self.done}/{self.total} {self.note}"
            print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)

    def __iter__(self) -> Iterator[T]:
        start = time.monotonic()
        try:
            for item in self.items:
                yield item
                self.done += 1
                self.draw()
        finally:  # also when the loop is left early
            if self.live:
                print("\r\033[K", end="", file=sys.stderr)
            print(f"{self.label} {self.note}  ({time.monotonic() - start:.1f} s)", file=sys.stderr)
