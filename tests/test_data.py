"""Vocabularies, the readers of text files, padding and batches, and the loaders of data sets."""

from __future__ import annotations

import gzip
import json
from collections import Counter, namedtuple
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import Generator, ShapeError
from nn.data import Sentence, Vocab, batches, buckets, length_mask, pad, read_conllu, read_csv, read_tsv
from nn.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    random_split,
)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


# ---- vocabularies ---------------------------------------------------------------------------------------------------


def test_vocab_orders_by_frequency_then_alphabet() -> None:
    vocab = Vocab({"b": 2, "a": 2, "c": 5, "rare": 1}, min_freq=2)
    assert vocab.tokens == ["<pad>", "<unk>", "c", "a", "b"]
    assert [vocab["<pad>"], vocab["<unk>"], vocab["c"], vocab["rare"], vocab["never seen"]] == [0, 1, 2, 1, 1]
    assert len(vocab) == 5
    assert "a" in vocab
    assert "rare" not in vocab
    assert vocab.encode("abc") == [3, 4, 2]
    assert vocab.decode(minigrad.tensor([2, 0, 1])) == ["c", "<pad>", "<unk>"]


def test_vocab_does_not_depend_on_the_order_of_the_text() -> None:
    words = ["the", "cat", "saw", "the", "dog"]
    assert Vocab(words).tokens == Vocab(reversed(words)).tokens
    assert Vocab(Counter("banana")).tokens == Vocab("banana").tokens == ["<pad>", "<unk>", "a", "n", "b"]


def test_vocab_of_tags_needs_no_special_tokens() -> None:
    tags = Vocab(["NOUN", "VERB", "NOUN"], padding=None, unknown=None)
    assert tags.tokens == ["NOUN", "VERB"]
    with pytest.raises(KeyError, match="'ADJ' is none of the 2 tokens"):
        tags["ADJ"]


def test_vocab_special_tokens() -> None:
    vocab = Vocab(["<unk>", "a", "<bos>"], specials=["<bos>", "<eos>"])
    assert vocab.tokens == ["<pad>", "<unk>", "<bos>", "<eos>", "a"]
    with pytest.raises(ValueError, match="'<pad>' is there twice"):
        Vocab(["a"], unknown="<pad>")


@pytest.mark.parametrize("bad", [[["a", "sentence"]], [("a", "sentence")], [3]])
def test_vocab_of_something_else_than_strings(bad: Any) -> None:
    with pytest.raises(TypeError, match="tokens are strings"):
        Vocab(bad)


@pytest.mark.parametrize("number", [-1, 3])
def test_vocab_has_no_such_number(number: int) -> None:
    with pytest.raises(IndexError, match=f"no token has the number {number}; they go from 0 to 2"):
        Vocab(["a"]).decode([0, number])


@pytest.mark.parametrize("vocab", [Vocab("banana"), Vocab("abc", unknown=None), Vocab("ab", padding=None)])
def test_vocab_is_saved_and_restored(vocab: Vocab, tmp_path: Path) -> None:
    minigrad.save(vocab.state_dict(), tmp_path / "vocab")
    for state in (minigrad.load(tmp_path / "vocab"), json.loads(json.dumps(vocab.state_dict()))):
        again = Vocab.from_state_dict(state)
        assert again.tokens == vocab.tokens
        assert (again.padding, again.unknown) == (vocab.padding, vocab.unknown)
        assert again.encode("ab") == vocab.encode("ab")


# ---- CoNLL-U --------------------------------------------------------------------------------------------------------


def row(number: Any, word: str, tag: str = "X") -> str:
    return "\t".join([str(number), word, "_", tag, *"______"]) + "\n"


TWO = (
    "# newdoc\n# sent_id = 7\n# text = I don't = x\n"
    + row(1, "I", "PRON")
    + row("2-3", "don't", "_")
    + row(2, "do", "AUX")
    + row(3, "n't", "PART")
    + row("3.1", "know", "VERB")
    + "\n"
    + row(1, "_", "SYM")
)
SENTENCES = [
    Sentence(["I", "do", "n't"], ["PRON", "AUX", "PART"], {"newdoc": "", "sent_id": "7", "text": "I don't = x"}),
    Sentence(["_"], ["SYM"], {}),
]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: data + b"\n",
        lambda data: data + b"\n\n\n",
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        gzip.compress,
    ],
    ids=["no empty line at the end", "as it should be", "empty lines", "CRLF", "byte order mark", "gzip"],
)
def test_read_conllu(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "file.conllu"
    path.write_bytes(change(TWO.encode()))
    assert list(read_conllu(path)) == SENTENCES


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (row(1, "a") + "2\tb\t_\tX\n", 2, "10 columns separated by tabs, but this line has 4"),
        (row(1, "a").replace("\t", " "), 1, "but this line has 1"),
        (row(1, "a") + row(3, "b"), 2, "word 2 of the sentence is due, but the id is '3'"),
        (row(1, "a") + row(1, "b"), 2, "word 2 of the sentence is due, but the id is '1'"),
        (row(1, "a") + "\n" + row(2, "b"), 3, "word 1 of the sentence is due, but the id is '2'"),
        (row("1-x", "a"), 1, "but the id is '1-x'"),
        (row(1, "a") + row(2, "b", "_"), 2, "word 2, 'b', has no tag"),
        (row(1, "a", ""), 1, "word 1, 'a', has no tag"),
        (row(1, ""), 1, "word 1 has no text"),
        (row(1, "a") + "# sent_id = 2\n" + row(1, "b"), 2, "a comment amid the words"),
        ("# sent_id = 1\n\n" + row(1, "a"), 2, "comments, but no words"),
        (row(1, "a") + "\n# sent_id = 2\n", 3, "ends after comments"),
    ],
)
def test_read_conllu_names_file_and_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.conllu"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"file\.conllu:{line}: .*{message}"):
        list(read_conllu(path))


@pytest.mark.parametrize("read", [read_conllu, read_tsv])
def test_files_that_are_not_text(read: Callable[[Path], Iterator[Any]], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"\n" * 4 + "1\tGrüße".encode("latin-1"))
    with pytest.raises(ValueError, match="file:5: byte 0xfc is not UTF-8"):
        list(read(path))
    path.write_bytes(gzip.compress(b"\n" * 4)[:-5])
    with pytest.raises(ValueError, match="file:4: the gzipped file is damaged or cut short"):
        list(read(path))
    for empty in (b"", b"\n\n", gzip.compress(b"")):
        path.write_bytes(empty)
        with pytest.raises(ValueError, match=r"file: there is no (sentence|line) in this file"):
            list(read(path))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(read(tmp_path / "nowhere"))


# ---- label<TAB>text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda data: data, gzip.compress])
def test_read_tsv(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "file.tsv").write_bytes(change("1\t很 好 \n\n0\tnot good\r\n".encode()))
    assert list(read_tsv(tmp_path / "file.tsv")) == [("1", "很 好"), ("0", "not good")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 no tab", "one tab and a text are due, but there are 0 tabs"),
        ("1\ttwo\ttabs", "but there are 2 tabs"),
        ("\ttext", "no label before the tab"),
        ("1\t ", "no text after the tab"),
    ],
)
def test_read_tsv_names_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file.tsv").write_text("0\tfine\n" + text)
    with pytest.raises(ValueError, match=rf"file\.tsv:2: .*{message}"):
        list(read_tsv(tmp_path / "file.tsv"))


# ---- padding --------------------------------------------------------------------------------------------------------


def test_pad_and_length_mask() -> None:
    padded, lengths = pad([[5, 2, 7], [], [4]], value=-1)
    assert padded.tolist() == [[5, 2, 7], [-1, -1, -1], [4, -1, -1]]
    assert padded.dtype == np.int64
    assert lengths.tolist() == [3, 0, 1]
    assert length_mask(lengths).tolist() == [[True] * 3, [False] * 3, [True, False, False]]
    assert length_mask(lengths, 5).shape == (3, 5)
    assert ((padded != -1) == length_mask(lengths)).all()


def test_pad_vectors_and_dtypes() -> None:
    frames = [np.ones((2, 3), np.float32), np.ones((5, 3), np.float32), np.zeros((0, 3), np.float32)]
    padded, lengths = pad(frames)
    assert padded.shape == (3, 5, 3)
    assert padded.dtype == np.float32
    assert padded.sum() == 7 * 3
    assert lengths.tolist() == [2, 5, 0]
    assert pad([[0.5], [1.0, 2.0]])[0].dtype == np.float32
    assert pad([minigrad.tensor([1, 2]), minigrad.tensor([3])])[0].tolist() == [[1, 2], [3, 0]]
    assert pad([[1], [2, 3]], value=0.5)[0].tolist() == [[1.0, 0.5], [2.0, 3.0]]
    assert pad([[], []])[0].shape == (2, 0)


def test_pad_refuses() -> None:
    with pytest.raises(ValueError, match="no sequences"):
        pad([])
    with pytest.raises(ShapeError, match=r"one is \(2, 3\) and number 1 is \(2, 5\)"):
        pad([np.ones((2, 3)), np.ones((2, 5))])
    with pytest.raises(ShapeError, match=r"number 1 is \(\)"):
        pad([[1], 2])
    with pytest.raises(ShapeError, match=r"one number from 0 to 5 for each sequence is needed, not \[3, 7\]"):
        length_mask([3, 7], 5)
    with pytest.raises(ShapeError, match=r"one number from 0 on .* not \[3, -1\]"):
        length_mask([3, -1])
    with pytest.raises(ShapeError, match=r"not \[\[3, 1\]\]"):
        length_mask([[3, 1]])
    with pytest.raises(TypeError, match="lengths: integers are needed, not float64"):
        length_mask([2.5, 3.0])


# ---- batches of indices ---------------------------------------------------------------------------------------------

LENGTHS = [int(n) for n in np.random.default_rng(0).integers(1, 50, 101)]


@pytest.mark.parametrize("size", [1, 7, 101, 500])
def test_every_index_once(size: int) -> None:
    for cut in (batches(len(LENGTHS), size, seeded()), buckets(LENGTHS, size, seeded())):
        assert sorted(i for batch in cut for i in batch) == list(range(101))
        assert sorted(map(len, cut)) == sorted([size] * (101 // size) + [101 % size] * (101 % size > 0))


def test_buckets_hold_similar_lengths_in_random_order() -> None:
    cut = buckets(LENGTHS, 7, seeded())
    ranges = sorted((min(LENGTHS[i] for i in batch), max(LENGTHS[i] for i in batch)) for batch in cut)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    assert [LENGTHS[batch[0]] for batch in cut] != sorted(LENGTHS[batch[0]] for batch in cut)


def test_orders_come_from_the_generator() -> None:
    for make in (lambda g: batches(101, 7, g), lambda g: buckets(LENGTHS, 7, g)):
        generator = seeded(3)
        first, second = make(generator), make(generator)
        assert first != second
        assert make(seeded(3)) == first
        assert {frozenset(b) for b in first} != {frozenset(b) for b in second}
        minigrad.manual_seed(5)
        assert make(None) == make(seeded(5))


def test_batch_size_is_at_least_one() -> None:
    for make in (lambda: batches(5, 0), lambda: buckets([1, 2], 0), lambda: BatchSampler(range(5), 0)):
        with pytest.raises(ValueError, match="at least 1"):
            make()


# ---- data sets and loaders ------------------------------------------------------------------------------------------


class Squares(Dataset):
    def __getitem__(self, index: int) -> Any:
        return {"x": index, "y": minigrad.tensor([index**2])}

    def __len__(self) -> int:
        return 7


def test_loader_in_order() -> None:
    loader = DataLoader(Squares(), batch_size=3)
    assert [batch["x"].tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [batch["y"].shape for batch in loader] == [(3, 1), (3, 1), (1, 1)]
    assert len(loader) == 3


def test_loader_drops_the_last() -> None:
    loader = DataLoader(Squares(), batch_size=3, drop_last=True, num_workers=2, pin_memory=True)
    assert [batch["x"].tolist() for batch in loader] == [[0, 1, 2], [3, 4, 5]]
    assert len(loader) == 2
    assert len(DataLoader(Squares(), batch_size=7, drop_last=True)) == 1


def test_loader_shuffles_anew_every_epoch() -> None:
    loader = DataLoader(list(range(101)), batch_size=101, shuffle=True, generator=seeded(1))
    (first,), (second,) = [b.tolist() for b in loader], [b.tolist() for b in loader]
    assert sorted(first) == sorted(second) == list(range(101))
    assert first != second
    (again,) = DataLoader(list(range(101)), batch_size=101, shuffle=True, generator=seeded(1))
    assert again.tolist() == first


def test_loader_of_tensors_gives_what_item_by_item_gives() -> None:
    dataset = TensorDataset(minigrad.randn(7, 5), minigrad.arange(7))
    at_once = list(DataLoader(dataset, batch_size=3))
    singly = list(DataLoader(Subset(dataset, range(7)), batch_size=3))
    assert len(at_once) == len(singly) == 3
    for one, other in zip(at_once, singly, strict=True):
        assert type(one) is type(other) is list
        assert all(np.array_equal(a.array, b.array) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


def test_loader_with_samplers_and_collate() -> None:
    texts = ["a", "bb", "ccc", "dddd"]
    loader = DataLoader(texts, batch_size=2, sampler=[3, 0, 2], collate_fn="-".join)
    assert list(loader) == ["dddd-a", "ccc"]
    assert len(loader) == 2
    loader = DataLoader(texts, batch_sampler=[[1], [0, 2]])
    assert list(loader) == [["bb"], ["a", "ccc"]]
    assert list(DataLoader(texts, batch_sampler=[])) == []
    with pytest.raises(ValueError, match="both decide the order"):
        DataLoader(texts, sampler=[0], shuffle=True)
    with pytest.raises(ValueError, match="batch_sampler= decides alone"):
        DataLoader(texts, batch_sampler=[[0]], batch_size=2)


def test_random_sampler() -> None:
    draws = list(RandomSampler(range(5), replacement=True, num_samples=2003, generator=seeded()))
    assert len(draws) == 2003
    assert set(draws) == set(range(5))
    assert min(Counter(draws).values()) > 300
    without = list(RandomSampler(range(5), num_samples=13, generator=seeded()))
    assert sorted(without[:5]) == sorted(without[5:10]) == list(range(5))
    assert len(set(without[10:])) == 3
    endless = iter(RandomSampler(range(5), replacement=True, num_samples=10**12))
    assert next(endless) in range(5)
    with pytest.raises(ValueError, match="from 0 items"):
        RandomSampler([])


def test_random_split() -> None:
    def items(part: Subset) -> list[int]:
        return [part[i] for i in range(len(part))]

    parts = [items(part) for part in random_split(range(101), [50, 30, 21], generator=seeded())]
    assert [len(part) for part in parts] == [50, 30, 21]
    assert sorted(x for part in parts for x in part) == list(range(101))
    assert parts[0] != sorted(parts[0])
    assert [items(part) for part in random_split(range(101), [50, 30, 21], generator=seeded())] == parts
    assert [len(part) for part in random_split(range(101), [0.5, 0.25, 0.25])] == [51, 25, 25]
    with pytest.raises(ValueError, match="have 100 items, but the data set has 101"):
        random_split(range(101), [50, 50])
    with pytest.raises(ValueError, match="fractions add up to 1"):
        random_split(range(101), [0.5, 0.4])


def test_collate() -> None:
    Pair = namedtuple("Pair", "x y")
    batch = default_collate([Pair(1, "a"), Pair(2, "b")])
    assert isinstance(batch, Pair)
    assert batch.x.tolist() == [1, 2]
    assert batch.y == ["a", "b"]
    assert default_collate([0.5, 1.5]).dtype == minigrad.float32
    assert default_collate([True, False]).dtype == minigrad.bool
    assert default_collate([np.ones(3), np.zeros(3)]).shape == (2, 3)
    assert default_collate([np.int16(3), np.int16(5)]).tolist() == [3, 5]
    with pytest.raises(ShapeError, match=r"shapes \[\(2,\), \(3,\)\] cannot be stacked; pad them"):
        default_collate([minigrad.ones(3), minigrad.ones(2)])
    with pytest.raises(TypeError, match="NoneType"):
        default_collate([None, None])


def test_tensor_dataset_needs_one_length() -> None:
    with pytest.raises(ShapeError, match=r"not \[3, 5\]"):
        TensorDataset(minigrad.ones(3), minigrad.ones(5))


def test_read_csv(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text('label,text\n\n1,"good, not great"\n0,"he said ""no"""\n', encoding="utf-8")
    assert list(read_csv(path)) == [["label", "text"], ["1", "good, not great"], ["0", 'he said "no"']]
    for text, message in (
        ("a,b\n1\n", r"reviews\.csv:2: the first row has 2 fields, but this one has 1"),
        ('a,b\n1,"open\n', r"reviews\.csv:2: the line cannot be read"),
        ("\n", r"reviews\.csv:1: the file is empty"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            list(read_csv(path))


# ---- streams, joined data sets, other orders ------------------------------------------------------------------------


class Stream(IterableDataset):
    def __iter__(self) -> Iterator[Any]:
        yield from range(5)


def test_streams() -> None:
    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [batch.tolist() for batch in DataLoader(Stream(), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(), batch_size=None)) == [0, 1, 2, 3, 4]
    assert list(DataLoader(Stream(), batch_size=2, collate_fn=tuple)) == [(0, 1), (2, 3), (4,)]
    with pytest.raises(ValueError, match="an IterableDataset has its own order"):
        DataLoader(Stream(), shuffle=True)
    with pytest.raises(NotImplementedError, match="IterableDataset has no __iter__"):
        iter(IterableDataset())


def test_items_one_by_one() -> None:
    loader = DataLoader(["a", "b", "c"], batch_size=None, worker_init_fn=None, persistent_workers=False)
    assert list(loader) == ["a", "b", "c"]
    assert len(loader) == 3
    assert list(DataLoader([1, 2, 3], batch_size=None, collate_fn=lambda item: -item)) == [-1, -2, -3]


def test_concatenated_data_sets() -> None:
    joined = ConcatDataset([[1, 2], [], [3, 4, 5]])
    assert len(joined) == 5
    assert [joined[i] for i in range(-5, 5)] == [1, 2, 3, 4, 5] * 2
    for index in (5, -6):
        with pytest.raises(IndexError, match=f"no item {index} among 5"):
            joined[index]


def test_orders_of_some_items() -> None:
    order = SubsetRandomSampler([7, 3, 5], seeded())
    assert sorted(order) == [3, 5, 7]
    assert len(order) == 3
    assert len({tuple(order) for _ in range(50)}) == 6
    drawn = WeightedRandomSampler([0.0, 1.0, 3.0], 4000, generator=seeded())
    counts = Counter(drawn)
    assert len(drawn) == 4000
    assert counts[0] == 0
    assert counts[2] / counts[1] == pytest.approx(3, rel=0.15)
    assert sorted(WeightedRandomSampler([0.0, 1.0, 3.0], 2, replacement=False)) == [1, 2]


def test_batches_of_indices_in_tuples() -> None:
    """They are lists of items, not places in several dimensions."""
    data = TensorDataset(minigrad.arange(12).reshape(4, 3))
    (first,), (second,) = DataLoader(data, batch_sampler=[(0, 1), (2, 3)])
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert second.shape == (2, 3)
    with pytest.raises(ValueError, match="no items"):
        default_collate([])


def test_a_vocabulary_knows_strings_and_whole_numbers() -> None:
    """What is no token is not the unknown token, and 1.7 not the number 1."""
    vocab = Vocab(["cat"])
    with pytest.raises(TypeError, match="a token is a string, unlike 2"):
        vocab.encode([2])  # type: ignore[list-item]  # the mistake itself
    with pytest.raises(TypeError, match="integer"):
        vocab.decode([1.7])
    assert vocab.decode(minigrad.tensor([2])) == vocab.decode(np.array([2])) == ["cat"]
