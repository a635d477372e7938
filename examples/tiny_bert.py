"""A tiny BERT: self-attention that sees both sides of a gap, and learns by guessing words that were taken away.

    python examples/tiny_bert.py
    python examples/tiny_bert.py --sentence "One winter the [MASK] was thirsty. It wanted [MASK] and went to the well."

Of every tale of animals, 15 % of the words are chosen in each round: most become [MASK], some another word, some stay.
The model says which words stood there; nobody has to label anything. A dog barks, fish is found at the river: what
fills a gap may stand far before it or after it, which models that count words and their neighbours cannot know. (The
original learned from books, and also to tell whether two sentences belong together, which later ones left out.)

Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding" (2019),
arXiv:1810.04805.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson
from examples.common import warm_up_and_decay
from examples.counting import NEIGHBOURS, Neighbours
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import attention, curves, head_view
from nn import optim
from nn.data import Vocab, batches, pad, read_text
from nn.utils import clip_grad_norm_

TALES = Path(__file__).parent / "data" / "tales.txt"
MASK = 2  # after the padding, 0, and what is unknown, 1
LONGEST = 64  # words of a tale; a picture of attention has no more either
SENTENCE = (
    "One winter the [MASK] was hungry. It wanted fish and went to the [MASK]. There it met the owl with the fish. "
    "Give me some of the [MASK], barked the dog. Gladly, [MASK] the owl, and they [MASK] at the river together."
)

# ---- the model ------------------------------------------------------------------------------------------------------


class BERT(nn.Module):
    """Words (B, T), some of them [MASK] → scores of the word at each place (B, T, V); every word sees all others.

    The matrix that turns words into vectors also turns vectors back into scores of words.
    """

    def __init__(self, words: int, dim: int = 64, heads: int = 4, blocks: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim, padding_idx=0)
        self.positions = nn.LearnedPositions(LONGEST, dim)
        self.blocks = nn.ModuleList(
            [nn.EncoderBlock(nn.MultiHead(dim, heads), dim, 4 * dim) for _ in range(blocks)],
        )
        self.norm = nn.LayerNorm(dim)
        self.bias = nn.Parameter(minigrad.zeros(words))
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, ids: Tensor, lengths: np.ndarray) -> Tensor:
        x = self.positions(self.embedding(ids))
        for block in self.blocks:
            x = block(x, lengths=lengths)
        return self.norm(x) @ self.embedding.weight.mT + self.bias


# ---- the data -------------------------------------------------------------------------------------------------------


def split(text: str) -> list[str]:
    """Words, signs, and [MASK]."""
    return re.findall(r"\[MASK\]|\w+|[^\w\s]", text)


def hide(ids: np.ndarray, real: np.ndarray, words: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What the model reads, and where it has to say what stood there: 15 % of the real words, at least one.

    Of those chosen, 80 % become [MASK] and 10 % any word; the others stay, so that the model cannot rely on a word
    that it sees either.
    """
    chosen = (rng.random(ids.shape) < 0.15) & real
    chosen[0, 0] |= not chosen.any()
    fate = rng.random(ids.shape)
    ids = np.where(chosen & (fate < 0.8), MASK, ids)
    return np.where(chosen & (fate >= 0.9), rng.integers(MASK + 1, words, ids.shape), ids), chosen


# ---- training and using it ------------------------------------------------------------------------------------------


def train(model: BERT, tales: Sequence[list[int]], steps: int, seed: int) -> list[float]:
    rng = np.random.default_rng(seed)
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = warm_up_and_decay(optimizer, steps)
    losses: list[float] = []
    epoch: list[list[int]] = []
    progress = Progress(range(steps), "bert")
    for _ in progress:
        epoch = epoch or batches(len(tales), 16)
        ids, lengths = pad([tales[i] for i in epoch.pop()])
        read, chosen = hide(ids, ids > 0, len(model.bias), rng)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(Tensor(read), lengths)[chosen], Tensor(ids[chosen]))
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        progress.note = f"loss {losses[-1]:.3f}"
    return losses


@minigrad.no_grad()
def fill(model: BERT, vocab: Vocab, words: Sequence[str]) -> np.ndarray:
    """How probable each word of the vocabulary is at each [MASK]: (number of gaps, V)."""
    ids = np.array([vocab.encode(words)])
    scores = model(Tensor(ids), np.array([len(words)]))[0]
    return scores[ids[0] == MASK].softmax(-1).numpy()


@minigrad.no_grad()
def guess_each(model: BERT, vocab: Vocab, tale: Sequence[str]) -> list[str]:
    """What the model takes each word of a tale for when that one alone is hidden."""
    n = len(tale)
    ids = np.tile(vocab.encode(tale), (n, 1))
    np.fill_diagonal(ids, MASK)
    scores = model(Tensor(ids), np.full(n, n)).numpy()
    return vocab.decode(scores[np.arange(n), np.arange(n)].argmax(-1))


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--data", metavar="FILE.txt", type=Path, default=TALES, help="a text of short lines")
    p.add_argument("--steps", type=lesson.at_least(1), default=500, help="batches to learn from; default: 500")
    p.add_argument("--sentence", default=SENTENCE, help="a sentence with [MASK] in it, to be filled in")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    minigrad.manual_seed(a.seed)
    tales = [split(line)[:LONGEST] for line in read_text(a.data).splitlines() if line.strip()]
    cut = len(tales) * 9 // 10
    if not cut:
        raise ValueError(f"{a.data}: a text of {len(tales)} line is too short; a tenth of the lines is kept back")
    sentence = split(a.sentence)
    if "[MASK]" not in sentence or len(sentence) > LONGEST:
        raise ValueError(f"--sentence: at most {LONGEST} words with [MASK] among them are needed, not {a.sentence!r}")
    learned, kept = tales[:cut], tales[cut:]
    if a.short:
        learned, kept = learned[:32], kept[:2]
    vocab = Vocab((word for tale in learned for word in tale), specials=("[MASK]",))
    model = BERT(len(vocab))
    course = train(model, [vocab.encode(tale) for tale in learned], 3 if a.short else a.steps, a.seed)

    counts = Neighbours(learned)
    words = [(tale, i) for tale in kept for i in range(len(tale))]
    guesses = {name: [counts.guess(*where, n) for where in words] for n, name in enumerate(NEIGHBOURS)}
    guesses["bert"] = [guess for tale in kept for guess in guess_each(model, vocab, tale)]
    accuracies = {
        name: float(np.mean([guess == tale[i] for guess, (tale, i) in zip(each, words, strict=True)]))
        for name, each in guesses.items()
    }
    lesson.print_accuracies(f"one word hidden and guessed, {len(words)} words of tales not learned from", accuracies)

    print(f"\n{a.sentence}")
    for number, p in enumerate(fill(model, vocab, sentence), 1):
        best = ", ".join(f"{vocab.tokens[i]} {100 * p[i]:.0f} %" for i in np.argsort(-p)[:3])
        print(f"  gap {number}: {best}")
    if a.pictures is not None:
        with nn.record_attention(model) as maps, minigrad.no_grad():
            model(Tensor([vocab.encode(sentence)]), [len(sentence)])
        last = maps[f"blocks.{len(model.blocks) - 1}.mixer"][0]  # (1, H, T, T)
        gaps = [i for i, word in enumerate(sentence) if word == "[MASK]"]
        looks = attention(last[:, :, gaps], [f"gap {n}" for n in range(1, len(gaps) + 1)], sentence, cols=1)
        pictures = {"bert-gaps.svg": looks, "bert-heads.html": head_view(last, sentence)}
        lesson.write_pictures(a.pictures, pictures | {"bert-loss.svg": curves({"loss": course})})
    if not a.short and a.data == TALES:
        assert accuracies["bert"] > 0.9 > accuracies["both neighbours"], "BERT should know more than the neighbours do"
    return accuracies


if __name__ == "__main__":
    main()
