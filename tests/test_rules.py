"""The rules of an operation are shown as they are written, and where they are written."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import nn  # noqa: F401  # whose operations are in the registry, too
from minigrad.op import fused, op, registry
from minigrad.viz.rules import formulas, formulas_of

ROOT = Path(mg.__file__).parents[1]
HERE = Path(__file__).name
DIFFERENTIABLE = [name for name, operation in registry.items() if operation.rules]

double, triple = op(lambda x: 2 * x, "double", x=lambda g: g * 2), op(lambda x: 3 * x, "triple", x=lambda g: g * 3)
# fmt: off
scale = op(lambda x, by: x * by, "scale", x=lambda g, by: (g   # the comment is not part of it
                                                           * by),
                                          by=lambda g, x: g * x)
# fmt: on


def line_at(place: str) -> str:
    file, _, line = place.rpartition(":")
    path = ROOT / file if "/" in file else Path(__file__).with_name(file)
    return path.read_text(encoding="utf-8").splitlines()[int(line) - 1]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_every_rule_of_the_tables_is_found_where_it_says(name: str) -> None:
    operation = registry[name]
    found = formulas(operation)
    assert [formula.argument for formula in found] == list(operation.rules)
    for formula in found:
        assert formula.text
        assert formula.place.startswith(("minigrad/", "nn/"))
        line = line_at(formula.place)
        if formula.source:  # a function: its own first line
            assert line.strip().startswith(formula.source.splitlines()[0])
        else:  # an expression: it stands on that line, or begins there
            assert formula.text in line or formula.text[:12] in line
        if operation.fused:
            assert line_at(formula.twin).startswith(f"def {operation.function.__name__}(")


@pytest.mark.parametrize(
    ("name", "argument", "text"),
    [
        ("tanh", "x", "g * (1 - out * out)"),
        ("mul", "b", "g * a"),
        ("div", "b", "-g * out / b"),
        ("pow", None, "g * out * np.log(np.where(x == 0, 1, x))"),
        ("reshape", "x", "g.reshape(shape)"),
        ("softplus", "x", "g * np.where(beta * x > threshold, 1, sigmoid(beta * x))"),
    ],
)
def test_known_rules(name: str, argument: str | None, text: str) -> None:
    assert text in [f.text for f in formulas(registry[name]) if argument in (None, f.argument)]


def test_a_rule_with_branches_is_shown_by_its_name_and_docstring() -> None:
    by_a, _ = formulas(registry["matmul"])
    assert by_a.text.startswith("_matmul_a(g, a, b): ")
    assert "g @ bᵀ" in by_a.text
    assert by_a.source.startswith("def _matmul_a(")


def test_a_rule_says_where_it_stands() -> None:
    (formula,) = formulas(registry["tanh"])
    assert formula.place.startswith("minigrad/ops/elementwise.py:")
    assert line_at(formula.place).startswith("tanh = ")
    assert str(formula) == f"d/dx: g * (1 - out * out)  ({formula.place})"


def test_several_rules_on_one_line_and_one_over_several() -> None:
    assert [formulas(each.op)[0].text for each in (double, triple)] == ["g * 2", "g * 3"]
    by_x, by_by = formulas(scale.op)
    assert (by_x.text, by_by.text) == ("g * by", "g * x")
    assert by_x.place.startswith(f"{HERE}:")
    assert int(by_by.place.rpartition(":")[2]) == int(by_x.place.rpartition(":")[2]) + 2


def test_rules_that_are_functions() -> None:
    def plain(g: Any, x: Any) -> Any:
        """Not what it is called, but what it does."""
        slope = 3 * x * x
        return g * slope

    def branching(g: Any, x: Any) -> Any:
        """The slope of |x|. And more of it."""
        if x.ndim:
            return g * np.sign(x)
        return g if x > 0 else -g

    def silent(g: Any, x: Any) -> Any:
        for _ in range(2):
            g = g * x
        return g

    @functools.wraps(plain)
    def around(*args: Any) -> Any:
        return plain(*args)

    texts = [formulas(op(lambda x: x, "some", x=rule).op)[0] for rule in (plain, branching, silent, around)]
    assert [formula.text for formula in texts] == [
        "slope = 3 * x * x; g * slope",
        "branching(g, x): The slope of |x|",
        "silent(g, x)",
        "slope = 3 * x * x; g * slope",
    ]
    assert texts[0].source.startswith("def plain(g: Any, x: Any)")
    assert "def plain" in line_at(texts[0].place)


def test_a_kernel_and_its_readable_twin() -> None:
    def forward(x: Any) -> Any:
        y = np.exp(x)
        return y, (y,)

    def backward(g: Any, kept: Any, needs: Any, x: Any) -> Any:
        (y,) = kept
        dx = g * y
        dx += 0
        return (dx,)

    @fused(wrt=("x",), forward=forward, backward=backward)
    def readable(x: Any) -> Any:
        return np.exp(x)

    (formula,) = formulas(readable.op)  # type: ignore[attr-defined]  # an operation has one
    assert formula.text == "dx = g * y; dx += 0"
    assert "def backward" in line_at(formula.place)
    assert "def readable" in line_at(formula.twin)


def test_a_rule_that_is_an_operation() -> None:
    (formula,) = formulas(op(np.negative, "minus", x=mg.tril).op)
    assert "def _tril" in line_at(formula.place)


def test_without_source_nothing_is_said() -> None:
    names: dict[str, Any] = {"op": op}
    exec(compile("f = op(lambda x: x, 'typed', x=lambda g: g + 0)", "<stdin>", "exec"), names)
    (formula,) = formulas(names["f"].op)
    assert (formula.text, formula.place) == ("", "")
    assert str(formula) == "d/dx: no source"


def test_an_operation_without_rules_has_no_formulas() -> None:
    assert formulas(registry["floor_divide"])
    assert formulas(registry["eq"]) == ()


class Cube(mg.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3 * weight

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g, None


def test_the_rules_of_a_recorded_operation() -> None:
    x, w = mg.tensor([2.0, 3.0], requires_grad=True), mg.tensor([1.0, 5.0])
    (formula,) = formulas_of(Cube.apply(x, w).node)
    assert (formula.argument, formula.text) == ("x", "3 * x**2 * g, None")
    assert "def backward" in line_at(formula.place)

    (of_w,) = formulas_of((w * x).node)
    assert (of_w.argument, of_w.text) == ("b", "g * a")

    pieces = mg.cat([w, x, x])
    assert [formula.argument for formula in formulas_of(pieces.node)] == ["xs[1]", "xs[2]"]
    assert len({formula.text for formula in formulas_of(pieces.node)}) == 1

    attention = mg.softmax(mg.stack([x, x]), dim=-1)
    (formula,) = formulas_of(attention.node)
    assert "def _softmax_backward" in line_at(formula.place)
    assert "def softmax" in line_at(formula.twin)


def test_they_are_found_once() -> None:
    assert formulas(registry["tanh"]) is formulas(registry["tanh"])
