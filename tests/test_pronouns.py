"""Closeness is not relevance: what a pronoun looks at, once a tagger has learned whom it stands for.

The sentences are like "Bark is very cute and he is a dog". Here "he" gets as its tag the kind of animal that "he" is,
which only a look at that animal can tell: the words beside it are the same in all sentences. There is one block, with
one head; were there two, "he" might ask another word that has looked before.
"""

from __future__ import annotations

import itertools

import numpy as np

import minigrad
import nn
from examples import sequence_labeler as sl
from nn.data import Sentence

NAMES = ["Bark", "Tom", "Kit", "Rex", "Sam"]
ANIMALS = ["dog", "cat", "fox"]
QUALITIES = ["cute", "old", "quick"]


def sentences() -> list[Sentence]:
    made = []
    for name, quality, animal in itertools.product(NAMES, QUALITIES, ANIMALS):
        words = f"{name} is very {quality} and he is a {animal}".split()
        made.append(Sentence(words, [animal if word == "he" else "other" for word in words], {}))
    return made


def test_he_looks_at_the_dog_and_not_at_the_words_beside_it() -> None:
    minigrad.manual_seed(1)
    corpus = sentences()
    held_out = corpus[::4]
    lexicon = sl.Lexicon.of(corpus)
    tagger = sl.Tagger(lexicon, "attention", positions="none")
    tagger.mixer.blocks = nn.ModuleList([tagger.mixer.blocks[0]])
    learned = sl.encode([s for s in corpus if s not in held_out], lexicon)
    sl.train(tagger, learned, learned[:1], epochs=60, lr=5e-3)
    assert sl.tag_sentences(tagger, lexicon, [s.words for s in held_out]) == [s.tags for s in held_out]

    looks = np.mean([looks_of_he(tagger, lexicon, s.words) for s in held_out], axis=0)  # on the average: one kind of
    assert looks.argmax() == 8  # animal may be known by the others not being found
    assert looks[8] > 2 * looks[4]  # the animal, more than the "and" next to "he"


def looks_of_he(tagger: sl.Tagger, lexicon: sl.Lexicon, words: list[str]) -> np.ndarray:
    """The attention that "he" pays to each word: (9)."""
    (weights,) = sl.attention_of(tagger, lexicon, words).values()
    assert weights.shape == (1, 9, 9)
    return weights[0, words.index("he")]
