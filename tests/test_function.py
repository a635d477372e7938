"""`Function`: hand-written forward and backward, and everything that must not go wrong in silence there."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor, gradcheck, gradgradcheck
from minigrad.function import Function, once_differentiable


class Product(Function):
    """a · b, each saved for the gradient of the other."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        a, b = ctx.saved_tensors
        return g * b, g * a


class Exp(Function):
    """exp(x), whose derivative is its own result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = minigrad.from_numpy(np.exp(x.detach().numpy()))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return g * result


class Polar(Function):
    """(x, y) to radius and angle: two outputs, of which the angle is saved."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        radius, angle = (x * x + y * y).sqrt(), minigrad.atan2(y, x)
        ctx.save_for_backward(radius, angle)
        return radius, angle

    @staticmethod
    def backward(ctx: Any, g: Tensor, h: Tensor) -> Any:
        radius, angle = ctx.saved_tensors
        return g * angle.cos() - h * angle.sin() / radius, g * angle.sin() + h * angle.cos() / radius


class Scaled(Function):
    """n · x, written with `setup_context`."""

    @staticmethod
    def forward(x: Tensor, n: float) -> Tensor:
        return x * n

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.n = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * ctx.n, None


def randn(*size: int) -> Tensor:
    return minigrad.randn(*size, dtype=minigrad.float64, requires_grad=True)


def returning(*gradients: Any) -> type[Function]:
    """x, and n · x, with a backward that returns `gradients`."""

    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, n: float) -> Tensor:
            return x * n

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            return gradients

    return Twice


# ---- first derivatives ----------------------------------------------------------------------------------------------


def test_by_hand() -> None:
    a, b = minigrad.tensor([2.0, 3.0], requires_grad=True), minigrad.tensor([5.0, 7.0], requires_grad=True)
    y = Product.apply(a, b)
    assert y.tolist() == [10.0, 21.0]
    (y * minigrad.tensor([1.0, 10.0])).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.tolist(), b.grad.tolist()) == ([5.0, 70.0], [2.0, 30.0])


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (Product.apply, lambda: [randn(2, 3), randn(3)]),  # broadcast: the gradient is summed back
        (Exp.apply, lambda: [randn(5)]),
        (Polar.apply, lambda: [randn(5), randn(5)]),
        (lambda x, y: Polar.apply(x, y)[1], lambda: [randn(2, 3), randn(2, 3)]),
        (lambda x: Scaled.apply(x, 3.0), lambda: [randn(7)]),
        (lambda x: Exp.apply(Product.apply(x, x)), lambda: [randn(3)]),
    ],
)
def test_gradients_of_both_orders(function: Any, inputs: Any) -> None:
    assert gradcheck(function, inputs())
    assert gradgradcheck(function, inputs())


def test_dtypes() -> None:
    """Gradients have the dtype of what they belong to, though the outputs differ in theirs."""

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            return x * 2, x.double() * 3

        @staticmethod
        def backward(ctx: Any, g: Tensor, h: Tensor) -> Tensor:
            assert (g.dtype, h.dtype) == (minigrad.float32, minigrad.float64)
            return g * 2 + h * 3

    x = minigrad.ones(3, requires_grad=True)
    y, z = Two.apply(x)
    assert (y.dtype, z.dtype) == (minigrad.float32, minigrad.float64)
    (y.sum() + z.sum()).backward()
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (minigrad.float32, [5.0] * 3)


def test_an_unused_output_has_gradient_zero() -> None:
    x, y = randn(3), randn(3)
    radius, _ = Polar.apply(x, y)
    radius.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.array, x.array / np.hypot(x.array, y.array))


def test_outputs_without_gradient() -> None:
    class Largest(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Any:
            values, places = x.max(0)
            rounded = values.round()
            ctx.mark_non_differentiable(rounded)
            ctx.n, ctx.places = len(x), places.item()
            return values, places, rounded, "a text"

        @staticmethod
        def backward(ctx: Any, g: Tensor, *others: Any) -> Tensor:
            assert [None if o is None else o.tolist() for o in others] == [0, 0.0, None]
            return g * minigrad.eye(ctx.n)[ctx.places]

    x = minigrad.tensor([1.0, 4.25, 2.0], requires_grad=True)
    value, place, rounded, text = Largest.apply(x)
    assert (value.item(), place.item(), rounded.item(), text) == (4.25, 1, 4.0, "a text")
    assert [t.requires_grad for t in (value, place, rounded)] == [True, False, False]
    value.backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_needs_input_grad_and_none() -> None:
    seen = []

    class Sum(Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, b: Tensor, n: int) -> Tensor:
            seen.append(ctx.needs_input_grad)
            return a + n * b

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            seen.append(ctx.needs_input_grad)
            return None, g * 3, None, None, None  # more of them, if None, are passed over

    a, b = minigrad.ones(2, requires_grad=True), minigrad.ones(2, requires_grad=True)
    Sum.apply(a, b, 3).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.tolist(), b.grad.tolist()) == ([0.0, 0.0], [3.0, 3.0])
    Sum.apply(a.detach(), b, 3).sum().backward()
    assert seen == [(True, True, False)] * 2 + [(False, True, False)] * 2


def test_nothing_is_recorded_without_need() -> None:
    x = minigrad.ones(2, requires_grad=True)
    assert not Exp.apply(x.detach()).requires_grad
    with minigrad.no_grad():
        assert not Exp.apply(x).requires_grad
    assert str(Exp.apply(x).grad_fn) == "Exp"


def test_graph_is_freed() -> None:
    y = Exp.apply(minigrad.ones(2, requires_grad=True)).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="freed"):
        y.backward()


def test_an_input_returned_is_a_new_tensor() -> None:
    class Reverse(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.view_as(x)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return -g

    x = minigrad.ones(3, requires_grad=True)
    before = x * 1
    y = Reverse.apply(before)
    before.mul_(5)
    y.mul_(2)
    assert (before.tolist(), y.tolist()) == ([5.0] * 3, [2.0] * 3)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-2.0] * 3


# ---- what is saved --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_attribute", [False, True])
def test_a_saved_value_that_changes_raises(as_attribute: bool) -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            if as_attribute:
                ctx.kept = {"x": [x]}
            else:
                ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            x = ctx.kept["x"][0] if as_attribute else ctx.saved_tensors[0]
            return 2 * x * g

    x = minigrad.tensor([3.0], requires_grad=True)
    y = Square.apply(x)
    with minigrad.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match=r"backward through Square: .*'inputs\[0\]'.* was changed in place by add_"):
        y.backward()

    inner = x * 1  # its handle moves on, but the old value stays what it was
    y = Square.apply(inner)
    inner.add_(5)
    y.backward()
    assert x.grad is not None
    assert x.grad.item() == 8.0
    assert gradgradcheck(lambda x: Square.apply(x), [randn(3)])


def test_a_gradient_cannot_be_changed_in_place() -> None:
    class Greedy(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            return g.mul_(2)

    y = Greedy.apply(minigrad.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match="read-only"):
        y.sum().backward()


# ---- second derivatives ---------------------------------------------------------------------------------------------


class ThroughNumPy(Function):
    """x³ with a backward that the engine cannot follow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return minigrad.tensor(3 * x.detach().numpy() ** 2 * g.detach().numpy())


def keeping(how: str) -> type[Function]:
    """x³, with something that forward computed from x kept for backward."""

    class Kept(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            slope = 3 * x.detach() ** 2
            if how == "saved":
                ctx.save_for_backward(slope)
            else:
                ctx.slope = [slope] if how == "attribute" else slope.numpy()
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Tensor:
            kept = ctx.saved_tensors if how == "saved" else ctx.slope
            return g * (minigrad.tensor(kept) if how == "array" else kept[0])

    return Kept


class Once(ThroughNumPy):
    backward = staticmethod(once_differentiable(lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (ThroughNumPy, "gradient 0 was not computed by tensor operations"),
        (keeping("saved"), "would take a tensor of shape .* for a constant"),
        (keeping("attribute"), "would take a tensor of shape .* for a constant"),
        (keeping("array"), "would take an array of shape .* for a constant"),
        (Once, "once_differentiable"),
    ],
)
def test_a_second_derivative_that_would_be_wrong_raises(function: type[Function], message: str) -> None:
    x = randn(5)
    assert gradcheck(function.apply, [x])
    with pytest.raises(RuntimeError, match=message):
        minigrad.grad(function.apply(x).sum(), x, create_graph=True)


def test_kept_constants() -> None:
    """Masks of truth values, and inputs that need no gradient, do not stand in the way of a second derivative."""

    class Masked(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(x, None, weight)
            ctx.mask = x > 0
            return weight * x * x * ctx.mask

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            x, nothing, weight = ctx.saved_tensors
            assert nothing is None
            return 2 * weight * x * g * ctx.mask, None

    weight = minigrad.tensor([2.0, 3.0], dtype=minigrad.float64)
    x = minigrad.tensor([1.0, -1.0], dtype=minigrad.float64, requires_grad=True)
    (first,) = minigrad.grad(Masked.apply(x, weight).sum(), x, create_graph=True)
    assert first is not None
    (second,) = minigrad.grad(first.sum(), x)
    assert second is not None
    assert second.tolist() == [4.0, 0.0]


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gradients", "error", "message"),
    [
        ((minigrad.ones(3),), RuntimeError, "returned 1 gradients, but Twice.forward has 2 inputs"),
        ((minigrad.ones(3), None, minigrad.ones(3)), RuntimeError, "returned 3 gradients"),
        ((minigrad.ones(3), minigrad.ones(3)), RuntimeError, "input 1 is no tensor and has no gradient"),
        ((np.ones(3), None), TypeError, "gradient 0 is a ndarray; return a tensor, or None"),
        ((minigrad.ones(5), None), ShapeError, r"of shape \(3,\) returned a gradient of shape \(5,\)"),
        ((minigrad.ones(()), None), ShapeError, r"of shape \(3,\) returned a gradient of shape \(\)"),
    ],
)
def test_wrong_gradients(gradients: Any, error: type[Exception], message: str) -> None:
    y = returning(*gradients).apply(minigrad.ones(3, requires_grad=True), 2.0)
    with pytest.raises(error, match=message):
        y.sum().backward()


def test_wrong_forwards() -> None:
    def with_forward(forward: Any) -> type[Function]:
        return type("Odd", (Function,), {"forward": staticmethod(forward)})

    x = minigrad.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Odd.forward changed its input 0 in place; change x.clone\(\)"):
        with_forward(lambda ctx, x: x.mul_(2)).apply(x * 1)
    with pytest.raises(TypeError, match="returns a tensor or a tuple of tensors, not float"):
        with_forward(lambda ctx, x: math.pi).apply(x)
    with pytest.raises(RuntimeError, match="mark_dirty"):
        with_forward(lambda ctx, x: ctx.mark_dirty(x)).apply(x)
    with pytest.raises(TypeError, match="save_for_backward: tensors are saved, not int"):
        with_forward(lambda ctx, x: ctx.save_for_backward(3)).apply(x)
