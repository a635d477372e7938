"""A tiny GPT: a stack of causal self-attention that predicts the next letter, and writes by drawing from its guesses.

    python examples/tiny_gpt.py                                                     # tales of animals, some ten seconds
    python examples/tiny_gpt.py --data input.txt.gz --blocks 4 --dim 128 --steps 2000 --batch 12 --lr 0.001
    python examples/tiny_gpt.py --model mlp --data names.txt.gz --steps 200000      # a letter from three letters

Causal means that no letter sees a later one, so a single pass over T letters gives T predictions to learn from. The
loss is in nats (the mean of −log p of the letter that came), on the last tenth of the text, from which no model has
learned. Beside it stand models that only count how often a letter comes, by itself or after the one to four before it.

`--model mlp` is the network before attention: the vectors of the last three letters side by side, one hidden layer with
batch normalisation. It reads each line by itself, as is right for a list of names.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.counting import loss_of_counting
from examples.letter_mlp import CONTEXT, MLP, contexts, mlp_optimizer
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import attention, curves
from nn import optim
from nn.data import Vocab, read_text
from nn.decoding import sample
from nn.masks import causal
from nn.optim.lr_scheduler import LambdaLR, LRScheduler
from nn.utils import clip_grad_norm_

TALES = Path(__file__).parent / "data" / "tales.txt"

# ---- the models -----------------------------------------------------------------------------------------------------


class GPT(nn.Module):
    """Letters (B, T) → scores of each next letter (B, T, V), by blocks of causal attention.

    The matrix that turns letters into vectors also turns vectors back into scores of letters.

    Source: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
    """

    def __init__(self, letters: int, dim: int, heads: int, blocks: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.embedding = nn.Embedding(letters, dim)
        self.positions = nn.LearnedPositions(window, dim)
        self.blocks = nn.ModuleList(
            [nn.EncoderBlock(nn.MultiHead(dim, heads), dim, 4 * dim) for _ in range(blocks)],
        )
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, letters, bias=False)
        self.output.weight = self.embedding.weight
        for name, p in self.named_parameters():
            if p.ndim == 2:  # what is added to the residual stream, 2 · blocks times, starts smaller
                adds = name.endswith(("output.weight", "feedforward.3.weight"))
                nn.init.normal_(p, std=0.02 / np.sqrt(2 * blocks if adds else 1))
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, letters: Tensor) -> Tensor:
        x = self.positions(self.embedding(letters))
        mask = causal(letters.shape[1])  # row i is True up to column i
        for block in self.blocks:
            x = block(x, mask=mask)
        return self.output(self.norm(x))


# ---- the data: what a model reads, and what comes next --------------------------------------------------------------


def windows(ids: np.ndarray, size: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The letters from each start on, and those one further: both (B, T)."""
    places = starts[:, None] + np.arange(size)
    return ids[places], ids[places + 1]


# ---- training -------------------------------------------------------------------------------------------------------


def gpt_optimizer(model: nn.Module, lr: float, steps: int) -> tuple[optim.Optimizer, LRScheduler]:
    """AdamW, with a learning rate that rises over the first steps and then falls to a tenth, as a cosine does."""
    matrices = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]  # biases and scales do not decay
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = optim.AdamW(groups, lr=lr, betas=(0.9, 0.99))
    warm = min(100, steps // 10 + 1)
    return optimizer, LambdaLR(optimizer, lambda t: min((t + 1) / warm, 0.55 + 0.45 * np.cos(np.pi * t / steps)))


def train(
    model: nn.Module, draw: Callable[[], Any], optimizer: optim.Optimizer, schedule: LRScheduler, steps: int
) -> list[float]:
    """The losses of so many batches, each drawn anew: letters, and those that follow."""
    losses: list[float] = []
    progress = Progress(range(steps), type(model).__name__)
    for _ in progress:
        letters, following = draw()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(letters)).flatten(0, -2), Tensor(following.ravel()))
        loss.backward()
        if isinstance(model, GPT):
            clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        progress.note = f"loss {losses[-1]:.3f}"
    return losses


@minigrad.no_grad()
def loss_on(model: nn.Module, letters: np.ndarray, following: np.ndarray, batch: int) -> float:
    """The mean loss over all of these, the model in evaluation mode."""
    model.eval()
    total = 0.0
    for i in range(0, len(letters), batch):
        targets = Tensor(following[i : i + batch].ravel())
        scores = model(Tensor(letters[i : i + batch]))
        total += F.cross_entropy(scores.reshape(len(targets), -1), targets, reduction="sum").item()
    model.train()
    return total / following.size


@minigrad.no_grad()
def write(model: nn.Module, vocab: Vocab, start: str, letters: int, temperature: float, top_k: int | None) -> str:
    """`start`, and so many letters more, each drawn from what the model expects after those before it."""
    model.eval()
    reach = model.window if isinstance(model, GPT) else CONTEXT
    ids = vocab.encode("\n" * (CONTEXT if isinstance(model, MLP) else 1) + start)
    for _ in range(letters):
        scores = model(minigrad.tensor([ids[-reach:]])).reshape(-1, len(vocab))[-1]
        ids.append(sample(scores, temperature, top_k).item())
    return "".join(vocab.decode(ids)).strip("\n")


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p, whole = lesson.options(__doc__), lesson.at_least(1)
    p.add_argument("--model", choices=["gpt", "mlp"], default="gpt", help="what predicts the next letter")
    p.add_argument("--data", metavar="FILE.txt", type=Path, default=TALES, help="a text, plain or gzipped")
    p.add_argument("--steps", type=whole, help="batches to learn from; default: 600, or 10,000 for the mlp")
    p.add_argument("--dim", type=whole, default=64, help="features of the GPT's vectors; default: 64")
    p.add_argument("--blocks", type=whole, default=2, help="blocks of attention, one on the other; default: 2")
    p.add_argument("--heads", type=whole, default=4, help="heads in each block; default: 4")
    p.add_argument("--window", type=whole, default=64, help="letters that the GPT sees at once; default: 64")
    p.add_argument("--batch", type=whole, default=16, help="windows in a batch; default: 16")
    p.add_argument("--lr", type=float, help="the highest learning rate; default: 0.005, or 0.1 for the mlp")
    p.add_argument("--temperature", type=float, default=0.8, help="below 1: likelier letters; above: rarer ones")
    p.add_argument("--top-k", type=whole, help="draw from so many of the likeliest letters only; default: from all")
    p.add_argument("--start", default="", help="what the model goes on from when it writes")
    p.add_argument("--letters", type=whole, default=300, help="how many letters it writes; default: 300")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    minigrad.manual_seed(a.seed)
    text = read_text(a.data)
    lines = text.splitlines()
    if a.model == "mlp":  # lines are independent of each other
        np.random.default_rng(a.seed).shuffle(lines)
    vocab = Vocab({letter: 1 for letter in text}, padding=None, unknown=None)
    if not set(a.start) <= set(text):
        raise ValueError(f"--start {a.start!r} has letters that {a.data} has not; take others")
    if a.temperature <= 0:
        raise ValueError(f"--temperature {a.temperature:g} is not above 0; --top-k 1 takes the likeliest letter")
    cut = len(lines) * 9 // 10
    train_text, val_text = ("\n".join(part) + "\n" for part in (lines[:cut], lines[cut:]))
    steps = 5 if a.short else a.steps or {"gpt": 600, "mlp": 10_000}[a.model]
    losses: dict[str, float] = {}
    if not a.short and len(text) < 300_000:
        losses = {f"counting, {n} letters before": loss_of_counting(train_text, val_text, n) for n in range(5)}

    rng = np.random.default_rng(a.seed)
    if a.model == "mlp":
        model: nn.Module = MLP(len(vocab))
        before, following = contexts(lines[:cut], vocab)

        def draw() -> tuple[np.ndarray, np.ndarray]:
            rows = rng.integers(len(before), size=32)
            return before[rows], following[rows]

        course = train(model, draw, *mlp_optimizer(model, a.lr or 0.1, steps), steps)
        losses["mlp"] = loss_on(model, *contexts(lines[cut:], vocab), 4096)
    else:
        ids, val = (np.array(vocab.encode(part)) for part in (train_text, val_text))
        if min(len(ids), len(val)) <= a.window:
            raise ValueError(f"{a.data}: {len(text)} letters are too few for --window {a.window}; a tenth is kept back")
        model = GPT(len(vocab), a.dim, a.heads, a.blocks, a.window)

        def draw() -> tuple[np.ndarray, np.ndarray]:
            return windows(ids, a.window, rng.integers(len(ids) - a.window, size=a.batch))

        course = train(model, draw, *gpt_optimizer(model, a.lr or 5e-3, steps), steps)
        losses["gpt"] = loss_on(model, *windows(val, a.window, np.arange(0, len(val) - a.window, a.window)), a.batch)
    kept = "text" if a.model == "gpt" else "lines, in random order"
    print(f"\nloss on the last tenth of the {kept} ({len(text):,} letters in all), nats per letter")
    for name, loss in losses.items():
        print(f"  {name:28}{loss:6.3f}")
    print(
        f"\nwritten at temperature {a.temperature:g}" + (f", of the {a.top_k} likeliest letters:" if a.top_k else ":")
    )
    print(write(model, vocab, a.start, 20 if a.short else a.letters, a.temperature, a.top_k))
    if a.pictures is not None:
        pictures = {f"{a.model}-loss.svg": curves({"loss": course})}
        if isinstance(model, GPT):
            some = text[:30]
            with nn.record_attention(model) as maps, minigrad.no_grad():
                model(minigrad.tensor([vocab.encode(some)]))
            pictures["gpt-attention.svg"] = attention(maps, list(some))
        lesson.write_pictures(a.pictures, pictures)
    if not a.short and a.data == TALES and a.model == "gpt":
        assert losses["gpt"] < losses["counting, 3 letters before"], "attention should beat the last three letters"
    return losses


if __name__ == "__main__":
    main()
