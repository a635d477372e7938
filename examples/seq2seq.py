"""Sequence to sequence, with and without attention: any encoder with any decoder, on three small tasks.

    python examples/seq2seq.py                                    # dates: "3 May 2021" → "2021-05-03"
    python examples/seq2seq.py --task reverse                     # how far does a fixed context reach?
    python examples/seq2seq.py --task phrases                     # 我每天喝茶 → I drink tea every day
    python examples/seq2seq.py --encoder cnn --decoder attention --beam 4

The length of the answer is not known beforehand: the decoder writes token by token until it writes "the end". Without
attention all that it knows of the source is one vector C of 64 numbers, however long the source was. With attention it
has a C_i of its own in each step: it looks where it needs to, and the weights, drawn as a map, align the two sequences.
To reverse a word, it runs over the word backwards, which is an anti-diagonal.

The exact match is printed (the share of answers without any error), on sources that were not learned from.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz.figures import Figure, attention, curves
from nn import optim
from nn.data import Vocab, buckets, pad, read_tsv
from nn.seq2seq import DECODERS, ENCODERS, Seq2Seq
from nn.utils import clip_grad_norm_

PHRASES = Path(__file__).parent / "data" / "phrases.tsv"
MONTHS = "January February March April May June July August September October November December".split()
LETTERS = "abcdefghij"
LENGTHS = (5, 10, 20, 40)
BOS, EOS = 2, 3  # after the padding, 0, and what is unknown, 1

Pair = tuple[list[str], list[str]]  # the tokens of a source, and of its target


class Task(NamedTuple):
    """What to learn from, what to be judged by, and how long to learn."""

    train: list[Pair]
    test: list[Pair]
    steps: int


# ---- the tasks ------------------------------------------------------------------------------------------------------


def dates(rng: np.random.Generator) -> Task:
    """Days of the years 1950 to 2049, each written in one of six ways; a tenth of the days is kept for the test."""
    first = np.datetime64("1950-01-01")
    days = [str(first + int(i)) for i in rng.permutation(36525)[:6000]]
    pairs: list[Pair] = []
    for day in days:
        year, month, number = day[:4], int(day[5:7]), int(day[8:])
        name = MONTHS[month - 1]
        forms = [
            f"{number} {name} {year}", f"{name} {number}, {year}", f"{number} {name[:3]} {year}",
            f"{name[:3]} {number} {year}", f"{number}.{month}.{year}", f"the {number}. of {name}, {year}",
        ]  # fmt: skip
        pairs.append((list(forms[rng.integers(len(forms))]), list(day)))
    return Task(pairs[600:], pairs[:600], 400)


def reversal(rng: np.random.Generator) -> Task:
    """Words of random letters, to be written backwards."""

    def word(length: int) -> Pair:
        letters = rng.choice(list(LETTERS), length).tolist()
        return letters, letters[::-1]

    train = [word(int(rng.integers(1, 11 if i % 2 else 41))) for i in range(20_000)]
    return Task(train, [word(length) for length in LENGTHS for _ in range(100)], 1000)


def phrases(rng: np.random.Generator) -> Task:
    """Short Chinese sentences, by character, and what they are in English, by word; a fifth is kept for the test."""
    pairs: list[Pair] = [(list(chinese), english.split()) for chinese, english in read_tsv(PHRASES)]
    order = [0, 1, 2, 3, *(4 + rng.permutation(len(pairs) - 4))]  # those that are printed are learned
    cut = len(pairs) * 4 // 5
    return Task([pairs[i] for i in order[:cut]], [pairs[i] for i in order[cut:]], 400)


TASKS: dict[str, Callable[[np.random.Generator], Task]] = {"dates": dates, "reverse": reversal, "phrases": phrases}

# ---- a model and its two vocabularies -------------------------------------------------------------------------------


class Translator:
    """A `Seq2Seq` that takes and gives tokens."""

    def __init__(self, pairs: Sequence[Pair], encoder: str, decoder: str, attention: bool, dim: int = 64) -> None:
        specials = ("<bos>", "<eos>")
        self.sources = Vocab((token for source, _ in pairs for token in source), specials=specials)
        self.targets = Vocab((token for _, target in pairs for token in target), specials=specials)
        self.model = Seq2Seq(len(self.sources), len(self.targets), dim, encoder, decoder, attention)

    def read(self, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """The sources as numbers (B, Ts), each with an end, and how long they are (B)."""
        return pad([[*self.sources.encode(source), EOS] for source, _ in pairs])

    def loss(self, pairs: Sequence[Pair]) -> Tensor:
        """How unlikely the model thinks each right token, when it has read those before it (teacher forcing)."""
        target, _ = pad([[BOS, *self.targets.encode(target), EOS] for _, target in pairs])
        scores = self.model(*self.read(pairs), target[:, :-1])  # (B, Tt, V)
        return F.cross_entropy(scores.flatten(0, 1), Tensor(target[:, 1:].ravel()), ignore_index=0)

    def train(self, pairs: Sequence[Pair], steps: int, name: str) -> list[float]:
        """The losses of so many batches of 64."""
        optimizer = optim.Adam(self.model.parameters(), lr=4e-3)
        schedule = optim.lr_scheduler.LambdaLR(optimizer, lambda t: min((t + 1) / 50, (steps - t) / steps))
        losses: list[float] = []
        epoch: list[list[int]] = []
        progress = Progress(range(steps), name)
        for _ in progress:
            epoch = epoch or buckets([len(source) for source, _ in pairs], 64)
            optimizer.zero_grad()
            loss = self.loss([pairs[i] for i in epoch.pop()])
            loss.backward()
            clip_grad_norm_(self.model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            progress.note = f"loss {losses[-1]:.3f}"
        return losses

    def translate(self, pairs: Sequence[Pair], beam: int = 1) -> list[list[str]]:
        """What the model writes for each source, by greedy search or with a beam."""
        longest = 2 * max(len(target) for _, target in pairs) + 1
        if beam == 1:
            answers = self.model.greedy(*self.read(pairs), BOS, EOS, longest)
        else:
            answers = self.model.beam_search(*self.read(pairs), BOS, EOS, beam, longest)
        return [self.targets.decode(ids) for ids in answers]

    def exact_match(self, pairs: Sequence[Pair], beam: int = 1) -> float:
        """The share of sources for which the model writes the target, without any error."""
        answers = self.translate(pairs, beam)
        return float(np.mean([answer == target for answer, (_, target) in zip(answers, pairs, strict=True)]))

    def alignment(self, source: list[str]) -> Figure:
        """A map of where the decoder looks while it writes: a row for each token written, a column for each read."""
        pair = (source, self.translate([(source, source)])[0])
        target = [BOS, *self.targets.encode(pair[1])]
        weights = self.model.alignment(*self.read([pair]), np.array([target]))
        return attention(weights[0], [*pair[1], "end"], [*source, "end"])


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--task", choices=TASKS, default="dates", help="what to learn; default: dates")
    p.add_argument("--encoder", choices=ENCODERS, default="birnn", help="what reads the source; default: birnn")
    p.add_argument("--decoder", choices=DECODERS, default="gru", help="what writes the target; default: gru")
    p.add_argument("--no-attention", action="store_true", help="a fixed context instead of one for each step")
    p.add_argument("--beam", type=int, default=1, help="candidates that a search keeps; default: 1, greedy")
    p.add_argument("--steps", type=int, help="batches to learn from; default: what the task needs")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    task = TASKS[a.task](np.random.default_rng(a.seed))
    if a.short:
        task = Task(task.train[:128], task.test[::40][:8], 3)
    steps = task.steps if a.steps is None or a.short else a.steps
    results: dict[str, float] = {}
    pictures: dict[str, Figure] = {}
    losses = {}
    for name in ["without attention"] if a.no_attention else ["attention", "without attention"]:
        minigrad.manual_seed(a.seed)
        translator = Translator(task.train, a.encoder, a.decoder, attention=name == "attention")
        losses[name] = translator.train(task.train, steps, f"{a.encoder} → {a.decoder}, {name}")
        results[name] = translator.exact_match(task.test, a.beam)
        print(name, results[name])
        for length in LENGTHS:
            some = [p for p in task.test if len(p[0]) == length]
            if some: print(length, translator.exact_match(some, a.beam))
        if name == "attention":
            print(translator.alignment(task.test[0][0]))
    return results


if __name__ == "__main__":
    main()
