"""The examples that write: sequence to sequence, the Transformer, BERT, GPT; each runs, what is exact is checked."""

from __future__ import annotations

import gzip
import math
import re
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import minigrad as mg
from examples import seq2seq, tiny_bert, tiny_gpt, tiny_transformer
from examples.counting import Neighbours, loss_of_counting
from examples.data.make_tales import tales
from examples.letter_mlp import MLP, contexts
from nn.data import Vocab, read_text, read_tsv
from nn.seq2seq import DECODERS, ENCODERS

EXAMPLES = {
    "dates": (seq2seq, ["--task", "dates", "--beam", "2"]),
    "reverse": (seq2seq, ["--task", "reverse"]),
    "phrases": (seq2seq, ["--task", "phrases", "--no-attention"]),
    "transformer": (tiny_transformer, ["--task", "phrases"]),
    "bert": (tiny_bert, []),
    "gpt": (tiny_gpt, ["--top-k", "3"]),
    "mlp": (tiny_gpt, ["--model", "mlp"]),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_runs_and_draws(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, options = EXAMPLES[name]
    results = module.main(["--short", "--pictures", str(tmp_path), *options])
    assert results
    assert all(math.isfinite(value) for value in results.values())
    assert any(tmp_path.iterdir())
    assert capsys.readouterr().out


# ---- sequence to sequence -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_every_encoder_learns_with_every_decoder(encoder: str, decoder: str) -> None:
    """A few steps on one batch: the loss on it falls."""
    task = seq2seq.reversal(np.random.default_rng(1))
    translator = seq2seq.Translator(task, encoder, decoder, attention=True, dim=16)
    letters = ["abc", "bca", "jih", "fed", "ace"]
    pairs = [(list(word), list(word[::-1])) for word in letters]
    losses = translator.train([pairs] * 12, 12, "test")
    assert translator.loss(pairs).item() < 0.95 * losses[0]


def test_dates_are_written_as_they_are() -> None:
    task = seq2seq.dates(np.random.default_rng(3))
    numbers = {name: i for i, month in enumerate(seq2seq.MONTHS, 1) for name in (month, month[:3])}
    for source, target in task.tests["dates"]:
        text, iso = "".join(source), "".join(target)
        assert date.fromisoformat(iso).isoformat() == iso
        if "." in text and "the" not in text:
            day, month, year = text.split(".")
        else:
            day, year = re.findall(r"\d+", text)
            month = numbers[re.search(r"[A-Z][a-z]+", text)[0]]
        assert f"{year}-{int(month):02}-{int(day):02}" == iso
    learned = {"".join(target) for _ in range(100) for _, target in next(task.batches)}
    assert not learned & {"".join(target) for _, target in task.tests["dates"]}


def test_words_are_reversed() -> None:
    task = seq2seq.reversal(np.random.default_rng(3))
    assert {title: len(pairs[0][0]) for title, pairs in task.tests.items()} == {
        f"length {n}": n for n in seq2seq.LENGTHS
    }
    assert all(source[::-1] == target for source, target in next(task.batches))


def test_the_phrases() -> None:
    pairs = list(read_tsv(seq2seq.PHRASES))
    assert len(pairs) == len({chinese for chinese, _ in pairs}) == 200
    task = seq2seq.phrases(np.random.default_rng(3))
    known = {"".join(source) for source, _ in task.tests["phrases learned"]}
    assert len(known) == 160
    assert not known & {"".join(source) for source, _ in task.tests["new phrases"]}


# ---- the Transformer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look_ahead", [False, True])
def test_only_without_its_mask_the_transformer_looks_ahead(look_ahead: bool) -> None:
    model = tiny_transformer.Translator(7, 11, 8, look_ahead=look_ahead).double().eval()
    source, padding = mg.tensor([[3, 1, 4, 0, 0]]), mg.tensor([[False, False, False, True, True]])
    target = mg.tensor([[2, 5, 4, 6]])
    with mg.no_grad():
        scores = model(source, padding, target)
        later = model(source, padding, mg.tensor([[2, 5, 4, 9]]))
        alone = model(source[:, :3], padding[:, :3], target)
    assert np.allclose(scores[:, :3], later[:, :3], atol=1e-12) is not look_ahead
    np.testing.assert_allclose(scores.numpy(), alone.numpy(), atol=1e-12)


# ---- BERT -----------------------------------------------------------------------------------------------------------


def test_what_is_hidden() -> None:
    """15 % of the real words; of these 80 % masked, 10 % another word, 10 % as they were."""
    ids = np.full((400, 50), 7)
    ids[:, 40:] = 0
    read, chosen = tiny_bert.hide(ids, ids > 0, 1000, np.random.default_rng(1))
    assert not chosen[:, 40:].any()
    assert (read[~chosen] == ids[~chosen]).all()
    assert abs(chosen[:, :40].mean() - 0.15) < 0.01
    assert abs((read[chosen] == tiny_bert.MASK).mean() - 0.8) < 0.03
    assert abs((read[chosen] == 7).mean() - 0.1) < 0.03


def test_something_is_always_hidden() -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        assert tiny_bert.hide(np.array([[5, 6, 0]]), np.array([[True, True, False]]), 9, rng)[1].any()


def test_bert_sees_both_sides() -> None:
    model = tiny_bert.BERT(11, 8, 2, 1).double()
    with mg.no_grad():
        first = model(mg.tensor([[3, tiny_bert.MASK, 5]]), np.array([3]))[0, 1]
        left = model(mg.tensor([[4, tiny_bert.MASK, 5]]), np.array([3]))[0, 1]
        right = model(mg.tensor([[3, tiny_bert.MASK, 6]]), np.array([3]))[0, 1]
    assert not np.allclose(first, left)
    assert not np.allclose(first, right)


def test_a_sentence_without_a_gap(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"with \[MASK\] among them are needed"):
        tiny_bert.main(["--short", "--sentence", "The dog barked."])


def test_neighbours_by_hand() -> None:
    counts = Neighbours([["a", "b", "c"], ["a", "d", "c"], ["a", "b", "a"]])
    assert [counts.guess(["a", "x", "c"], 1, n) for n in range(3)] == ["a", "b", "b"]
    assert counts.guess(["x", "x", "x"], 1, 2) == "a"  # neither neighbour was seen


# ---- GPT ------------------------------------------------------------------------------------------------------------


def test_gpt_sees_nothing_later() -> None:
    model = tiny_gpt.GPT(11, 8, 2, 2, window=7).double()
    with mg.no_grad():
        scores = model(mg.tensor([[3, 1, 4, 1, 5]])).numpy()
        other = model(mg.tensor([[3, 1, 4, 9, 9]])).numpy()
    assert (scores[:, :3] == other[:, :3]).all()
    assert not np.allclose(scores[:, 3], other[:, 3])


def test_windows_and_contexts() -> None:
    letters, following = tiny_gpt.windows(np.arange(10), 3, np.array([0, 5]))
    assert letters.tolist() == [[0, 1, 2], [5, 6, 7]]
    assert following.tolist() == [[1, 2, 3], [6, 7, 8]]
    vocab = Vocab("\n\nab", padding=None, unknown=None)  # "\n" is 0, a is 1, b is 2
    before, after = contexts(["ab", "b"], vocab)
    assert before.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [0, 0, 0], [0, 0, 2]]
    assert after.tolist() == [1, 2, 0, 2, 0]


def test_counting_by_hand() -> None:
    """p(a) = (3 + 5/2) / 9 and p(b) = (1 + 5/2) / 9, for four letters were seen and two kinds share the prior of 5."""
    assert math.isclose(loss_of_counting("aaab", "ab", 0), -(math.log(5.5 / 9) + math.log(3.5 / 9)) / 2)
    p = (1 + 5 * 3.5 / 9) / (3 + 5)  # b came once of three times after a, and the shorter context says 3.5 / 9
    assert math.isclose(loss_of_counting("aaab", "ab", 1), -math.log(p))


def test_the_mlp_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "names.txt.gz"
    path.write_bytes(gzip.compress(b"ann\nbob\neve\n" * 9))
    losses = tiny_gpt.main(["--short", "--model", "mlp", "--data", str(path)])
    assert losses["mlp"] < math.log(20)
    assert MLP(7)(mg.tensor([[1, 2, 3], [4, 5, 6]])).shape == (2, 7)


@pytest.mark.parametrize(
    ("module", "options", "says"),
    [
        (seq2seq, ["--beam", "0"], "--beam: '0' is no whole number from 1"),
        (seq2seq, ["--steps", "-4"], "--steps: '-4' is no whole number from 1"),
        (tiny_transformer, ["--seed", "-1"], "--seed: '-1' is no whole number from 0"),
        (tiny_gpt, ["--window", "0"], "--window: '0' is no whole number from 1"),
        (tiny_gpt, ["--letters", "many"], "--letters: 'many' is no whole number from 1"),
    ],
)
def test_options_that_are_no_such_number(
    module: ModuleType, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        module.main(["--short", *options])
    assert says in capsys.readouterr().err


def test_options_that_do_not_fit_the_text(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="letters that .*tales.txt has not"):
        tiny_gpt.main(["--short", "--start", "Ω"])
    with pytest.raises(SystemExit, match="--temperature 0 is not above 0"):
        tiny_gpt.main(["--short", "--temperature", "0"])
    (tmp_path / "line.txt").write_text("one line alone\n")
    with pytest.raises(SystemExit, match="a text of 1 line is too short"):
        tiny_bert.main(["--short", "--data", str(tmp_path / "line.txt")])


@pytest.mark.parametrize(("text", "says"), [(b"", "no text"), (b"short\nlines\n", "too few"), (b"\xff\n", "not UTF-8")])
def test_texts_that_cannot_be_used(text: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(text)
    with pytest.raises(SystemExit, match=says):
        tiny_gpt.main(["--short", "--data", str(path)])
    with pytest.raises(SystemExit, match="No such file"):
        tiny_gpt.main(["--short", "--data", str(tmp_path / "nothing.txt")])


def test_the_tales_are_what_their_maker_writes(tmp_path: Path) -> None:
    assert read_text(tiny_gpt.TALES).splitlines() == tales()
    path = tmp_path / "lines.txt"
    path.write_bytes("one\r\nzwei ä\r\n".encode())
    assert read_text(path) == "one\nzwei ä\n"
