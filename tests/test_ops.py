"""Every question asked of every row of the case table."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from cases import CASES, CORNERS, Array, Case, Corner

import minigrad as mg
from minigrad.autograd import Observer
from minigrad.op import registry
from minigrad.tensor import Tensor, wrap

TABLES = [f"minigrad.ops.{table.name}" for table in pkgutil.iter_modules(mg.ops.__path__)]
# What the modules of the tables define, and what the modules that build on them add.
DEFINED = [
    (module, name, f)
    for module in (*TABLES, "minigrad.op", "minigrad.methods", "minigrad.inplace")
    for name, f in vars(importlib.import_module(module)).items()
    if isinstance(f, FunctionType)
]
OPERATIONS = {f.op.name for _, _, f in DEFINED if hasattr(f, "op")}
COMPOSITIONS = {
    name for module, name, f in DEFINED if f.__module__ == module in TABLES and not hasattr(f, "op") and name[0] != "_"
} - {  # what tables share
    "along",
    "count",
    "dim_of",
    "dims_of",
    "plain",
    "plain_values",
    "restore",
    "share",
    "spread",
    "check_windows",
    "pair",
    "slide",
    "tall",
}


def rows(keep: Callable[[Case], Any] = lambda case: True) -> Any:
    """Run a test for each row that is kept."""
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.what) for c in CASES if keep(c)])


differentiable = rows(lambda case: case.order)


def several(answer: Any) -> list[Any]:
    """What an operation answered, one or a tuple, as a list."""
    return list(answer) if isinstance(answer, tuple) else [answer]


def tensors(arrays: Sequence[Array], needing: Callable[[int], bool] = lambda i: True) -> list[Tensor]:
    """Tensors on the arrays themselves; floating-point ones require grad, if their position is among the needing."""
    return [wrap(a).requires_grad_(a.dtype.kind == "f" and needing(i)) for i, a in enumerate(arrays)]


def run(case: Case, xs: Sequence[Any]) -> list[Tensor]:
    return several(case.call(*xs))


def floating(ys: Sequence[Tensor]) -> list[Tensor]:
    return [y for y in ys if y.dtype.kind == "f"]


def cotangents(ys: Sequence[Tensor], layout: Any = np.array) -> list[Tensor]:
    """Random weights for the results."""
    rng = np.random.default_rng(7)
    return [wrap(layout(np.array(rng.standard_normal(y.shape), y.dtype))) for y in ys]


def gradients(
    case: Case, xs: Sequence[Tensor], second: bool = False, layout: Any = np.array, record: bool = False
) -> list[Tensor]:
    """The gradients of the weighted results of a case, or of its weighted gradients."""
    wanted = [x for x in xs if x.requires_grad]
    ys = floating(run(case, xs))
    found = mg.grad(ys, wanted, cotangents(ys, layout), create_graph=second or record, materialize_grads=True)
    if not second:
        return list(found)
    again = [g for g in found if g.requires_grad]
    if not again:
        return [mg.zeros_like(x) for x in wanted]
    return list(mg.grad(again, wanted, cotangents(again, layout), materialize_grads=True))


def agree(found: Sequence[Tensor], expected: Sequence[Any], **tolerance: float) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        b = b.array if isinstance(b, Tensor) else np.asarray(b)
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.array, b, **{"rtol": 1e-9, "atol": 1e-12} | tolerance)


# ---- the table is complete ------------------------------------------------------------------------------------------


def test_every_operation_has_a_row() -> None:
    covered = {case.covers for case in CASES}
    assert not OPERATIONS - set(registry)
    assert not OPERATIONS - covered, "add rows to tests/cases.py for these operations"
    assert not COMPOSITIONS - covered, "add rows to tests/cases.py for these functions"
    covered |= {corner.what.partition(":")[0] for corner in CORNERS}
    assert not covered - OPERATIONS - COMPOSITIONS, "rows about operations that do not exist"


def test_rows_have_different_names() -> None:
    names = [row.what for row in (*CASES, *CORNERS)]
    assert sorted(set(names)) == sorted(names)


def calls(case: Case, xs: Sequence[Any]) -> list[tuple[str, Any]]:
    """The operations that a case runs, with their arguments."""
    seen: list[tuple[str, Any]] = []

    class Calls(Observer):
        def operation(self, name: str, arguments: Sequence[Any], result: Any) -> None:
            seen.append((name, arguments))

    with Calls():
        case.call(*xs)
    return seen


def test_rows_call_the_operations_that_they_cover() -> None:
    called = {case.covers for case in CASES if case.covers in dict(calls(case, tensors(case.draw())))}
    assert not OPERATIONS - called


# ---- values and derivatives -----------------------------------------------------------------------------------------


@rows()
def test_value(case: Case) -> None:
    arrays = case.draw()
    expected = several(case.value(*arrays))
    agree(run(case, tensors(arrays)), expected)
    agree(run(case, tensors(arrays, needing=lambda i: False)), expected)


@rows(lambda case: not case.order)
def test_no_gradient(case: Case) -> None:
    assert not any(y.requires_grad for y in run(case, tensors(case.draw())))


@differentiable
def test_first_gradient(case: Case) -> None:
    mg.gradcheck(case.call, *tensors(case.draw()))


@differentiable
def test_second_gradient(case: Case) -> None:
    mg.gradgradcheck(case.call, *tensors(case.draw()))


@rows(lambda case: case.order >= 3)
def test_third_gradient(case: Case) -> None:
    def gradient(*xs: Tensor) -> list[Tensor]:
        ys = floating(run(case, xs))
        wanted = [x for x in xs if x.requires_grad]
        return list(mg.grad(ys, wanted, cotangents(ys), create_graph=True, materialize_grads=True))

    mg.gradgradcheck(mg.enable_grad(gradient), *tensors(case.draw()), atol=1e-6)


@differentiable
def test_recorded_gradients_are_the_same(case: Case) -> None:
    arrays = case.draw()
    agree(gradients(case, tensors(arrays), record=True), gradients(case, tensors(arrays)))


@rows(lambda case: case.order and sum(x.dtype.kind == "f" for x in case.draw()) > 1)
def test_gradients_of_some_inputs(case: Case) -> None:
    """Whether an input gets a gradient does not depend on which others do."""
    arrays = case.draw()
    everything = gradients(case, tensors(arrays))
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    for i, expected in zip(floats, everything, strict=True):
        agree(gradients(case, tensors(arrays, needing=lambda j, i=i: j == i)), [expected])
        others = [g for j, g in zip(floats, everything, strict=True) if j != i]
        agree(gradients(case, tensors(arrays, needing=lambda j, i=i: j != i)), others)
        mg.gradgradcheck(case.call, *tensors(arrays, needing=lambda j, i=i: j == i))


@pytest.mark.parametrize("corner", [pytest.param(c, id=c.what) for c in CORNERS])
def test_corner(corner: Corner) -> None:
    xs = tensors([np.array(x) for x in corner.inputs])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if corner.noisy else "error")
        ys = several(corner.call(*xs))
    expected = corner.value if isinstance(corner.value, tuple) else (corner.value,)
    agree(ys, [np.array(v, y.dtype) for v, y in zip(expected, ys, strict=True)])
    weighted = floating(ys)
    weights = [wrap(np.arange(1.0, y.numel() + 1).reshape(y.shape)) for y in weighted]
    wanted = [x for x in xs if x.requires_grad]
    if corner.gradients:
        for record in (False, True):
            found = mg.grad(weighted, wanted, weights, retain_graph=True, create_graph=record)
            agree(found, [np.array(g, np.float64) for g in corner.gradients])
    else:
        assert not any(y.requires_grad for y in ys)


def fused_call(case: Case, xs: Sequence[Tensor]) -> tuple[Any, Any]:
    """The readable definition of the fused operation that a case calls, and the arguments it got."""
    return next((registry[name].function, args) for name, args in calls(case, xs) if registry[name].fused)


@rows(lambda case: case.order and case.covers in registry and registry[case.covers].fused)
def test_kernel_is_its_readable_twin(case: Case) -> None:
    twin, arguments = fused_call(case, tensors(case.draw()))
    arguments = [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in arguments]
    xs = [x for x in arguments if isinstance(x, Tensor)]
    kernel = case.calling(lambda *_: getattr(sys.modules[twin.__module__], twin.__name__)(*arguments))
    readable = case.calling(lambda *_: twin(*arguments))
    agree(run(kernel, xs), run(readable, xs))
    for second in (False, True):
        agree(gradients(kernel, xs, second), gradients(readable, xs, second))


# ---- dtypes ---------------------------------------------------------------------------------------------------------


@rows()
def test_float32_stays_float32(case: Case) -> None:
    doubles = case.draw()
    singles = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in doubles]
    doubles = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in singles]
    narrowed = [y.array.astype(np.float32) if y.dtype.kind == "f" else y for y in run(case, tensors(doubles))]
    agree(run(case, tensors(singles)), narrowed, rtol=1e-5, atol=1e-6)
    if case.order:
        for second in (False, True):
            expected = [g.array.astype(np.float32) for g in gradients(case, tensors(doubles), second)]
            agree(gradients(case, tensors(singles), second), expected, rtol=1e-3, atol=1e-4)


# ---- memory ---------------------------------------------------------------------------------------------------------


def transposed(x: Array) -> Array:
    return np.array(x.T, order="C").T


def strided(x: Array) -> Array:
    out = np.zeros((*x.shape, 2), x.dtype)
    out[..., 0] = x
    return out[..., 0]


def backwards(x: Array) -> Array:
    return np.flip(np.flip(x).copy())[...] if x.ndim else x


@pytest.mark.parametrize("layout", [transposed, strided, backwards])
@rows()
def test_any_layout_in_memory(case: Case, layout: Callable[[Array], Array]) -> None:
    arrays = case.draw()
    oddly = [layout(a) for a in arrays]
    agree(run(case, tensors(oddly)), run(case, tensors(arrays)))
    if case.order:
        for second in (False, True):
            agree(gradients(case, tensors(oddly), second, layout), gradients(case, tensors(arrays), second))


def frozen(x: Array) -> Array:
    x = np.array(x)
    x.flags.writeable = False
    return x


@rows()
def test_nothing_is_written_to_inputs_or_gradients(case: Case) -> None:
    arrays = [frozen(a) for a in case.draw()]
    run(case, tensors(arrays))
    if case.order:
        gradients(case, tensors(arrays), layout=frozen)
        gradients(case, tensors(arrays), second=True, layout=frozen)


@rows()
def test_results_own_their_memory_unless_they_are_views(case: Case) -> None:
    arrays = case.draw()
    results = run(case, tensors(arrays))
    shared = any(np.shares_memory(y.array, a) for y in results for a in arrays)
    assert shared == (case.view and any(y.array.size for y in results))


@differentiable
def test_gradients_own_their_memory(case: Case) -> None:
    arrays = case.draw()
    xs = tensors(arrays)
    ys = floating(run(case, xs))
    weights = cotangents(ys)
    found = [g.array for g in mg.grad(ys, [x for x in xs if x.requires_grad], weights, materialize_grads=True)]
    for i, g in enumerate(found):
        assert not any(np.shares_memory(g, other) for other in (*arrays, *found[:i], *(w.array for w in weights)))


# ---- sizes of 0 -----------------------------------------------------------------------------------------------------


def emptied(case: Case) -> Iterator[tuple[int, list[Array]]]:
    """The inputs of a case with each of its sizes in turn replaced by 0, wherever it occurs."""
    for size in sorted({n for s in case.inputs if s.resizable for n in s.shape} - {1}):
        yield size, case.draw(resize=lambda n, size=size: 0 if n == size else n)


@pytest.mark.filterwarnings("ignore")  # NumPy's remarks about means of nothing
@rows(lambda case: any(s.resizable and s.shape for s in case.inputs))
def test_empty_inputs(case: Case) -> None:
    """Where NumPy finds a value, so do we, with gradients of the right shape; elsewhere the error is one of ours."""
    for size, arrays in emptied(case):
        try:
            expected = None if size in case.needs else several(case.value(*arrays))
        except (ValueError, IndexError):
            expected = None
        if expected is None:
            with pytest.raises(mg.ShapeError, match=r"^\w+: ") as caught:
                run(case, tensors(arrays))
            assert str(caught.value).partition(":")[0] in OPERATIONS | COMPOSITIONS | {"indexing", "assignment"}
            continue
        agree(run(case, tensors(arrays)), expected)
        floats = [a for a in arrays if a.dtype.kind == "f"]
        for second in (False, True) if case.order else ():
            for x, g in zip(floats, gradients(case, tensors(arrays), second), strict=True):
                assert g.shape == x.shape
                assert any(np.size(y) for y in expected) or not g.array.any()
