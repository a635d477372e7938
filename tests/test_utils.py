"""Clipping gradients, parameters as a vector, and padding sequences of tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor
from nn.utils import clip_grad_norm_, clip_grad_value_, parameters_to_vector, rnn, vector_to_parameters
from nn.utils.rnn import pad_sequence


def with_grads(*gradients: list[float] | None) -> list[Tensor]:
    """A parameter for each gradient."""
    parameters = []
    for g in gradients:
        p = minigrad.zeros(len(g or [0]), requires_grad=True)
        p.grad = None if g is None else minigrad.tensor(g)
        parameters.append(p)
    return parameters


def grad_of(p: Tensor) -> Tensor:
    assert p.grad is not None
    return p.grad


def grads(parameters: list[Tensor]) -> list[list[float] | None]:
    return [None if p.grad is None else p.grad.tolist() for p in parameters]


# ---- clipping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("norm_type", "norm"), [(2.0, 13.0), (1.0, 19.0), (math.inf, 12.0), (3.0, (27 + 64 + 1728) ** (1 / 3))]
)
def test_clip_grad_norm(norm_type: float, norm: float) -> None:
    """The gradients 3, −4 and 12 have the norms 13 = √(9 + 16 + 144), 19 and 12."""
    parameters = with_grads([3.0, -4.0], None, [12.0])
    before = [p.grad for p in parameters]
    total = clip_grad_norm_(parameters, norm / 2, norm_type)
    assert isinstance(total, Tensor)
    assert total.shape == ()
    assert total.dtype == minigrad.float32
    assert total.item() == pytest.approx(norm, rel=1e-6)
    first, none, last = grads(parameters)
    assert first == pytest.approx([1.5, -2.0], rel=1e-6)
    assert none is None
    assert last == pytest.approx([6.0], rel=1e-6)
    assert all(p.grad is g for p, g in zip(parameters, before, strict=True))


def test_short_gradients_stay_as_they_are() -> None:
    parameters = with_grads([3.0, -4.0])
    assert clip_grad_norm_(iter(parameters), 5.1).item() == 5.0
    assert grads(parameters) == [[3.0, -4.0]]
    assert clip_grad_norm_(parameters[0], 5.1).item() == 5.0
    assert clip_grad_norm_([], 1.0).item() == 0.0
    assert clip_grad_norm_(with_grads(None), 1.0).item() == 0.0


def test_norm_of_gradients_in_any_layout() -> None:
    w = minigrad.zeros(3, 5, requires_grad=True)
    w.grad = minigrad.from_numpy(np.asfortranarray(np.arange(15, dtype=np.float32).reshape(3, 5)))
    assert clip_grad_norm_([w], 1.0).item() == pytest.approx(math.sqrt(sum(i * i for i in range(15))))
    assert np.linalg.norm(w.grad.array) == pytest.approx(1.0, rel=1e-5)


def test_gradients_that_are_not_finite() -> None:
    parameters = with_grads([1.0], [2.0, math.nan])
    parameters[1].name = "decoder.bias"
    with pytest.raises(RuntimeError, match=r"norm of the gradients is nan; .* parameter 1, 'decoder\.bias'"):
        clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
    assert grads(parameters)[0] == [1.0]
    assert math.isnan(clip_grad_norm_(parameters, 1.0).item())
    assert np.isnan(grad_of(parameters[0]).array).all()
    with pytest.raises(RuntimeError, match="inf although each of their entries is finite"):
        clip_grad_norm_(with_grads([1e30]), 1.0, error_if_nonfinite=True)


def test_clip_grad_value() -> None:
    parameters = with_grads([0.5, -3.0], None, [2.0])
    clip_grad_value_(parameters, 1.0)
    assert grads(parameters) == [[0.5, -1.0], None, [1.0]]


def test_what_clipping_refuses() -> None:
    with pytest.raises(ValueError, match="max_norm is not negative, unlike -1"):
        clip_grad_norm_([], -1)
    with pytest.raises(ValueError, match="norm_type is above 0"):
        clip_grad_norm_([], 1, norm_type=0)
    with pytest.raises(ValueError, match="clip_value is not negative, unlike -1"):
        clip_grad_value_([], -1)
    parameters = with_grads([1.0, 1.0, 1.0])
    parameters[0].grad = minigrad.ones(1).expand(3)
    for clip in (clip_grad_norm_, clip_grad_value_):
        with pytest.raises(RuntimeError, match=r"gradient of a tensor of shape \(3,\) is read-only"):
            clip(parameters, 0.1)


@pytest.mark.parametrize("clip", [clip_grad_norm_, clip_grad_value_])
def test_a_graph_that_needs_the_gradient_notices(clip: Callable[..., Any]) -> None:
    w = minigrad.tensor([3.0, -2.0], requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    penalty = (grad_of(w) * grad_of(w)).sum()
    clip([w], 1.0)
    with pytest.raises(RuntimeError, match=r"changed in place by clip_grad_\w+ at test_utils\.py"):
        penalty.backward()


# ---- vectors --------------------------------------------------------------------------------------------------------


def test_parameters_to_vector_and_back() -> None:
    w, b = minigrad.randn(2, 3, requires_grad=True), minigrad.tensor(5.0, requires_grad=True)
    vector = parameters_to_vector([w, b])
    assert vector.tolist() == [*w.array.ravel().tolist(), 5.0]
    (vector * minigrad.arange(7)).sum().backward()
    assert grad_of(w).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert grad_of(b).item() == 6
    memory = w.array
    vector_to_parameters(2 * vector, iter([w, b]))
    assert b.item() == 10.0
    assert w.array is memory
    assert w.is_leaf
    assert w.requires_grad
    np.testing.assert_array_equal(w.array.ravel(), 2 * vector.array[:6])


def test_vector_to_parameters_is_a_change_in_place() -> None:
    w = minigrad.tensor([2.0, 3.0], requires_grad=True)
    loss = (w * w).sum()
    vector_to_parameters(minigrad.zeros(2), [w])
    with pytest.raises(RuntimeError, match="changed in place by vector_to_parameters"):
        loss.backward()


@pytest.mark.parametrize("shape", [(6,), (8,), (7, 1)])
def test_vector_of_another_length(shape: tuple[int, ...]) -> None:
    w, b = minigrad.ones(2, 3), minigrad.ones(())
    with pytest.raises(ShapeError, match=r"the parameters have 7 entries, but the vector is \(\d"):
        vector_to_parameters(minigrad.zeros(shape), [w, b])
    assert w.array.all()
    with pytest.raises(ValueError, match="no parameters"):
        parameters_to_vector([])


# ---- padding --------------------------------------------------------------------------------------------------------


def test_pad_sequence() -> None:
    a, b, c = minigrad.tensor([1, 2, 3]), minigrad.tensor([4]), minigrad.tensor([5, 6])
    assert pad_sequence([a, b, c]).tolist() == [[1, 4, 5], [2, 0, 6], [3, 0, 0]]
    assert pad_sequence([a, b, c], batch_first=True, padding_value=-1).tolist() == [[1, 2, 3], [4, -1, -1], [5, 6, -1]]
    assert pad_sequence([a, b], True, padding_side="left").tolist() == [[1, 2, 3], [0, 0, 4]]
    assert pad_sequence([a, b]).dtype == minigrad.int64


def test_pad_sequence_of_vectors_is_differentiable() -> None:
    a, b = minigrad.randn(5, 3, requires_grad=True), minigrad.randn(2, 3, requires_grad=True)
    padded = pad_sequence([a, b], batch_first=True)
    assert padded.shape == (2, 5, 3)
    assert padded.dtype == minigrad.float32
    weights = minigrad.randn(2, 5, 3)
    (padded * weights).sum().backward()
    np.testing.assert_array_equal(grad_of(a).array, weights.array[0])
    np.testing.assert_array_equal(grad_of(b).array, weights.array[1, :2])


def test_pad_sequence_refuses() -> None:
    with pytest.raises(ValueError, match="no sequences"):
        pad_sequence([])
    with pytest.raises(ValueError, match="'left' or 'right', not 'both'"):
        pad_sequence([minigrad.ones(2)], padding_side="both")
    with pytest.raises(ShapeError, match=r"number 0 is \(2, 3\) and number 1 is \(2, 5\)"):
        pad_sequence([minigrad.ones(2, 3), minigrad.ones(2, 5)])


# ---- padding and packing lists of sequences -------------------------------------------------------------------------


def test_padding_can_be_taken_away_again() -> None:
    sequences = [minigrad.randn(n, 2) for n in (5, 3, 1)]
    for batch_first in (False, True):
        padded = rnn.pad_sequence(sequences, batch_first=batch_first)
        for given, found in zip(sequences, rnn.unpad_sequence(padded, [5, 3, 1], batch_first), strict=True):
            assert found.tolist() == given.tolist()
    packed = rnn.pack_sequence(sequences[::-1], enforce_sorted=False)
    padded, lengths = rnn.pad_packed_sequence(packed)
    assert lengths.tolist() == [1, 3, 5]
    assert padded.tolist() == rnn.pad_sequence(sequences[::-1]).tolist()
    with pytest.raises(TypeError, match="number 1 of the sequences is a list"):
        rnn.pad_sequence([minigrad.ones(2), [1.0]])  # type: ignore[list-item]  # the mistake that is tested


def test_norms_may_be_called_by_name() -> None:
    w = Tensor([3.0, 4.0], requires_grad=True)
    (w * w).sum().backward()
    assert clip_grad_norm_(w, 4.0, norm_type="inf").item() == 8
    assert w.grad is not None
    np.testing.assert_allclose(w.grad, [3, 4], rtol=1e-6)
