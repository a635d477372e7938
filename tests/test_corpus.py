"""The bundled tagging corpus keeps the rules which the docstring of make_tags.py promises.

The files are read by a few lines of our own here, so that these tests hold for what a reader of the files
sees and do not depend on the generator; only the last tests run it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

DATA = Path(__file__).resolve().parents[1] / "examples" / "data"
SPLITS = "train", "dev", "test"
SLICES = {"plain", "saw", "that", "order", "unseen"}
AMBIGUOUS = {
    *("book", "can", "cook", "duck", "fast", "film", "fish", "guard", "guide", "judge"),
    *("light", "like", "paint", "play", "saw", "that", "walk", "watch", "well"),
}
UPOS = {"ADJ", "ADP", "ADV", "AUX", "DET", "NOUN", "PRON", "PUNCT", "SCONJ", "VERB"}


class Sentence(NamedTuple):
    """What the tests need of a sentence; the words are in lower case."""

    slice: str
    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every word with its tag."""
        return list(zip(self.words, self.tags, strict=True))

    @property
    def bag(self) -> tuple[str, ...]:
        """The words without their order."""
        return tuple(sorted(self.words))


def blocks(split: str) -> list[list[str]]:
    """The lines of each sentence."""
    text = (DATA / f"tiny-{split}.conllu").read_text(encoding="utf-8")
    return [block.split("\n") for block in text.removesuffix("\n\n").split("\n\n")]


def read(split: str) -> list[Sentence]:
    """All sentences of a file."""
    sentences = []
    for lines in blocks(split):
        comments = dict(line[2:].split(" = ") for line in lines if line.startswith("#"))
        columns = [line.split("\t") for line in lines if not line.startswith("#")]
        words = tuple(column[1].lower() for column in columns)
        sentences.append(Sentence(comments["slice"], words, tuple(column[3] for column in columns)))
    return sentences


CORPUS = {split: read(split) for split in SPLITS}
TRAIN, DEV, TEST = (CORPUS[split] for split in SPLITS)
EVERY = TRAIN + DEV + TEST


def pairs(sentences: list[Sentence]) -> list[tuple[str, str]]:
    """All words of the sentences with their tags."""
    return [pair for sentence in sentences for pair in sentence.pairs]


def in_slice(sentences: list[Sentence], name: str) -> list[Sentence]:
    """The sentences of one slice."""
    return [sentence for sentence in sentences if sentence.slice == name]


# ---- the format


@pytest.mark.parametrize("split", SPLITS)
def test_files_are_valid_conllu(split: str) -> None:
    raw = (DATA / f"tiny-{split}.conllu").read_bytes()
    assert raw.isascii()
    assert b"\r" not in raw
    assert raw.endswith(b"\n\n")
    assert b"\n\n\n" not in raw
    for number, (sent_id, text, slice_, *tokens) in enumerate(blocks(split), start=1):
        assert sent_id == f"# sent_id = {split}-{number}"
        assert slice_.removeprefix("# slice = ") in SLICES
        columns = [token.split("\t") for token in tokens]
        assert text == "# text = " + " ".join(column[1] for column in columns)
        assert [column[0] for column in columns] == [str(n + 1) for n in range(len(columns))]
        for column in columns:
            assert len(column) == 10
            assert column[3] in UPOS
            assert column[2] == "_"
            assert column[4:] == ["_"] * 6


@pytest.mark.parametrize("split", SPLITS)
def test_sentences_look_like_text(split: str) -> None:
    for _, text, _, *tokens in blocks(split):
        words = text.removeprefix("# text = ").split()
        assert 4 <= len(tokens) <= 9
        assert words[0][0].isupper()
        assert all(word.islower() or word == "I" for word in words[1:-1])
        assert words[-1] in {".", "?"}
        assert not any(one == "a" and two[0] in "aeiou" for one, two in pairwise(words))


def test_sizes() -> None:
    assert len(TRAIN) > 2 * len(TEST)
    assert len(DEV) == 100
    assert 230 <= len(TEST) <= 260
    assert sum((DATA / f"tiny-{split}.conllu").stat().st_size for split in SPLITS) < 180_000
    sizes = Counter(sentence.slice for sentence in TEST)
    assert set(sizes) == SLICES
    assert min(sizes.values()) >= 30


# ---- rule 1: one reading


def test_same_words_have_the_same_tags_everywhere() -> None:
    tags: dict[tuple[str, ...], set[tuple[str, ...]]] = defaultdict(set)
    for sentence in EVERY:
        tags[sentence.words].add(sentence.tags)
    assert all(len(readings) == 1 for readings in tags.values())


def test_known_traps_are_missing() -> None:
    assert not any("her" in sentence.words for sentence in EVERY)
    singular = {"a", "every", "this", "the", "he", "she"}
    for sentence in EVERY:
        for place, (word, tag) in enumerate(sentence.pairs[:-1]):
            after = sentence.words[place + 1]
            if word in {"can", "will"} and tag == "AUX" and after in AMBIGUOUS and place > 0:
                # "They can fish ." has two readings; "She can fish ." or "They can fish the lake ." one.
                has_object = "DET" in sentence.tags[place + 2 :]
                assert has_object or singular & set(sentence.words[:place])
            if word == "that" and tag == "SCONJ":
                # "I know that fish swim ." has two readings, "I know that ducks swim ." has one.
                assert after in {"the", "that", "he", "she", "children"} or after.endswith("s")


# ---- rule 2: words are not enough


def test_ambiguous_words_have_their_tags_about_equally_often() -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in pairs(TRAIN):
        counts[word][tag] += 1
    everywhere = defaultdict(set)
    for word, tag in pairs(EVERY):
        everywhere[word].add(tag)
    assert {word for word, tags in everywhere.items() if len(tags) > 1} == AMBIGUOUS
    for word in AMBIGUOUS:
        assert set(counts[word]) == everywhere[word]
        assert min(counts[word].values()) >= 8
        most, next_most = sorted(counts[word].values(), reverse=True)[:2]
        assert next_most < most <= 0.7 * counts[word].total()


def test_most_frequent_tags_are_not_enough() -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in pairs(TRAIN):
        counts[word][tag] += 1
    fallback = Counter(tag for _, tag in pairs(TRAIN)).most_common(1)[0][0]
    right = [
        (word, (counts[word].most_common(1)[0][0] if word in counts else fallback) == tag) for word, tag in pairs(TEST)
    ]
    on_ambiguous = [is_right for word, is_right in right if word in AMBIGUOUS]
    assert 0.85 <= sum(is_right for _, is_right in right) / len(right) <= 0.90
    assert 0.55 <= sum(on_ambiguous) / len(on_ambiguous) <= 0.60


# ---- rule 3: order matters


@pytest.mark.parametrize("split", SPLITS)
def test_order_comes_in_pairs_with_two_tags_swapped(split: str) -> None:
    by_bag = defaultdict(list)
    for sentence in in_slice(CORPUS[split], "order"):
        assert len(sentence.words) == 5
        by_bag[sentence.bag].append(sentence)
    for one, two in by_bag.values():
        assert one.tags == two.tags
        moved = [place for place in range(5) if one.words[place] != two.words[place]]
        assert len(moved) == 2
        assert {one.tags[place] for place in moved} == {"NOUN", "VERB"}


def test_order_pairs_do_not_cross_the_split() -> None:
    couples = defaultdict(set)
    for split in SPLITS:
        for sentence in in_slice(CORPUS[split], "order"):
            words = [word for word, tag in sentence.pairs if tag in {"NOUN", "VERB"}]
            couples[frozenset(words)].add(split)
    assert all(len(splits) == 1 for splits in couples.values())


def test_a_bag_of_words_gets_exactly_80_percent_of_order() -> None:
    """Even the best tagger that sees a word and the bag of words around it, fitted to the test itself."""
    sentences = in_slice(TEST, "order")
    votes: dict[tuple[tuple[str, ...], str], Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for word, tag in sentence.pairs:
            votes[sentence.bag, word][tag] += 1
    right = sum(max(tags.values()) for tags in votes.values())
    assert 5 * right == 4 * len(pairs(sentences))


# ---- rules 4 and 5: combinations are held out, and endings help


def test_no_sentence_comes_twice() -> None:
    assert max(Counter(sentence.words for sentence in EVERY).values()) == 1


@pytest.mark.parametrize("sentences", [DEV, TEST], ids=["dev", "test"])
def test_every_sentence_puts_a_word_into_a_new_pattern(sentences: list[Sentence]) -> None:
    seen = {(word, sentence.tags) for sentence in TRAIN for word in sentence.words}
    for sentence in sentences:
        if sentence.slice != "order":
            assert any((word, sentence.tags) not in seen for word in sentence.words), sentence


@pytest.mark.parametrize("sentences", [DEV, TEST], ids=["dev", "test"])
def test_only_the_unseen_slice_has_unseen_words(sentences: list[Sentence]) -> None:
    known_words = {word for word, _ in pairs(TRAIN)}
    known_pairs = set(pairs(TRAIN))
    for sentence in sentences:
        if sentence.slice == "unseen":
            assert not known_words.issuperset(sentence.words)
        else:
            assert known_pairs.issuperset(sentence.pairs)


def test_unseen_words_are_few_and_their_endings_are_known() -> None:
    known = set(pairs(TRAIN))
    known_words = {word for word, _ in known}
    unseen = [(word, tag) for word, tag in pairs(TEST) if word not in known_words]
    assert 0.05 <= len(unseen) / len(pairs(TEST)) <= 0.10
    assert {tag for _, tag in unseen} == {"ADJ", "ADV", "NOUN", "VERB"}
    telling = {"ly": "ADV", "ed": "VERB", "ing": "VERB", "ness": "NOUN", "ful": "ADJ", "ous": "ADJ"}
    for word, tag in unseen:
        (ending,) = (ending for ending in telling if word.endswith(ending))
        assert telling[ending] == tag, word
        assert len({w for w, t in known if w.endswith(ending) and t == tag}) >= 2


# ---- the generator


@pytest.fixture(scope="module")
def make_tags() -> ModuleType:
    """The generator, imported from its file."""
    spec = importlib.util.spec_from_file_location("make_tags", DATA / "make_tags.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_generator_rewrites_the_same_bytes(tmp_path: Path) -> None:
    running = []
    for seed in "1", "2":
        (tmp_path / seed).mkdir()
        command = [sys.executable, str(DATA / "make_tags.py"), str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        running.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    reports = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert reports[0] == reports[1]
    for seed in "1", "2":
        for split in SPLITS:
            name = f"tiny-{split}.conllu"
            assert (tmp_path / seed / name).read_bytes() == (DATA / name).read_bytes()


def test_generator_sees_second_readings(make_tags: ModuleType) -> None:
    assert len(make_tags.readings(("we", "think", "that", "fish", "must", "swim", "."))) == 2
    assert len(make_tags.readings(("we", "think", "that", "frogs", "must", "swim", "."))) == 1
    for sentence in EVERY:
        words = tuple("I" if word == "i" else word for word in sentence.words)
        assert make_tags.readings(words) == {sentence.tags}


def test_examples_of_the_docstring_are_in_train() -> None:
    train = {" ".join(sentence.words) for sentence in TRAIN}
    assert {"i saw a saw .", "they watch the play .", "they play the watch ."} <= train
