"""Large parameters updated block after block, and only where something moves: the same numbers in less time.

The ten passes of a rule over a block find it in the processor's cache, where ten passes over the whole would fetch it
from memory each time.

Of a large table few rows may move: of the embedding of many words a batch names few. Under most rules a number without
a gradient stays where it is, and the rule has nothing to remember of it, until its first gradient. So the rows of a
table that have had no gradient yet can be passed over, and the result is the same, bit for bit. Which rows these are
is read off the gradient itself, whoever wrote it, and off what the rule remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad.ops import index

State = dict[str, Any]
Rule = TypeVar("Rule", bound=Callable[..., None])

BLOCK = 32768  # so many numbers, of each array that a rule reads, fit into the cache
FEW = 0.2  # of the rows: to pick out more of them and put them back takes as long as to update all


def is_large(p: np.ndarray, g: np.ndarray, state: State) -> bool:
    """Whether p, its gradient and what is remembered of it can be cut into several blocks, all at the same places."""
    return p.size > 2 * BLOCK and all(
        a.shape == p.shape and a.flags.c_contiguous for a in (p, g, *state.values()) if isinstance(a, np.ndarray)
    )


def update_in_blocks(
    rule: Callable[[np.ndarray, np.ndarray, State], None],
    p: np.ndarray,
    g: np.ndarray,
    state: State,
    rows: np.ndarray | None = None,
) -> None:
    """Apply the elementwise `rule(values, gradients, state)` block after block: to all of p, or to the `rows` named."""
    arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
    after = state | {key: a[:0] for key, a in arrays.items()}
    rule(p[:0], g[:0], after)  # changes what is no array, such as the number of the step
    if after.keys() != state.keys():  # there is something to remember from now on: of all numbers at once
        rule(p, g, state)
        return
    if rows is None:
        p, g, *flat = (a.reshape(-1) for a in (p, g, *arrays.values()))
        arrays = dict(zip(arrays, flat, strict=True))
        blocks: list[Any] = [slice(start, start + BLOCK) for start in range(0, p.size, BLOCK)]
    else:
        size = max(1, BLOCK // p.shape[1])
        blocks = [rows[start : start + size] for start in range(0, len(rows), size)]
    for block in blocks:
        values, kept = p[block], {key: a[block] for key, a in arrays.items()}  # views of slices, copies of rows
        new = state | kept
        rule(values, g[block], new)
        if rows is not None:
            p[block] = values
        for key, a in arrays.items():
            if rows is not None or new[key] is not kept[key]:
                a[block] = new[key]
    state.update((key, value) for key, value in after.items() if key not in arrays)


# ---- rows at rest ---------------------------------------------------------------------------------------------------


def rests_without(*momentum: str) -> Callable[[Rule], Rule]:
    """Decorate an `update` that leaves a number alone where its gradient is 0, and so are these entries of `state`.

    This is to hold for the hyperparameters that `rests` asks for. A rule that overrides it has to say so again.
    """

    def decorate(rule: Rule) -> Rule:
        rule.momentum = momentum  # type: ignore[attr-defined]  # functions have attributes
        return rule

    return decorate


def rests(rule: Callable[..., None], p: np.ndarray, group: dict[str, Any]) -> bool:
    """Whether `rule`, with the hyperparameters of `group`, leaves rows of p alone until they get a gradient."""
    return (
        hasattr(rule, "momentum")
        and p.ndim == 2
        and not group.get("weight_decay")
        and not group.get("maximize")  # a step along −0 turns −0 into 0
        and 0 <= group.get("lr", 0) < np.inf
        and p.dtype.type(group.get("eps", 1)) > 0  # 0 / (√0 + 0) is NaN; in float16, 10⁻⁸ is 0
    )


def moving_rows(g: np.ndarray, momentum: Sequence[np.ndarray], known: np.ndarray | None) -> np.ndarray:
    """For each row whether it has a gradient or a momentum; all True if more than a few have.

    `known` is the answer at the last step, if nothing but that step has changed `momentum` since, and is changed here.
    """
    moving = np.zeros(len(g), bool) if known is None else known
    for a in [g] if moving is known else [g, *momentum]:
        if not are_few(moving) or not are_few(_not_zero(a[:: len(a) // 64 + 1])):  # a sample shows as much
            moving[:] = True
            break
        hint = index.filled.read(a)
        moving |= _not_zero(a) if hint is None else _among(hint, a)
    return moving


def are_few(rows: np.ndarray) -> bool:
    """Whether so few of the `rows` are True that it pays to pick them out."""
    return int(np.count_nonzero(rows)) <= FEW * len(rows)


def _not_zero(a: np.ndarray) -> np.ndarray:
    """For each row whether it holds anything but 0."""
    return np.bitwise_or.reduce(_bits(a), axis=1) != 0


def _bits(a: np.ndarray) -> np.ndarray:
    """The memory of a, all 0 where a is, except where that is −0. (A step along −0 turns −0 into 0.)"""
    return a.view(np.uint16)


def _among(hint: np.ndarray, a: np.ndarray) -> np.ndarray:
    """What `_not_zero` answers, in half the time if all rows that are not zero are among those of the `hint`.

    They are if these rows hold as much that is not 0 as the whole does: whatever the hint, the answer is right.
    """
    among = np.zeros(len(a), bool)
    among[hint % len(a)] = True
    if np.count_nonzero(_bits(a[among])) < np.count_nonzero(_bits(a)):
        return _not_zero(a)
    among[among] = _not_zero(a[among])
    return among
