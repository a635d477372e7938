"""The Transformer, encoder and decoder, translates dates; and what becomes of it when a mask is forgotten.

    python examples/tiny_transformer.py                     # "3 May 2021" → "2021-05-03"
    python examples/tiny_transformer.py --task phrases      # 我每天喝茶 → I drink tea every day

Everything here is attention: the encoder's to the source, the decoder's to what it wrote, and the decoder's to the
source. Three masks say who may look where. As in PyTorch, True *hides* here (elsewhere in this package True *shows*):

    source padding (B, Ts)      the sources of a batch are filled up to equal lengths; nobody looks at the filling
    memory padding (B, Ts)      the same, for the decoder that looks at what the encoder made of the source
    look-ahead (Tt, Tt)         row i is True behind column i: in training the whole right answer is there at once, and
                                whoever may look ahead copies the next token in place of learning to find it

So the model is trained twice, with and without the look-ahead mask. The second seems to learn faster: told the right
answer so far, it says the next token without error. It cannot write at all.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.common import warm_up_and_decay
from examples.progress import Progress
from examples.seq2seq import BOS, EOS, Pair, Task, dates, phrases, vocabularies
from minigrad import Tensor
from minigrad.viz import Figure, attention
from nn import optim
from nn.data import Vocab, length_mask, pad
from nn.decoding import greedy
from nn.utils import clip_grad_norm_

TASKS = {"dates": dates, "phrases": phrases}


class Translator(nn.Module):
    """Source and target tokens (B, Ts), (B, Tt) → scores of what follows each target token (B, Tt, V)."""

    def __init__(self, sources: int, targets: int, dim: int = 64, look_ahead: bool = False) -> None:
        super().__init__()
        self.look_ahead = look_ahead
        self.read, self.written = nn.Embedding(sources, dim), nn.Embedding(targets, dim)
        self.positions = nn.SinusoidalPositions(dim)
        self.transformer = nn.Transformer(dim, 4, 2, 2, 2 * dim, dropout=0.0, batch_first=True, norm_first=True)
        self.scores = nn.Linear(dim, targets)

    def encode(self, source: Tensor, padding: Tensor) -> Tensor:
        """What the source says: (B, Ts, D)."""
        return self.transformer.encoder(self.positions(self.read(source)), src_key_padding_mask=padding)

    def decode(self, target: Tensor, memory: Tensor, padding: Tensor) -> Tensor:
        """What follows each target token, to judge by those before it, and by the source."""
        hidden = None if self.look_ahead else look_ahead_mask(target.shape[1])
        y = self.positions(self.written(target))
        return self.scores(self.transformer.decoder(y, memory, tgt_mask=hidden, memory_key_padding_mask=padding))

    def forward(self, source: Tensor, padding: Tensor, target: Tensor) -> Tensor:
        return self.decode(target, self.encode(source, padding), padding)

    @minigrad.no_grad()
    def greedy(self, source: Tensor, padding: Tensor, longest: int) -> list[list[int]]:
        """The likeliest token, step by step; each step decodes all that was written so far, and the last row counts."""
        memory = self.encode(source, padding)

        def step(ids: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, Any]:
            written = minigrad.cat([*state, ids.unsqueeze(1)], 1)
            return self.decode(written, memory, padding)[:, -1], (written,)

        return greedy(step, (), len(source), BOS, EOS, longest)


def look_ahead_mask(steps: int) -> Tensor:
    """True above the diagonal: (T, T)."""
    return minigrad.ones(steps, steps, dtype=minigrad.bool).triu(1)


class Batch:
    """Pairs as numbers: the source and where it is filled up; the target from its beginning, and up to its end."""

    def __init__(self, pairs: Sequence[Pair], sources: Vocab, targets: Vocab) -> None:
        ids, lengths = pad([sources.encode(source) for source, _ in pairs])
        self.source, self.padding = Tensor(ids), Tensor(~length_mask(lengths))
        ids, _ = pad([[BOS, *targets.encode(target), EOS] for _, target in pairs])
        self.target, self.following = Tensor(ids[:, :-1]), Tensor(ids[:, 1:])


def train(model: Translator, task: Task, vocabs: tuple[Vocab, Vocab], steps: int, name: str) -> None:
    """Adam, with a learning rate that rises, then falls to 0."""
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = warm_up_and_decay(optimizer, steps)
    progress = Progress(itertools.islice(task.batches, steps), name, steps)
    for pairs in progress:
        b = Batch(pairs, *vocabs)
        optimizer.zero_grad()
        scores = model(b.source, b.padding, b.target)
        loss = F.cross_entropy(scores.flatten(0, 1), b.following.flatten(), ignore_index=0)
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def told(model: Translator, b: Batch) -> float:
    """The share of tokens that the model says rightly when it is told those before."""
    right = (model(b.source, b.padding, b.target).argmax(-1) == b.following).numpy()
    return float(right[b.following.numpy() > 0].mean())


def print_masks(pairs: Sequence[Pair], vocabs: tuple[Vocab, Vocab]) -> None:
    """The masks of these pairs as they are: ■ where nobody may look."""
    b = Batch(pairs, *vocabs)
    print("\nsource padding: ■ is filling, hidden from encoder and decoder")
    for (source, _), row in zip(pairs, b.padding.tolist(), strict=True):
        text = "".join(source)
        print(f"  {''.join('■' if hidden else '·' for hidden in row)}  {text}")
    print("\nlook-ahead: while the token of a row is read, ■ is hidden from the decoder")
    target = ["<bos>", *pairs[0][1]]
    for token, row in zip(target, look_ahead_mask(len(target)).tolist(), strict=True):
        print(f"  {''.join('■' if hidden else '·' for hidden in row)}  {token}")


def alignment(model: Translator, pairs: Sequence[Pair], vocabs: tuple[Vocab, Vocab]) -> Figure:
    """Where the last block of the decoder looks in the source, head by head, as it is told the first target."""
    b = Batch(pairs, *vocabs)
    with nn.record_attention(model) as maps, minigrad.no_grad():
        model(b.source, b.padding, b.target)
    source, target = pairs[0]
    return attention(maps["transformer.decoder.layers.1.multihead_attn"][0], [*target, "end"], source)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--task", choices=TASKS, default="dates", help="what to translate; default: dates")
    p.add_argument("--steps", type=lesson.at_least(1), default=700, help="batches to learn from; default: 700")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    task = TASKS[a.task](np.random.default_rng(a.seed))
    *_, test = task.tests.values()
    test = test[:3] if a.short else test
    vocabs = vocabularies(task)
    b = Batch(test, *vocabs)
    results: dict[str, float] = {}
    written: dict[str, list[list[str]]] = {}
    for name, look_ahead in {"look-ahead masked": False, "mask forgotten": True}.items():
        minigrad.manual_seed(a.seed)
        model = Translator(len(vocabs[0]), len(vocabs[1]), look_ahead=look_ahead)
        train(model, task, vocabs, 3 if a.short else a.steps, name)
        answers = [vocabs[1].decode(ids) for ids in model.greedy(b.source, b.padding, b.following.shape[1] + 2)]
        right = [answer == target for answer, (_, target) in zip(answers, test, strict=True)]
        results |= {f"{name}, next token": told(model, b), name: float(np.mean(right))}
        written[name] = answers
        if not look_ahead:
            aligned = alignment(model, test[:1], vocabs)
    print_masks(test[:3], vocabs)
    print("\n%                 next token, told those before    whole answers, written by itself")
    for name in written:
        print(f"{name:17}{100 * results[f'{name}, next token']:29.1f}{100 * results[name]:36.1f}")
    print()
    for i, (source, _) in enumerate(test[:3]):
        for name, answers in written.items():
            print(f"{''.join(source)} → {task.blank.join(answers[i])}   ({name})")
    lesson.write_pictures(a.pictures, {f"{a.task}-heads.svg": aligned})
    if not a.short and a.task == "dates":
        assert results["look-ahead masked"] > 0.8 > 0.2 > results["mask forgotten"], "the mask should matter"
    return results


if __name__ == "__main__":
    main()
