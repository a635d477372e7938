"""Positions in attention: by hand, by distance alone, and what they make learnable."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, gradcheck, gradgradcheck
from nn.attention import MultiHead, SelfAttention
from nn.positions import ALiBi, GridBias, RelativeKeys, Rotary

KINDS = {
    "bias": lambda: nn.RelativeBias(2, 2),
    "alibi": lambda: ALiBi(2),
    "keys": lambda: RelativeKeys(3, 2),
    "rotary": lambda: Rotary(),
    "grid": lambda: GridBias(2, 3, 1),
}


def drawn(layer):
    with minigrad.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(minigrad.randn(*parameter.shape) * 0.5)
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    layer = drawn(MultiHead(6, 2, positions=KINDS[kind]()))
    assert gradcheck(layer, minigrad.randn(2, 5, 6))
    assert gradgradcheck(layer, minigrad.randn(2, 5, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_order_has_an_effect(kind):
    layer, x = drawn(MultiHead(6, 2, positions=KINDS[kind]())), minigrad.randn(2, 5, 6)
    order = [1, 3, 0, 2, 4]
    assert not np.allclose(layer(x)[:, order].detach(), layer(x[:, order]).detach(), atol=1e-3)


@pytest.mark.parametrize("kind", ["bias", "alibi", "keys", "rotary"])
def test_only_the_distance_counts(kind):
    """The same words further on, with other words hidden before them, have the same outputs."""
    layer = drawn(MultiHead(6, 2, positions=KINDS[kind]())).double()
    x = minigrad.randn(2, 7, 6, dtype=minigrad.float64)
    later = minigrad.cat([minigrad.randn(2, 4, 6, dtype=minigrad.float64), x], 1)
    mask = minigrad.arange(11).expand(11, 11) >= 4
    np.testing.assert_allclose(layer(later, mask=mask)[:, 4:].detach(), layer(x).detach(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_and_keys_may_be_differently_many(kind):
    layer = drawn(MultiHead(6, 2, positions=KINDS[kind]()))
    assert layer(minigrad.randn(2, 5, 6), minigrad.randn(2, 11, 6)).shape == (2, 5, 6)
    assert layer(minigrad.randn(2, 11, 6), minigrad.randn(2, 5, 6)).shape == (2, 11, 6)


def test_alibi_by_hand():
    bias = ALiBi(2)(3, 3)
    assert bias[0].tolist() == [[0, -1 / 16, -2 / 16], [-1 / 16, 0, -1 / 16], [-2 / 16, -1 / 16, 0]]
    assert bias[1, 0].tolist() == [0, -1 / 256, -2 / 256]


def test_relative_keys_are_added_to_the_keys():
    positions = drawn(RelativeKeys(5, 2)).double()
    q, k = (minigrad.randn(2, n, 5, dtype=minigrad.float64) for n in (3, 7))
    found = q @ k.mT / math.sqrt(5) + positions(q, 7)
    for i in range(3):
        for j in range(7):
            key = k[:, j] + positions.weight[min(max(j - i, -2), 2) + 2]
            expected = (q[:, i] * key).sum(-1) / math.sqrt(5)
            np.testing.assert_allclose(found[:, i, j].detach(), expected.detach(), rtol=1e-10)
    with pytest.raises(ShapeError, match="the queries .* have 3 features"):
        positions(q[..., :3], 7)


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
def test_rotary_turns(dim):
    x = minigrad.randn(2, 7, dim, dtype=minigrad.float64)
    turned = Rotary()(x)
    np.testing.assert_allclose(turned.norm(dim=-1), x.norm(dim=-1), rtol=1e-12)
    np.testing.assert_array_equal(turned[:, 0], x[:, 0])
    same = minigrad.ones(11, dim, dtype=minigrad.float64)
    products = (Rotary()(same) @ Rotary()(same).T).numpy()
    for distance in range(11):  # the same on every diagonal
        np.testing.assert_allclose(np.diagonal(products, distance), products[0, distance], rtol=1e-10)
    assert gradcheck(Rotary(), x)


def test_rotary_by_hand():
    """d = 4: angles t and t / 100."""
    turned = Rotary()(minigrad.tensor([[1.0, 0.0, 0.0, 1.0]] * 3, dtype=minigrad.float64))
    np.testing.assert_allclose(turned[2], [math.cos(2), math.sin(2), -math.sin(0.02), math.cos(0.02)], rtol=1e-9)


def test_grid_bias_by_hand():
    """Two rows of three pixels: from pixel 1 (row 0, column 1) to pixel 5 (row 1, column 2) it is 1 down, 1 across."""
    positions = GridBias(1, 3, reach=2)
    with minigrad.no_grad():
        positions.down.weight.copy_(minigrad.tensor([[-20.0], [-10.0], [0.0], [10.0], [20.0]]))
        positions.across.weight.copy_(minigrad.tensor([[-2.0], [-1.0], [0.0], [1.0], [2.0]]))
    bias = positions(6, 6)[0].detach()
    assert bias[1, 5].item() == 11
    assert bias[5, 1].item() == -11
    assert bias[0].tolist() == [0, 1, 2, 10, 11, 12]


@pytest.mark.parametrize("kind", ["none", "sinusoids"])
def test_where_a_token_stands_can_be_told_only_with_positions(kind):
    """The label of a token is its place, one of five; the words are random. Chance is one in five."""
    layer = nn.Sequential(
        nn.SinusoidalPositions(6) if kind == "sinusoids" else nn.Identity(),
        nn.EncoderBlock(SelfAttention(6), 6, 13),
        nn.Linear(6, 5),
    )
    words = minigrad.randn(3, 6) * 0.3
    places = minigrad.arange(5).expand(64, 5)
    optimizer = nn.optim.Adam(layer.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        scores = layer(words[minigrad.randint(3, (64, 5))])
        nn.functional.cross_entropy(scores.flatten(0, 1), places.flatten()).backward()
        optimizer.step()
    accuracy = (layer(words[minigrad.randint(3, (64, 5))]).argmax(-1) == places).float().mean().item()
    assert accuracy > 0.95 if kind == "sinusoids" else abs(accuracy - 0.2) < 0.1


@pytest.mark.parametrize("layer", [SelfAttention(6, positions=ALiBi(2)), nn.WindowAttention(6, 1, positions=ALiBi(2))])
def test_positions_for_other_heads_are_refused(layer):
    """Also where a batch of as many sentences, or as many steps, would let them be broadcast."""
    with pytest.raises(ShapeError, match="they are for 2 heads, but the layer has 1"):
        layer(minigrad.zeros(2, 2, 6))
    with pytest.raises(ShapeError, match="they are for 3 heads, but the layer has 2"):
        MultiHead(6, 2, positions=nn.RelativeBias(3))(minigrad.zeros(5, 2, 6))
    assert MultiHead(6, 2, positions=nn.RelativeBias(1))(minigrad.zeros(5, 2, 6)).shape == (5, 2, 6)  # one for all


def test_positions_in_the_precision_of_the_vectors():
    """Doubles get sines as exact as doubles; integers do not round them; halves stay halves."""
    x = minigrad.zeros(1, 50, 4, dtype=minigrad.float64)
    assert nn.SinusoidalPositions(4)(x)[0, 49, 0].item() == math.sin(49)
    whole = minigrad.ones(1, 2, 2, dtype=minigrad.long)
    np.testing.assert_allclose(nn.SinusoidalPositions(2)(whole)[0, 1], [1 + math.sin(1), 1 + math.cos(1)], rtol=1e-6)
    expected = [math.cos(1) - math.sin(1), math.sin(1) + math.cos(1)]
    np.testing.assert_allclose(Rotary()(whole)[0, 1], expected, rtol=1e-6)
    layer = SelfAttention(4, positions=ALiBi(1)).half()
    assert layer(x.half()).dtype == minigrad.float16


def test_vectors_of_another_size_are_refused():
    with pytest.raises(ShapeError, match=r"LearnedPositions: vectors \(batch, steps, 5\) .* \(2, 3, 1\)"):
        nn.LearnedPositions(7, 5)(minigrad.zeros(2, 3, 1))  # would be broadcast
    with pytest.raises(ShapeError, match=r"SinusoidalPositions: .* \(5,\)"):
        nn.SinusoidalPositions(5)(minigrad.zeros(5))
