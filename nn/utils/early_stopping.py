"""When to stop training, and which weights to keep."""

from __future__ import annotations

import math

import minigrad
from minigrad import Tensor
from nn.module import Module


class EarlyStopping:
    """Keeps a copy of the weights that did best, and says when better ones have been long in coming.

        stopping = EarlyStopping(model, patience=3)
        for epoch in range(epochs):
            ...                                     # train, and measure the accuracy on sentences kept aside
            if stopping.update(accuracy):
                break
        stopping.restore()

    The greater the score the better (give −loss for a loss), and of equals the later counts: it has seen more.

    **Raises** `ValueError` if `patience` is less than 1, or a score is NaN; `RuntimeError` from `restore` when there
    has been no `update`.

    Source: Prechelt, "Early Stopping — But When?" (1998), in Neural Networks: Tricks of the Trade.

    >>> from nn import Linear
    >>> stopping = EarlyStopping(Linear(3, 2), patience=2)
    >>> [stopping.update(score) for score in (0.5, 0.7, 0.6, 0.6)], stopping.best
    ([False, False, False, True], 0.7)
    """

    def __init__(self, model: Module, patience: float = math.inf) -> None:
        if not patience >= 1:
            raise ValueError(f"EarlyStopping: the patience is 1 or more, unlike {patience}")
        self.model, self.patience = model, patience
        self.best, self.waited = -math.inf, 0
        self.weights: dict[str, Tensor] | None = None

    @minigrad.no_grad()
    def update(self, score: float) -> bool:
        """Take note of a score, and of the weights if it is the best; True if it is time to stop."""
        if math.isnan(score):
            raise ValueError("EarlyStopping: the score is NaN, so nothing can be said of better or worse")
        self.waited += 1
        if score >= self.best:
            self.best, self.waited = score, 0
            self.weights = {key: value.clone() for key, value in self.model.state_dict().items()}
        return self.waited >= self.patience

    def restore(self) -> None:
        """Give the model back the weights that did best."""
        if self.weights is None:
            raise RuntimeError("EarlyStopping: update() has not been called yet, so there are no weights to restore")
        self.model.load_state_dict(self.weights)
