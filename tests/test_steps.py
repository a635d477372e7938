"""A run told step by step: the numbers are those of the run, worked out by hand or computed by the engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import nn
import nn.functional as F
from minigrad.autograd import thread
from minigrad.viz.record import record
from minigrad.viz.steps import FULL, Numbers, Step, steps


def phases(told: list[Step]) -> list[str]:
    return [f"{step.phase} {step.operation}" for step in told]


def test_a_neuron_by_hand() -> None:
    """tanh(w·x + b) at w = 0.8, x = 1.5, b = −0.3: d/dw = (1 − y²)·x, d/db = 1 − y² with y = tanh(0.9)."""
    w, b = (mg.tensor(v, requires_grad=True, dtype=mg.float64, name=n) for v, n in ((0.8, "w"), (-0.3, "b")))
    x = mg.tensor(1.5, dtype=mg.float64, name="x")
    y = (w * x + b).tanh()
    told = steps(y)
    assert phases(told) == [
        "forward mul", "forward add", "forward tanh",
        "start tanh",
        "backward tanh", "backward add", "backward mul",
    ]  # fmt: skip
    out = math.tanh(0.9)
    slope = 1 - out * out
    mul, add, tanh, start, d_tanh, d_add, d_mul = told

    assert [(o.argument, o.name, o.value.entries) for o in mul.operands] == [("a", "w", 0.8), ("b", "x", 1.5)]
    assert [(o.name, o.value.entries) for o in add.operands] == [("", pytest.approx(1.2)), ("b", -0.3)]
    assert [step.value.entries for step in (mul, add, tanh)] == pytest.approx([1.2, 0.9, out])
    assert start.value.entries == 1

    assert d_tanh.value.entries == 1
    (flow,) = d_tanh.flows
    assert (flow.formula.text, flow.reads["out"].entries) == ("g * (1 - out * out)", pytest.approx(out))
    assert (flow.value.entries, flow.target) == (pytest.approx(slope), add.node)

    assert d_add.value.entries == pytest.approx(slope)
    assert [flow.value.entries for flow in d_add.flows] == pytest.approx([slope, slope])
    assert [flow.name for flow in d_add.flows] == ["", "b"]

    (flow,) = d_mul.flows  # x gets no gradient
    assert (flow.formula.text, flow.name, flow.reads["b"].entries) == ("g * b", "w", 1.5)
    assert flow.value.entries == pytest.approx(slope * 1.5)
    assert flow.total is None


def test_paths_that_meet() -> None:
    x = mg.tensor(3.0, requires_grad=True, name="x")
    told = steps(x * x + x)
    mul = next(step for step in told if step.phase == "backward" and step.operation == "mul")
    add = next(step for step in told if step.phase == "backward" and step.operation == "add")
    _, direct = add.flows
    assert (direct.value.entries, direct.before) == (1, None)
    first, second = mul.flows
    assert (first.before.entries, first.value.entries, first.total.entries) == (1, 3, 4)  # type: ignore[union-attr]
    assert (second.before.entries, second.value.entries, second.total.entries) == (4, 3, 7)  # type: ignore[union-attr]
    assert x.grad is None


def test_broadcasting_is_undone_in_words() -> None:
    x, row, column = (mg.randn(*shape, requires_grad=True) for shape in ((5, 3), (3,), (5, 1)))
    told = steps((x * row + column).mean())
    said = {step.operation: [flow.summed for flow in step.flows] for step in told if step.phase == "backward"}
    assert said["mul"] == ["", "summed over dim 0: (5, 3) → (3,)"]
    assert said["add"] == ["", "summed over dim 1: (5, 3) → (5, 1)"]
    both = mg.randn(1, 3, requires_grad=True)
    (flow,) = steps((mg.ones(2, 5, 3) * both).mean())[-1].flows
    assert flow.summed == "summed over dims 0, 1: (2, 5, 3) → (1, 3)"


def small_transformer() -> tuple[Any, Any]:
    model = nn.TransformerEncoderLayer(d_model=6, nhead=2, dim_feedforward=7, dropout=0.0)
    return model, model(mg.randn(1, 5, 6)).tanh().mean()


def test_the_gradients_are_those_of_the_engine() -> None:
    model, loss = small_transformer()
    told = steps(loss)
    final: dict[Any, Numbers] = {}
    for step in told:
        for flow in step.flows:
            final[flow.target] = flow.total or flow.value
    assert all(parameter.grad is None for parameter in model.parameters())
    loss.backward()
    for name, parameter in model.named_parameters():
        shown, grad = final[parameter], parameter.grad.array
        assert shown.shape == grad.shape, name
        if shown.entries is not None:
            np.testing.assert_array_equal(shown.entries, grad, name)
        else:
            assert (shown.norm, shown.least, shown.greatest) == pytest.approx(
                (np.linalg.norm(grad.astype(np.float64)), grad.min(), grad.max()), rel=1e-6
            )


def test_every_forward_value_is_known_without_a_trace() -> None:
    _, loss = small_transformer()
    forward = [step for step in steps(loss) if step.phase == "forward"]
    assert not [step for step in forward if "not kept" in step.value.text]
    computed = {step.node: step.value for step in forward}
    for step in forward:
        for operand in step.operands:
            if operand.source in computed:
                assert operand.value.shape == computed[operand.source].shape
                if operand.value.entries is not None:
                    np.testing.assert_allclose(
                        operand.value.entries, computed[operand.source].entries, rtol=1e-5, atol=1e-6
                    )
    assert forward[-1].value.entries == pytest.approx(loss.item())


def test_what_is_gone_is_said_and_a_trace_remembers_it() -> None:
    def run() -> Any:
        x = mg.randn(5, 7, requires_grad=True)
        return (x + mg.randn(5, 7)).exp().mean()

    said = [step.value.text for step in steps(run()) if step.operation == "add" and step.phase == "forward"]
    assert said == ["not kept; minigrad.record() remembers it"]
    with record():
        loss = run()
    told = steps(loss)
    assert told[0].value.entries is not None
    assert told[0].line == "return (x + mg.randn(5, 7)).exp().mean()"
    assert told[0].place.startswith("test_steps.py:")
    assert told[-1].line == told[0].line


def test_a_leaf_that_has_been_overwritten_is_not_shown_as_it_was() -> None:
    x, y = mg.tensor([2.0, 3.0], requires_grad=True), mg.tensor([5.0, 7.0], requires_grad=True)
    loss = (x + y).sum()
    with mg.no_grad():
        x += 1
    add = steps(loss)[0]
    assert [operand.value.entries for operand in add.operands] == [None, [5.0, 7.0]]
    assert "not kept" in add.operands[0].value.text
    assert add.value.entries == [7.0, 10.0]


def test_large_tensors_and_bad_numbers() -> None:
    x = np.arange(FULL + 1.0)
    x[3] = np.nan
    shown = Numbers.of(x)
    assert (shown.entries, shown.nan, shown.least, shown.greatest) == (None, 1, 0.0, FULL)
    assert shown.norm == pytest.approx(np.sqrt(np.nansum(x * x)))
    some = Numbers.of(np.array([1.0, -np.inf]))
    assert (some.nan, some.infinite) == (0, 1)
    assert Numbers.of(np.array([2, 3])).entries == [2, 3]
    nothing = Numbers.of(np.full(FULL + 1, np.nan))
    assert nothing.nan == FULL + 1
    assert math.isnan(nothing.least or 0)

    w = mg.tensor([-2.0, 3.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        told = steps(w.log().sum())
    assert [step.value.nan for step in told] == [1, 1, 0, 0, 0]


def test_plain_arguments_as_they_are_written() -> None:
    x = mg.randn(5, 3, requires_grad=True)
    getitem, *_ = steps(x[1:4:2, ..., 0].sum())
    assert getitem.operands[1].value.text == "[1:4:2, …, 0]"
    softmax, *_ = steps(F.softmax(x, dim=-1)[0, 0])
    assert [(o.argument, o.value.entries) for o in softmax.operands][1] == ("dim", -1)


def test_a_kernel_shows_what_it_kept() -> None:
    x = mg.tensor([1.0, 2.0, 4.0], requires_grad=True)
    loss = (F.softmax(x, dim=0) * mg.tensor([1.0, 0.0, 0.0])).sum()
    (flow,) = steps(loss)[-1].flows
    y = np.exp(x.array) / np.exp(x.array).sum()
    assert any(np.allclose(shown.entries, y) for shown in flow.reads.values() if shown.shape == (3,))
    assert flow.formula.twin.startswith("minigrad/ops/fused.py:")


class Cube(mg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g


def test_a_function_of_the_users() -> None:
    x = mg.tensor(2.0, requires_grad=True, name="x")
    told = steps(Cube.apply(x))
    assert phases(told) == ["forward Cube", "start Cube", "backward Cube"]
    (flow,) = told[-1].flows
    assert (flow.argument, flow.formula.text, flow.value.entries) == ("x", "3 * x**2 * g", 12)


def test_nothing_is_changed() -> None:
    seen = []
    x = mg.tensor([2.0, 3.0], requires_grad=True)
    hidden = x * x
    hidden.retain_grad()
    x.register_hook(lambda g: seen.append(g))
    loss = hidden.sum()
    told = steps(loss)
    assert seen == []
    assert x.grad is None
    assert hidden.grad is None
    assert [step.hooked for step in told if step.phase == "backward"] == [False, True]
    assert thread.mode.observers == ()
    loss.backward()
    assert len(seen) == 1
    np.testing.assert_array_equal(hidden.grad.array, [1, 1])  # type: ignore[union-attr]  # retained


def test_double_backward() -> None:
    x = mg.tensor(2.0, requires_grad=True, name="x")
    y = x**3
    (dy,) = mg.grad(y, x, create_graph=True)
    told = steps([y, dy])
    assert [step.phase for step in told].count("start") == 2
    last = [flow for step in told for flow in step.flows if flow.target is x][-1]
    assert last.total is not None
    assert last.total.entries == pytest.approx(12 + 12)  # y' = 3x² and y'' = 6x


def test_what_has_no_graph_or_no_longer() -> None:
    x = mg.tensor([2.0, 3.0], requires_grad=True, name="x")
    with pytest.raises(ValueError, match="'x'.* has no graph"):
        steps(x)
    loss = (x * x).sum()
    loss.backward()
    with pytest.raises(
        RuntimeError, match=r"freed by the one at test_steps\.py:\d+; call minigrad.explain\(loss\) before"
    ):
        steps(loss)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    assert len(steps(loss)) == 5
