"""`trace` remembers what a node alone does not: every value, and the line of the program."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import nn
from minigrad.autograd import thread
from minigrad.viz.record import COPIED, _records, record, recorded

HERE = Path(__file__).name


def test_values_and_lines() -> None:
    x, b = mg.tensor([2.0, 3.0, 5.0], requires_grad=True), mg.tensor([[1.0], [-1.0]])
    with record():
        y = x.tanh() + b  # the line that is remembered
        loss = y.sum(dim=0).mean()
    note = recorded(y.node)
    assert note is not None
    np.testing.assert_array_equal(note.result, y.array)
    np.testing.assert_array_equal(note.inputs[0], np.tanh(x.array))
    np.testing.assert_array_equal(note.inputs[1], b.array)
    assert note.line == "y = x.tanh() + b  # the line that is remembered"
    file, _, number = note.place.partition(":")
    assert file == HERE
    assert Path(__file__).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip() == note.line

    of_sum = recorded(loss.node.inputs[0])
    assert of_sum is not None
    assert of_sum.inputs[1:3] == (0, False)


def test_a_layer_is_remembered_at_the_line_that_called_it() -> None:
    layer = nn.Linear(3, 5)
    with record():
        y = layer(mg.ones(2, 3))
    note = recorded(y.node)
    assert note is not None
    assert note.line == "y = layer(mg.ones(2, 3))"
    assert note.place.startswith(HERE)


def test_nothing_outside_the_block() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    before = x * x
    with record():
        inside = x * x
        assert len(thread.mode.observers) == 1
    after = x * x
    assert thread.mode.observers == ()
    assert recorded(before.node) is None
    assert recorded(inside.node) is not None
    assert recorded(after.node) is None


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), record():
        _ = 1 / 0
    assert thread.mode.observers == ()


def test_what_has_no_history_is_not_remembered() -> None:
    count = len(_records)
    with record(), mg.no_grad():
        _ = mg.tensor(2.0, requires_grad=True) * 3
    with record():
        _ = mg.tensor(2.0) * 3
    assert len(_records) == count


def test_small_arrays_are_copied_large_ones_are_not() -> None:
    small, large = (mg.tensor(np.zeros(n), requires_grad=True) for n in (COPIED, COPIED + 1))
    with record():
        results = [small * 1.0, large * 1.0]
    notes = [recorded(y.node) for y in results]
    assert notes[0] is not None
    assert notes[1] is not None
    assert notes[0].inputs[0] is not small.array
    assert notes[1].inputs[0] is large.array
    with mg.no_grad():
        small += 7
    assert not notes[0].inputs[0].any()


def test_the_memory_ends_with_the_graph() -> None:
    gc.collect()
    count = len(_records)
    x = mg.tensor([2.0, 3.0], requires_grad=True)
    with record():
        y = (x * x).sum()
    assert len(_records) == count + 2
    del y
    gc.collect()
    assert len(_records) == count


class Twice(mg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 2 * g


def test_functions_and_recorded_gradients() -> None:
    x = mg.tensor([2.0, 3.0], requires_grad=True)
    with record():
        y = Twice.apply(x)
        (dx,) = mg.grad((y * x).sum(), x, create_graph=True)
    note, of_gradient = recorded(y.node), recorded(dx.node)
    assert note is not None
    assert note.line == "y = Twice.apply(x)"
    np.testing.assert_array_equal(note.inputs[0], x.array)
    assert of_gradient is None or of_gradient.line.startswith("(dx,) = mg.grad")
    assert recorded(dx.node.inputs[0]) is not None
