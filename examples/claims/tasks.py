"""The small tasks on which networks are trained in the lab, the networks, and the training.

first_token     say at the end of a sequence with which token it began: everything between is noise
which_first     two marks stand in a sequence: which comes first?
neighbours      say of each token what stands to its left and what to its right
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad
import nn
from minigrad import Tensor
from nn import functional as F
from nn import optim

Batch = tuple[np.ndarray, np.ndarray]  # token ids (B, T) and the right answers
Task = Callable[[int], Batch]  # draws so many examples


# ---- tasks ----------------------------------------------------------------------------------------------------------


def first_token(rng: np.random.Generator, steps: int, tokens: int = 4) -> Task:
    """Random tokens (B, T); the answer (B) is the first of them."""

    def draw(count: int) -> Batch:
        ids = rng.integers(0, tokens, (count, steps))
        return ids, ids[:, 0]

    return draw


def which_first(rng: np.random.Generator, side_by_side: float, steps: int = 14, tokens: int = 8) -> Task:
    """Two marks, 0 and 1, among other tokens (B, T); the answer (B) is the mark that comes first.

    In the share `side_by_side` of the examples the marks are neighbours, in the others they are 6 or more apart. Each
    example comes with its twin, in which the marks have changed places: so the same tokens have both answers.
    """

    def draw(count: int) -> Batch:
        ids = rng.integers(2, tokens, (count // 2, steps))
        far = rng.random(len(ids)) >= side_by_side
        apart = np.where(far, rng.integers(6, steps, len(ids)), 1)
        left = rng.integers(0, steps - apart)
        rows = np.arange(len(ids))
        ids[rows, left], ids[rows, left + apart] = 0, 1
        twins = np.where(ids < 2, 1 - ids, ids)
        return np.stack([ids, twins], 1).reshape(-1, steps), np.tile([0, 1], len(ids))

    return draw


def neighbours(rng: np.random.Generator, steps: int = 10, tokens: int = 6) -> Task:
    """Random tokens (B, T); the answers (B, T, 2) are the tokens to the left and to the right, in a circle."""

    def draw(count: int) -> Batch:
        ids = rng.integers(0, tokens, (count, steps))
        return ids, np.stack([np.roll(ids, 1, axis=1), np.roll(ids, -1, axis=1)], -1)

    return draw


# ---- networks -------------------------------------------------------------------------------------------------------


class States(nn.Module):
    """A recurrent layer that answers with the state after each step only: (B, T, D) → (B, T, H)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0]


class Reader(nn.Module):
    """Token ids (B, T) → scores: embed, mix the positions, take what is asked for, map it to scores.

    `take` is "last" (the last vector), "max" (the maximum over time), or "all" (every vector).
    """

    def __init__(self, tokens: int, dim: int, mixer: nn.Module, take: str, scores: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, dim)
        self.mixer = mixer
        self.take = take
        self.output = nn.Linear(dim, scores)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.mixer(self.embedding(ids))
        return self.output({"last": lambda: x[:, -1], "max": lambda: x.amax(1), "all": lambda: x}[self.take]())


# ---- training -------------------------------------------------------------------------------------------------------


def train(
    model: nn.Module, task: Task, steps: int, lr: float, batch: int = 16, until: Callable[[int], bool] | None = None
) -> None:
    """Adam on fresh batches, gradients clipped to norm 1; every ten steps, `until` may call it a day."""
    optimizer = optim.Adam(model.parameters(), lr=lr)
    for step in range(1, steps + 1):
        ids, answers = task(batch)
        loss = loss_of(model(Tensor(ids)), answers)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if until is not None and step % 10 == 0 and until(step):
            return


def loss_of(scores: Tensor, answers: np.ndarray) -> Tensor:
    """Cross-entropy, averaged over all answers; several answers at one place share its scores equally."""
    scores = scores.reshape(answers.size, -1)
    return F.cross_entropy(scores, Tensor(answers.reshape(-1)))


@minigrad.no_grad()
def right(model: nn.Module, examples: Batch) -> np.ndarray:
    """Which answers are right: the shape of the answers."""
    ids, answers = examples
    return model(Tensor(ids)).reshape(*answers.shape, -1).argmax(-1).numpy() == answers


def accuracy(model: nn.Module, examples: Batch) -> float:
    """The share of right answers, in percent."""
    return 100 * float(right(model, examples).mean())


def from_a_pool(rng: np.random.Generator, pool: Batch) -> Task:
    """Draws again and again from a limited number of examples."""

    def draw(count: int) -> Batch:
        chosen = rng.integers(0, len(pool[0]), count)
        return pool[0][chosen], pool[1][chosen]

    return draw
