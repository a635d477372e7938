"""Masks: by hand, combined, and refused where they do not fit."""

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError
from nn import masks
from nn.attention import MultiHead, SelfAttention


def test_masks_by_hand():
    assert masks.padding([2, 0], 3).tolist() == [[[[True, True, False]]], [[[False] * 3]]]
    assert masks.causal(2).tolist() == [[True, False], [True, True]]
    assert masks.window(4, 1).int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert masks.window(3, (1, 0)).int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert masks.graph([[0, 2], [1, 1]], 3).int().tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert masks.graph([], 2).int().tolist() == [[0, 0], [0, 0]]


def test_a_window_without_an_end_is_everything_or_the_past():
    assert masks.window(5, 5).all()
    assert (masks.window(5, (5, 0)) == masks.causal(5)).all()


def test_masks_combine():
    both = masks.padding([3, 1], 3) & masks.causal(3)
    assert both.shape == (2, 1, 3, 3)
    assert both[1, 0].int().tolist() == [[1, 0, 0]] * 3
    layer, x = SelfAttention(5), minigrad.randn(2, 3, 5)
    assert (layer(x, mask=both) == layer(x, mask=masks.causal(3), lengths=[3, 1])).all()


@pytest.mark.parametrize("sizes", [(3, 3), (2, 3, 3), (2, 1, 3, 3), (1, 2, 3, 3), (2, 2, 3, 3), (1, 3)])
def test_any_boolean_mask_that_broadcasts(sizes):
    mask = minigrad.rand(*sizes) > 0.5
    mask[..., 0] = True
    layer, x = MultiHead(6, 2), minigrad.randn(2, 3, 6)
    y, weights = layer(x, mask=mask, return_weights=True)
    full = mask.unsqueeze(1) if mask.ndim == 3 else mask
    assert (weights.masked_select(~full.expand(2, 2, 3, 3)) == 0).all()
    assert (layer(x, mask=mask.numpy()) == y).all()


def test_masks_by_list_tensor_or_array():
    for lengths in ([1, 3], (1, 3), np.array([1, 3]), minigrad.tensor([1, 3])):
        assert masks.padding(lengths, 3).sum().item() == 4


def test_what_does_not_fit_is_explained():
    with pytest.raises(ValueError, match="0 or more steps before and after, not -1"):
        masks.window(3, -1)
    with pytest.raises(ShapeError, match="nodes 0 to 3, but there are 3"):
        masks.graph([[0], [3]], 3)
    with pytest.raises(ShapeError, match=r"\(2, E\).*\(3,\)"):
        masks.graph([0, 1, 2], 3)
    with pytest.raises(ShapeError, match="a batch of 2"):
        masks.real([1], 2, 3)


def test_a_mask_of_more_dimensions_is_refused():
    with pytest.raises(ShapeError, match=r"mask: shape \(1, 1, 1, 3, 3\)"):
        MultiHead(4, 2)(minigrad.zeros(2, 3, 4), mask=np.ones((1, 1, 1, 3, 3), bool))


def test_lengths_are_whole_numbers():
    for lengths in ([1.0, 2.0], [True, False], ["a", "b"]):
        with pytest.raises(TypeError, match="lengths: integers are needed"):
            masks.padding(lengths, 3)
    assert masks.padding([], 3).shape == (0, 1, 1, 3)
