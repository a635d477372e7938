"""Normalisations: by hand, under masks, at their limits, and the hard ones as estimators."""

import copy
import math

import numpy as np
import pytest

import minigrad
from minigrad import Tensor, gradcheck, gradgradcheck
from nn import normalisation
from nn.attention import SelfAttention, attend
from nn.normalisation import Entmax15, GumbelSoftmax, Reinforce, Softmax, Sparsemax
from nn.optim import Adam

NAMES = list(normalisation.NAMED)
SMOOTH = ["softmax", "relu", "sigmoid", "sparsemax", "entmax15"]
SUM_TO_ONE = [name for name in NAMES if name != "sigmoid"]


def real(*sizes):
    return minigrad.randn(*sizes, dtype=minigrad.float64)


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients(name):
    layer = normalisation.choose_normalisation(name)
    scores = minigrad.randn(3, 5, 7)
    mask = minigrad.rand(5, 7) > 0.4
    mask[1] = False  # a query that may look nowhere
    for call in (layer, lambda s: layer(s, mask)):
        assert gradcheck(call, scores)
        assert gradgradcheck(call, scores)


@pytest.mark.parametrize("name", SUM_TO_ONE)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_rows_sum_to_one_and_nothing_is_negative(name, size):
    scores = real(3, 5, 7) * size
    scores[..., 0] = scores[..., 0].abs()  # relu needs something to share
    weights = normalisation.choose_normalisation(name)(scores)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-12)
    assert (weights >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_masked_keys_get_nothing_and_do_not_matter(name):
    scores = real(3, 5, 7).requires_grad_()
    mask = minigrad.rand(5, 7) > 0.4
    mask[1] = False
    layer = normalisation.choose_normalisation(name).eval()
    weights = layer(scores, mask)
    assert (weights.masked_select(~mask) == 0).all()
    assert (weights[:, 1] == 0).all()
    changed = scores.detach().masked_fill(~mask, 1e6)
    assert (layer(changed, mask) == weights).all()  # bit for bit
    if weights.requires_grad:
        (gradient,) = minigrad.grad((weights * real(3, 5, 7)).sum(), scores)
        assert (gradient.masked_select(~mask) == 0).all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_fully_masked_row_gives_zeros(name):
    """In training too, where the hard ones draw."""
    layer = SelfAttention(3, normalisation=name)
    x = minigrad.randn(2, 5, 3, requires_grad=True)
    y, weights = layer(x, lengths=[5, 0], return_weights=True)
    assert (weights[1] == 0).all()
    assert (y[1] == 0).all()
    y.square().sum().backward()
    assert (x.grad[1] == 0).all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_any_normalisation_with_any_dtype(name):
    for dtype in (minigrad.float32, minigrad.float64):
        assert normalisation.choose_normalisation(name)(minigrad.randn(3, 5, dtype=dtype)).dtype == dtype


# ---- soft -----------------------------------------------------------------------------------------------------------


def test_values_on_paper():
    scores = Tensor([1.0, 0.0, -1.0], dtype=minigrad.float64)
    e = np.exp([1.0, 0.0, -1.0])
    np.testing.assert_allclose(normalisation.Softmax()(scores), e / e.sum(), rtol=1e-12)
    np.testing.assert_allclose(normalisation.ReLU()(scores), [1, 0, 0])
    np.testing.assert_allclose(normalisation.Sigmoid()(scores), 1 / (1 + np.exp([-1.0, 0, 1])), rtol=1e-12)
    np.testing.assert_allclose(Sparsemax()(Tensor([0.6, 0.4, 0.1])), [17 / 30, 11 / 30, 2 / 30], rtol=1e-5)
    # Two keys with s / 2 = ±a: m = 0, v = 2a², τ = −√((1 − 2a²) / 2). With a = 0.5 the worse one just drops out.
    half = 0.4375**0.5  # −τ for a = 0.25
    np.testing.assert_allclose(Entmax15()(Tensor([0.5, -0.5])), [(half + 0.25) ** 2, (half - 0.25) ** 2], rtol=1e-5)
    np.testing.assert_allclose(Entmax15()(Tensor([1.0, -1.0])), [1, 0], atol=1e-6)


def test_every_weight_of_softmax_is_positive():
    assert (Softmax()(real(3, 5)) > 0).all()


def test_attention_is_a_dictionary_when_cold_and_the_mean_when_hot():
    """The look-up of key 5 answers its value; at τ = 1 attention mixes what is near; at τ → ∞ it is the mean."""
    keys = Tensor([[1.0], [4.0], [5.0], [8.0]])
    values = Tensor([[10.0], [40.0], [50.0], [80.0]])
    dictionary = dict(zip(keys.flatten().tolist(), values.flatten().tolist(), strict=True))

    def look_up(query, temperature):
        query = Tensor([[query]])
        return attend(query, keys, values, similarity="kernel", normalisation=Softmax(temperature))[0].item()

    assert look_up(5.0, 1e-3) == dictionary[5.0]  # exactly
    assert 40 < look_up(4.5, 1.0) < 50
    np.testing.assert_allclose(look_up(5.0, 1e7), 45, rtol=1e-5)


# ---- sparse ---------------------------------------------------------------------------------------------------------


def test_sparse_weights_are_exactly_zero_and_softmax_never():
    scores = real(101, 23)
    zeros = {name: int((normalisation.choose_normalisation(name)(scores) == 0).sum()) for name in SMOOTH}
    assert zeros["sparsemax"] > zeros["entmax15"] > 0
    assert zeros["softmax"] == 0


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    """p = max(s − τ, 0) solves the problem exactly if s − p is one number where p > 0, and nowhere more than it."""
    s = real(211, 11)
    p = Sparsemax()(s)
    tau = (s - p).amax(-1, keepdim=True)
    np.testing.assert_allclose(((s - p - tau) * (p > 0)), 0, atol=1e-12)
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-12)


def test_entmax_solves_its_problem():
    """Where p > 0, s / 2 − √p is one number τ; elsewhere s / 2 is at most τ."""
    s = real(211, 11) * 2
    p = Entmax15()(s)
    gap = s / 2 - p.sqrt()
    tau = gap.masked_fill(p == 0, -math.inf).amax(-1, keepdim=True)
    np.testing.assert_allclose((gap - tau) * (p > 0), 0, atol=1e-10)
    assert (gap <= tau + 1e-10).all()
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", [Sparsemax, Entmax15])
def test_sparse_weights_at_extremes(kind):
    far = kind()(Tensor([1e4, -1e4, 1e4, 0.0]))
    np.testing.assert_allclose(far, [0.5, 0, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(kind()(minigrad.full((7,), 3e7)), 1 / 7, rtol=1e-5)  # ties share
    np.testing.assert_allclose(kind()(Tensor([5.0])), [1.0])
    hidden = kind()(Tensor([-math.inf, 2.0, -math.inf]))
    assert hidden.tolist() == [0.0, 1.0, 0.0]
    assert kind()(minigrad.full((2, 3), -math.inf)).tolist() == [[0.0] * 3] * 2


# ---- hard -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gumbel", "reinforce"])
def test_hard_weights_are_one_hot(name):
    layer = normalisation.choose_normalisation(name)
    scores = real(31, 7)
    weights = layer(scores)
    assert ((weights == 0) | (weights == 1)).all()
    assert (weights.sum(-1) == 1).all()
    layer.eval()
    assert (layer(scores).argmax(-1) == scores.argmax(-1)).all()  # no noise


@pytest.mark.parametrize("kind", [GumbelSoftmax, Reinforce])
def test_keys_are_drawn_with_the_probabilities_of_softmax(kind):
    scores = Tensor([0.0, math.log(2.0), math.log(5.0)]).expand(20011, 3)
    np.testing.assert_allclose(kind()(scores).mean(0), [1 / 8, 2 / 8, 5 / 8], atol=0.015)


def test_the_straight_through_gradient_is_that_of_the_soft_weights():
    scores, cotangent = real(5, 7).requires_grad_(), real(5, 7)
    gradients = []
    for hard in (True, False):
        generator = minigrad.Generator().manual_seed(3)  # the same noise
        weights = GumbelSoftmax(0.7, hard=hard, generator=generator)(scores)
        gradients.append(minigrad.grad((weights * cotangent).sum(), scores)[0])
    assert (gradients[0] == gradients[1]).all()
    assert (gradients[0] != 0).any()


def test_gradients_of_the_soft_form_for_fixed_noise():
    def call(scores):
        return GumbelSoftmax(0.7, hard=False, generator=minigrad.Generator().manual_seed(3))(scores)

    assert gradcheck(call, minigrad.randn(3, 5))
    assert gradgradcheck(call, minigrad.randn(3, 5))


def test_the_temperature_can_be_lowered_while_training():
    layer = GumbelSoftmax(hard=False)
    schedule = normalisation.annealed(5.0, 0.01, steps=10)
    scores, peaks = minigrad.zeros(101, 5), []
    for step in (0, 5, 10, 11):
        layer.temperature = schedule(step)
        layer.generator = minigrad.Generator().manual_seed(0)
        peaks.append(layer(scores).amax(-1).mean().item())
    assert peaks[0] < peaks[1] < peaks[2] == peaks[3]
    assert peaks[0] < 0.5
    assert peaks[2] > 0.95


def test_the_log_probability_of_what_was_drawn():
    layer = Reinforce()
    scores = real(3, 5, 7).requires_grad_()
    mask = minigrad.rand(5, 7) > 0.3
    mask[1] = False
    drawn = layer(scores, mask)
    assert not drawn.requires_grad
    assert layer.log_probability.shape == (3, 5)
    assert (layer.log_probability[:, 1] == 0).all()
    soft = Softmax()(scores, mask)
    probable = (soft * drawn).sum(-1)
    np.testing.assert_allclose(layer.log_probability[:, 2].detach(), probable[:, 2].log().detach(), rtol=1e-10)
    layer.log_probability.sum().backward()
    np.testing.assert_allclose(scores.grad[:, 2], (drawn - soft)[:, 2].detach(), atol=1e-12)
    assert (scores.grad[:, 1] == 0).all()


def test_the_score_function_estimate_is_right_on_average():
    """d E[reward] / d scores, exactly, against the mean of reward · d log p over many draws."""
    reward = Tensor([1.0, -2.0, 4.0])
    scores = Tensor([0.3, 0.1, -0.2], requires_grad=True)
    (exact,) = minigrad.grad((Softmax()(scores) * reward).sum(), scores)
    layer = Reinforce()
    drawn = layer(scores.expand(100003, 3))
    earned = (drawn * reward).sum(-1)
    ((earned - earned.mean()).detach() * layer.log_probability).mean().backward()
    np.testing.assert_allclose(scores.grad, exact, atol=0.02)


@pytest.mark.parametrize("name", ["gumbel", "reinforce"])
def test_hard_attention_learns_to_point(name):
    """Among 5 vectors one is marked by its first feature; the reward is for looking at that one."""
    layer = SelfAttention(3, 2, 3, normalisation=name, bias=True)
    optimizer = Adam(layer.parameters(), lr=0.05)
    schedule = normalisation.annealed(2.0, 0.5, steps=150)
    for step in range(150):
        x, marked = sentences(64)
        if name == "gumbel":
            layer.normalisation.temperature = schedule(step)
        _, weights = layer(x, return_weights=True)
        correct = weights.detach()[:, 0].gather(1, marked[:, None]).squeeze(1)
        if name == "gumbel":
            loss = -(weights[:, 0].gather(1, marked[:, None])).mean()
        else:
            loss = -((correct - correct.mean()) * layer.normalisation.log_probability[:, 0]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    layer.eval()
    x, marked = sentences(199)
    _, weights = layer(x, return_weights=True)
    assert (weights[:, 0].argmax(-1) == marked).float().mean().item() > 0.95


def sentences(batch):
    x = minigrad.randn(batch, 5, 3)
    x[..., 0] = 0.0
    marked = minigrad.randint(5, (batch,))
    x[minigrad.arange(batch), marked, 0] = 3.0
    return x, marked


def test_what_does_not_fit_is_explained():
    with pytest.raises(ValueError, match="'softmaxx' is not one of softmax, relu"):
        SelfAttention(3, normalisation="softmaxx")
    for kind in (Softmax, GumbelSoftmax):
        with pytest.raises(ValueError, match="above 0, not 0"):
            kind(0)
    with pytest.raises(ValueError, match="at least 1 step"):
        normalisation.annealed(1.0, 0.5, 0)


def test_a_copy_of_reinforce_has_not_drawn():
    """The log-probability of the last call belongs to a graph, which is not copied."""
    layer = SelfAttention(3, normalisation="reinforce")
    layer(minigrad.randn(2, 5, 3))
    twin = copy.deepcopy(layer)
    assert twin.normalisation.log_probability is None
    assert layer.normalisation.log_probability is not None
    assert twin.normalisation.training
    assert (twin.query.weight == layer.query.weight).all()
