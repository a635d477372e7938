"""From text files to padded batches: what it takes to feed sentences to a model.

    sentences = list(read_conllu("train.conllu"))
    vocab = Vocab(word.lower() for sentence in sentences for word in sentence.words)
    encoded = [vocab.encode(word.lower() for word in sentence.words) for sentence in sentences]
    for indices in buckets([len(ids) for ids in encoded], batch_size=32):    # one epoch
        words, lengths = pad([encoded[i] for i in indices])                  # (B, T), (B)
        mask = length_mask(lengths)                                          # (B, T), True = a real token

Everything here is lists and NumPy arrays. `Embedding`, the losses and every `lengths=` and `mask=` take the arrays as
they are; for vectors that go into other layers, write `minigrad.tensor(x)`.
"""

from __future__ import annotations

import operator
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad import Generator, ShapeError
from minigrad.ops.index import plain_values
from minigrad.random import shuffle_order
from minigrad.tensor import as_array

# ---- vocabularies ---------------------------------------------------------------------------------------------------


class Vocab:
    """Tokens and their numbers: first the padding (0) and the unknown token (1), then the tokens, most frequent first.

    `counts` is a dictionary of token counts, or the tokens themselves to be counted. Kept are tokens seen at least
    `min_freq` times; equally frequent ones are in alphabetical order. `specials` (such as "<bos>") come after the first
    two, either of which can be left out with None: a vocabulary of tags needs neither.

    **Raises** `TypeError` for tokens that are not strings; `KeyError` when a token is looked up that it does not have
    and no unknown token stands for it.

    >>> vocab = Vocab("the cat saw the dog".split())
    >>> vocab.tokens
    ['<pad>', '<unk>', 'the', 'cat', 'dog', 'saw']
    >>> vocab["cat"], vocab["horse"]
    (3, 1)
    >>> vocab.decode(vocab.encode(["the", "horse"]))
    ['the', '<unk>']
    """

    def __init__(
        self,
        counts: Mapping[str, int] | Iterable[str],
        min_freq: int = 1,
        padding: str | None = "<pad>",
        unknown: str | None = "<unk>",
        specials: Sequence[str] = (),
    ) -> None:
        first = [token for token in (padding, unknown, *specials) if token is not None]
        ranked = sorted(_counted(counts).items(), key=lambda item: (-item[1], item[0]))
        kept = [token for token, count in ranked if count >= min_freq and token not in first]
        self._set([*first, *kept], padding, unknown)

    def _set(self, tokens: list[str], padding: str | None, unknown: str | None) -> None:
        self.tokens, self.padding, self.unknown = tokens, padding, unknown
        self._ids = {token: i for i, token in enumerate(tokens)}
        if len(self._ids) != len(tokens):
            twice = next(token for token, count in Counter(tokens).items() if count > 1)
            raise ValueError(f"Vocab: {twice!r} is there twice; padding, unknown and specials have to differ")

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __getitem__(self, token: str) -> int:
        found = self._ids.get(token)
        if found is None:
            if not isinstance(token, str):
                raise TypeError(f"Vocab: a token is a string, unlike {token!r}")
            if self.unknown is None:
                raise KeyError(f"Vocab: {token!r} is none of the {len(self)} tokens, and there is no unknown token")
            return self._ids[self.unknown]
        return found

    def __repr__(self) -> str:
        return f"Vocab({len(self)} tokens: {', '.join(self.tokens[:5])}{', …' if len(self) > 5 else ''})"

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """The numbers of tokens."""
        return [self[token] for token in tokens]

    def decode(self, ids: Iterable[Any]) -> list[str]:
        """The tokens that have these numbers.

        **Raises** `IndexError` for a number that none has, `TypeError` for one that is not whole.
        """
        numbers = [operator.index(i) for i in ids]
        for i in numbers:
            if not 0 <= i < len(self):
                raise IndexError(f"Vocab: no token has the number {i}; they go from 0 to {len(self) - 1}")
        return [self.tokens[i] for i in numbers]

    def state_dict(self) -> dict[str, Any]:
        """All there is to it, in a form that `minigrad.save` and `json` can write."""
        return {"tokens": list(self.tokens), "padding": self.padding, "unknown": self.unknown}

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Any]) -> Vocab:
        """The vocabulary whose `state_dict` this is."""
        vocab = cls(())
        vocab._set(list(state_dict["tokens"]), state_dict["padding"], state_dict["unknown"])
        return vocab


def _counted(counts: Mapping[str, int] | Iterable[str]) -> Counter[str]:
    tokens = counts if isinstance(counts, Mapping) else list(counts)
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(
                f"Vocab: tokens are strings, unlike {token!r}; from sentences, pass their tokens one after the other: "
                f"(token for sentence in sentences for token in sentence)"
            )
    return Counter(tokens)


# ---- files ----------------------------------------------------------------------------------------------------------


_RANGE_OR_EMPTY = re.compile(r"[0-9]+[-.][0-9]+")


class Sentence(NamedTuple):
    """A tagged sentence: its words, the tag of each, and what its comments say."""

    words: list[str]
    tags: list[str]
    comments: dict[str, str]


def read_conllu(path: str | os.PathLike[str]) -> Iterator[Sentence]:
    """The sentences of a CoNLL-U file, plain or gzipped, with their universal part-of-speech tags.

    A line is a word in ten columns (number, word, lemma, tag, …), separated by tabs; an empty line ends a sentence.
    Comments above it, such as `# sent_id = 7`, become `comments["sent_id"]`. Ranges (`3-4`, a contraction whose two
    words follow) and empty nodes (`3.1`, a word left out) are passed over.

    **Raises** `ValueError` with file and line where the file breaks these rules, is not UTF-8, or holds no sentence.

    Source: the CoNLL-U format of Universal Dependencies, https://universaldependencies.org/format.html
    """
    words: list[str] = []
    tags: list[str] = []
    comments: dict[str, str] = {}
    sentences = number = 0
    for number, line in _lines(path):
        if not line.strip():
            if words:
                yield Sentence(words, tags, comments)
                sentences += 1
            elif comments:
                raise _wrong(path, number, "a sentence that has comments, but no words, ends here")
            words, tags, comments = [], [], {}
        elif line.startswith("#"):
            if words:
                raise _wrong(path, number, "a comment amid the words of a sentence; is an empty line missing above?")
            key, _, value = line[1:].partition("=")
            comments[key.strip()] = value.strip()
        else:
            columns = line.split("\t")
            if len(columns) != 10:
                raise _wrong(path, number, f"a word has 10 columns separated by tabs, but this line has {len(columns)}")
            name, word, tag = columns[0], columns[1], columns[3]
            if _RANGE_OR_EMPTY.fullmatch(name):
                continue
            if name != str(len(words) + 1):
                raise _wrong(path, number, f"word {len(words) + 1} of the sentence is due, but the id is {name!r}")
            if not word:
                raise _wrong(path, number, f"word {name} has no text (column 2)")
            if tag in ("", "_"):
                raise _wrong(path, number, f"word {name}, {word!r}, has no tag (column 4)")
            words.append(word)
            tags.append(tag)
    if words:  # the last sentence, if no empty line ends it
        yield Sentence(words, tags, comments)
    elif comments:
        raise _wrong(path, number, "the file ends after comments, before the words of their sentence")
    elif not sentences:
        raise ValueError(f"{os.fspath(path)}: there is no sentence in this file")


def read_tsv(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """The (label, text) pairs of a file with a label, a tab and a text on each line, plain or gzipped.

    Empty lines are passed over.

    **Raises** `ValueError` with file and line where a line is anything else, is not UTF-8, or if there are no lines.
    """
    pairs = 0
    for number, line in _lines(path):
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) != 2:
            raise _wrong(path, number, f"a label, one tab and a text are due, but there are {len(columns) - 1} tabs")
        label, text = columns[0].strip(), columns[1].strip()
        if not label or not text:
            raise _wrong(path, number, f"there is no {'text after' if label else 'label before'} the tab")
        yield label, text
        pairs += 1
    if not pairs:
        raise ValueError(f"{os.fspath(path)}: there is no line in this file")


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, plain or gzipped; its lines end in "\\n", whatever they end in there.

    **Raises** `ValueError` with file and line where the file is not UTF-8, or if there is nothing in it.
    """
    text = "".join(line + "\n" for _, line in _lines(path))
    if not text.strip():
        raise ValueError(f"{os.fspath(path)}: there is no text in this file")
    return text


def read_csv(path: str | os.PathLike[str], delimiter: str = ",") -> Iterator[list[str]]:
    """The rows of a file of comma-separated values, plain or gzipped; a field in double quotes may hold commas.

    The first row, often the names of the columns, is a row like the others. Empty lines are passed over.

    **Raises** `ValueError` with file and line where a row has more or fewer fields than the first, where a quote is not
    closed in its line, where the file is not UTF-8, or if there are no rows.
    """
    import csv  # slow to load, and needed only here

    number = width = 0
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            (row,) = csv.reader([line], delimiter=delimiter, strict=True)
        except csv.Error as error:
            raise _wrong(
                path, number, f"the line cannot be read as values separated by {delimiter!r}: {error}"
            ) from None
        width = width or len(row)
        if len(row) != width:
            raise _wrong(path, number, f"the first row has {width} fields, but this one has {len(row)}")
        yield row
    if not width:
        raise _wrong(path, number, "the file is empty")


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, plain or gzipped, numbered from 1, without what ends them."""
    import gzip  # slow to load, and needed only here

    number = 0
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            for number, line in enumerate(gzip.GzipFile(fileobj=file) if zipped else file, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise _wrong(
                path, number, f"byte {error.object[error.start]:#04x} is not UTF-8; convert the file to UTF-8"
            ) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _wrong(path, number, f"the gzipped file is damaged or cut short after this line ({error})") from None


def _wrong(path: str | os.PathLike[str], line: int, what: str) -> ValueError:
    return ValueError(f"{os.fspath(path)}:{line}: {what}")


# ---- batches --------------------------------------------------------------------------------------------------------


def pad(sequences: Sequence[Any], value: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of unequal length as one array, filled up with `value`, and their lengths.

    The dtype is one that holds every sequence and the value; lists of Python floats are in the default dtype.

    **Shapes**: B sequences (T_b, …) → (B, T, …) with T the longest T_b, and lengths (B).

    **Raises** `ValueError` if there are none; `ShapeError` if they differ in more than length.

    >>> padded, lengths = pad([[5, 2, 7], [4]])
    >>> padded
    array([[5, 2, 7],
           [4, 0, 0]])
    >>> lengths
    array([3, 1])
    """
    arrays = [as_array(sequence) for sequence in sequences]
    if not arrays:
        raise ValueError("pad: there are no sequences to pad")
    full = [a for a in arrays if a.ndim and len(a)] or arrays[:1]  # empty ones say nothing of dtype and shape
    for i, a in enumerate(arrays):
        if a.ndim == 0 or (len(a) and a.shape[1:] != full[0].shape[1:]):
            raise ShapeError(
                f"pad: sequences may differ in their first dimension only, but one is {full[0].shape} "
                f"and number {i} is {a.shape}"
            )
    lengths = np.array([len(a) for a in arrays])
    dtype = np.result_type(*full, value) if len(full[0]) else np.int64
    padded = np.full((len(arrays), lengths.max(), *full[0].shape[1:]), value, dtype)
    for row, a in zip(padded, arrays, strict=True):
        if len(a):
            row[: len(a)] = a
    return padded, lengths


def length_mask(lengths: Any, T: int | None = None) -> np.ndarray:
    """Which places of padded sequences hold a real token: True there, False in the padding.

    **Shapes**: lengths (B) → (B, T), with T the longest length if it is not given.

    **Raises** `ShapeError` if a length is negative or above T, `TypeError` if they are not integers.

    >>> length_mask([3, 1])
    array([[ True,  True,  True],
           [ True, False, False]])
    """
    lengths = plain_values(lengths)
    if lengths.size and lengths.dtype.kind not in "iu":
        raise TypeError(f"lengths: integers are needed, not {lengths.dtype}")
    longest = int(lengths.max(initial=0)) if T is None else T
    if lengths.ndim != 1 or (lengths.size and not 0 <= lengths.min() <= lengths.max() <= longest):
        until = "on" if T is None else f"to {T}"
        raise ShapeError(f"lengths: one number from 0 {until} for each sequence is needed, not {lengths.tolist()}")
    return np.arange(longest) < lengths[:, None]


def batches(n: int, batch_size: int, generator: Generator | None = None) -> list[list[int]]:
    """One epoch: the indices 0 … n − 1 in random order, each once, in batches; the last may be smaller.

    >>> sorted(len(batch) for batch in batches(7, batch_size=3))
    [1, 3, 3]
    """
    return _cut(shuffle_order(n, generator), batch_size)


def buckets(lengths: Sequence[int], batch_size: int, generator: Generator | None = None) -> list[list[int]]:
    """One epoch with little padding: every index once, in batches of similar length, which come in random order.

    Which of equally long sequences come together changes from call to call. One batch may be smaller.

    >>> sorted(sorted(batch) for batch in buckets([9, 2, 8, 3], batch_size=2))
    [[0, 2], [1, 3]]
    """
    by_length = sorted(shuffle_order(len(lengths), generator), key=lambda i: lengths[i])
    cut = _cut(by_length, batch_size)
    return [cut[i] for i in shuffle_order(len(cut), generator)]


def _cut(indices: Sequence[int], batch_size: int) -> list[list[int]]:
    if batch_size < 1:
        raise ValueError(f"a batch has at least 1 item, not batch_size={batch_size}")
    return [list(indices[i : i + batch_size]) for i in range(0, len(indices), batch_size)]
