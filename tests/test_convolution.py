"""The kernels of convolution and pooling against their definitions: in every order in memory, in blocks of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import ShapeError, Tensor, conv1d
from minigrad.ops import convolution, window

CHANNELS_LAST, AS_WRITTEN = True, False


def draw(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def arranged(x: np.ndarray, channels_last: bool) -> np.ndarray:
    """x (B, C, …) with the channels first or last in memory."""
    return np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if channels_last else x


def same(kernels: Callable[..., Any], arrays: list[np.ndarray], options: tuple[Any, ...]) -> None:
    """Values and first gradients of a fused operation are those of its definition."""
    answers = []
    for function in (kernels, kernels.op.function):  # type: ignore[attr-defined]  # as `op` returns it
        tensors = []
        for x in arrays:
            tensors.append(Tensor(0.0, requires_grad=True))
            tensors[-1].array = x  # in the order in memory that it has
        y = function(*tensors, *options)
        (y * Tensor(draw(5, *y.shape))).sum().backward()
        answers.append([y.array, *[x.grad.array for x in tensors]])
    for found, expected in zip(*answers, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("channels_last", [CHANNELS_LAST, AS_WRITTEN])
@pytest.mark.parametrize("block", [1, 100, 300, 60_000])  # one line, some lines, some examples, all of them at a time
@pytest.mark.parametrize(
    ("stride", "borders", "dilation"),
    [
        ((1, 1), [(1, 1), (0, 1)], (1, 1)),  # as many places as entries, or nearly: dx by the kernel turned round
        ((1, 1), [(2, 1), (2, 2)], (2, 1)),
        ((1, 1), [(0, 0), (0, 0)], (1, 1)),
        ((1, 1), [(5, 3), (0, 4)], (1, 1)),  # more border than a window reaches over
        ((2, 3), [(1, 2), (0, 1)], (1, 2)),
    ],
)
@pytest.mark.parametrize("channels", [2, 5])
def test_convolve(
    channels: int, stride: Any, borders: Any, dilation: Any, block: int, channels_last: bool, monkeypatch: Any
) -> None:
    monkeypatch.setattr(convolution, "BLOCK", block)
    arrays = [arranged(draw(0, 3, channels, 11, 13), channels_last), draw(1, 7, channels, 3, 2), draw(2, 7)]
    same(convolution.convolve, arrays, (stride, borders, dilation))


def test_both_ways_to_the_gradient_of_the_input() -> None:
    """Where dx can be had by the kernel turned round, it is the same as by putting windows back."""
    x, weight, g = draw(0, 3, 5, 11, 13), draw(1, 7, 5, 3, 2), draw(2, 3, 7, 11, 12)
    borders, one = [(1, 1), (0, 0)], (1, 1)
    rest = convolution._rest(x, g, weight, one, borders, one)
    assert rest == [(1, 1), (1, 1)]
    turned = convolution._turned(g, weight, rest, one)
    put_back = convolution._put_back(g, weight, np.zeros((3, 13, 13, 5)), one, borders, one)
    np.testing.assert_allclose(turned, put_back, rtol=1e-12, atol=1e-12)


def test_a_border_is_not_negative() -> None:
    with pytest.raises(ShapeError, match="a padding of -1 takes entries away"):
        conv1d(draw(0, 2, 3, 7), draw(1, 5, 3, 2), padding=-1)


@pytest.mark.parametrize("channels_last", [CHANNELS_LAST, AS_WRITTEN])
@pytest.mark.parametrize("pool", [window.window_max, window.window_sum])
@pytest.mark.parametrize(
    ("sizes", "steps", "dilations"),
    [
        ((2, 3), (2, 3), (1, 1)),  # side by side, and one column is left over
        ((11, 13), (11, 13), (1, 1)),
        ((1, 1), (1, 1), (1, 1)),
        ((3, 2), (2, 1), (1, 1)),  # they overlap
        ((2, 3), (2, 3), (2, 1)),
    ],
)
def test_pooling(pool: Any, sizes: Any, steps: Any, dilations: Any, channels_last: bool) -> None:
    x = draw(0, 3, 5, 11, 13).round(0)  # many ties
    same(pool, [arranged(x, channels_last)], (sizes, steps, dilations))


def test_pooling_a_sequence() -> None:
    same(window.window_max, [arranged(draw(0, 3, 5, 11).round(0), CHANNELS_LAST)], ((2,), (2,), (1,)))


@pytest.mark.parametrize("channels_last", [CHANNELS_LAST, AS_WRITTEN])
def test_more_ties_than_a_byte_counts(channels_last: bool) -> None:
    same(window.window_max, [arranged(np.ones((2, 3, 17, 19)), channels_last)], ((17, 19), (17, 19), (1, 1)))
