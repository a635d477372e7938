"""Optimizers, in order of increasing complexity: SGD, Adam, AdamW; and schedules for their learning rates.

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

from . import lr_scheduler
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
