"""Convolutions over sentences, and what is taken of one over time: values by hand, padding, gradients, errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError, Tensor
from nn.text_cnn import Convolutions, TextCNN, max_over_time, mean_over_time

X = [[[1.0, -5.0], [3.0, -7.0], [9.0, 9.0]], [[-2.0, 4.0], [8.0, 8.0], [8.0, 8.0]]]
Pool = Callable[..., Tensor]


def test_max_over_time_by_hand() -> None:
    assert max_over_time(Tensor(X), np.array([2, 1])).tolist() == [[3.0, -5.0], [-2.0, 4.0]]
    assert max_over_time(Tensor(X)).tolist() == [[9.0, 9.0], [8.0, 8.0]]


def test_mean_over_time_by_hand() -> None:
    assert mean_over_time(Tensor(X), np.array([2, 1])).tolist() == [[2.0, -6.0], [-2.0, 4.0]]
    np.testing.assert_allclose(mean_over_time(Tensor(X)), [[13 / 3, -1], [14 / 3, 20 / 3]], rtol=1e-6)


@pytest.mark.parametrize("pool", [max_over_time, mean_over_time])
def test_an_empty_sentence_gives_zeros_and_no_gradient(pool: Pool) -> None:
    x = minigrad.randn(3, 5, 7, dtype=minigrad.float64, requires_grad=True)
    y = pool(x, [5, 0, 2])
    assert (y[1] == 0).all()
    (gradient,) = minigrad.grad((y * minigrad.randn(3, 7, dtype=minigrad.float64)).sum(), [x])
    assert gradient is not None
    assert (gradient[1] == 0).all()
    assert (gradient[2, 2:] == 0).all()
    assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("pool", [max_over_time, mean_over_time])
def test_gradients_of_pooling(pool: Pool) -> None:
    x = minigrad.randn(3, 5, 7, dtype=minigrad.float64)
    assert minigrad.gradcheck(lambda x: pool(x, [5, 1, 3]), x)


@pytest.mark.parametrize("pool", [max_over_time, mean_over_time])
def test_errors_of_pooling(pool: Pool) -> None:
    with pytest.raises(ShapeError, match=rf"{pool.__name__}: .*\(5, 7\)"):
        pool(minigrad.ones(5, 7))
    with pytest.raises(ShapeError, match="2 lengths for a batch of 3"):
        pool(minigrad.ones(3, 5, 7), [5, 1])
    with pytest.raises(ShapeError, match=r"from 0 to 5 .*\[6, 1, 1\]"):
        pool(minigrad.ones(3, 5, 7), [6, 1, 1])


def test_convolutions_by_hand() -> None:
    """Width 3 adds a token and its neighbours, width 2 a token and the next; zeros stand beyond the ends."""
    layer = Convolutions(1, maps=1, widths=(3, 2))
    for p in layer.parameters():
        nn.init.constant_(p, 1.0 if p.ndim == 3 else 0.0)
    y = layer(minigrad.tensor([[[1.0], [10.0], [100.0]]]))
    assert y.tolist() == [[[11.0, 11.0], [111.0, 110.0], [110.0, 100.0]]]


def test_convolutions_are_those_of_conv1d() -> None:
    layer = Convolutions(5, maps=7, widths=(3, 4))
    x = minigrad.randn(2, 11, 5)
    for i, width in enumerate((3, 4)):
        one = nn.Conv1d(5, 7, width, padding="same")
        one.load_state_dict(layer.convolutions[i].state_dict())
        np.testing.assert_array_equal(layer(x)[:, :, 7 * i : 7 * i + 7].detach(), one(x.mT).mT.detach())


def test_text_cnn_by_hand() -> None:
    """The best of all sums of two neighbours, then of three; a window may reach over the ends, but not be empty."""
    layer = TextCNN(1, maps=1, widths=(2, 3))
    for p in layer.parameters():
        nn.init.constant_(p, 1.0 if p.ndim == 3 else 0.0)
    x = minigrad.tensor([[[4.0], [-3.0], [2.0]], [[-1.0], [0.0], [0.0]]])
    assert layer(x, [3, 1]).tolist() == [[4.0, 4.0], [0.0, 0.0]]
    assert layer.size == 2


@pytest.mark.parametrize("length", [1, 2, 11])
def test_padding_changes_nothing_in_a_text_cnn(length: int) -> None:
    layer = TextCNN(5, maps=7).double()
    with minigrad.no_grad():
        for convolution in layer.convolutions:
            convolution.bias += 1.0  # so that an empty window would find something
    x = minigrad.randn(2, 13, 5, dtype=minigrad.float64)
    x[0, length:] = 0.0
    alone = layer(x[:1, :length])
    np.testing.assert_allclose(layer(x, [length, 13])[:1].detach(), alone.detach(), rtol=1e-12)
    assert alone.shape == (1, 21)


def test_gradients_of_a_text_cnn() -> None:
    layer = TextCNN(3, maps=2, widths=(2, 3)).double()
    x = minigrad.randn(2, 5, 3, dtype=minigrad.float64)
    assert minigrad.gradcheck(lambda x: layer(x, [5, 5]), x)
    with pytest.raises(ShapeError):
        layer(minigrad.ones(2, 5, 7))
    with pytest.raises(ShapeError, match="lengths"):
        layer(x, [5, 6])


def test_lengths_are_counted_in_tokens() -> None:
    """Not in windows, of which there are more: neither the check nor what it says."""
    layer = TextCNN(2, 3, (1, 5))
    for lengths in ([3, 4], [3, -1]):
        with pytest.raises(ShapeError, match=r"from 0 to 3 for each sequence is needed, not \[3, "):
            layer(Tensor(X), lengths)
    with pytest.raises(ValueError, match=r"one width of at least 1 .* not \(\)"):
        TextCNN(2, 3, ())
