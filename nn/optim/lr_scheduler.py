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
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from .optimizer import Optimizer


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
        self.step()

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
