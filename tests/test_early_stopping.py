"""Early stopping and clipped rows: which weights are kept, when it is time, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad
import nn
from minigrad import ShapeError
from nn.utils.clip import clip_rows_
from nn.utils.early_stopping import EarlyStopping


def test_the_best_weights_come_back_and_of_equals_the_later() -> None:
    model = nn.Linear(3, 2)
    stopping = EarlyStopping(model)
    for epoch, score in enumerate((0.5, 0.7, 0.7, 0.6)):
        nn.init.constant_(model.weight, float(epoch))
        assert not stopping.update(score)
    nn.init.constant_(model.weight, 9.0)
    stopping.restore()
    assert (model.weight == 2.0).all()
    assert stopping.best == 0.7


def test_what_is_kept_is_a_copy() -> None:
    model = nn.BatchNorm1d(3)  # it has buffers, too
    stopping = EarlyStopping(model)
    before = {key: value.numpy().copy() for key, value in model.state_dict().items()}
    stopping.update(1.0)
    model(minigrad.randn(7, 3)).sum().backward()
    nn.optim.SGD(model.parameters(), lr=1.0).step()
    assert not np.array_equal(model.running_mean.numpy(), before["running_mean"])
    stopping.restore()
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[key])


def test_patience_starts_again_with_every_record() -> None:
    stopping = EarlyStopping(nn.Linear(3, 2), patience=2)
    assert [stopping.update(score) for score in (3, 2, 3, 2, 4, 1, 1)] == [False] * 6 + [True]


def test_errors_of_early_stopping() -> None:
    model = nn.Linear(3, 2)
    with pytest.raises(ValueError, match="1 or more, unlike 0"):
        EarlyStopping(model, patience=0)
    with pytest.raises(RuntimeError, match="no weights to restore"):
        EarlyStopping(model).restore()
    with pytest.raises(ValueError, match="NaN"):
        EarlyStopping(model).update(math.nan)


def test_rows_are_clipped_to_a_norm() -> None:
    weight = nn.Parameter(minigrad.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 0.0]]))
    clip_rows_(weight, 2.0)
    np.testing.assert_allclose(weight.detach(), [[1.2, 1.6], [0.6, 0.8], [0.0, 0.0]], rtol=1e-6)
    assert weight.is_leaf
    assert weight.requires_grad


def test_errors_of_clipped_rows() -> None:
    with pytest.raises(ValueError, match="max_norm is above 0, unlike -1"):
        clip_rows_(minigrad.ones(2, 3), -1)
    with pytest.raises(ShapeError, match=r"a matrix \(out, in\) is needed, not \(3,\)"):
        clip_rows_(minigrad.ones(3), 1)
