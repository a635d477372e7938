"""Sampling, greedy and beam search: against every sequence there is, where the vocabulary is tiny."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from nn.decoding import beam_search, greedy, pick, sample, until
from nn.seq2seq import Memory, Seq2Seq

BOS, EOS, V, LONGEST = 2, 3, 4, 4


def model(seed: int, decoder: str) -> Seq2Seq:
    """Random weights, with scores far enough apart that the sequences differ."""
    mg.manual_seed(seed)
    made = Seq2Seq(5, V, 8, "gru", decoder).double()
    with mg.no_grad():
        made.scores.weight *= 7.0
    return made


def all_sequences() -> list[tuple[int, ...]]:
    """Those that end in EOS with at most LONGEST tokens, and those of LONGEST tokens that have not ended."""
    others = [token for token in range(V) if token != EOS]
    ended = [(*body, EOS) for n in range(LONGEST) for body in itertools.product(others, repeat=n)]
    return ended + list(itertools.product(others, repeat=LONGEST))


def ranked(m: Seq2Seq, source: Tensor, penalty: float) -> list[tuple[float, list[int]]]:
    """Every sequence, best first, by the scores that the model gives when it is told the whole sequence."""
    found = []
    for sequence in all_sequences():
        told = mg.tensor([[BOS, *sequence[:-1]]])
        log_p = m(source, mg.tensor([source.shape[1]]), told)[0].log_softmax(-1)
        total = sum(log_p[i, token].item() for i, token in enumerate(sequence))
        found.append((total / len(sequence) ** penalty, until(EOS, sequence)))
    return sorted(found, key=lambda each: -each[0])


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("decoder", ["lstm", "attention"])
def test_a_wide_beam_finds_the_best_of_all_sequences(decoder: str, penalty: float) -> None:
    m = model(7, decoder)
    source = mg.tensor([[1, 4, 2]])
    expected = ranked(m, source, penalty)
    state = m.encode(source, mg.tensor([3]))
    found = beam_search(m.step, state, BOS, EOS, beam=len(expected), max_len=LONGEST, length_penalty=penalty)
    assert [h.ids for h in found] == [ids for _, ids in expected]
    np.testing.assert_allclose([h.score for h in found], [score for score, _ in expected], rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_narrow_beam_ranks_what_it_finds_by_its_true_score(seed: int) -> None:
    m = model(seed, "gru")
    source = mg.tensor([[1, 4, 2]])
    truth = {tuple(ids): score for score, ids in ranked(m, source, 0.0)}
    state = m.encode(source, mg.tensor([3]))
    for beam in (1, 2, 3):
        found = beam_search(m.step, state, BOS, EOS, beam, LONGEST)
        assert len(found) <= beam
        assert found == sorted(found, key=lambda h: -h.score)
        np.testing.assert_allclose([h.score for h in found], [truth[tuple(h.ids)] for h in found], rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    m = model(seed, "lstm")
    source, lengths = mg.tensor([[1, 4, 2], [3, 1, 0], [2, 2, 1]]), [3, 2, 3]
    one_by_one = m.beam_search(source, lengths, BOS, EOS, beam=1, max_len=LONGEST)
    assert m.greedy(source, lengths, BOS, EOS, LONGEST) == one_by_one


def table(rows: list[list[float]]) -> Any:
    """A step whose probabilities depend on the last token alone."""
    log_p = mg.tensor(np.log(rows))
    return lambda ids, state: (log_p[ids], state)


def test_by_hand() -> None:
    """After the start, token 1 has 0.6, but its best continuation 0.4; token 2 has 0.3 and surely ends."""
    step = table([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3], [0.98, 0.01, 0.01], [0.1, 0.6, 0.3]])
    assert greedy(step, (), 1, bos=3, eos=0, max_len=2) == [[1]]
    best, second = beam_search(step, (), bos=3, eos=0, beam=2, max_len=2)
    assert (best.ids, second.ids) == ([2], [1])
    assert math.isclose(best.score, math.log(0.3 * 0.98), rel_tol=1e-12)
    assert math.isclose(second.score, math.log(0.6 * 0.4), rel_tol=1e-12)


def test_what_has_not_ended_is_taken_as_it_stands() -> None:
    step = table([[1.0, 1e-9], [1e-9, 1.0]])  # 1 follows 1, forever
    assert greedy(step, (), 2, bos=1, eos=0, max_len=3) == [[1, 1, 1]] * 2
    assert beam_search(step, (), bos=1, eos=0, beam=1, max_len=3)[0].ids == [1, 1, 1]


def test_a_batch_goes_on_until_all_have_ended() -> None:
    step = table([[1.0, 1e-9, 1e-9], [1.0, 1e-9, 1e-9], [1e-9, 1.0, 1e-9]])  # 2, 1, end
    start = iter([mg.tensor([1, 2])])

    def two_starts(ids: Tensor, state: Any) -> Any:
        return step(next(start, ids), state)

    assert greedy(two_starts, (), 2, bos=0, eos=0, max_len=5) == [[], [1]]


def test_pick_keeps_the_kind_of_a_state() -> None:
    memory = Memory(mg.arange(6).reshape(3, 2, 1), mg.tensor([2, 1, 2]), mg.zeros(3, 1))
    picked, (h,) = pick((memory, (mg.tensor([5, 7, 11]),)), np.array([2, 0]))
    assert isinstance(picked, Memory)
    assert picked.vectors.flatten().tolist() == [4, 5, 0, 1]
    assert h.tolist() == [11, 5]


@pytest.mark.parametrize(("beam", "max_len"), [(0, 3), (3, 0)])
def test_a_search_needs_a_beam_and_room(beam: int, max_len: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        beam_search(table([[1.0]]), (), 0, 0, beam, max_len)


# ---- sampling -------------------------------------------------------------------------------------------------------


def test_samples_come_as_often_as_their_probability_says() -> None:
    scores = mg.tensor(np.log([0.1, 0.2, 0.7])).expand(5000, 3)
    drawn = sample(scores).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 5000, [0.1, 0.2, 0.7], atol=0.03)
    cold = np.array([0.1, 0.2, 0.7]) ** 2  # at temperature 1/2, probabilities are squared
    drawn = sample(scores, temperature=0.5).numpy()
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / 5000, cold / cold.sum(), atol=0.03)


def test_top_k_leaves_the_rest_out() -> None:
    scores = mg.tensor([[1.0, 5.0, 4.5, 0.0, 4.0]]).expand(500, 5)
    assert set(sample(scores, top_k=2).tolist()) == {1, 2}
    assert set(sample(scores, top_k=1).tolist()) == {1}
    assert set(sample(scores, temperature=9.0, top_k=99).tolist()) == set(range(5))
    assert sample(scores[0], top_k=1).shape == ()


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature": -1.0}, {"top_k": 0}])
def test_what_cannot_be_drawn_from(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="sample: "):
        sample(mg.tensor([1.0, 2.0]), **wrong)
