"""Attention to a part of the sequence: equal to a band, cheap, and with a centre that can be learnt."""

import tracemalloc

import numpy as np
import pytest

import minigrad
import nn
from minigrad import gradcheck, gradgradcheck
from minigrad.autograd import Observer
from nn import masks, normalisation, positions, similarity
from nn.attention import CrossAttention, SelfAttention
from nn.local_attention import LocalAttention, WindowAttention

POSITIONS = {
    "none": lambda: None,
    "bias": lambda: positions.RelativeBias(1, 2),
    "alibi": lambda: positions.ALiBi(1),
    "rotary": lambda: positions.Rotary(),
    "keys": lambda: positions.RelativeKeys(5, 2),
}


def copied(source, target):
    with minigrad.no_grad():
        for parameter in source.parameters():
            parameter.copy_(minigrad.randn(*parameter.shape))
    target.load_state_dict(source.state_dict())
    return target


# ---- the window -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [0, 1, 2, (3, 0), (0, 2), 11])
@pytest.mark.parametrize("where", POSITIONS)
def test_a_window_is_full_attention_with_a_band_for_a_mask(reach, where):
    """In value, weights and gradient."""
    full = SelfAttention(3, 5, 2, positions=POSITIONS[where]()).double()
    window = copied(full, WindowAttention(3, reach, 5, 2, positions=POSITIONS[where]()).double())
    x = minigrad.randn(2, 7, 3, dtype=minigrad.float64, requires_grad=True)
    cotangent = minigrad.randn(2, 7, 2, dtype=minigrad.float64)
    for lengths in (None, [7, 3]):
        y, weights = window(x, lengths=lengths, return_weights=True)
        z, others = full(x, mask=masks.window(7, reach), lengths=lengths, return_weights=True)
        np.testing.assert_allclose(y.detach(), z.detach(), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(window.spread(weights).detach(), others.detach(), rtol=1e-9, atol=1e-12)
        wanted = lambda layer: [x, *layer.parameters()]  # noqa: E731
        ours = minigrad.grad((y * cotangent).sum(), wanted(window), materialize_grads=True)
        theirs = minigrad.grad((z * cotangent).sum(), wanted(full), materialize_grads=True)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("scores", [*similarity.PLAIN, *similarity.SIZED])
@pytest.mark.parametrize("weights", ["softmax", "relu", "sigmoid", "sparsemax", "entmax15"])
def test_so_it_is_with_any_similarity_and_normalisation(scores, weights):
    stages = {"similarity": scores, "normalisation": weights}
    full = SelfAttention(3, 5, 2, **stages).double()
    window = copied(full, WindowAttention(3, 2, 5, 2, **stages).double())
    x = minigrad.randn(2, 7, 3, dtype=minigrad.float64)
    np.testing.assert_allclose(
        window(x, lengths=[7, 3]).detach(),
        full(x, mask=masks.window(7, 2), lengths=[7, 3]).detach(),
        rtol=1e-8,
        atol=1e-12,
    )


def numbers_made(steps):
    """How many numbers all operations together compute, forward, and the most memory taken, forward and backward."""
    layer = WindowAttention(3, 2)
    x = minigrad.randn(1, steps, 3, requires_grad=True)
    made = []

    class Sizes(Observer):
        def operation(self, name, arguments, result):
            made.append(result.array.size)

    tracemalloc.start()
    with Sizes():
        y = layer(x)
    y.sum().backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return sum(made), peak


def test_cost_and_memory_of_a_window_grow_with_the_length_alone():
    """Twice the length: twice the numbers and twice the memory, where full attention needs four times as much."""
    numbers_made(100)  # caches that are filled once
    (short, less), (long, more) = numbers_made(1000), numbers_made(2000)
    assert long < 2.01 * short
    assert more < 2.2 * less
    assert more < 2000 * 2000 * 4  # one map of all positions to all


def test_window_by_hand():
    """All scores alike: the mean of those in reach, which at the ends are fewer."""
    layer = WindowAttention(1, 1)
    with minigrad.no_grad():
        layer.query.weight.fill_(0.0)
        layer.value.weight.fill_(1.0)
    x = minigrad.tensor([[[2.0], [4.0], [9.0], [1.0]]])
    np.testing.assert_allclose(layer(x).flatten().detach(), [3, 5, 14 / 3, 5], rtol=1e-6)
    np.testing.assert_allclose(layer(x, lengths=[2]).flatten().detach(), [3, 3, 4, 0], rtol=1e-6)


def test_it_stands_in_a_block():
    block = nn.EncoderBlock(WindowAttention(6, 2), 6, 11)
    assert gradcheck(block, minigrad.randn(2, 5, 6))
    assert gradgradcheck(WindowAttention(3, 1, 5, 2), minigrad.randn(2, 5, 3))


# ---- round a centre -------------------------------------------------------------------------------------------------


def test_local_m_looks_round_the_position_of_the_query():
    local = LocalAttention(3, 2)
    full = copied(local, CrossAttention(3))
    x = minigrad.randn(2, 7, 3)
    assert (local(x) == full(x, x, mask=masks.window(7, 2))).all()


def test_local_p_looks_round_a_place_that_it_predicts():
    layer = LocalAttention(3, 1.9, context_dim=5, d_v=2, predict=True).double()
    query, context = (minigrad.randn(2, n, d, dtype=minigrad.float64) for n, d in ((7, 3), (11, 5)))
    y, weights = layer(query, context, lengths=[11, 4], return_weights=True)
    assert y.shape == (2, 7, 2)
    centres = np.array([11, 4])[:, None, None] * layer.centre(query).sigmoid().detach().numpy()
    distance = np.arange(11) - centres
    assert (weights.detach().numpy()[np.abs(distance) > 1.9] == 0).all()
    assert (weights[1, :, 4:] == 0).all()
    k, q = context @ layer.key.weight.T, query @ layer.query.weight.T
    inside = minigrad.tensor(np.abs(distance) <= 1.9) & masks.padding([11, 4], 11).squeeze(1)
    plain = normalisation.Softmax()(similarity.ScaledDot()(q, k), inside)
    expected = plain.detach().numpy() * np.exp(-(distance**2) / (2 * 0.95**2))
    np.testing.assert_allclose(weights.detach(), expected, rtol=1e-9)


def test_the_predicted_centre_gets_a_gradient():
    layer = LocalAttention(3, 2, predict=True)
    x = minigrad.randn(2, 7, 3)
    layer(x).square().sum().backward()
    assert (layer.centre[0].weight.grad != 0).any()
    assert (layer.centre[2].weight.grad != 0).any()
    assert gradcheck(layer, x)
    assert gradgradcheck(layer, x)


def test_the_centre_learns_where_to_look():
    """Local-p alone, with scores that say nothing: the reward is for weight on key 7 of 11."""
    layer = LocalAttention(2, 4, predict=True)
    with minigrad.no_grad():
        layer.query.weight.fill_(0.0)
    query, context = minigrad.ones(1, 1, 2), minigrad.randn(1, 11, 2)
    optimizer = nn.optim.Adam(layer.centre.parameters(), lr=0.05)
    for _ in range(80):
        _, weights = layer(query, context, return_weights=True)
        optimizer.zero_grad()
        (-weights[0, 0, 7] / weights.sum()).backward()
        optimizer.step()
    centre = 11 * layer.centre(query).sigmoid().item()
    assert weights[0, 0].argmax().item() == 7
    assert abs(centre - 7) < 1.5


def test_what_does_not_fit_is_explained():
    with pytest.raises(ValueError, match="above 0 for a predicted centre, not 0"):
        LocalAttention(3, 0, predict=True)
    with pytest.raises(ValueError, match="0 or more steps"):
        WindowAttention(3, (1, -2))
    with pytest.raises(TypeError, match="GridBias has no method `at`"):
        WindowAttention(3, 1, positions=positions.GridBias(1, 5))
    with pytest.raises(minigrad.ShapeError, match=r"\(5, 3\)"):
        WindowAttention(3, 1)(minigrad.randn(5, 3))


def test_a_mask_combines_with_the_window():
    """As in full attention, in value and in gradient; a query that may look nowhere gets zeros."""
    full = SelfAttention(3, 5, 2).double()
    window = copied(full, WindowAttention(3, (2, 1), 5, 2).double())
    x = minigrad.randn(2, 7, 3, dtype=minigrad.float64, requires_grad=True)
    mask = minigrad.tensor(np.random.default_rng(0).random((2, 7, 7)) < 0.6)
    mask[0, 3] = False
    g = minigrad.randn(2, 7, 2, dtype=minigrad.float64)
    for some in (mask, mask[0], mask[:, None]):
        expected = full(x, mask=some & masks.window(7, (2, 1)), lengths=[7, 4])
        y, weights = window(x, mask=some, lengths=[7, 4], return_weights=True)
        np.testing.assert_allclose(y.detach(), expected.detach(), atol=1e-12)
        for a, b in zip(minigrad.grad(y, x, g), minigrad.grad(expected, x, g), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
        assert (weights[0, 3] == 0).all()
    with pytest.raises(minigrad.ShapeError, match=r"mask: shape \(5, 5\) does not fit"):
        window(x, mask=minigrad.ones(5, 5, dtype=minigrad.bool))


def test_no_steps_and_no_number_are_refused():
    with pytest.raises(minigrad.ShapeError, match=r"at least one step are needed, not \(2, 0, 3\)"):
        WindowAttention(3, 1)(minigrad.zeros(2, 0, 3))
    with pytest.raises(TypeError, match=r"a whole number of steps, or \(before, after\), not 1\.5"):
        WindowAttention(3, 1.5)
    assert WindowAttention(3, np.int64(2)).before == 2
    with pytest.raises(ValueError, match="at least 0"):
        LocalAttention(3, float("nan"))
