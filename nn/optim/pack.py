"""Small parameters updated together: the same numbers in less time.

Small parameters become pieces of one long array, so that an update pays NumPy's cost per call once for all of them.

A rule that treats every number by itself gives the same result, bit for bit, on a long array as on its pieces. So the
values and gradients of small parameters are copied side by side, updated in one go, and copied back. Each parameter
keeps its own memory; only what the rule remembers of it, `optimizer.state[p]`, becomes views of long arrays.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from minigrad import memory
from minigrad.tensor import Tensor

Rule = TypeVar("Rule", bound=Callable[..., None])
State = dict[str, Any]

SMALL = 4096  # so many numbers are copied faster than they are updated on their own


def elementwise(rule: Rule) -> Rule:
    """Decorate an `update` that treats every number by itself; a rule that overrides it has to say so again."""
    rule.elementwise = True  # type: ignore[attr-defined]  # functions have attributes
    return rule


class Pack:
    """Parameters of one dtype, at the same step, beside each other; `states` is what the rule remembers of each."""

    def __init__(self, params: Sequence[Tensor], states: Sequence[State]) -> None:
        self.params, self.states = params, states
        self.arrays = [p.array for p in params]
        self.ends = np.cumsum([a.size for a in self.arrays]).tolist()
        self.values = np.empty(self.ends[-1], self.arrays[0].dtype)
        self.gradients = np.empty_like(self.values)
        self.pieces = self._cut(self.values)
        self.shown: list[State] = [{} for _ in params]  # what stood in `states` after the last step
        self.state = {
            key: np.concatenate([state[key] for state in states], axis=None) if isinstance(first, np.ndarray) else first
            for key, first in states[0].items()
        }
        self._show(self.state)

    def is_current(self, states: Mapping[Tensor, State]) -> bool:
        """Whether its parameters still have the memory, and the state, that they had after the last step."""
        for p, array, mine, shown in zip(self.params, self.arrays, self.states, self.shown, strict=True):
            state = states.get(p)
            if p.array is not array or state is not mine or len(state) != len(shown):
                return False
            for key, value in shown.items():
                if state.get(key) is not value:
                    return False
        return True

    def update(self, rule: Callable[[np.ndarray, np.ndarray, State], None]) -> None:
        """Apply `rule(values, gradients, state)` to all parameters."""
        np.concatenate(self.arrays, axis=None, out=self.values)
        np.concatenate([p.grad.array for p in self.params], axis=None, out=self.gradients)  # type: ignore[union-attr]
        before = dict(self.state)
        rule(self.values, self.gradients, self.state)
        for array, piece in zip(self.arrays, self.pieces, strict=True):
            np.copyto(array, piece)
        self._show({key: value for key, value in self.state.items() if value is not before.get(key)})

    def _show(self, new: State) -> None:
        """Let each parameter's state show its piece of what is `new`."""
        for key, value in new.items():
            pieces = self._cut(value) if isinstance(value, np.ndarray) else [value] * len(self.params)
            for state, shown, piece in zip(self.states, self.shown, pieces, strict=True):
                state[key] = shown[key] = piece

    def _cut(self, whole: np.ndarray) -> list[np.ndarray]:
        return [whole[end - a.size : end].reshape(a.shape) for a, end in zip(self.arrays, self.ends, strict=True)]


def packed(params: Sequence[Tensor], states: Mapping[Tensor, State]) -> list[Pack]:
    """Those of the parameters that can be updated beside each other, in packs; one alone is no pack."""
    owners = Counter(id(memory.owner(p.array)) for p in params)
    alike: dict[Any, list[Tensor]] = defaultdict(list)
    for p in params:
        array, state = p.array, states[p]
        arrays = {key: value for key, value in state.items() if isinstance(value, np.ndarray)}
        if (
            array.size <= SMALL
            and p.grad.dtype == array.dtype  # type: ignore[union-attr]  # those that have a gradient are asked about
            and owners[id(memory.owner(array))] == 1
            and all(value.shape == array.shape and value.dtype == array.dtype for value in arrays.values())
        ):
            alike[array.dtype, tuple(arrays), tuple((k, v) for k, v in state.items() if k not in arrays)].append(p)
    return [Pack(members, [states[p] for p in members]) for members in alike.values() if len(members) > 1]
