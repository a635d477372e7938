"""heap: memory that was freed stays at hand for the arrays of the next step.

A training step makes some megabytes of arrays and frees them again. The C library of Linux gives that memory back to
the system, and in the next step the system hands out every page of it anew, cleared: a quarter of the time of a small
model.
"""

from __future__ import annotations

import numpy as np

LEARNED = 2**25 - 2**16  # bytes: the largest block from which the C library learns is 32 MB


def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MB of freed memory; where it is not that of Linux, do nothing.

    It keeps twice as much as the largest block freed so far. One that nobody writes to costs nothing.

    Source: the manual page mallopt(3), "dynamic mmap threshold"; the environment variable MALLOC_TRIM_THRESHOLD_ sets
    another limit.
    """
    np.empty(LEARNED, np.uint8)
