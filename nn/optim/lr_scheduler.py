"""Schedules: learning rates that change as training goes on.

A schedule is a function of the number t of its steps so far. It owns the learning rate of every group of its
optimizer: `step()` sets it to the group's first learning rate times the factor that belongs to t. (So two schedules on
one optimizer do not multiply; whichever steps last decides. `SequentialLR` puts schedules one after the other.)

    for batch in batches:
        ...
        optimizer.step()
        scheduler.step()    # after optimizer.step(); here once a batch, elsewhere once an epoch
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from minigrad.porting import missing

from .optimizer import Optimizer


def __getattr__(name: str) -> Any:
    raise missing("nn.optim.lr_scheduler", name, [known for known in globals() if known.endswith("LR")])


class LRScheduler:
    """Base of all schedules: a subclass gives `factor(t)`, or, if that is not enough, `get_lr()`.

    Making a schedule sets the learning rates for t = 0. `last_epoch` is t; with a value other than −1 the schedule goes
    on after that step, for an optimizer that had one before.

    **Raises** `TypeError` if `optimizer` is none; `ValueError` for a `last_epoch` that the optimizer knows nothing of.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(self).__name__}: an Optimizer is needed first, not a {type(optimizer).__name__}")
        if last_epoch != -1 and not all("initial_lr" in group for group in optimizer.param_groups):
            raise ValueError(
                f"{type(self).__name__}: {last_epoch=}, but this optimizer never had a schedule whose first learning "
                f"rates it could go on from; load its state first, or start with last_epoch=-1"
            )
        self.optimizer = optimizer
        self.last_epoch = last_epoch
        self._advance()

    @property
    def base_lrs(self) -> list[float]:
        """The learning rate with which each group began."""
        return [group["initial_lr"] for group in self.optimizer.param_groups]

    def factor(self, t: int) -> float:
        """What the first learning rates are multiplied by after `t` steps."""
        raise NotImplementedError(f"{type(self).__name__} has no factor(self, t)")

    def get_lr(self) -> list[float]:
        """The learning rate of each group for the present `last_epoch`."""
        return [lr * self.factor(self.last_epoch) for lr in self.base_lrs]

    def step(self) -> None:
        """Go one step on and set the learning rates."""
        self._advance()

    def _advance(self) -> None:
        self.last_epoch += 1
        for group in self.optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self._set(self.get_lr())

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group, as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands; what shapes it is given anew when it is made again."""
        return {"last_epoch": self.last_epoch, "base_lrs": self.base_lrs, "last_lr": self.get_last_lr()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where a schedule of the same form stood; this sets the learning rates, too.

        **Raises** `ValueError` if the optimizer has another number of groups.
        """
        lrs, groups = state_dict["base_lrs"], self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state is for {len(lrs)} groups of parameters, "
                f"but the optimizer has {len(groups)}"
            )
        self.last_epoch = state_dict["last_epoch"]
        for group, lr in zip(groups, lrs, strict=True):
            group["initial_lr"] = lr
        self._set(state_dict["last_lr"])

    def _set(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr


class LambdaLR(LRScheduler):
    """The factor is any function of t: `lr_lambda(t)`, or a list of functions, one for each group.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> optimizer = SGD([Tensor(0.0)], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda t: min(1.0, (t + 1) / 4))    # warm-up over 4 steps
    >>> optimizer.param_groups[0]["lr"]
    0.125
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(getattr(optimizer, "param_groups", ()))
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} groups of parameters")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The learning rate of each group, by the group's own function."""
        return [lr * factor(self.last_epoch) for lr, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class StepLR(LRScheduler):
    """The factor is γ^⌊t / step_size⌋: every `step_size` steps, γ times the learning rate.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = StepLR(SGD([Tensor(0.0)], lr=1.0), step_size=2, gamma=0.5)
    >>> [schedule.factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is at least 1, unlike {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """γ^⌊t / step_size⌋."""
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """The factor is γ to the power of how many `milestones` there are up to t: at each, γ times the learning rate.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = MultiStepLR(SGD([Tensor(0.0)], lr=1.0), milestones=[2, 3], gamma=0.5)
    >>> [schedule.factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """γ^(number of milestones ≤ t)."""
        return self.gamma ** bisect_right(self.milestones, t)


class LinearLR(LRScheduler):
    """The factor goes in a straight line from `start_factor` to `end_factor` in `total_iters` steps, and stays there.

    **Raises** `ValueError` if a factor is not in [0, 1], `start_factor` is 0 or `total_iters` below 1.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = LinearLR(SGD([Tensor(0.0)], lr=1.0), start_factor=0.25, total_iters=3)
    >>> [schedule.factor(t) for t in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ValueError(
                f"LinearLR: the factors lie in [0, 1] and the first is not 0, unlike {start_factor=} and {end_factor=}"
            )
        if total_iters < 1:
            raise ValueError(f"LinearLR: total_iters is at least 1, unlike {total_iters}")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """The point of the line at t."""
        return self.start_factor + (self.end_factor - self.start_factor) * min(1, t / self.total_iters)


class ConstantLR(LRScheduler):
    """`factor` for the first `total_iters` steps, then 1.

    **Raises** `ValueError` for a factor outside [0, 1].

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = ConstantLR(SGD([Tensor(0.0)], lr=1.0), factor=0.5, total_iters=2)
    >>> [schedule.factor(t) for t in range(4)]
    [0.5, 0.5, 1.0, 1.0]
    """

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: the factor lies in [0, 1], unlike {factor}")
        self.first_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """The one or the other."""
        return self.first_factor if t < self.total_iters else 1.0


class PolynomialLR(LRScheduler):
    """The factor is (1 − t / total_iters)^power, and 0 from t = `total_iters` on; with power 1, a line.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = PolynomialLR(SGD([Tensor(0.0)], lr=1.0), total_iters=2, power=2)
    >>> [schedule.factor(t) for t in range(4)]
    [1.0, 0.25, 0.0, 0.0]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1) -> None:
        if total_iters < 1:
            raise ValueError(f"PolynomialLR: total_iters is at least 1, unlike {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """The power of what is left."""
        return max(0.0, 1 - t / self.total_iters) ** self.power


class ExponentialLR(LRScheduler):
    """The factor is γᵗ: every step, γ times the learning rate.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = ExponentialLR(SGD([Tensor(0.0)], lr=1.0), gamma=0.5)
    >>> [schedule.factor(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """γᵗ."""
        return self.gamma**t


class CosineAnnealingLR(LRScheduler):
    """Half a cosine wave from the first learning rate γ₀ down to `eta_min` at t = `T_max`, then up again, and so on.

        γ = eta_min + (γ₀ − eta_min) (1 + cos(π t / T_max)) / 2

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983 (without its restarts).

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = CosineAnnealingLR(SGD([Tensor(0.0)], lr=1.0), T_max=2, eta_min=0.5)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [1.0]
    [0.75]
    [0.5]
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max is at least 1, unlike {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The formula above."""
        wave = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * wave for lr in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine wave from the first learning rate γ₀ down to `eta_min`, and again, each `T_mult` times as long.

        γ = eta_min + (γ₀ − eta_min) (1 + cos(π t' / T)) / 2

    t' counts from the last restart; the first wave lasts T = `T_0` steps, the next T_0 · T_mult, and so on.

    **Raises** `ValueError` if `T_0` or `T_mult` is not a whole number of at least 1.

    Source: Loshchilov & Hutter 2016, arXiv:1608.03983.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = CosineAnnealingWarmRestarts(SGD([Tensor(0.0)], lr=1.0), T_0=2, T_mult=2)
    >>> for _ in range(5):
    ...     print(round(schedule.get_last_lr()[0], 3))
    ...     schedule.step()
    1.0
    0.5
    1.0
    0.854
    0.5
    """

    def __init__(
        self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"CosineAnnealingWarmRestarts: {name} is a whole number from 1, unlike {value!r}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Go one step on, or to the step `epoch`, which may lie between two, and set the learning rates."""
        if epoch is not None:
            if epoch < 0:
                raise ValueError(f"CosineAnnealingWarmRestarts: epoch is not negative, as {epoch} is")
            self.last_epoch = epoch - 1  # type: ignore[assignment]  # the one schedule that knows parts of a step
        self._advance()

    def get_lr(self) -> list[float]:
        """The formula above."""
        t, length = self.last_epoch, self.T_0
        while t >= length:
            t, length = t - length, length * self.T_mult
        wave = (1 + math.cos(math.pi * t / length)) / 2
        return [self.eta_min + (lr - self.eta_min) * wave for lr in self.base_lrs]


class OneCycleLR(LRScheduler):
    """Up to `max_lr` and down to almost nothing in one run of `total_steps`, the momentum going the other way.

    From max_lr / div_factor up to max_lr during the part `pct_start` of all steps, then down to
    max_lr / (div_factor · final_div_factor); with `three_phase`, first back to where it began, in as many steps as the
    way up took. Between these points the rate follows half a cosine wave ("cos") or a line ("linear"). The momentum (of
    Adam, β₁) goes from `max_momentum` to `base_momentum` and back, unless `cycle_momentum` is False. Step once a batch.

    **Raises** `ValueError` if neither `total_steps` nor `epochs` and `steps_per_epoch` are given, if the optimizer has
    no momentum to cycle, or when it steps on after the end.

    Source: Smith & Topin, "Super-Convergence" (2017), arXiv:1708.07120.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> optimizer = SGD([Tensor(0.0)], momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, div_factor=4, final_div_factor=1)
    >>> for _ in range(5):
    ...     print(round(optimizer.param_groups[0]["lr"], 3), round(optimizer.param_groups[0]["momentum"], 3))
    ...     schedule.step()
    0.25 0.95
    0.625 0.9
    1.0 0.85
    0.625 0.9
    0.25 0.95
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if total_steps < 1:
            raise ValueError(f"OneCycleLR: a cycle has at least 1 step, not {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is a part of the whole, from 0 to 1, unlike {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"OneCycleLR: anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        groups = getattr(optimizer, "param_groups", [])
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError(f"OneCycleLR: {type(optimizer).__name__} has no momentum; pass cycle_momentum=False")
        self.total_steps, self.anneal_strategy, self.cycle_momentum = total_steps, anneal_strategy, cycle_momentum
        up = pct_start * total_steps - 1
        self.turns = [0, up, 2 * up, total_steps - 1] if three_phase else [0, up, total_steps - 1]
        self.factors = [1.0, div_factor, *[1.0] * three_phase, 1 / final_div_factor]
        base, peak = (
            _per_group("base_momentum", base_momentum, groups),
            _per_group("max_momentum", max_momentum, groups),
        )
        self.momenta = [[high, low, *[high] * three_phase, high] for low, high in zip(base, peak, strict=True)]
        if last_epoch == -1:
            for group, lr in zip(groups, _per_group("max_lr", max_lr, groups), strict=True):
                group["initial_lr"] = lr / div_factor
        super().__init__(optimizer, last_epoch)

    def factor(self, t: int) -> float:
        """How many times the first learning rate it is at step t."""
        return self._between(self.factors, t)

    def _between(self, levels: Sequence[float], t: int) -> float:
        """Where at step t a curve is that goes through `levels` at the turning points."""
        if t > self.total_steps:
            raise ValueError(
                f"OneCycleLR: the cycle has {self.total_steps} steps, and this is step {t}; step less often"
            )
        i = min(bisect_left(self.turns, t, lo=1), len(self.turns) - 1)
        start, end = self.turns[i - 1 : i + 1]
        way = (t - start) / (end - start) if end != start else 1.0
        if self.anneal_strategy == "cos":
            way = (1 - math.cos(math.pi * way)) / 2
        return levels[i - 1] + (levels[i] - levels[i - 1]) * way

    def _set(self, lrs: Sequence[float]) -> None:
        super()._set(lrs)
        if self.cycle_momentum:
            for group, levels in zip(self.optimizer.param_groups, self.momenta, strict=True):
                momentum = self._between(levels, self.last_epoch)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum


def _per_group(name: str, value: float | Sequence[float], groups: Sequence[Any]) -> list[float]:
    values = list(value) if isinstance(value, Sequence) else [value] * len(groups)
    if len(values) != len(groups):
        raise ValueError(f"{name}: {len(values)} values for {len(groups)} groups of parameters")
    return values


class ReduceLROnPlateau(LRScheduler):
    """`factor` times the learning rate whenever a measure has not improved for more than `patience` steps.

    `step(measure)`, usually once an epoch, compares with the best value so far; "min" is for measures such as a loss,
    "max" for those such as an accuracy. Better means by more than `threshold`, as a part of the best value ("rel") or
    as a difference ("abs"). After a reduction, `cooldown` steps are not counted. No rate falls below `min_lr`, nor
    changes by `eps` or less.

    **Raises** `ValueError` for a factor of 1 or more or an unknown mode.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> schedule = ReduceLROnPlateau(SGD([Tensor(0.0)], lr=1.0), factor=0.5, patience=1)
    >>> for loss in [3.0, 2.0, 2.5, 2.0, 1.0]:
    ...     schedule.step(loss)
    ...     print(schedule.get_last_lr())
    [1.0]
    [1.0]
    [1.0]
    [0.5]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: mode is 'min' or 'max' and threshold_mode 'rel' or 'abs', not {mode!r} and "
                f"{threshold_mode!r}"
            )
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: a factor of {factor} does not reduce; it is below 1")
        self.mode, self.reduction, self.patience, self.cooldown = mode, factor, patience, cooldown
        self.threshold, self.threshold_mode, self.min_lr, self.eps = threshold, threshold_mode, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def step(self, metrics: Any) -> None:  # type: ignore[override]  # it has to be told how things go
        """Take note of the measure after one more epoch, a number or a tensor of one, and reduce if it is time to."""
        value = float(metrics)
        if self._is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        self._advance()
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def _is_better(self, value: float) -> bool:
        """Whether `value` beats the best so far by more than the threshold."""
        sign = 1 if self.mode == "max" else -1
        margin = self.threshold if self.threshold_mode == "abs" else self.threshold * self.best
        return sign * value > sign * self.best + margin if math.isfinite(self.best) else sign * value > sign * self.best

    def get_lr(self) -> list[float]:
        """The learning rates as they are, or reduced after too many steps without improvement."""
        lrs = self.get_last_lr()
        if self.num_bad_epochs <= self.patience:
            return lrs
        floors = _per_group("ReduceLROnPlateau: min_lr", self.min_lr, lrs)
        reduced = [max(lr * self.reduction, floor) for lr, floor in zip(lrs, floors, strict=True)]
        return [new if lr - new > self.eps else lr for lr, new in zip(lrs, reduced, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, with the best value and how long ago it was."""
        own = {key: getattr(self, key) for key in ("best", "num_bad_epochs", "cooldown_counter")}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where a schedule of the same form stood."""
        super().load_state_dict(state_dict)
        for key in ("best", "num_bad_epochs", "cooldown_counter"):
            setattr(self, key, state_dict[key])


class SequentialLR(LRScheduler):
    """One schedule after the other: `schedulers[i + 1]` starts, with its own t = 0, at step `milestones[i]`.

    **Raises** `ValueError` if there is not one milestone between each two schedules, if milestones do not increase,
    or if a schedule is for another optimizer.

    >>> from minigrad import Tensor
    >>> from nn.optim import SGD
    >>> optimizer = SGD([Tensor(0.0)], lr=1.0)
    >>> warm_up = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=4)
    >>> schedule = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     schedule.step()
    [0.5]
    [0.75]
    [1.0]
    [0.75]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules have {len(schedulers) - 1} milestones between them, "
                f"not {len(milestones)}"
            )
        if any(a >= b for a, b in pairwise([0, *milestones])):
            raise ValueError(f"SequentialLR: milestones are above 0 and increase, unlike {list(milestones)}")
        for i, scheduler in enumerate(schedulers):
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"SequentialLR: schedule {i} is for another optimizer")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """What the schedule of the present stretch says about its own t."""
        stretch = bisect_right(self.milestones, self.last_epoch)
        scheduler = self.schedulers[stretch]
        scheduler.last_epoch = self.last_epoch - [0, *self.milestones][stretch]
        return scheduler.get_lr()
