"""Optimizers, in order of increasing complexity, and schedules for their learning rates.

SGD; Adagrad, RMSprop and Adadelta; Adam and AdamW; LBFGS.

>>> import minigrad
>>> w = minigrad.tensor([3.0, -2.0], requires_grad=True)
>>> optimizer = SGD([w], lr=0.25)
>>> for _ in range(3):
...     optimizer.zero_grad()
...     (w * w).sum().backward()
...     optimizer.step()
>>> w
tensor([ 0.375, -0.25 ], requires_grad=True)
"""

from __future__ import annotations

from typing import Any

from minigrad.porting import missing

from . import lr_scheduler
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSprop
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["LBFGS", "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name: str) -> Any:
    raise missing("nn.optim", name, __all__)
