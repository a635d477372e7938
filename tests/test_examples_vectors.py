"""The examples about vectors, context and hard attention run, and what has an exact answer in them is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from examples import attention_by_hand, context, hard_attention, sets_of_vectors
from nn.audio import write_wav
from nn.normalisation import GumbelSoftmax, Reinforce, Softmax

EXAMPLES = [attention_by_hand, sets_of_vectors, context, hard_attention]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.__name__)
def test_it_runs_and_draws(example: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = example.main(["--short", "--pictures", str(tmp_path)])
    assert result
    assert all(np.isfinite(value) for value in result.values())
    drawn = list(tmp_path.iterdir())
    assert drawn
    assert all(file.read_text(encoding="utf-8").startswith("<") for file in drawn)
    printed = capsys.readouterr().out
    assert all(f"drew {file}" in printed for file in drawn)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e.__name__)
def test_help_names_the_options(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        example.main(["--help"])
    assert end.value.code == 0
    assert "--seed" in capsys.readouterr().out


# ---- attention by hand ----------------------------------------------------------------------------------------------


def test_the_query_of_love_by_hand() -> None:
    """爱 asks with (0, 2, 0, 1): products 4, 4, 3 and 5, halved."""
    x = [attention_by_hand.WORDS[word] for word in ("我", "爱", "机器", "学习")]
    weights, output = attention_by_hand.by_loops(x, scale=0.5)
    powers = np.exp([2.0, 2.0, 1.5, 2.5])
    np.testing.assert_allclose(weights[1], powers / powers.sum())
    np.testing.assert_allclose(output[1], weights[1] @ np.array([[2, 1], [1, 3], [1, 1], [2, 3]]))


def test_every_stage_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    attention_by_hand.sentence_by_hand(["我", "爱", "机器", "学习"], asking=1)
    lines = capsys.readouterr().out.splitlines()
    titles = [line.split(" ")[0] for line in lines if line and not line.startswith(" ")]
    assert titles == ["X", "Q", "K", "V", "Q", "scores", "weights", "output", "step"]
    assert "  爱     4   4     3     5" in lines  # of Q Kᵀ


def test_a_dictionary_hot_and_cold(capsys: pytest.CaptureFixture[str]) -> None:
    attention_by_hand.dictionary()
    rows = [line.split()[-7:] for line in capsys.readouterr().out.splitlines() if line.startswith("  is ")]
    assert rows[0] == ["0.001", "0.00", "0.00", "0.00", "0.00", "1.00", "50.00"]
    assert rows[4] == ["1", "0.73", "0.00", "0.00", "0.27", "0.00", "18.07"]
    assert rows[5] == ["1e+06", "0.20", "0.20", "0.20", "0.20", "0.20", "30.00"]


# ---- sets of vectors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_king_gathers_with_queen(seed: int) -> None:
    vocab, vectors = sets_of_vectors.train_embeddings(seed, 25)
    cosine = sets_of_vectors.cosines(vectors)
    for word, friend, other in [("king", "queen", "zebra"), ("zebra", "horse", "king"), ("horse", "zebra", "queen")]:
        assert cosine[vocab[word], vocab[friend]] > cosine[vocab[word], vocab[other]] + 0.2


def test_a_recording_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wav(tmp_path / "a.wav", 0.1 * np.ones(8000), 8000)
    sets_of_vectors.main(["--short", "--wav", str(tmp_path / "a.wav")])
    assert "8,000 samples, 8,000 in a second → 98 windows of 200 samples, one every 80" in capsys.readouterr().out


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("words")
    for name in ("a.wav", "missing.wav"):
        with pytest.raises(SystemExit, match=name):
            sets_of_vectors.main(["--short", "--wav", str(tmp_path / name)])


def test_friends_only() -> None:
    weights = sets_of_vectors.graph()
    allowed = np.eye(5, dtype=bool)
    for a, b in sets_of_vectors.FRIENDS:
        allowed[a, b] = allowed[b, a] = True
    assert (weights[~allowed] == 0).all()
    assert (weights[allowed] > 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)


def test_the_sun_looks_at_the_sun() -> None:
    landscape, seen = sets_of_vectors.picture().values()
    assert landscape.shape == (5, 10, 3)
    assert seen.shape == (5, 10)
    np.testing.assert_allclose(seen[0:2, 6:8], seen[1, 7])
    assert seen[1, 7] > 10 * seen[0, 0]


# ---- context --------------------------------------------------------------------------------------------------------


def test_sentences_of_the_experiment() -> None:
    data = context.saw_sentences(300, np.random.default_rng(1))
    words, tags = data.words.numpy(), data.tags.numpy()
    for i in range(300):
        (place,) = np.flatnonzero(words[i] == context.SAW)
        (cue,) = np.flatnonzero([word in context.CUES for word in words[i]])
        assert (place, cue - place) == (data.place[i], data.distance[i])
        assert tags[i, place] == context.CUES[words[i, cue]]
        assert np.delete(tags[i], place).sum() == 0
    assert {*abs(data.distance)} == set(range(1, 8))


def test_a_window_sees_two_words_to_each_side() -> None:
    """What a layer cannot see, changing it does not change: the scores of the middle word, bit for bit."""
    minigrad.manual_seed(1)
    a = np.full((1, 11), 7)
    seen: dict[str, list[int]] = {}
    for model in ("linear", "window", "conv1d", "gru", "attention"):
        tagger = context.SmallTagger(model)
        before = tagger(minigrad.tensor(a))[0, 5]
        seen[model] = []
        for j in range(11):
            b = a.copy()
            b[0, j] = 3
            if not minigrad.equal(tagger(minigrad.tensor(b))[0, 5], before):
                seen[model].append(j - 5)
    everything = list(range(-5, 6))
    assert seen == {"linear": [0], "window": [-2, -1, 0, 1, 2], "conv1d": [-1, 0, 1], "gru": everything[:6],
                    "attention": everything}  # fmt: skip


# ---- hard attention -------------------------------------------------------------------------------------------------


def test_the_right_thing_is_there() -> None:
    batch = hard_attention.draw_batch(7)
    rows = np.arange(7)
    chosen = batch.things.numpy()[rows, batch.place.numpy()]
    np.testing.assert_array_equal(chosen[:, :8], batch.question.numpy())
    assert (chosen[:, 8:].argmax(1) == batch.answer.numpy()).all()
    assert (batch.things[:, :, :8].sum(1) == 1).all()


def test_estimates_of_reinforce_are_right_on_the_whole() -> None:
    """Its mean over all draws is the true gradient, with a baseline and without; soft attention has no noise."""
    minigrad.manual_seed(3)
    model, batch = hard_attention.pointer(Softmax()), hard_attention.draw_batch(16)
    truth = hard_attention.true_gradient(model, batch)
    assert truth.norm() > 0
    noise, cosine = hard_attention.estimates(model, batch, Reinforce(), 400, baseline=True)
    assert noise > 0.1
    assert cosine > 0.9
    assert hard_attention.estimates(model, batch, Softmax(), 2, baseline=False)[0] < 1e-5
    assert hard_attention.estimates(model, batch, GumbelSoftmax(), 20, baseline=False)[0] > 0.01
