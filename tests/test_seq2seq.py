"""Encoders and decoders: every pair of them, padding, order, the fixed context, and values by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from nn.seq2seq import (
    DECODERS,
    ENCODERS,
    AttentionDecoder,
    Memory,
    RecurrentDecoder,
    RecurrentEncoder,
    Seq2Seq,
    choose_decoder,
    choose_encoder,
)

SOURCE = np.array([[3, 1, 4, 1, 5], [2, 6, 0, 0, 0]])
LENGTHS = np.array([5, 2])
TARGET = np.array([[2, 5, 4], [2, 3, 6]])
PAIRS = [(encoder, decoder) for encoder in ENCODERS for decoder in DECODERS]


def model(encoder: str, decoder: str, attention: bool = True) -> Seq2Seq:
    return Seq2Seq(7, 11, 8, encoder, decoder, attention).double().eval()


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_padding_changes_nothing(encoder: str, decoder: str) -> None:
    m = model(encoder, decoder)
    together = m(SOURCE, LENGTHS, TARGET)
    assert together.shape == (2, 3, 11)
    alone = m(SOURCE[1:, :2], LENGTHS[1:], TARGET[1:])
    np.testing.assert_allclose(alone.detach().numpy(), together[1:].detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_step_by_step_is_as_all_at_once(encoder: str, decoder: str) -> None:
    """What is learned from in one pass is what is used one token after the other; no step sees a later one."""
    m = model(encoder, decoder)
    state = m.encode(SOURCE, LENGTHS)
    steps = []
    for ids in TARGET.T:
        scores, state = m.step(Tensor(ids), state)
        steps.append(scores)
    np.testing.assert_allclose(
        mg.stack(steps, 1).detach().numpy(), m(SOURCE, LENGTHS, TARGET).detach().numpy(), atol=1e-12
    )


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_the_gradient_reaches_all_that_takes_part(encoder: str, decoder: str) -> None:
    m = Seq2Seq(7, 11, 8, encoder, decoder)
    (m(SOURCE, LENGTHS, TARGET) * mg.randn(2, 3, 11)).sum().backward()
    still = [name for name, p in m.named_parameters() if p.grad is None or not p.grad.any()]
    still = [name for name in still if not name.endswith("key.bias")]  # it adds the same to all scores of a query
    assert still == []


@pytest.mark.parametrize("decoder", DECODERS)
def test_the_alignment(decoder: str) -> None:
    """Each step shares its attention out among the real source tokens."""
    weights = model("birnn", decoder).alignment(SOURCE, LENGTHS, TARGET).detach().numpy()
    assert weights.shape == (2, 3, 5)
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-12)
    assert (weights[1, :, 2:] == 0).all()
    assert (weights[1, :, :2] > 0).all()


@pytest.mark.parametrize("decoder", DECODERS)
def test_without_attention_the_summary_is_all_that_is_seen(decoder: str) -> None:
    """Another memory with the same summary gives the same answers; with attention it does not."""
    for attention in (False, True):
        m = model("gru", decoder, attention)
        summary, lengths = mg.randn(2, 8, dtype=mg.float64), mg.tensor([5, 5])
        answers = []
        for _ in range(2):
            memory = Memory(mg.randn(2, 5, 8, dtype=mg.float64), lengths, summary)
            memory = memory if m.attention else memory.as_one()
            x = m.written(Tensor(TARGET))
            answers.append(m.decoder(x, m.decoder.start(memory), memory)[0].detach().numpy())
        assert np.allclose(*answers, atol=1e-12) is not attention
    assert model("gru", decoder, False).alignment(SOURCE, LENGTHS, TARGET).tolist() == [[[1.0]] * 3] * 2


@pytest.mark.parametrize("decoder", DECODERS)
def test_gradients_of_a_decoder(decoder: str) -> None:
    d = choose_decoder(decoder, 4).double()
    lengths = mg.tensor([3, 2])

    def run(x: Tensor, vectors: Tensor, summary: Tensor) -> Tensor:
        memory = Memory(vectors, lengths, summary)
        return d(x, d.start(memory), memory)[0]

    inputs = [mg.randn(*shape, dtype=mg.float64, requires_grad=True) for shape in ((2, 3, 4), (2, 3, 4), (2, 4))]
    assert mg.gradcheck(run, inputs)


def test_a_recurrent_decoder_by_hand() -> None:
    """s₀ = tanh 0 = 0; all scores 0, so C = (1 + 3) / 2 = 2; s₁ = tanh(−1 + ½ · 2) = 0; y = tanh(½ · 2)."""
    d = RecurrentDecoder(1, "rnn").double()
    with mg.no_grad():
        for p in d.parameters():
            p.zero_()
        d.cell.weight_ih.copy_(mg.tensor([[1.0, 0.5]]))
        d.output.weight.copy_(mg.tensor([[7.0, 0.5]]))
    memory = Memory(mg.tensor([[[1.0], [3.0], [11.0]]]).double(), mg.tensor([2]), mg.tensor([[5.0]]).double())
    y, state = d(mg.tensor([[[-1.0]]]).double(), d.start(memory), memory)
    assert math.isclose(y.item(), math.tanh(1.0), rel_tol=1e-12)
    assert state.item() == 0.0


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "birnn", "bigru", "bilstm"])
def test_the_summary_of_a_recurrent_encoder_is_its_last_state(kind: str) -> None:
    encoder = RecurrentEncoder(6, kind).double()
    memory = encoder(mg.randn(2, 5, 6, dtype=mg.float64), LENGTHS)
    forward, backward = memory.summary[..., :3], memory.summary[..., 3:]
    for b, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(forward[b].detach().numpy(), memory.vectors[b, n - 1, :3].detach().numpy())
        first = 0 if kind.startswith("bi") else n - 1
        np.testing.assert_array_equal(backward[b].detach().numpy(), memory.vectors[b, first, 3:].detach().numpy())


def test_a_batch_and_a_beam_answer_every_source() -> None:
    m = model("birnn", "gru")
    wide = m.beam_search(SOURCE, LENGTHS, bos=1, eos=2, beam=3, max_len=5)
    assert len(wide) == len(m.greedy(SOURCE, LENGTHS, bos=1, eos=2, max_len=5)) == 2
    assert m.beam_search(SOURCE[1:, :2], LENGTHS[1:], 1, 2, 3, 5) == wide[1:]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: RecurrentEncoder(6, "bicnn"), "kind='bicnn' is not one of rnn, gru, lstm"),
        (lambda: RecurrentEncoder(7, "birnn"), "two directions cannot share 7 features"),
        (lambda: choose_decoder("birnn", 6), "kind='birnn' is not one of rnn, gru, lstm"),
        (lambda: AttentionDecoder(7, heads=2), "7 features cannot be shared equally by 2 heads"),
        (lambda: choose_encoder("attention", 7), "7 features cannot be shared equally by 4 heads"),
    ],
)
def test_what_cannot_be_made(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
