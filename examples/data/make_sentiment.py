"""Write the small corpus of opinions that the sentiment example learns from.

    python examples/data/make_sentiment.py            # rewrites the three files beside this script
    python examples/data/make_sentiment.py FOLDER     # ... or writes them somewhere else

A line is a label, a tab and a sentence whose words are separated by blanks: "positive", "the plot is not dull ."
The sentences are invented and the task is easy, but not for a model that merely collects good and bad words. Eight
rules see to it, and tests/test_sentiment_corpus.py checks them:

1.  One reading.  The verdict is that of the adjective, turned round by a negation; where two adjectives disagree, the
    one after "but", the one outside the "although" clause, the one not denied, the one there is more of.
2.  Words are not enough.  In train every adjective, and every "not", is in as many positive as negative sentences.
3.  Order matters.  In the slices "order" ("not good but bad", "not bad but good") and "contrast" sentences come in
    pairs with the same words and opposite labels, in the same file: a model that ignores order gets exactly half.
4.  Combinations are held out, not lines.  No adjective of dev and test is in a frame in which train has it; in the two
    slices of pairs, no two adjectives are together that are together in train.
5.  Endings help.  A tenth of dev and test has adjectives that train lacks, with the endings -ful and -less that it has
    on others. A model of words can only guess here; one of characters may not have to.
6.  Every slice of every file is half positive, half negative, so that a report by slice says something.
7.  Small: three text files, less than 60 kB together, written once and read as they are.
8.  Nothing is to be chosen on test; dev is there for that.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

# Chosen among the first dozen: naive Bayes is near the half of "contrast" and "order" that it gets on average.
SEED = 5
TRAIN, DEV, TEST = SPLITS = "train", "dev", "test"

# ---- the words ------------------------------------------------------------------------------------------------------

ADJECTIVES = {  # by label and file; those of train are in dev and test as well
    ("positive", TRAIN): "good great clever funny fresh warm brilliant charming gripping superb lively tender "
    "playful graceful cheerful tasteful masterful colourful",
    ("negative", TRAIN): "bad dull silly boring stale cold clumsy tedious terrible shallow noisy dreary "
    "lifeless pointless tasteless shapeless mindless charmless",
    ("positive", DEV): "wonderful beautiful hopeful",
    ("negative", DEV): "senseless careless hopeless",
    ("positive", TEST): "joyful soulful thoughtful delightful",
    ("negative", TEST): "joyless soulless witless heartless",
}
NOUNS = "film movie comedy plot story script dialogue cast performance score soundtrack scene ending finale"
LABELS = {adjective: label for (label, _), words in ADJECTIVES.items() for adjective in words.split()}
OPPOSITE = {"positive": "negative", "negative": "positive"}

# ---- the sentences --------------------------------------------------------------------------------------------------

ONE_ADJECTIVE = {
    "plain": (
        "the {N} is {A} .",
        "this {N} was really {A} .",
        "it is a {A} {N} .",
        "it does have a {A} {N} .",
        "we did find the {N} {A} .",
        "i think that the {N} is {A} .",
        "everybody calls the {N} {A} .",
        "critics always found this {N} {A} .",
    ),
    "negation": (
        "the {N} is not {A} .",
        "the {N} isn't {A} .",
        "this {N} was never {A} .",
        "this {N} wasn't really {A} .",
        "it is not a {A} {N} .",
        "it is hardly a {A} {N} .",
    ),
    "far negation": (
        "we did not find the {N} {A} .",
        "i don't think that the {N} is {A} .",
        "i never thought that this {N} was {A} .",
        "nobody calls the {N} {A} .",
        "critics never found this {N} {A} .",
        "it does not have a {A} {N} .",
    ),
}
TWO_ADJECTIVES = {  # which disagree, and one decides
    "contrast": (
        "it has a {loser} {N} but a {winner} {M} .",
        "although it has a {loser} {N} , it has a {winner} {M} .",
        "it has a {winner} {N} although it has a {loser} {M} .",
    ),
    "order": (
        "it is not a {loser} {N} but a {winner} one .",
        "it is a {winner} {N} , not a {loser} one .",
        "the {N} is not really {loser} but really {winner} .",
        "the {N} is really {winner} but not really {loser} .",
    ),
}

SIZES = {TRAIN: 720, DEV: 120, TEST: 240}
SHARES = {"plain": 0.4, "negation": 0.1, "far negation": 0.1, "contrast": 0.2, "order": 0.2}
UNSEEN = {DEV: 6, TEST: 6}  # one in so many sentences with one adjective has one that train lacks
DEALING = TRAIN, TEST, TRAIN, DEV, TRAIN, TEST, TRAIN  # combinations are dealt like cards

# ---- filling and choosing -------------------------------------------------------------------------------------------


class Opinion(NamedTuple):
    """A line of the corpus and the slice it belongs to."""

    slice: str
    label: str
    text: str


T = TypeVar("T")
Combination = tuple[tuple[str, ...], str]  # adjectives and the frame they stand in


def shuffled(rng: random.Random, items: Iterable[T]) -> list[T]:
    """As random.shuffle; but random() is the method whose numbers no version of Python will change."""
    return [item for _, _, item in sorted((rng.random(), i, item) for i, item in enumerate(items))]


def adjectives_of(split: str, *labels: str) -> list[str]:
    """The adjectives that first occur in this file."""
    return [adjective for label in labels for adjective in ADJECTIVES[label, split].split()]


def combinations(slice_: str, split: str) -> Iterator[Combination]:
    """What is dealt to a file: adjectives of train in frames, or couples of them in any frame."""
    if slice_ in ONE_ADJECTIVE:
        for i, adjective in enumerate(adjectives_of(TRAIN, *OPPOSITE)):
            for k, frame in enumerate(ONE_ADJECTIVE[slice_]):
                if DEALING[(i + 2 * k) % len(DEALING)] == split:
                    yield (adjective,), frame
    else:
        for i, good in enumerate(adjectives_of(TRAIN, "positive")):
            for j, bad in enumerate(adjectives_of(TRAIN, "negative")):
                if DEALING[(i + 3 * j) % len(DEALING)] == split:
                    yield from (((good, bad), frame) for frame in TWO_ADJECTIVES[slice_])


def least_worn(rng: random.Random, options: Iterable[Combination], size: int) -> list[Combination]:
    """`size` of the options, some perhaps repeatedly, so that adjectives and then frames are equally frequent."""
    options = shuffled(rng, options)
    worn: Counter[object] = Counter()
    picked = []
    for _ in range(size):
        best = min(
            options,
            key=lambda o: (worn[LABELS[o[0][0]]], sum(worn[a] for a in o[0]), sum(worn[a, o[1]] for a in o[0])),
        )
        picked.append(best)
        worn.update([LABELS[best[0][0]], *best[0], *((a, best[1]) for a in best[0])])
    return picked


def written(rng: random.Random, slice_: str, combination: Combination, taken: set[str]) -> list[Opinion]:
    """The sentence, or the pair of sentences, with nouns that make it a new one."""
    adjectives, frame = combination
    while True:
        noun, other = shuffled(rng, NOUNS.split())[:2]
        if slice_ in ONE_ADJECTIVE:
            (adjective,) = adjectives
            text = frame.format(N=noun, A=adjective)
            label = LABELS[adjective] if slice_ == "plain" else OPPOSITE[LABELS[adjective]]
            opinions = [Opinion(slice_, label, text)]
        else:
            orders = (adjectives, adjectives[::-1])
            opinions = [
                Opinion(slice_, LABELS[winner], frame.format(N=noun, M=other, winner=winner, loser=loser))
                for winner, loser in orders
            ]
        if taken.isdisjoint(o.text for o in opinions):
            taken.update(o.text for o in opinions)
            return opinions


def make_corpus(seed: int = SEED) -> dict[str, list[Opinion]]:
    """All three files; the two sentences of a pair stand one after the other."""
    rng = random.Random(seed)
    taken: set[str] = set()
    corpus = {}
    for split in SPLITS:
        groups = []
        for slice_, share in SHARES.items():
            size = round(share * SIZES[split])
            if slice_ in TWO_ADJECTIVES:
                picked = least_worn(rng, combinations(slice_, split), size // 2)
            else:
                strange = adjectives_of(split, *OPPOSITE) if split in UNSEEN else []
                new = [((a,), frame) for a in strange for frame in ONE_ADJECTIVE[slice_]]
                picked = least_worn(rng, new, size // UNSEEN[split]) if new else []
                picked += least_worn(rng, combinations(slice_, split), size - len(picked))
            groups += [written(rng, slice_, combination, taken) for combination in picked]
        corpus[split] = [opinion for group in shuffled(rng, groups) for opinion in group]
    return corpus


def write(corpus: dict[str, list[Opinion]], folder: Path) -> None:
    """Write the three files, with the same bytes everywhere."""
    for split, opinions in corpus.items():
        text = "".join(f"{o.label}\t{o.text}\n" for o in opinions)
        (folder / f"sentiment-{split}.tsv").write_bytes(text.encode())


def report(corpus: dict[str, list[Opinion]]) -> str:
    """How many sentences of each slice are where."""
    lines = [f"{'file':6}{'all':>6}" + "".join(f"{name:>14}" for name in SHARES)]
    for split, opinions in corpus.items():
        counts = Counter(o.slice for o in opinions)
        lines.append(f"{split:6}{len(opinions):6}" + "".join(f"{counts[name]:14}" for name in SHARES))
    return "\n".join(lines)


if __name__ == "__main__":
    made = make_corpus()
    write(made, Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
    print(report(made))
