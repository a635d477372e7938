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
import itertools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn.functional as F
from examples import lesson
from examples.common import warm_up_and_decay
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import Figure, attention, curves
from nn import optim
from nn.data import Vocab, buckets, pad, read_tsv
from nn.seq2seq import DECODERS, ENCODERS, Seq2Seq
from nn.utils import clip_grad_norm_

PHRASES = Path(__file__).parent / "data" / "phrases.tsv"
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip
LETTERS = "abcdefghij"
LENGTHS = (5, 10, 20, 40)
SHOWN = {  # what is printed: sources, and for the map of the first one how it should come out
    "dates": (["3 May 2021", "the 11. of June, 1987"], list("2021-05-03")),
    "reverse": (["badicefghj"], list("jhgfecidab")),
    "phrases": (["我每天喝茶", "我爱机器学习"], ["I", "drink", "tea", "every", "day"]),
}
BOS, EOS = 2, 3  # after the padding, 0, and what is unknown, 1

Pair = tuple[list[str], list[str]]  # the tokens of a source, and of its target


class Task(NamedTuple):
    """Batches to learn from, without an end; pairs to be judged by; how many steps; what stands between words."""

    batches: Iterator[list[Pair]]
    tests: dict[str, list[Pair]]
    steps: int
    blank: str = ""


# ---- the tasks ------------------------------------------------------------------------------------------------------


def drawn_from(pairs: Sequence[Pair], size: int) -> Iterator[list[Pair]]:
    """Every pair once, in batches, and then again."""
    while True:
        for rows in buckets([len(source) for source, _ in pairs], size):
            yield [pairs[i] for i in rows]


def dates(rng: np.random.Generator) -> Task:
    """Days of the years 1950 to 2049, each written in one of six ways; those of the test are not learned from."""
    pairs: list[Pair] = []
    for day in np.datetime64("1950-01-01") + rng.permutation(36525)[:6000]:
        year, month, number = str(day)[:4], int(str(day)[5:7]), int(str(day)[8:])
        name = MONTHS[month - 1]
        forms = [
            f"{number} {name} {year}", f"{name} {number}, {year}", f"{number} {name[:3]} {year}",
            f"{name[:3]} {number} {year}", f"{number}.{month}.{year}", f"the {number}. of {name}, {year}",
        ]  # fmt: skip
        pairs.append((list(forms[rng.integers(len(forms))]), list(str(day))))
    return Task(drawn_from(pairs[500:], 64), {"dates": pairs[:500]}, 400)


def reversal(rng: np.random.Generator) -> Task:
    """Words of random letters, to be written backwards; a batch has words of one length."""

    def words(count: int, length: int) -> list[Pair]:
        letters = rng.choice(list(LETTERS), (count, length)).tolist()
        return [(word, word[::-1]) for word in letters]

    tests = {f"length {length}": words(100, length) for length in LENGTHS}
    return Task((words(32, int(rng.integers(1, 45))) for _ in itertools.count()), tests, 1000)


def phrases(rng: np.random.Generator) -> Task:
    """Short Chinese sentences, by character, and what they are in English, by word; a fifth is kept for the test."""
    pairs: list[Pair] = [(list(chinese), english.split()) for chinese, english in read_tsv(PHRASES)]
    order = rng.permutation(len(pairs))
    learned, kept = ([pairs[i] for i in part] for part in np.split(order, [len(pairs) * 4 // 5]))
    return Task(drawn_from(learned, 32), {"phrases learned": learned, "new phrases": kept}, 400, " ")


TASKS: dict[str, Callable[[np.random.Generator], Task]] = {"dates": dates, "reverse": reversal, "phrases": phrases}

# ---- a model and its two vocabularies -------------------------------------------------------------------------------


def vocabularies(task: Task) -> tuple[Vocab, Vocab]:
    """The tokens of sources and of targets, as far as a hundred batches have them."""
    known = [pair for _ in range(100) for pair in next(task.batches)]
    specials = ("<bos>", "<eos>")
    sources = Vocab((token for source, _ in known for token in source), specials=specials)
    return sources, Vocab((token for _, target in known for token in target), specials=specials)


class Translator:
    """A `Seq2Seq` that takes and gives tokens."""

    def __init__(self, task: Task, encoder: str, decoder: str, attention: bool, dim: int = 64) -> None:
        self.sources, self.targets = vocabularies(task)
        self.model = Seq2Seq(len(self.sources), len(self.targets), dim, encoder, decoder, attention)

    def read(self, pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
        """The sources as numbers (B, Ts), each with an end, and how long they are (B)."""
        return pad([[*self.sources.encode(source), EOS] for source, _ in pairs])

    def loss(self, pairs: Sequence[Pair]) -> Tensor:
        """How unlikely the model thinks each right token, when it has read those before it (teacher forcing)."""
        target, _ = pad([[BOS, *self.targets.encode(target), EOS] for _, target in pairs])
        scores = self.model(*self.read(pairs), target[:, :-1])  # (B, Tt, V)
        return F.cross_entropy(scores.flatten(0, 1), Tensor(target[:, 1:].ravel()), ignore_index=0)

    def train(self, batches: Iterable[list[Pair]], steps: int, name: str) -> list[float]:
        """Adam, with a learning rate that rises, then falls to 0; the losses."""
        optimizer = optim.Adam(self.model.parameters(), lr=8e-3)
        schedule = warm_up_and_decay(optimizer, steps)
        losses: list[float] = []
        progress = Progress(itertools.islice(batches, steps), name, steps)
        for pairs in progress:
            optimizer.zero_grad()
            loss = self.loss(pairs)
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
        parts = [pairs[i : i + 50] for i in range(0, len(pairs), 50)]
        shown = parts if beam == 1 else Progress(parts, "beam search")  # greedy search is done at once
        answers = [answer for part in shown for answer in self.translate(part, beam)]
        return float(np.mean([answer == target for answer, (_, target) in zip(answers, pairs, strict=True)]))

    def alignment(self, pair: Pair) -> Figure:
        """Where the decoder looks as it writes the target: a row for each token written, a column for each read."""
        target = [BOS, *self.targets.encode(pair[1])]
        weights = self.model.alignment(*self.read([pair]), [target])
        return attention(weights[0], [*pair[1], "end"], [*pair[0], "end"])


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--task", choices=TASKS, default="dates", help="what to learn; default: dates")
    p.add_argument("--encoder", choices=ENCODERS, default="birnn", help="what reads the source; default: birnn")
    p.add_argument("--decoder", choices=DECODERS, default="gru", help="what writes the target; default: gru")
    p.add_argument("--no-attention", action="store_true", help="a fixed context instead of one for each step")
    p.add_argument("--beam", type=lesson.at_least(1), default=1, help="candidates a search keeps; default: 1, greedy")
    p.add_argument("--steps", type=lesson.at_least(1), help="batches to learn from; default: what the task needs")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    results: dict[str, float] = {}
    losses, answers = {}, {}
    for name in ("without attention", "attention")[: 1 if a.no_attention else 2]:
        task = TASKS[a.task](np.random.default_rng(a.seed))
        minigrad.manual_seed(a.seed)
        tests = {title: pairs[:3] if a.short else pairs for title, pairs in task.tests.items()}
        translator = Translator(task, a.encoder, a.decoder, attention=name == "attention")
        steps = 2 if a.short else a.steps or task.steps
        losses[name] = translator.train(task.batches, steps, f"{a.encoder} → {a.decoder}, {name}")
        results |= {f"{title}, {name}": translator.exact_match(pairs, a.beam) for title, pairs in tests.items()}
        sources, expected = SHOWN[a.task]
        answers[name] = translator.translate([(list(source), expected) for source in sources], a.beam)

    search = "greedy search" if a.beam == 1 else f"a beam of {a.beam}"
    print(f"\nexact match, %, {search}" + "".join(f"{name:>20}" for name in losses))
    for title in tests:
        cells = "".join(f"{100 * results[f'{title}, {name}']:20.1f}" for name in losses)
        print(f"  {title:{len(search) + 14}}{cells}")
    print()
    for i, source in enumerate(sources):
        for name in losses:
            print(f"{source} → {task.blank.join(answers[name][i])}   ({name})")
    pictures = {f"{a.task}-loss.svg": curves(losses)}
    if a.task == "reverse":
        shares = {name: (LENGTHS, [100 * results[f"{title}, {name}"] for title in tests]) for name in losses}
        pictures["reverse-length.svg"] = curves(shares, xlabel="length", ylabel="exact match, %")
    if not a.no_attention:
        pictures[f"{a.task}-alignment.svg"] = figure = translator.alignment((list(sources[0]), expected))
        print(f"\nwhere it looks, a row for each token that it writes: {figure}")
    lesson.write_pictures(a.pictures, pictures)
    usual = (a.encoder, a.decoder, a.steps, a.no_attention, a.short) == ("birnn", "gru", None, False, False)
    if usual:
        assert results[f"{next(iter(tests))}, attention"] > 0.9, "with attention, this should be learned"
    return results


if __name__ == "__main__":
    main()
