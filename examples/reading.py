"""Cross-attention answers questions: the question looks at the passage, and the answer is the word it looks at.

    python examples/reading.py
    python examples/reading.py --passage "the cat is in the tower . 狐狸 在 花园 里 。" --ask "where is the cat ?"

A passage says of a few animals where they are, in English or in Chinese; a question asks for the place of one, or who
is at a place. The question is one vector, the passage one vector for each word, and the weights of the attention are
the answer: the probability of each position. Alone, each word would know nothing of the others, and the question would
find the cat, but not its place; so each first takes in what stands near it, by a convolution over nine words. Without
the question, one can only guess among all animals and places.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import Figure, attention
from nn import optim
from nn.data import Vocab, batches, pad
from nn.text_cnn import Convolutions


class Language(NamedTuple):
    """What there is, and how it is said; `{who}` and `{where}` stand for an animal and a place."""

    animals: list[str]
    places: list[str]
    facts: list[str]
    ask_where: str
    ask_who: str


LANGUAGES = [
    Language(
        ["cat", "dog", "horse", "bird", "mouse", "sheep", "cow", "fox", "duck", "goat"],
        ["garden", "house", "kitchen", "forest", "field", "stable", "street", "river", "cellar", "tower"],
        ["the {who} is in the {where} .", "in the {where} sits the {who} .", "the {who} went to the {where} ."],
        "where is the {who} ?",
        "who is in the {where} ?",
    ),
    Language(
        ["猫", "狗", "马", "鸟", "老鼠", "羊", "牛", "狐狸", "鸭子", "兔子"],
        ["花园", "房子", "厨房", "森林", "田野", "马厩", "街上", "河边", "地窖", "塔楼"],
        ["{who} 在 {where} 里 。", "{where} 里 有 {who} 。", "{who} 去 了 {where} 。"],
        "{who} 在 哪里 ？",
        "谁 在 {where} 里 ？",
    ),
]


class Exercise(NamedTuple):
    """The words of a passage and of a question about it, and the position in the passage that answers."""

    passage: list[str]
    question: list[str]
    answer: int | None  # of a question that somebody else asks, nobody has said it


# ---- the data -------------------------------------------------------------------------------------------------------


def exercise(rng: np.random.Generator, language: Language | None = None, facts: int | None = None) -> Exercise:
    """Two to five facts (unless it is said how many), and a question that one of them answers."""
    spoken = language or LANGUAGES[rng.integers(len(LANGUAGES))]
    facts = facts or int(rng.integers(2, 6))
    who, where = (rng.choice(words, facts, replace=False).tolist() for words in (spoken.animals, spoken.places))
    said = [rng.choice(spoken.facts).format(who=a, where=b).split() for a, b in zip(who, where, strict=True)]
    passage = [word for fact in said for word in fact]
    asked = rng.integers(facts)
    ask, answer = ((spoken.ask_where, where[asked]), (spoken.ask_who, who[asked]))[rng.integers(2)]
    return Exercise(passage, ask.format(who=who[asked], where=where[asked]).split(), passage.index(answer))


def batch_of(exercises: Sequence[Exercise], vocab: Vocab) -> tuple[Tensor, np.ndarray, Tensor, np.ndarray]:
    """Ids and lengths of the passages (B, T), (B), and of the questions (B, Q), (B)."""
    passages, lengths = pad([vocab.encode(e.passage) for e in exercises])
    questions, words = pad([vocab.encode(e.question) for e in exercises])
    return Tensor(passages), lengths, Tensor(questions), words


# ---- the model ------------------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """passages (B, T) and questions (B, Q) → the probability that a position is the answer (B, T)."""

    def __init__(self, words: int, see_question: bool = True, dim: int = 48) -> None:
        super().__init__()
        self.see_question = see_question
        self.embedding = nn.Embedding(words, dim, padding_idx=0)
        self.nearby = Convolutions(dim, dim, widths=(9,))
        self.question = nn.AttentionPool(dim)
        self.look = nn.CrossAttention(dim, bias=True)

    def forward(self, passages: Tensor, lengths: np.ndarray, questions: Tensor, words: np.ndarray) -> Tensor:
        words_of_passage = self.embedding(passages)  # (B, T, D)
        read = words_of_passage + self.nearby(words_of_passage)
        asked = self.question(self.embedding(questions), lengths=words)  # (B, D)
        asked = asked if self.see_question else minigrad.zeros_like(asked)
        return self.look(asked, read, lengths=lengths, return_weights=True)[1]


# ---- training and using it ------------------------------------------------------------------------------------------


def train(model: Reader, exercises: Sequence[Exercise], vocab: Vocab, epochs: int, name: str) -> None:
    """Adam on −log of the probability at the answer."""
    optimizer = optim.Adam(model.parameters(), lr=3e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    progress = Progress(range(epochs), name)
    for _ in progress:
        for rows in batches(len(exercises), 64):
            chosen = [exercises[i] for i in rows]
            optimizer.zero_grad()
            weights = model(*batch_of(chosen, vocab))  # (B, T)
            loss = -(weights[np.arange(len(chosen)), [e.answer for e in chosen]] + 1e-9).log().mean()
            loss.backward()
            optimizer.step()
        schedule.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def weights_of(model: Reader, exercises: Sequence[Exercise], vocab: Vocab) -> np.ndarray:
    """Where each question looks: (B, T)."""
    return model(*batch_of(exercises, vocab)).numpy()


def accuracy(model: Reader, exercises: Sequence[Exercise], vocab: Vocab) -> float:
    return float((weights_of(model, exercises, vocab).argmax(1) == [e.answer for e in exercises]).mean())


# ---- what comes out -------------------------------------------------------------------------------------------------


def show(model: Reader, exercises: Sequence[Exercise], vocab: Vocab) -> Figure:
    """Print what each question finds in the one passage, and return where it looks as a heat map."""
    weights = weights_of(model, exercises, vocab)
    passage, questions = exercises[0].passage, [e.question for e in exercises]
    print("\n" + " ".join(passage))
    for e, row in zip(exercises, weights, strict=True):
        found = int(row.argmax())
        mistake = "" if e.answer in (None, found) else f"; it should be {passage[e.answer]}"
        print(f"  {' '.join(e.question)}  →  {passage[found]}  ({100 * row.max():.0f} %){mistake}")
    common = set.intersection(*map(set, questions)) if len(questions) > 1 else set()  # labels have to be short
    return attention(weights, [" ".join(w for w in question if w not in common) for question in questions], passage)


def passages_to_show(rng: np.random.Generator) -> dict[str, list[Exercise]]:
    """A passage in each language, with every question that it answers."""
    shown = {}
    for name, spoken in zip(("english", "chinese"), LANGUAGES, strict=True):
        passage = exercise(rng, spoken, facts=3).passage
        who, where = ([i for i, word in enumerate(passage) if word in some] for some in (spoken.animals, spoken.places))
        facts = list(zip(who, where, strict=True))
        shown[name] = [Exercise(passage, spoken.ask_where.format(who=passage[i]).split(), j) for i, j in facts]
        shown[name] += [Exercise(passage, spoken.ask_who.format(where=passage[j]).split(), i) for i, j in facts]
    return shown


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument("--passage", metavar="WORDS", help="a passage of your own, its words between spaces; needs --ask")
    p.add_argument("--ask", metavar="WORDS", help="a question to the passage of your own")
    return lesson.start(p, run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    passage, question = (a.passage or "").split(), (a.ask or "").split()
    if bool(passage) != bool(question):
        raise ValueError("--passage and --ask go together: give both, or neither")
    rng = np.random.default_rng(a.seed)
    training = [exercise(rng) for _ in range(100 if a.short else 8000)]
    test = [exercise(rng) for _ in range(50 if a.short else 500)]
    vocab = Vocab(word for e in training for word in e.passage + e.question)
    unknown = [word for word in passage + question if word not in vocab]
    if unknown:
        raise ValueError(f"--passage and --ask take words that were learned, and these were not: {', '.join(unknown)}")
    accuracies = {}
    for name, sees in {"without the question": False, "with the question": True}.items():
        minigrad.manual_seed(a.seed)
        model = Reader(len(vocab), sees)
        train(model, training, vocab, 1 if a.short else 10, name)
        accuracies[name] = accuracy(model, test, vocab)
    lesson.print_accuracies(f"{len(test)} questions: right", accuracies)
    shown = passages_to_show(rng) | ({"own": [Exercise(passage, question, None)]} if question else {})
    pictures = {f"{name}.svg": show(model, asked, vocab) for name, asked in shown.items()}
    lesson.write_pictures(a.pictures, pictures)
    if not a.short:
        assert accuracies["with the question"] > 0.9 > 0.4 > accuracies["without the question"], accuracies
    return accuracies


if __name__ == "__main__":
    main()
