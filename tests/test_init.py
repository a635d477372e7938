"""nn.init: bounds, moments and structure of what parameters start from."""

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor
from nn import init


@pytest.fixture(autouse=True)
def seed():
    minigrad.manual_seed(0)


def weight(*shape):
    return nn.Parameter(minigrad.zeros(*shape))


def test_constants_fill_parameters_in_place_and_return_them():
    w = weight(2, 3)
    memory = w.array
    assert init.constant_(w, 5.0) is w
    assert w.array is memory
    assert w.tolist() == [[5.0] * 3] * 2
    assert init.zeros_(w).sum().item() == 0.0
    assert init.ones_(w).sum().item() == 6.0
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert w.is_leaf
    assert w.requires_grad
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        init.eye_(weight(3))


def test_uniform_and_normal():
    w = init.uniform_(weight(101, 103), -2.0, 1.0).detach().numpy()
    assert -2 <= w.min() < -1.99
    assert 0.99 < w.max() < 1
    w = init.normal_(weight(101, 103), 3.0, 0.5).detach().numpy()
    assert abs(w.mean() - 3) < 0.02
    assert abs(w.std() - 0.5) < 0.02
    generator = minigrad.Generator().manual_seed(7)
    again = minigrad.Generator().manual_seed(7)
    assert minigrad.equal(init.normal_(weight(5), generator=generator), init.normal_(weight(5), generator=again))


# fan-in and fan-out of (7, 3, 5) are 15 and 35; √(6 / 50) and √(2 / 50) by Glorot, √(2 / 15) for a ReLU by He
BOUNDS = {
    "xavier_uniform": (lambda w: init.xavier_uniform_(w), math.sqrt(6 / 50), True),
    "xavier_normal": (lambda w: init.xavier_normal_(w, gain=2.0), 2 * math.sqrt(2 / 50), False),
    "kaiming_uniform": (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(3 * 2 / 15), True),
    "kaiming_normal": (lambda w: init.kaiming_normal_(w, mode="fan_out"), math.sqrt(2 / 35), False),
    "kaiming_slope": (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), math.sqrt(1 / 15), True),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_fans_set_the_scale(name):
    fill, scale, is_bound = BOUNDS[name]
    draws = np.stack([fill(weight(7, 3, 5)).detach().numpy() for _ in range(50)])
    if is_bound:
        assert 0.99 * scale < np.abs(draws).max() <= scale
    else:
        assert abs(draws.std() / scale - 1) < 0.03
    assert abs(draws.mean()) < 0.03 * scale


def test_fans_need_two_dimensions():
    for fill in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_uniform_, init.kaiming_normal_):
        with pytest.raises(ShapeError, match=r"not a tensor of shape \(3,\)"):
            fill(weight(3))
    with pytest.raises(ValueError, match="'fan_both'"):
        init.kaiming_normal_(weight(2, 3), mode="fan_both")


def test_gains():
    assert init.calculate_gain("linear") == init.calculate_gain("sigmoid") == 1.0
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)
    with pytest.raises(ValueError, match="'swish'"):
        init.calculate_gain("swish")


def test_truncated_normal():
    w = init.trunc_normal_(weight(307, 311), mean=1.0, std=2.0, a=-1.0, b=2.0).detach().numpy()
    assert -1 <= w.min() < -0.99
    assert 1.99 < w.max() <= 2
    # mean of N(1, 4) between one deviation below and half a deviation above: 1 + 2 (φ(1) − φ(½)) / (Φ(½) − Φ(−1))
    assert abs(w.mean() - (1 + 2 * (0.24197 - 0.35207) / (0.69146 - 0.15866))) < 0.02
    with pytest.raises(ValueError, match="lies in"):
        init.trunc_normal_(weight(3), mean=10.0)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (5, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(weight(*shape), gain=2.0).detach().numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-5)
    with pytest.raises(ShapeError, match=r"\(3,\)"):
        init.orthogonal_(weight(3))


def test_filling_is_not_recorded_and_stamps_the_memory():
    w = weight(3)
    y = (w * w).sum()
    init.ones_(w)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()
    assert isinstance(w, Tensor)
    assert w.grad is None
