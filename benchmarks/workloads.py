"""The training steps that are timed: toy models at the sizes that a learner trains.

Each function builds one model against the surface that minigrad and PyTorch share, so that the very same lines run on
both, and answers with the model and a function that computes the loss of one fixed batch. `floors.py` has four of them
written by hand; `elsewhere.py` has those that frameworks without layers can express.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Framework(NamedTuple):
    """What a workload needs of a framework that is shaped like PyTorch."""

    name: str
    tensors: Any  # the module with zeros, stack, cat, …
    nn: Any
    F: Any
    optim: Any
    of: Callable[[np.ndarray], Any]  # a tensor of an array


Built = tuple[Any, Callable[[], Any]]  # the model, and its loss


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def choices(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(11).integers(0, count, shape)


MLP = {"x": numbers(32, 64), "labels": choices(10, 32)}
TAGS = {"ids": choices(1000, 32, 25), "labels": choices(17, 32 * 25)}
SENTENCES = {"ids": choices(5000, 50, 40), "labels": choices(2, 50)}
LETTERS = choices(50, 16, 32)


def mlp(fw: Framework) -> Built:
    """Three linear layers 64 → 128 → 128 → 10 with ReLU, batch 32."""
    nn = fw.nn
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    x, labels = fw.of(MLP["x"]), fw.of(MLP["labels"])
    return model, lambda: fw.F.cross_entropy(model(x), labels)


def scalars(fw: Framework) -> Built:
    """Sixty small operations on 8 × 16 numbers: a spring that is let go, stepped through time."""
    start = fw.nn.Linear(16, 16)
    x = fw.of(numbers(8, 16))

    def loss() -> Any:
        place, speed = start(x), 0.0
        for _ in range(15):
            speed = speed - 0.1 * place.tanh()
            place = place + 0.1 * speed
        return (place * place).mean()

    return start, loss


def rnn_loop(fw: Framework) -> Built:
    """A GRU cell stepped through 32 letters by a Python loop, batch 16, hidden 64."""
    nn, tensors = fw.nn, fw.tensors

    class Letters(nn.Module):  # type: ignore[name-defined,misc]  # the framework is a value here
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.cell, self.out = nn.Embedding(50, 32), nn.GRUCell(32, 64), nn.Linear(64, 50)

        def forward(self, ids: Any) -> Any:
            x, state, states = self.emb(ids), tensors.zeros(len(ids), 64), []
            for t in range(ids.shape[1]):
                state = self.cell(x[:, t], state)
                states.append(state)
            return self.out(tensors.stack(states, 1))

    model, ids = Letters(), fw.of(LETTERS)
    return model, lambda: fw.F.cross_entropy(model(ids).reshape(-1, 50), ids.reshape(-1))


def lstm_tagger(fw: Framework) -> Built:
    """Embedding 64, LSTM 64, a label at every step; batch 32, 25 words."""
    nn = fw.nn

    class Tagger(nn.Module):  # type: ignore[name-defined,misc]  # the framework is a value here
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.rnn, self.out = nn.Embedding(1000, 64), nn.LSTM(64, 64, batch_first=True), nn.Linear(64, 17)

        def forward(self, ids: Any) -> Any:
            return self.out(self.rnn(self.emb(ids))[0])

    model, ids, labels = Tagger(), fw.of(TAGS["ids"]), fw.of(TAGS["labels"])
    return model, lambda: fw.F.cross_entropy(model(ids).reshape(-1, 17), labels)


def text_cnn(fw: Framework) -> Built:
    """Embedding 128, convolutions of width 3, 4 and 5, 100 maps each, the greatest over time; batch 50, 40 words."""
    nn, tensors = fw.nn, fw.tensors

    class Sentences(nn.Module):  # type: ignore[name-defined,misc]  # the framework is a value here
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.out = nn.Embedding(5000, 128), nn.Linear(300, 2)
            self.convs = nn.ModuleList([nn.Conv1d(128, 100, width) for width in (3, 4, 5)])

        def forward(self, ids: Any) -> Any:
            x = self.emb(ids).transpose(1, 2)
            return self.out(tensors.cat([fw.F.relu(conv(x).amax(dim=-1)) for conv in self.convs], dim=-1))

    model, ids, labels = Sentences(), fw.of(SENTENCES["ids"]), fw.of(SENTENCES["labels"])
    return model, lambda: fw.F.cross_entropy(model(ids), labels)


def encoder(fw: Framework, size: int = 64, heads: int = 4, batch: int = 32, steps: int = 25) -> Built:
    """Two pre-norm blocks of self-attention and a feed-forward layer; size 64, 4 heads, batch 32, 25 words."""
    nn = fw.nn

    class Block(nn.Module):  # type: ignore[name-defined,misc]  # the framework is a value here
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.o = (nn.Linear(size, size) for _ in range(4))
            self.n1, self.n2 = nn.LayerNorm(size), nn.LayerNorm(size)
            self.ff = nn.Sequential(nn.Linear(size, 2 * size), nn.ReLU(), nn.Linear(2 * size, size))

        def forward(self, x: Any) -> Any:
            y = self.n1(x)
            q, k, v = (part(y).reshape(batch, steps, heads, -1).transpose(1, 2) for part in (self.q, self.k, self.v))
            weights = fw.F.softmax(q @ k.transpose(-2, -1) / math.sqrt(size // heads), dim=-1)
            x = x + self.o((weights @ v).transpose(1, 2).reshape(batch, steps, size))
            return x + self.ff(self.n2(x))

    class Encoder(nn.Module):  # type: ignore[name-defined,misc]  # the framework is a value here
        def __init__(self) -> None:
            super().__init__()
            self.emb, self.pos = nn.Embedding(1000, size), nn.Embedding(steps, size)
            self.blocks, self.out = nn.Sequential(Block(), Block()), nn.Linear(size, 17)

        def forward(self, ids: Any) -> Any:
            return self.out(self.blocks(self.emb(ids) + self.pos.weight))

    model, ids, labels = Encoder(), fw.of(choices(1000, batch, steps)), fw.of(choices(17, batch * steps))
    return model, lambda: fw.F.cross_entropy(model(ids).reshape(-1, 17), labels)


def encoder_large(fw: Framework) -> Built:
    """The same blocks at size 256, 8 heads, batch 8, 128 words: bound by arithmetic."""
    return encoder(fw, 256, 8, 8, 128)


WORKLOADS = {f.__name__: f for f in (scalars, mlp, rnn_loop, lstm_tagger, text_cnn, encoder, encoder_large)}


def training_step(fw: Framework, model: Any, loss: Callable[[], Any]) -> Callable[[], float]:
    """One whole step: gradients cleared, loss, backward, Adam, the loss read out as a number."""
    optimizer = fw.optim.Adam(model.parameters(), lr=1e-3)

    def step() -> float:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        return float(value.item())

    return step


def minigrad_framework() -> Framework:
    """minigrad, as a workload sees it."""
    import minigrad
    import nn
    import nn.functional as F

    return Framework("minigrad", minigrad, nn, F, nn.optim, lambda array: minigrad.tensor(array))
