"""One label for each vector: which layers see enough of the sentence to tell the verb "saw" from the noun?

    python examples/context.py                               # all layers, in under a minute
    python examples/context.py --models linear window attention

First an experiment: in each sentence there is one "saw", and one other word, near or far, to the left or to the right,
which decides what it is. A fully connected layer on each vector sees the word alone, and can only guess; a window sees
a part; what reads from the left sees what stands to the left; self-attention sees all. Then the same layers tag a small
corpus, where most of what decides stands next to the word, and a window is enough.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that it runs without being installed
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small are multiplied fastest by one thread

import numpy as np

import minigrad
import nn
import nn.functional as F
from examples import lesson, sequence_labeler
from examples.baselines import MostFrequentTag
from examples.common import HERE
from examples.mixers import HEADS, NEARBY, RECURRENT, Attention, mixer_for
from examples.progress import Progress
from examples.sequence_labeler import Lexicon, Tagger
from minigrad import Tensor, viz
from nn import optim
from nn.data import read_conllu
from nn.record import record_attention

Shares = dict[str, dict[str, float]]  # of each layer, the share of right tags in each group of words
ORDER = [*reversed(NEARBY), *RECURRENT, *HEADS]


# ---- the experiment: sentences in which one word decides about another ----------------------------------------------

SAW, CUES, FILLERS, LENGTH = 0, {1: 1, 2: 1, 3: 2, 4: 2}, range(5, 25), 12  # words are numbers; two cues for each tag
NAMES = ["saw", "they", "we", "old", "sharp", *(f"word{i}" for i in FILLERS)]
TAGS = ["other", "verb", "noun"]


class Sentences(NamedTuple):
    """words (N, 12) and tags (N, 12); of each sentence, where "saw" stands (N), and how far from it its cue (N)."""

    words: Tensor
    tags: Tensor
    place: np.ndarray
    distance: np.ndarray  # < 0: the cue stands to the left


def saw_sentences(n: int, rng: np.random.Generator) -> Sentences:
    """Meaningless words, one "saw", and one cue, which is near (1 or 2 words away) in half of the sentences."""
    words, tags = rng.choice(FILLERS, (n, LENGTH)), np.zeros((n, LENGTH), int)
    place, distance = np.empty(n, int), np.empty(n, int)
    for i in range(n):
        away = rng.integers(1, 3) if rng.random() < 0.5 else rng.integers(3, 8)
        distance[i] = away * rng.choice([-1, 1])
        place[i] = rng.integers(max(0, -distance[i]), LENGTH - max(0, distance[i]))
        cue = rng.choice(list(CUES))
        words[i, place[i]], words[i, place[i] + distance[i]] = SAW, cue
        tags[i, place[i]] = CUES[cue]
    return Sentences(Tensor(words), Tensor(tags), place, distance)


class SmallTagger(nn.Module):
    """words (B, T) → scores of the tags (B, T, 3): an embedding, one layer that mixes, and a linear layer."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(NAMES), 32)
        self.mixer: nn.Module = mixer_for(model, 32) if model not in HEADS else Attention(32, HEADS[model], 1, 0.0)
        self.output = nn.Linear(self.mixer.size, len(TAGS))

    def forward(self, words: Tensor) -> Tensor:
        return self.output(self.mixer(self.embedding(words), [words.shape[1]] * len(words)))


def train_small(model: str, data: Sentences, epochs: int) -> SmallTagger:
    """Adam on batches of 32 sentences."""
    tagger = SmallTagger(model)
    optimizer = optim.Adam(tagger.parameters(), lr=3e-3)
    progress = Progress(range(epochs), model)
    for _ in progress:
        for rows in minigrad.randperm(len(data.place)).split(32):
            optimizer.zero_grad()
            loss = F.cross_entropy(tagger(data.words[rows]).flatten(0, 1), data.tags[rows].flatten())
            loss.backward()
            optimizer.step()
        progress.note = f"loss {loss.item():.3f}"
    return tagger


def who_sees_what(models: Sequence[str], seed: int, sentences: int, epochs: int) -> tuple[Shares, SmallTagger]:
    """Print the share of right tags for "saw", by where its cue stands; return that, and the last tagger."""
    rng = np.random.default_rng(seed)
    data, test = saw_sentences(sentences, rng), saw_sentences(1000, rng)
    right_side, near = test.distance > 0, abs(test.distance) <= 2
    groups = {"all": near | ~near, "near left": near & ~right_side, "near right": near & right_side,
              "far left": ~near & ~right_side, "far right": ~near & right_side}  # fmt: skip
    print(
        f'is "saw" verb or noun? {sentences} sentences to learn from; right tags in %, chance 50, by where the cue is'
    )
    print(heading(groups))
    found = {}
    for model in models:
        minigrad.manual_seed(seed)
        start = time.perf_counter()
        tagger = train_small(model, data, epochs)
        seconds = time.perf_counter() - start
        with minigrad.no_grad():
            answers = tagger(test.words).argmax(-1)
        right = (answers == test.tags).numpy()[np.arange(len(test.place)), test.place]
        found[model] = {name: float(right[group].mean()) for name, group in groups.items()}
        parameters = sum(p.numel() for p in tagger.parameters())
        print(line(model, parameters, seconds, found[model]))
    return found, tagger


# ---- the same layers on a corpus ------------------------------------------------------------------------------------


def tagging(models: Sequence[str], seed: int, sentences: int | None, epochs: int) -> Shares:
    """Print and return what each layer is worth to the tagger of `sequence_labeler.py`, beside tags by word alone."""
    training = list(read_conllu(HERE / "tiny-train.conllu"))[:sentences]
    test = list(read_conllu(HERE / "tiny-test.conllu"))
    lexicon, known = Lexicon.of(training), MostFrequentTag(training)
    groups = {
        "all": np.array([True for s in test for _ in s.words]),
        "ambiguous": np.array([word.lower() in known.ambiguous for s in test for word in s.words]),
        "order": np.array([s.comments.get("slice") == "order" for s in test for _ in s.words]),
    }
    tags = [tag for s in test for tag in s.tags]
    print(f"\nparts of speech, {len(training)} sentences to learn from; right tags in %")
    print(heading(groups))
    found = {}

    def show(name: str, answers: Sequence[Sequence[str]], parameters: int = 0, seconds: float = 0.0) -> None:
        right = np.array([a == b for a, b in zip((tag for answer in answers for tag in answer), tags, strict=True)])
        found[name] = {group: float(right[chosen].mean()) for group, chosen in groups.items()}
        print(line(name, parameters, seconds, found[name]))

    show("by word", known.answers(test)["most frequent"])
    for model in models:
        minigrad.manual_seed(seed)
        start = time.perf_counter()
        tagger, examples = Tagger(lexicon, model), sequence_labeler.encode(training, lexicon)
        sequence_labeler.train(tagger, examples, examples[:20], epochs, 2e-3 if model in HEADS else 3e-3, model)
        seconds = time.perf_counter() - start
        answers = sequence_labeler.tag_sentences(tagger, lexicon, [s.words for s in test])
        show(model, answers, sum(p.numel() for p in tagger.parameters()), seconds)
    return found


# ---- tables and the programme ---------------------------------------------------------------------------------------


def heading(groups: Iterable[str]) -> str:
    return f"{'':10}{'parameters':>12}{'seconds':>9}" + "".join(f"{group:>11}" for group in groups)


def line(name: str, parameters: int, seconds: float, shares: Mapping[str, float]) -> str:
    cost = f"{parameters:12,}{seconds:9.1f}" if parameters else " " * 21
    return f"{name:10}{cost}" + "".join(f"{100 * share:11.1f}" for share in shares.values())


def look(seed: int, tagger: SmallTagger) -> dict[str, viz.Figure]:
    """Where the words of one sentence look, whose cue is far away."""
    data = saw_sentences(50, np.random.default_rng(seed))
    far = int(abs(data.distance).argmax())
    with minigrad.no_grad(), record_attention(tagger) as maps:
        tagger(data.words[far : far + 1])
    tokens = [NAMES[i] for i in data.words[far].tolist()]
    (weights,) = next(iter(maps.values()))
    return {"context.svg": viz.attention(weights[0], tokens), "context.html": viz.head_view(weights[0], tokens)}


# Where the cue stands that a layer cannot see: a convolution of width 3 misses half of what is near, too.
FAR, RIGHT = {"far left", "far right"}, {"near right", "far right"}
BLIND = {"linear": FAR | {"near left", "near right"}, "window": FAR, "conv1d": FAR, "cnn": FAR,
         "rnn": RIGHT, "lstm": RIGHT, "gru": RIGHT}  # fmt: skip


def check(seen: Mapping[str, Mapping[str, float]], tagged: Mapping[str, Mapping[str, float]]) -> None:
    """What the tables must say, as far as the layers were asked for."""
    for model, shares in seen.items():
        for group in FAR | RIGHT | {"near left"}:
            if group in BLIND.get(model, set()):
                assert shares[group] < 0.65, f"{model} cannot see a cue {group}, but has {shares[group]:.0%} right"
            elif model != "conv1d":
                assert shares[group] > 0.95, f"{model} sees a cue {group}, but has {shares[group]:.0%} right"
    for model, shares in tagged.items():
        if model not in ("by word", "linear"):
            assert shares["ambiguous"] > tagged["by word"]["ambiguous"] + 0.2, f"{model}: {shares}"


def run(a: argparse.Namespace) -> dict[str, float]:
    models = a.models or (["linear", "window", "attention"] if a.short else ORDER)
    seen, tagger = who_sees_what(models, a.seed, *((100, 1) if a.short else (1000, 12)))
    tagged = tagging(models, a.seed, *((50, 1) if a.short else (None, 16)))
    if models[-1] in HEADS:
        lesson.write_pictures(a.pictures, look(a.seed, tagger))
    elif a.pictures:
        print("no picture: the last of these layers has no attention weights")
    if not a.short:
        check(seen, tagged)
    return {model: shares["all"] for model, shares in tagged.items()}


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    p = lesson.options(__doc__)
    p.add_argument(
        "--models", nargs="+", choices=ORDER, metavar="MODEL", help=f"some of {', '.join(ORDER)}; default: all"
    )
    return lesson.start(p, run, argv)


if __name__ == "__main__":
    main()
