"""A progress bar for the terminal, in a few lines of the standard library."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


class Progress(Iterable[T]):
    """Iterate over `items` and show how far one has come; `note` may be changed on the way.

    Without a terminal (in a log file, say) only the last state is printed.
    """

    def __init__(self, items: Iterable[T], label: str = "", total: int | None = None) -> None:
        self.items, self.label, self.note = items, label, ""
        self.total = total if total is not None else len(items) if isinstance(items, Sized) else 0

    def __iter__(self) -> Iterator[T]:
        start = last = time.monotonic()
        live = sys.stderr.isatty()
        for i, item in enumerate(self.items, 1):
            yield item
            now = time.monotonic()
            if live and now - last > 0.1:
                last = now
                done = round(24 * i / max(self.total, i))
                bar = "█" * done + "·" * (24 - done)
                print(f"\r{self.label} {bar} {i}/{self.total} {self.note}\033[K", end="", file=sys.stderr, flush=True)
        if live:
            print("\r\033[K", end="", file=sys.stderr)
        print(f"{self.label} {self.note}  ({time.monotonic() - start:.1f} s)", file=sys.stderr)
