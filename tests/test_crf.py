"""The conditional random field, against sums and maxima over all tag sequences."""

import itertools
import math

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from nn.crf import CRF

LENGTHS = [5, 1, 3]


def close(x, expected):
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-9, atol=1e-9)


@pytest.fixture
def crf():
    layer = CRF(3).double()
    for parameter in layer.parameters():
        with minigrad.no_grad():
            parameter.normal_()
    return layer


@pytest.fixture
def scores():
    return minigrad.randn(3, 5, 3, dtype=minigrad.float64)


def all_sequences(crf, scores, length):
    """Every tag sequence of a sentence, with its score."""
    start, end, moves = (p.detach().numpy() for p in (crf.start_transitions, crf.end_transitions, crf.transitions))
    found = {}
    for tags in itertools.product(range(crf.num_tags), repeat=length):
        score = start[tags[0]] + end[tags[-1]]
        score += sum(scores[t, tag].item() for t, tag in enumerate(tags))
        found[tags] = score + sum(moves[a, b] for a, b in itertools.pairwise(tags))
    return found


def test_one_step_by_hand():
    """Scores 0 and log 3, no transitions: probabilities 1/4 and 3/4."""
    crf = CRF(2)
    crf.load_state_dict({name: minigrad.zeros(p.shape) for name, p in crf.named_parameters()})
    scores = Tensor([[[0.0, math.log(3)]]])
    assert crf(scores, [[1]]).item() == pytest.approx(math.log(0.75))
    assert crf.marginals(scores)[0, 0].tolist() == pytest.approx([0.25, 0.75])
    assert crf.decode(scores) == [[1]]


def test_two_steps_by_hand():
    """All scores 0, but a move from tag 0 to tag 1 counts log 2: of five shares, that sequence has two."""
    crf = CRF(2)
    state = {name: minigrad.zeros(p.shape) for name, p in crf.named_parameters()}
    crf.load_state_dict({**state, "transitions": Tensor([[0.0, math.log(2)], [0.0, 0.0]])})
    scores = minigrad.zeros(1, 2, 2)
    assert crf(scores, Tensor([[0, 1]])).item() == pytest.approx(math.log(2 / 5))
    assert crf(scores, Tensor([[1, 0]])).item() == pytest.approx(math.log(1 / 5))
    assert crf.decode(scores) == [[0, 1]]


def test_against_all_sequences(crf, scores):
    tags = minigrad.randint(0, 3, (3, 5))
    log_p = crf(scores, tags, LENGTHS, reduction="none")
    marginals = crf.marginals(scores, LENGTHS)
    for b, length in enumerate(LENGTHS):
        found = all_sequences(crf, scores[b], length)
        log_z = math.log(sum(map(math.exp, found.values())))
        close(crf.log_partition(scores, LENGTHS)[b], log_z)
        close(log_p[b], found[tuple(tags[b, :length].tolist())] - log_z)
        assert crf.decode(scores, LENGTHS)[b] == list(max(found, key=found.get))
        expected = np.zeros((5, 3))
        for sequence, score in found.items():
            expected[np.arange(length), sequence] += math.exp(score - log_z)
        close(marginals[b], expected)
    close(crf(scores, tags, LENGTHS, reduction="sum"), log_p.sum().item())
    close(crf(scores, tags, LENGTHS), log_p.mean().item())


def test_derivatives(crf, scores):
    tags = minigrad.randint(0, 3, (3, 5))

    class Likelihood(CRF):
        def forward(self, scores):
            return super().forward(scores, tags, LENGTHS, reduction="none")

    layer = Likelihood(3)
    assert gradcheck(layer, scores)
    assert gradgradcheck(layer, scores)


def test_the_gradient_is_what_was_seen_less_what_was_expected(crf, scores):
    """∂ log p / ∂ scores: one at the tag, less its marginal probability."""
    tags = minigrad.randint(0, 3, (3, 5))
    scores.requires_grad_()
    crf(scores, tags, reduction="sum").backward()
    seen = np.eye(3)[tags.numpy()]
    close(scores.grad, seen - crf.marginals(scores).numpy())


@pytest.mark.parametrize("padding", [0.0, 1e4, math.nan])
def test_padding_changes_nothing(crf, scores, padding):
    padded = minigrad.full((3, 7, 3), padding, dtype=minigrad.float64)
    padded[:, :5] = scores
    tags = minigrad.full((3, 7), -100, dtype=minigrad.long)
    tags[:, :5] = minigrad.randint(0, 3, (3, 5))
    real = np.arange(7) < np.array(LENGTHS)[:, None]
    for b, length in enumerate(LENGTHS):
        alone = scores[b : b + 1, :length].clone().requires_grad_()
        crf.zero_grad()
        crf(alone, tags[b : b + 1, :length]).backward()
        expected = {name: p.grad.clone() for name, p in crf.named_parameters() if p.grad is not None}
        together = padded.clone().requires_grad_()
        crf.zero_grad()
        crf(together, tags, mask=real, reduction="none")[b].backward()
        close(together.grad[b, :length], alone.grad[0].numpy())
        assert not together.grad[b, length:].any()
        for name, gradient in expected.items():
            close(getattr(crf, name).grad, gradient.numpy())
    assert crf.decode(padded, mask=Tensor(real)) == crf.decode(scores, Tensor(LENGTHS))
    assert not crf.marginals(padded, LENGTHS)[:, 5:].any()


def test_an_empty_sequence_is_certain(crf, scores):
    tags = minigrad.zeros(3, 5, dtype=minigrad.long)
    scores.requires_grad_()
    log_p = crf(scores, tags, [5, 0, 3], reduction="none")
    assert log_p[1].item() == 0
    log_p.sum().backward()
    assert not scores.grad[1].any()
    assert crf.decode(scores, [5, 0, 3])[1] == []


def test_long_sequences_do_not_overflow():
    crf = CRF(2)
    scores = minigrad.full((1, 1000, 2), 100.0)
    tags = minigrad.zeros(1, 1000, dtype=minigrad.long)
    assert -720 < crf(scores, tags).item() < -600  # about 1000 · log 2
    assert crf(scores, tags).dtype == minigrad.float32


def test_it_learns_that_tags_alternate():
    """The scores say nothing; only the transitions can tell."""
    crf = CRF(2)
    tags = Tensor([[0, 1, 0, 1, 0], [1, 0, 1, 0, 1]])
    scores = minigrad.zeros(2, 5, 2)
    for _ in range(50):
        crf.zero_grad()
        loss = -crf(scores, tags)
        loss.backward()
        with minigrad.no_grad():
            for parameter in crf.parameters():
                parameter.sub_(parameter.grad, alpha=0.5)
    assert loss.item() == pytest.approx(math.log(2), abs=0.05)  # which of the two comes first, it cannot know
    first = Tensor([[[5.0, 0.0]] + [[0.0, 0.0]] * 4])
    assert crf.decode(first) == [[0, 1, 0, 1, 0]]


def test_parameters():
    minigrad.manual_seed(0)
    crf = CRF(101)
    assert {name: p.shape for name, p in crf.named_parameters()} == {
        "start_transitions": (101,),
        "end_transitions": (101,),
        "transitions": (101, 101),
    }
    for parameter in crf.parameters():
        assert 0.09 < parameter.abs().max().item() <= 0.1
    assert repr(crf) == "CRF(num_tags=101)"


def test_it_refuses(crf, scores):
    tags = minigrad.zeros(3, 5, dtype=minigrad.long)
    with pytest.raises(ValueError, match="at least one tag"):
        CRF(0)
    with pytest.raises(ShapeError, match=r"3 tags\), one step or more, are needed, not \(3, 5, 2\)"):
        crf(scores[..., :2], tags)
    with pytest.raises(ShapeError, match="one step or more"):
        crf.decode(scores[:, :0])
    with pytest.raises(ShapeError, match=r"tags have shape \(3, 2\), but the scores need \(3, 5\)"):
        crf(scores, tags[:, :2])
    with pytest.raises(TypeError, match="tags are integers, not float32"):
        crf(scores, tags.float())
    with pytest.raises(IndexError, match="tag 3 is not among the 3 tags"):
        crf(scores, tags + 3)
    with pytest.raises(ShapeError, match=r"lengths: one number from 0 to 5 .* not \[6, 1, 2\]"):
        crf(scores, tags, [6, 1, 2])
    with pytest.raises(ValueError, match="give one of them"):
        crf(scores, tags, [5, 1, 2], minigrad.ones(3, 5, dtype=minigrad.bool))
    with pytest.raises(TypeError, match="mask is boolean"):
        crf(scores, tags, mask=minigrad.ones(3, 5))
    with pytest.raises(ShapeError, match=r"mask has shape \(5, 3\)"):
        crf(scores, tags, mask=minigrad.ones(5, 3, dtype=minigrad.bool))
    with pytest.raises(ValueError, match="a real step follows padding"):
        crf(scores, tags, mask=Tensor([[True, False, True, False, False]] * 3))
    with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'average'"):
        crf(scores, tags, reduction="average")
