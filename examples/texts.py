"""Texts with a label as numbers, and the kinds of texts in which words alone mislead."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nn.data import Vocab

Line = tuple[str, str]  # label and text

# ---- from text to numbers -------------------------------------------------------------------------------------------

CHINESE = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # and Japanese: no blanks between words
WORD = r"[\w'’-]+|[^\w\s]"


class Example(NamedTuple):
    """A sentence as numbers."""

    ids: np.ndarray  # (T,)
    label: int


class Lexicon(NamedTuple):
    """What a token is, which tokens have a number of their own, and the labels."""

    tokens: str  # "words" or "characters"
    vocab: Vocab
    labels: list[str]

    @classmethod
    def of(cls, lines: Sequence[Line], tokens: str | None = None) -> Lexicon:
        """Tokens seen at least twice; the others are unknown."""
        labels = sorted({label for label, _ in lines})
        if len(labels) < 2:
            raise ValueError(f"all {len(lines)} sentences to learn from have the label {labels[0]!r}")
        letters = "".join(text for _, text in lines)
        chinese = len(re.findall(CHINESE, letters)) > len(letters) / 5
        blank = cls(tokens or ("characters" if chinese else "words"), Vocab(()), labels)
        return blank._replace(vocab=Vocab((token for _, text in lines for token in blank.split(text)), min_freq=2))

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        tokens = re.findall(WORD if self.tokens == "words" else r"\S", text.lower())
        if not tokens:
            raise ValueError(f"there is nothing to read in the text {text!r}")
        return tokens

    def number(self, label: str) -> int:
        if label not in self.labels:
            raise ValueError(f"the label {label!r} is none of those learned: {', '.join(self.labels)}")
        return self.labels.index(label)

    def encode(self, lines: Sequence[Line]) -> list[Example]:
        """Sentences as numbers."""
        return [Example(np.array(self.vocab.encode(self.split(text))), self.number(label)) for label, text in lines]


# ---- kinds of texts -------------------------------------------------------------------------------------------------

NEGATION = r"\b(?:not|never|hardly|nobody|no|\w*n't)\b|[不没]"
SLICES = {  # in which words alone mislead; a sentence is in the first one whose pattern it has, else it is "plain"
    "order": r"\bnot\b.* but\b|(?:,|but) not\b|不是.+而是",
    "contrast": r"\b(?:but|although)\b|但|虽然",
    "far negation": rf"(?:{NEGATION})(?:\s+\w+){{4}}",
    "negation": NEGATION,
}


def slice_of(text: str) -> str:
    """The first of the SLICES that a text is in."""
    return next((name for name, pattern in SLICES.items() if re.search(pattern, text.lower())), "plain")


def kinds_of(texts: Sequence[str], lexicon: Lexicon) -> dict[str, list[bool]]:
    """Which texts are negated, in each slice, or have words that are unknown."""
    return {
        "all sentences": [True for _ in texts],
        "negated": [bool(re.search(NEGATION, text.lower())) for text in texts],
        **{f"slice {name!r}": [slice_of(text) == name for text in texts] for name in ["plain", *SLICES]},
        "with unknown words": [any(token not in lexicon.vocab for token in lexicon.split(text)) for text in texts],
    }
