"""A picture is a set of vectors: handwritten digits by self-attention, beside a convolution and a linear layer.

    python examples/digits.py                  # digits drawn by this file: moved, slanted, blurred and speckled
    python examples/digits.py --data DIR       # optdigits: DIR holds optdigits.tra and optdigits.tes, or both as .gz
    python examples/digits.py --patch 1        # 64 vectors, one for each pixel, instead of 16 of 2 × 2 pixels

8 × 8 pixels are cut into patches, each patch is a vector, and attention mixes them. Which patches are neighbours it has
to learn, by a bias for each distance down and across; the convolution knows it from the start, and with so few pictures
that is worth something. At the end, where one patch looks is drawn back onto the digit.

A file has a line for each picture: 64 numbers from 0 to 16 and the digit, between commas; a line of names may be above.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.common import warm_up_and_decay
from examples.pixels import pixels
from examples.progress import Progress
from minigrad import Tensor
from nn import optim
from nn.data import batches, read_csv

SIDE = 8
STROKES = {  # each digit in a square from (0, 0) to (1, 1), down and across: lines from point to point
    0: [[(0, 0.5), (0.2, 0.9), (0.8, 0.9), (1, 0.5), (0.8, 0.1), (0.2, 0.1), (0, 0.5)]],
    1: [[(0.25, 0.25), (0, 0.55), (1, 0.55)]],
    2: [[(0.2, 0.1), (0, 0.5), (0.2, 0.9), (0.5, 0.7), (1, 0.1), (1, 0.95)]],
    3: [[(0, 0.1), (0.05, 0.8), (0.3, 0.8), (0.45, 0.4), (0.6, 0.9), (0.95, 0.7), (1, 0.1)]],
    4: [[(0, 0.4), (0.65, 0.1), (0.65, 0.95)], [(0.35, 0.7), (1, 0.65)]],
    5: [[(0, 0.9), (0, 0.2), (0.4, 0.15), (0.45, 0.7), (0.75, 0.9), (1, 0.5), (0.9, 0.1)]],
    6: [[(0, 0.7), (0.4, 0.2), (0.8, 0.1), (1, 0.5), (0.75, 0.9), (0.55, 0.5), (0.75, 0.1)]],
    7: [[(0, 0.1), (0, 0.9), (0.5, 0.5), (1, 0.3)], [(0.5, 0.3), (0.5, 0.8)]],
    8: [
        [(0.45, 0.5), (0.2, 0.15), (0, 0.5), (0.2, 0.85), (0.45, 0.5), (0.75, 0.1), (1, 0.5), (0.75, 0.9), (0.45, 0.5)]
    ],
    9: [[(0.35, 0.85), (0.5, 0.4), (0.25, 0.1), (0, 0.5), (0.2, 0.9), (0.6, 0.85), (1, 0.6)]],
}


class Pictures(NamedTuple):
    """Pictures (N, 8, 8), their ink from 0 to 1, and the digit on each (N)."""

    ink: np.ndarray
    digits: np.ndarray


# ---- the data -------------------------------------------------------------------------------------------------------


def drawn(digit: int, rng: np.random.Generator) -> np.ndarray:
    """A digit as a shaky hand might draw it: turned, slanted, stretched and moved, each corner a little astray."""
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), -1) + 0.5  # middles of the pixels
    turn, slant = rng.normal(0, 0.15), rng.normal(0, 0.2)
    size = rng.uniform(4.5, 6.5, 2)
    shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn) + slant, np.cos(turn)]]) * size[:, None]
    middle = SIDE / 2 + rng.uniform(-0.8, 0.8, 2)
    nearest = np.full((SIDE, SIDE), np.inf)
    for stroke in STROKES[digit]:
        points = (np.array(stroke) - 0.5 + rng.normal(0, 0.06, (len(stroke), 2))) @ shape.T + middle
        for start, end in pairwise(points):  # the distance of each pixel from the line between
            along = ((grid - start) @ (end - start) / ((end - start) @ (end - start) + 1e-9)).clip(0, 1)
            nearest = np.minimum(nearest, np.linalg.norm(grid - start - along[..., None] * (end - start), axis=-1))
    ink = np.exp(-((nearest / rng.uniform(0.5, 0.9)) ** 2)) + rng.normal(0, 0.1, nearest.shape)
    return np.rint(16 * ink.clip(0, 1)) / 16


def made_up_pictures(size: int, rng: np.random.Generator) -> Pictures:
    digits = rng.integers(10, size=size)
    return Pictures(np.array([drawn(digit, rng) for digit in digits], np.float32), digits)


def read_pictures(path: Path) -> Pictures:
    """The pictures of a file as the docstring above describes it, or of the same file with .gz behind its name.

    **Raises** `ValueError` if it is not as described there, `FileNotFoundError` if there is neither.
    """
    zipped = path.with_name(path.name + ".gz")
    path = zipped if zipped.exists() and not path.exists() else path
    rows = list(read_csv(path))
    rows = rows[1:] if not rows[0][0].strip().isdigit() else rows
    try:
        table = np.array(rows, np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: whole numbers between commas are needed ({error})") from None
    if table.ndim != 2 or table.shape[1] != SIDE**2 + 1:
        raise ValueError(f"{path}: a line has 64 pixels and the digit, 65 numbers, but here are {table.shape[-1]}")
    ink, digits = table[:, :-1], table[:, -1]
    if not (table.min() >= 0 and ink.max() <= 16 and digits.max() <= 9):
        raise ValueError(f"{path}: pixels go from 0 to 16 and digits from 0 to 9; here are others")
    return Pictures((ink.reshape(-1, SIDE, SIDE) / 16).astype(np.float32), digits)


# ---- the models -----------------------------------------------------------------------------------------------------


def patches_of(x: Tensor, size: int) -> Tensor:
    """The picture as a set of vectors, its patches row after row: (B, 8, 8) → (B, (8 / size)², size²)."""
    side = SIDE // size
    return x.reshape(-1, side, size, side, size).transpose(2, 3).reshape(-1, side**2, size**2)


class Attentive(nn.Module):
    """Two blocks of attention among the patches, then a linear layer on all of them: (B, 8, 8) → (B, 10)."""

    def __init__(self, patch: int, dim: int = 48, heads: int = 4) -> None:
        super().__init__()
        self.patch, side = patch, SIDE // patch
        self.input = nn.Sequential(nn.Linear(patch**2, dim), nn.LearnedPositions(side**2, dim))
        self.blocks = nn.Sequential(
            *(nn.EncoderBlock(nn.MultiHead(dim, heads, positions=nn.GridBias(heads, side)), dim, 2 * dim, 0.1)
              for _ in range(2))
        )  # fmt: skip
        self.output = nn.Sequential(nn.LayerNorm(dim), nn.Flatten(), nn.Linear(side**2 * dim, 10))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.blocks(self.input(patches_of(x, self.patch))))


class Convolutional(nn.Module):
    """Two convolutions of 3 × 3 pixels: (B, 8, 8) → (B, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 16, 10),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.unsqueeze(1))


# ---- training and using them ----------------------------------------------------------------------------------------


def train(model: nn.Module, data: Pictures, epochs: int, lr: float, name: str) -> None:
    optimizer = optim.Adam(model.parameters(), lr=lr)
    schedule = warm_up_and_decay(optimizer, epochs * -(-len(data.digits) // 64))
    progress = Progress(range(epochs), name)
    for _ in progress:
        model.train()
        for rows in batches(len(data.digits), 64):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(Tensor(data.ink[rows])), Tensor(data.digits[rows]))
            loss.backward()
            optimizer.step()
            schedule.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def accuracy(model: nn.Module, data: Pictures) -> float:
    model.eval()
    return float((model(Tensor(data.ink)).numpy().argmax(1) == data.digits).mean())


def nearest_neighbour(learn: Pictures, judge: Pictures) -> float:
    """The accuracy of the digit on the picture that differs least."""
    a, b = (p.ink.reshape(len(p.ink), -1) for p in (learn, judge))
    return float((learn.digits[((a**2).sum(1) - 2 * b @ a.T).argmin(1)] == judge.digits).mean())


# ---- what comes out -------------------------------------------------------------------------------------------------


def map_of(model: Attentive, picture: np.ndarray, row: int, column: int) -> np.ndarray:
    """Where the patch with this pixel looks in the first block, drawn on the pixels, for each head: (4, 8, 8)."""
    with nn.record_attention(model) as maps:
        model(Tensor(picture[None]))
    side = SIDE // model.patch
    query = row // model.patch * side + column // model.patch
    weights = maps["blocks.0.mixer"][0][0, :, query].numpy().reshape(-1, side, side)
    return np.kron(weights, np.ones((model.patch, model.patch))) / model.patch**2  # each pixel its part of the patch


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--data", metavar="DIR", type=Path, help="where optdigits.tra and optdigits.tes are")
    p.add_argument("--patch", type=int, choices=[1, 2, 4], default=2, help="pixels on the side of a patch; default: 2")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    if a.data:
        learn, judge = read_pictures(a.data / "optdigits.tra"), read_pictures(a.data / "optdigits.tes")
    else:
        rng = np.random.default_rng(a.seed)
        learn, judge = made_up_pictures(60 if a.short else 1500, rng), made_up_pictures(30 if a.short else 500, rng)
    attentive = f"attention, {(SIDE // a.patch) ** 2} patches"
    models = {
        "softmax regression": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 10)), 2e-2),
        "convolution": (Convolutional, 3e-3),
        attentive: (lambda: Attentive(a.patch), 3e-3),
    }
    accuracies = {"nearest neighbour": nearest_neighbour(learn, judge)}
    for name, (make, lr) in models.items():
        minigrad.manual_seed(a.seed)
        model = make()
        train(model, learn, 1 if a.short else 15, lr, name)
        accuracies[name] = accuracy(model, judge)
    lesson.print_accuracies(f"{len(judge.digits)} pictures, learned from {len(learn.digits)}: right", accuracies)

    shown = judge.ink[0]
    row, column = divmod(int(shown.argmax()), SIDE)  # in the middle of a stroke
    assert isinstance(model, Attentive)  # the last one
    weights = map_of(model, shown, row, column)
    heads = {f"head {h}": looks for h, looks in enumerate(weights)}
    title = f"a {judge.digits[0]}"
    print("\nwhere the patch that has the pixel [] looks: █ most, ▓ ▒ ░ less")
    print(pixels({title: shown, f"mean of {len(heads)} heads": weights.mean(0)}, (row, column)))
    lesson.write_pictures(a.pictures, {"digits.svg": pixels({title: shown, **heads}, (row, column))})
    if not a.short:
        assert min(accuracies["convolution"], accuracies[attentive]) > accuracies["softmax regression"], accuracies
    return accuracies


if __name__ == "__main__":
    main()
