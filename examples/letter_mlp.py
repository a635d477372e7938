"""The network before attention, for the example tiny_gpt: the next letter from the vectors of the last three.

Source: Bengio et al., "A Neural Probabilistic Language Model" (2003), JMLR 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import minigrad
import nn
from minigrad import Tensor
from nn import optim
from nn.data import Vocab
from nn.optim.lr_scheduler import LRScheduler, StepLR

CONTEXT = 3


class MLP(nn.Module):
    """Three letters (B, 3) → scores of the next letter (B, V): one hidden layer, with batch normalisation."""

    def __init__(self, letters: int, dim: int = 10, hidden: int = 200) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, dim)
        self.hidden = nn.Linear(CONTEXT * dim, hidden, bias=False)  # the normalisation has a bias of its own
        self.norm = nn.BatchNorm1d(hidden, momentum=0.001)
        self.output = nn.Linear(hidden, letters)
        nn.init.normal_(self.hidden.weight, std=5 / 3 / np.sqrt(CONTEXT * dim))
        nn.init.normal_(self.output.weight, std=0.01)
        self.output.bias = nn.Parameter(minigrad.zeros(letters))

    def forward(self, letters: Tensor) -> Tensor:
        return self.output(self.norm(self.hidden(self.embedding(letters).flatten(1))).tanh())


def contexts(lines: Sequence[str], vocab: Vocab) -> tuple[np.ndarray, np.ndarray]:
    """Every letter of every line and its end (N), with the three letters before it (N, 3), ends before the first."""
    rows = [np.array(vocab.encode("\n" * CONTEXT + line + "\n")) for line in lines]
    before = [np.lib.stride_tricks.sliding_window_view(row[:-1], CONTEXT) for row in rows]
    return np.concatenate(before), np.concatenate([row[CONTEXT:] for row in rows])


def mlp_optimizer(model: nn.Module, lr: float, steps: int) -> tuple[optim.Optimizer, LRScheduler]:
    """Plain gradient descent; half-way through, the learning rate falls to a tenth."""
    optimizer = optim.SGD(model.parameters(), lr=lr)
    return optimizer, StepLR(optimizer, steps // 2 + 1)
