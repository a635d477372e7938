"""Optimizer: what every rule that moves parameters along their gradients has in common.

With this file one can write an optimizer by giving its rule alone; groups, saving and safety are here:

    >>> class SignSGD(Optimizer):
    ...     def __init__(self, params, lr=0.5):
    ...         super().__init__(params, {"lr": lr})
    ...     def update(self, p, g, state, group):
    ...         p -= group["lr"] * np.sign(g)
    >>> w = Tensor([3.0, -2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SignSGD([w]).step()
    >>> w
    tensor([ 2.5, -1.5], requires_grad=True)
"""

from __future__ import annotations

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import numpy as np

from minigrad import ShapeError, enable_grad, memory
from minigrad.autograd import thread
from minigrad.creation import zeros_like
from minigrad.tensor import Tensor, label

from .blocks import are_few, is_large, moving_rows, rests, update_in_blocks
from .pack import Pack, packed

Group = dict[str, Any]


class Optimizer:
    """Base of all optimizers: holds the parameters in groups, each with its own hyperparameters.

    `params` is an iterable of leaf tensors, or of dictionaries `{"params": ..., "lr": ..., ...}`, one for each group;
    what a group does not say is taken from `defaults`. A parameter whose `grad` is None is left alone by `step`.

    **Raises** `ValueError` if there are no parameters, if one occurs twice or was computed from others, or if a
    hyperparameter is out of its range; `TypeError` if `params` holds something else.
    """

    param_groups: list[Group]

    def __init__(self, params: Any, defaults: Group) -> None:
        self.defaults = defaults
        self.param_groups = []
        self._state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self._state_is_shown = False  # to somebody who may write to it: no row rests then
        self._scratch: dict[Any, np.ndarray] = {}
        self._moving: dict[Tensor, np.ndarray] = {}  # of large tables, which rows do not rest: see `moving_rows`
        self._plans: dict[int, tuple[list[Tensor], list[Pack], list[Tensor]]] = {}  # of each group: see `_together`
        groups = _listed(params, type(self).__name__)
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """Change the values `p` of one parameter in place; this is the rule that makes an optimizer what it is.

        `g` is the gradient and must stay as it is, `state` is this parameter's memory from step to step, empty at
        first, and `group` holds the hyperparameters.
        """
        raise NotImplementedError(f"{type(self).__name__} has no update(self, p, g, state, group)")

    @property
    def state(self) -> dict[Tensor, dict[str, Any]]:
        """What the rule remembers of each parameter, by PyTorch's names; it may be written to."""
        self._state_is_shown = True
        return self._state

    @state.setter
    def state(self, state: dict[Tensor, dict[str, Any]]) -> None:
        self._state, self._state_is_shown = state, True

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; a `closure` recomputes the loss first, which is returned.

        **Raises** `ShapeError` if the values of a parameter were replaced by others of another shape.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        by = f"{type(self).__name__}.step() at {memory.caller()}"
        with np.errstate(all="ignore"):  # a NaN or an overflow goes its way, as in backward()
            for number, group in enumerate(self.param_groups):
                moving = [p for p in group["params"] if p.grad is not None]
                for p in moving:
                    if p.grad.shape != p.shape:
                        raise ShapeError(self._misfit(p))
                packs, alone = self._together(number, moving)
                try:
                    for pack in packs:
                        pack.update(functools.partial(self._apply, group))
                    for p in alone:
                        try:
                            self._update_alone(group, p)
                        except ValueError as error:
                            raise ShapeError(self._misfit(p)) from error
                finally:
                    memory.touch_all((p.array for p in moving), by)
        for observer in thread.mode.observers:
            observer.mark(f"{type(self).__name__}.step()")
        return loss

    def _together(self, number: int, moving: list[Tensor]) -> tuple[list[Pack], list[Tensor]]:
        """Which of the `moving` parameters of a group are updated beside each other, and which one by one."""
        if not getattr(self.update, "elementwise", False):
            return [], moving
        before, packs, alone = self._plans.get(number, ([], [], []))
        if list(map(id, before)) != list(map(id, moving)) or not all(pack.is_current(self._state) for pack in packs):
            packs = packed(moving, self._state)
            members = {p for pack in packs for p in pack.params}
            alone = [p for p in moving if p not in members]
            self._plans[number] = moving, packs, alone
        return packs, alone

    def _update_alone(self, group: Group, p: Tensor) -> None:
        values, g, state = p.array, p.grad.array, self._state[p]  # type: ignore[union-attr]  # it has one
        rule, known = functools.partial(self._apply, group), self._moving.pop(p, None)
        if not getattr(self.update, "elementwise", False) or not is_large(values, g, state):
            rule(values, g, state)
        elif self._state_is_shown or not rests(self.update, values, group):
            update_in_blocks(rule, values, g, state)
        else:
            momentum = [state[name] for name in self.update.momentum if name in state]  # type: ignore[attr-defined]
            moving = moving_rows(g, momentum, known)
            update_in_blocks(rule, values, g, state, np.flatnonzero(moving) if are_few(moving) else None)
            if momentum:
                self._moving[p] = moving

    def _apply(self, group: Group, p: np.ndarray, g: np.ndarray, state: dict[str, Any]) -> None:
        if group.get("maximize"):
            g = np.negative(g, out=self.scratch(g, "negative"))
        self.update(p, g, state, group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, before `backward()` adds up new ones; or replace them by zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad = None if set_to_none else zeros_like(p)

    # ---- groups -----------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize the tensors in `param_group["params"]` too, with the hyperparameters of that group."""
        who = type(self).__name__
        if "params" not in param_group:
            raise ValueError(f"{who}: a parameter group needs a 'params' entry; this one has {sorted(param_group)}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _listed(params, who)
        group = {**self.defaults, **param_group, "params": params}
        _check_ranges(group, who)
        seen = {p for other in self.param_groups for p in other["params"]}
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{who}: parameters are tensors, but number {i} is a {type(p).__name__}")
            if p.node is not None:
                raise ValueError(
                    f"{who}: parameter {i}, {label(p)}, was computed by {p.node.name}; only leaves can be optimized: "
                    f"use x.detach().requires_grad_(), or optimize what it was computed from"
                )
            if not p.array.flags.writeable:
                raise ValueError(f"{who}: parameter {i}, {label(p)}, is read-only memory; optimize x.clone()")
            if p in seen:
                raise ValueError(f"{who}: parameter {i}, {label(p)}, is there twice and would be updated twice")
            seen.add(p)
        self.param_groups.append(group)

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            settings = ", ".join(f"{key}={value}" for key, value in group.items() if key != "params")
            lines.append(f"{len(group['params'])} parameters: {settings}")
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"

    # ---- saving -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that `step` depends on besides parameters and gradients; `minigrad.save` can write it.

        Parameters are named by their number: the order in which they were given.
        """
        number = {p: i for i, p in enumerate(self._parameters())}
        groups = [{**group, "params": [number[p] for p in group["params"]]} for group in self.param_groups]
        state = {number[p]: copy.deepcopy(kept) for p, kept in self._state.items() if kept}
        return {"state": state, "param_groups": copy.deepcopy(groups)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over (a copy of) what `state_dict` of an optimizer of the same kind returned.

        **Raises** `ValueError`, with nothing changed, if the groups, their sizes, their hyperparameters or the shapes
        differ.
        """
        who = f"{type(self).__name__}.load_state_dict"
        saved = state_dict["param_groups"]
        here, there = ([len(group["params"]) for group in groups] for groups in (self.param_groups, saved))
        if here != there:
            raise ValueError(f"{who}: the groups have {here} parameters, the saved ones {there}")
        for group in saved:
            if missing := sorted(set(self.defaults) - set(group)):
                raise ValueError(f"{who}: the saved state lacks {missing}; was it of another kind of optimizer?")
        numbers = [i for group in saved for i in group["params"]]
        state = {
            p: {key: _fitted(value, p, f"{who}: {key!r} of parameter {i}") for key, value in found.items()}
            for i, p in zip(numbers, self._parameters(), strict=True)
            if (found := state_dict["state"].get(i))
        }
        self.param_groups = [
            {**copy.deepcopy(group), "params": own["params"]}
            for group, own in zip(saved, self.param_groups, strict=True)
        ]
        self._state, self._state_is_shown = defaultdict(dict, state), False
        self._moving.clear()

    # ---- for the rules ----------------------------------------------------------------------------------------------

    def scratch(self, like: np.ndarray, name: str = "") -> np.ndarray:
        """An array shaped as `like` for intermediate results, on memory that all parameters share; holds anything."""
        key = like.dtype, name
        buffer = self._scratch.get(key)
        if buffer is None or buffer.size < like.size:
            buffer = self._scratch[key] = np.empty(like.size, like.dtype)
        return buffer[: like.size].reshape(like.shape)

    def remembered(self, state: dict[str, Any], name: str, p: np.ndarray) -> np.ndarray:
        """The array that `state` has under `name`, zeros shaped as p when it is first asked for."""
        if name not in state:
            state[name] = np.zeros_like(p)
        return state[name]

    def penalized(self, p: np.ndarray, g: np.ndarray, weight_decay: float) -> np.ndarray:
        """The gradient of loss + λ/2 ‖θ‖², which is g + λθ, for λ = `weight_decay`."""
        total = np.multiply(p, weight_decay, out=self.scratch(p, "penalized"))
        total += g
        return total

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _misfit(self, p: Tensor) -> str:
        kept = {key: np.shape(value) for key, value in self._state[p].items() if isinstance(value, np.ndarray)}
        return (
            f"{type(self).__name__}.step(): {label(p)} has a gradient of shape {p.grad.shape}"  # type: ignore[union-attr]  # it has
            + "".join(f", {key} {shape}" for key, shape in kept.items())
            + "; were its values replaced by others of another shape? Make a new optimizer after that"
        )


def _listed(params: Iterable[Any], who: str) -> list[Any]:
    if isinstance(params, (Tensor, str, set)) or not isinstance(params, Iterable):
        raise TypeError(
            f"{who}: an ordered iterable of tensors or groups is needed, as model.parameters() or [w, b], "
            f"not a {type(params).__name__}"
        )
    listed = list(params)
    if not listed:
        raise ValueError(
            f"{who}: there are no parameters; the model has none, or the iterator was used up before: "
            f"call model.parameters() again, or keep a list of them"
        )
    return listed


RANGES_FROM_0 = (
    "lr", "momentum", "weight_decay", "eps", "alpha", "lr_decay", "initial_accumulator_value",
    "tolerance_grad", "tolerance_change",
)  # fmt: skip


def _check_ranges(group: Group, who: str) -> None:
    for name in RANGES_FROM_0:
        value = group.get(name, 0)
        if not (isinstance(value, Real) and float(value) >= 0):
            raise ValueError(f"{who}: {name} is a number that is not negative, unlike {value!r}")
    if not (isinstance(rho := group.get("rho", 0), Real) and 0 <= float(rho) <= 1):
        raise ValueError(f"{who}: rho is a number from 0 to 1, unlike {rho!r}")
    for i, beta in enumerate(group.get("betas", ())):
        if not (isinstance(beta, Real) and 0 <= float(beta) < 1):
            raise ValueError(f"{who}: betas are numbers from 0 to below 1, unlike betas[{i}]={beta!r}")


def _fitted(value: Any, p: Tensor, what: str) -> Any:
    """A copy of a saved value; an array has to have the shape of the parameter, and gets its dtype."""
    if not isinstance(value, (Tensor, np.ndarray)):
        return copy.deepcopy(value)
    if value.shape != p.shape:
        raise ValueError(f"{what} has shape {value.shape}, but {label(p)} has shape {p.shape}")
    return np.array(value.array if isinstance(value, Tensor) else value, dtype=p.dtype)
