"""health: where in a trace values stop being finite numbers, and where that began.

An operation is where it began if its result is bad and nothing that it read is. An infinity that was put there on
purpose, such as the −inf that a mask gives to hidden scores, is not bad; a NaN that comes of it is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .trace import Leaf, Operation, Trace

Health = Literal["", "bad", "origin", "unsure"]


def health(seen: Trace) -> dict[int, Health]:
    """What is bad, by serial number; "unsure" where a result is bad and what was read is no longer known."""
    found: dict[int, Health] = {}
    given: set[int] = set()  # what holds infinities on purpose
    tainted: set[int] = set()  # what is not known, but comes after something bad
    unknown: set[int] = set()
    for item in seen.items:
        value = seen.value(item)
        sources = [source.serial for _, source, _ in item.reads] if isinstance(item, Operation) else []
        if value is None and isinstance(item, Operation):
            unknown.add(item.serial)
            if any(serial in found or serial in tainted for serial in sources):
                tainted.add(item.serial)
        if value is None or value.dtype.kind not in "fc" or np.isfinite(value).all():
            continue
        nan = bool(np.isnan(value).any())
        if not nan and (_gives_infinity(item) or any(serial in given for serial in sources)):
            given.add(item.serial)
        elif any(serial in found or serial in tainted for serial in sources):
            found[item.serial] = "bad"
        else:
            found[item.serial] = "unsure" if any(serial in unknown for serial in sources) else "origin"
    return found


def _gives_infinity(item: Operation | Leaf) -> bool:
    if isinstance(item, Leaf):
        return not item.parameter
    return any(isinstance(x, float) and np.isinf(x) for x in item.node.arguments)
