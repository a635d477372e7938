"""Multi-layer attention: words become sentences, sentences a document, and attention says which of them counted.

    python examples/documents.py

The documents are made up. Each has a few sentences on as many subjects, one of which says that it is the main point
("in short", "above all" …); its subject is the label. From the same sentences come several documents, each with another
main point, so their words are the same: whoever pours all words into one bag is right no more often than by guessing
among the subjects. `Hierarchical` keeps the sentences apart, finds the one with the cue, and says so: the weights of
its two storeys are printed. No two documents need to be of one length, nor their sentences.
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
import nn.functional as F
from examples import lesson
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import Figure, attention
from nn import optim
from nn.data import Vocab, batches

SUBJECTS = {
    "sport": ["goal", "match", "team", "coach", "player", "stadium", "race", "medal", "referee", "season"],
    "weather": ["rain", "storm", "cloud", "frost", "sunshine", "wind", "snow", "fog", "thunder", "drought"],
    "music": ["song", "choir", "violin", "concert", "melody", "drum", "singer", "orchestra", "piano", "tune"],
    "food": ["soup", "bread", "cheese", "kitchen", "recipe", "spice", "noodle", "oven", "butter", "salad"],
    "travel": ["train", "harbour", "ticket", "luggage", "hotel", "airport", "map", "passport", "coast", "journey"],
}
CUES = ["in short", "above all", "the main point :", "to sum up"]
FILLERS = ["the", "a", "some", "many", "was", "were", "seems", "near", "after", "before", "good", "bad", "old", "new"]


class Document(NamedTuple):
    """Sentences of words, and the subject of the main one."""

    sentences: list[list[str]]
    label: int


# ---- the data -------------------------------------------------------------------------------------------------------


def documents_of_one_bag(rng: np.random.Generator) -> list[Document]:
    """Sentences on two to five subjects, in random order, as often as there are; each is the main one once."""
    chosen = rng.permutation(len(SUBJECTS))[: rng.integers(2, len(SUBJECTS) + 1)]
    bodies = []
    for subject in chosen:
        words = rng.choice(list(SUBJECTS.values())[subject], rng.integers(1, 4), replace=False).tolist()
        bodies.append(rng.permutation(words + rng.choice(FILLERS, rng.integers(1, 7)).tolist()).tolist())
    cue = CUES[rng.integers(len(CUES))].split()
    documents = []
    for main, label in enumerate(chosen):
        sentences = [cue + body if i == main else body for i, body in enumerate(bodies)]
        documents.append(Document([sentences[i] for i in rng.permutation(len(sentences))], int(label)))
    return documents


def corpus(size: int, rng: np.random.Generator) -> list[Document]:
    """At least so many documents; those of one bag of words stay together."""
    documents: list[Document] = []
    while len(documents) < size:
        documents += documents_of_one_bag(rng)
    return documents


def batch_of(documents: Sequence[Document], vocab: Vocab) -> tuple[Tensor, Tensor, Tensor]:
    """Word ids (B, S, W), numbers of words (B, S), labels (B)."""
    ids, lengths = nn.pad_documents([[vocab.encode(words) for words in d.sentences] for d in documents])
    return ids, lengths, Tensor(np.array([d.label for d in documents]))


# ---- the models -----------------------------------------------------------------------------------------------------


class Flat(nn.Module):
    """One storey: attention over all words of the document, whatever sentence they are in."""

    def __init__(self, words: int, dim: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim, padding_idx=0)
        self.pool = nn.AttentionPool(dim)
        self.output = nn.Linear(dim, len(SUBJECTS))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        words = ids.flatten(1)  # (B, S W)
        return self.output(self.pool(self.embedding(words), mask=words != 0))


class TwoStoreys(nn.Module):
    """Words → sentences → the document; each storey asks with a query of its own."""

    def __init__(self, words: int, dim: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim, padding_idx=0)
        self.document = nn.Hierarchical(
            dim,
            words=nn.AttentionPool(dim, normalisation="sigmoid"),  # many may count: the cue and the subject both do
            sentences=nn.AttentionPool(dim),  # one counts at the cost of the others
        )
        self.output = nn.Linear(dim, len(SUBJECTS))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.output(self.document(self.embedding(ids), lengths))

    def weights(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """How much each sentence counted (B, S), and each word in its sentence (B, S, W)."""
        _, sentences, words = self.document(self.embedding(ids), lengths, return_weights=True)
        return sentences, words


# ---- training and using them ----------------------------------------------------------------------------------------


def train(model: nn.Module, documents: Sequence[Document], vocab: Vocab, epochs: int, name: str) -> None:
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    progress = Progress(range(epochs), name)
    for _ in progress:
        for rows in batches(len(documents), 64):
            ids, lengths, labels = batch_of([documents[i] for i in rows], vocab)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(ids, lengths), labels)
            loss.backward()
            optimizer.step()
        progress.note = f"loss {loss.item():.3f}"


@minigrad.no_grad()
def accuracy(model: nn.Module, documents: Sequence[Document], vocab: Vocab) -> float:
    ids, lengths, labels = batch_of(documents, vocab)
    return (model(ids, lengths).argmax(-1) == labels).to(minigrad.float32).mean().item()


# ---- what comes out -------------------------------------------------------------------------------------------------


@minigrad.no_grad()
def weights_of(model: TwoStoreys, document: Document, vocab: Vocab) -> tuple[np.ndarray, list[np.ndarray]]:
    """How much each sentence counted, and in each sentence each word."""
    ids, lengths, _ = batch_of([document], vocab)
    sentences, words = model.weights(ids, lengths)
    return sentences[0].numpy(), [row[: len(s)].numpy() for row, s in zip(words[0], document.sentences, strict=True)]


def print_attention(model: TwoStoreys, document: Document, vocab: Vocab) -> None:
    """Each sentence with its share of the document; before each word a mark for its weight in the sentence."""
    sentences, words = weights_of(model, document, vocab)
    subject = list(SUBJECTS)[document.label]
    print(f"\na document on {subject}: the shares of its sentences; before words, █ for most weight, ▓ ▒ ░ for less")
    for share, sentence, row in zip(sentences, document.sentences, words, strict=True):
        marked = "  ".join(f"{mark}{word}" for mark, word in zip(lesson.shaded(row), sentence, strict=True))
        print(f"  {100 * share:5.1f} %  {marked}")


def pictures_of(model: TwoStoreys, document: Document, vocab: Vocab) -> dict[str, Figure]:
    """The sentences of a document on one map, the words of each on another."""
    sentences, words = weights_of(model, document, vocab)
    names = [" ".join(sentence) for sentence in document.sentences]
    storeys = {"sentences.svg": attention(sentences[None], ["document"], names)}
    for i, (sentence, row) in enumerate(zip(document.sentences, words, strict=True), 1):
        storeys[f"sentence-{i}.svg"] = attention(row[None], [f"sentence {i}"], sentence)
    return storeys


# ---- the programme --------------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    return lesson.start(lesson.options(__doc__), run, argv)


def run(a: argparse.Namespace) -> dict[str, float]:
    rng = np.random.default_rng(a.seed)
    training, test = corpus(60 if a.short else 2000, rng), corpus(30 if a.short else 500, rng)
    vocab = Vocab(word for d in training for words in d.sentences for word in words)
    guessed = float(np.mean([1 / len(d.sentences) for d in test]))
    accuracies = {"guessing among its subjects": guessed}
    for name, make in {"all words in one bag": Flat, "words → sentences → document": TwoStoreys}.items():
        minigrad.manual_seed(a.seed)
        model = make(len(vocab))
        train(model, training, vocab, 1 if a.short else 12, name)
        accuracies[name] = accuracy(model, test, vocab)
    lesson.print_accuracies(f"{len(test)} documents of 2 to {len(SUBJECTS)} sentences: right", accuracies)
    shown = next(d for d in test if len(d.sentences) >= 3)
    assert isinstance(model, TwoStoreys)  # the last one
    print_attention(model, shown, vocab)
    lesson.write_pictures(a.pictures, pictures_of(model, shown, vocab))

    # For each bag, the flat model gives one answer to as many documents as have it: at most one of them is right.
    assert accuracies["all words in one bag"] < guessed + 1e-6, accuracies
    if not a.short:
        assert accuracies["words → sentences → document"] > 0.95, accuracies
    return accuracies


if __name__ == "__main__":
    main()
