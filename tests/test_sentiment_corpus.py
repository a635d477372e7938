"""The bundled opinions keep the rules which the docstring of make_sentiment.py promises.

The files are read, and their sentences judged, by a few lines of our own here, so that these tests hold for what a
reader of the files sees; only the last tests run the generator.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from examples.baselines import NaiveBayes
from examples.texts import slice_of

DATA = Path(__file__).resolve().parents[1] / "examples" / "data"
SPLITS = "train", "dev", "test"
SHARES = {"plain": 0.4, "negation": 0.1, "far negation": 0.1, "contrast": 0.2, "order": 0.2}
GOOD = {
    *("good", "great", "clever", "funny", "fresh", "warm", "brilliant", "charming", "gripping", "superb", "lively"),
    *("tender", "playful", "graceful", "cheerful", "tasteful", "masterful", "colourful", "wonderful", "beautiful"),
    *("hopeful", "joyful", "soulful", "thoughtful", "delightful"),
}
BAD = {
    *("bad", "dull", "silly", "boring", "stale", "cold", "clumsy", "tedious", "terrible", "shallow", "noisy", "dreary"),
    *("lifeless", "pointless", "tasteless", "shapeless", "mindless", "charmless", "senseless", "careless", "hopeless"),
    *("joyless", "soulless", "witless", "heartless"),
}
NOUNS = {
    *("film", "movie", "comedy", "plot", "story", "script", "dialogue", "cast", "performance", "score", "soundtrack"),
    *("scene", "ending", "finale"),
}


class Line(NamedTuple):
    """A line of a file."""

    label: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()

    @property
    def adjectives(self) -> list[str]:
        return [word for word in self.words if word in GOOD | BAD]

    @property
    def frame(self) -> str:
        """The sentence with its nouns and adjectives left out."""
        return " ".join("A" if w in GOOD | BAD else "N" if w in NOUNS else w for w in self.words)

    @property
    def bag(self) -> tuple[str, ...]:
        return tuple(sorted(self.words))


def read(split: str) -> list[Line]:
    text = (DATA / f"sentiment-{split}.tsv").read_text(encoding="utf-8")
    return [Line(*line.split("\t")) for line in text.splitlines()]


CORPUS = {split: read(split) for split in SPLITS}
TRAIN, DEV, TEST = (CORPUS[split] for split in SPLITS)
EVERY = TRAIN + DEV + TEST
PAIRED = "contrast", "order"


def in_slice(lines: list[Line], *names: str) -> list[Line]:
    return [line for line in lines if slice_of(line.text) in names]


# ---- the format -----------------------------------------------------------------------------------------------------


def test_files_are_labels_tabs_and_words() -> None:
    for split in SPLITS:
        raw = (DATA / f"sentiment-{split}.tsv").read_bytes()
        assert raw.isascii()
        assert b"\r" not in raw
        assert raw.endswith(b".\n")
        for line in raw.decode().splitlines():
            assert re.fullmatch(r"(positive|negative)\t[a-z']+( [a-z']+| ,)+ \.", line), line


def test_sizes() -> None:
    assert 800 <= len(EVERY) <= 1200
    assert sum((DATA / f"sentiment-{split}.tsv").stat().st_size for split in SPLITS) < 60_000
    for lines in CORPUS.values():
        for name, share in SHARES.items():
            assert len(in_slice(lines, name)) == round(share * len(lines)), name


# ---- one reading ----------------------------------------------------------------------------------------------------


def verdict(text: str) -> str:
    """Our own reading of a sentence: the adjective that decides, and whether it is negated."""
    negation = r"\b(not|never|hardly|nobody|\w+n't)\b"
    if ", not " in text or "but not" in text or ("although" in text and text[:8] != "although"):
        main = re.split(", not|but not|although", text)[0]  # what comes first decides
    else:
        main = re.split("but|,", text)[-1]  # what comes last decides
    (adjective,) = (word for word in main.split() if word in GOOD | BAD)
    return "positive" if (adjective in GOOD) != bool(re.search(negation, main)) else "negative"


def test_labels_are_what_the_sentences_say() -> None:
    assert [line for line in EVERY if line.label != verdict(line.text)] == []


def test_no_sentence_comes_twice() -> None:
    assert max(Counter(line.text for line in EVERY).values()) == 1


# ---- words are not enough -------------------------------------------------------------------------------------------


def test_labels_are_equally_frequent_in_every_file_and_slice() -> None:
    for lines in CORPUS.values():
        for name in SHARES:
            some = in_slice(lines, name)
            assert abs(sum(line.label == "positive" for line in some) - len(some) / 2) <= 1, name


def test_no_word_tells_the_label() -> None:
    counts = Counter((word, line.label) for line in TRAIN for word in set(line.words))
    for word in {word for line in TRAIN for word in line.words}:
        positive, negative = counts[word, "positive"], counts[word, "negative"]
        if word in GOOD | BAD:
            own = positive if word in GOOD else negative
            assert 0.5 <= own / (positive + negative) <= 0.65, word
        else:
            assert 0.35 <= positive / (positive + negative) <= 0.65, word
    assert abs(counts["not", "positive"] - counts["not", "negative"]) <= 0.05 * (len(TRAIN) / 5)


def test_naive_bayes_is_near_chance_where_order_decides() -> None:
    bayes = NaiveBayes([line.words for line in TRAIN], [line.label for line in TRAIN])
    for name in PAIRED:
        some = in_slice(TEST, name)
        right = sum(bayes.predict(line.words) == line.label for line in some)
        assert 0.35 <= right / len(some) <= 0.65, name


# ---- order matters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_pairs_have_the_same_words_and_opposite_labels(split: str) -> None:
    """So that a bag of words gets exactly half of them right, even one fitted to the test itself."""
    lines = in_slice(CORPUS[split], *PAIRED)
    for one, two in zip(lines[::2], lines[1::2], strict=True):
        assert one.bag == two.bag
        assert {one.label, two.label} == {"positive", "negative"}


# ---- combinations are held out, and endings help ---------------------------------------------------------------------


def test_no_adjective_of_dev_and_test_is_in_a_frame_it_has_in_train() -> None:
    singles = [line for line in TRAIN if slice_of(line.text) not in PAIRED]
    seen = {(adjective, line.frame) for line in singles for adjective in line.adjectives}
    for line in DEV + TEST:
        if slice_of(line.text) not in PAIRED:
            assert (line.adjectives[0], line.frame) not in seen, line


def test_couples_of_adjectives_stay_on_one_side() -> None:
    couples = [{frozenset(line.adjectives) for line in in_slice(lines, *PAIRED)} for lines in CORPUS.values()]
    assert all(couples)
    assert not couples[0] & couples[1] | couples[0] & couples[2] | couples[1] & couples[2]


def test_unknown_words_are_a_tenth_with_known_endings() -> None:
    known = {word for line in TRAIN for word in line.words}
    for lines in (DEV, TEST):
        strange = [line for line in lines if not known.issuperset(line.words)]
        assert 0.05 <= len(strange) / len(lines) <= 0.1
        for line in strange:
            (word,) = set(line.words) - known
            ending = "ful" if word in GOOD else "less"
            assert word.endswith(ending)
            assert sum(w.endswith(ending) for w in known) >= 5
            assert slice_of(line.text) not in PAIRED


# ---- the generator --------------------------------------------------------------------------------------------------


def test_generator_rewrites_the_same_bytes(tmp_path: Path) -> None:
    for seed in "1", "2":
        command = [sys.executable, str(DATA / "make_sentiment.py"), str(tmp_path)]
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        for split in SPLITS:
            name = f"sentiment-{split}.tsv"
            assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
