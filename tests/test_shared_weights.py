"""Weights that every step of a loop uses: their gradients are one product of the rows of many steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
import nn
from minigrad import Tensor, grad
from minigrad.autograd import Observer
from minigrad.sums import TallProduct, tall_product

D, H, STEPS = 29, 31, 23  # so wide that one or two rows are few


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def parameter(rng: np.random.Generator, *shape: int) -> Tensor:
    return Tensor(rng.standard_normal(shape), requires_grad=True)


def close(a: Any, b: Any) -> None:
    np.testing.assert_allclose(np.asarray(a.detach()), np.asarray(b.detach()), rtol=1e-10, atol=1e-12)


# ---- the product itself ---------------------------------------------------------------------------------------------


def test_pieces_by_hand() -> None:
    g, x = np.array([[1.0, 2.0]]), np.array([[3.0, 4.0, 5.0]])
    product = TallProduct(g, x) + TallProduct(10 * g, x)
    assert product.shape == (2, 3)
    assert np.asarray(product).tolist() == [[33, 44, 55], [66, 88, 110]]


def test_pieces_are_multiplied_out_before_they_outgrow_the_product(rng: np.random.Generator) -> None:
    g, x = rng.standard_normal((STEPS, 2, H)), rng.standard_normal((STEPS, 2, D))
    product = tall_product(g[0], x[0])
    for step in range(1, STEPS):
        product = product + tall_product(g[step], x[step])
        assert sum(a.size for a in product.g + product.x) <= H * D
    np.testing.assert_allclose(np.asarray(product), np.einsum("tbh,tbd->hd", g, x))


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 101])
def test_only_few_rows_wait(rows: int, rng: np.random.Generator) -> None:
    g, x = rng.standard_normal((rows, H)), rng.standard_normal((rows, D))
    product = tall_product(g, x)
    assert isinstance(product, TallProduct) == (rows in (1, 2))
    np.testing.assert_allclose(np.asarray(product), g.T @ x, atol=1e-12)


def test_an_array_is_added_and_none_is_written_to(rng: np.random.Generator) -> None:
    g, x, other = rng.standard_normal((1, H)), rng.standard_normal((1, D)), rng.standard_normal((H, D))
    before = other.copy()
    expected = 2 * g.T @ x + other
    np.testing.assert_allclose(np.asarray(tall_product(g, x) + other + tall_product(g, x)), expected)
    np.testing.assert_allclose(other + tall_product(g, x) + tall_product(g, x), expected)
    assert (other == before).all()


# ---- loops ----------------------------------------------------------------------------------------------------------


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "RNNCell": lambda: nn.RNNCell(D, H),
    "RNNCell: relu": lambda: nn.RNNCell(D, H, nonlinearity="relu"),
    "RNNCell: no biases": lambda: nn.RNNCell(D, H, bias=False),
    "GRUCell": lambda: nn.GRUCell(D, H),
    "GRUCell: no biases": lambda: nn.GRUCell(D, H, bias=False),
    "LSTMCell": lambda: nn.LSTMCell(D, H),
    "LSTMCell: no biases": lambda: nn.LSTMCell(D, H, bias=False),
    "Linear": lambda: nn.Linear(D, H),
}


@pytest.mark.parametrize("batch", [(), (1,), (2,), (5,), (0,)], ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_loop_is_the_sum_of_its_steps(kind: str, batch: tuple[int, ...], rng: np.random.Generator) -> None:
    """The gradients are the sums of those of copies of the layer, one for each step."""
    layer = LAYERS[kind]().double()
    copies = [LAYERS[kind]().double() for _ in range(STEPS)]
    for copy in copies:
        copy.load_state_dict(layer.state_dict())
    x, weights = rng.standard_normal((STEPS, *batch, D)), rng.standard_normal((STEPS, *batch, H))

    def run(layers: list[nn.Module]) -> tuple[Tensor, Tensor]:
        inputs, state, total = Tensor(x, requires_grad=True), None, Tensor(0.0, dtype=np.float64)
        for t, step in enumerate(layers):
            answer = step(inputs[t]) if isinstance(step, nn.Linear) else step(inputs[t], state)
            state = answer
            total = total + ((answer[0] if isinstance(answer, tuple) else answer) * weights[t]).sum()
        total.backward()
        return total, inputs.grad

    close(run([layer] * STEPS)[0], run(copies)[0])
    for name, p in layer.named_parameters():
        close(p.grad, sum(dict(copy.named_parameters())[name].grad for copy in copies))


def test_batches_of_unequal_sizes(rng: np.random.Generator) -> None:
    layer, w = nn.Linear(D, H, bias=False).double(), rng.standard_normal((H, D))
    xs = [rng.standard_normal((rows, D)) for rows in (1, 0, 3, 1, 11, 2, 1)]
    sum((layer(Tensor(x)) * (x @ w.T)).sum() for x in xs).backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), sum((x @ w.T).T @ x for x in xs))


def test_layouts_and_dtypes(rng: np.random.Generator) -> None:
    """Transposed, strided and reversed rows; a step in float64 among those in float32."""
    wide = rng.standard_normal((3, 4 * D))
    steps = [wide[:1, ::4], wide.T[::-4][:, 1:2].T, wide[2, D : 2 * D], wide[:1, :D].astype("f"), wide[1, D:0:-1]]
    cell = nn.RNNCell(D, H)
    total = sum(cell(Tensor(x)).sum().float() for x in [*steps, *steps])
    total.backward()
    twice = cell.weight_ih.grad.numpy().copy()
    assert twice.dtype == np.float32
    cell.zero_grad()
    for x in steps:
        cell(Tensor(x.astype("f"))).sum().backward()
    np.testing.assert_allclose(twice, 2 * cell.weight_ih.grad.numpy(), rtol=1e-5, atol=1e-5)


LOOPS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "matmul of rows": lambda x, w: x @ w,
    "matmul of a vector": lambda x, w: x[0] @ w,
    "matmul of a stack": lambda x, w: x[None] @ w,
    "linear": lambda x, w: nn.functional.linear(x, w.T),
    "a computed weight": lambda x, w: nn.functional.linear(x, (2 * w).T),
    "rows of the weight, too": lambda x, w: (x @ w).sum() + (w[3:5] ** 2).sum() + (x @ w).sum(),
    "picked rows of the weight, first": lambda x, w: (w[[1, 1, 2]] ** 2).sum() + (x @ w).sum(),
    "elementwise, too": lambda x, w: (x @ w).sum() + (w * w).sum() + (x @ w).tanh().sum(),
    "some of the results": lambda x, w: (x @ w)[..., :3],
}


@pytest.mark.parametrize("name", LOOPS)
def test_every_way_to_ask(name: str, rng: np.random.Generator) -> None:
    """backward, grad, recorded and of a tensor inside the graph: the gradient is that of the steps one by one."""
    leaf, xs = parameter(rng, D, H), rng.standard_normal((STEPS, 2, D))
    use = LOOPS[name]

    def total(w: Tensor) -> Tensor:
        return sum((use(Tensor(x), w) ** 2).sum() for x in xs)

    expected = sum(grad((use(Tensor(x), leaf) ** 2).sum(), leaf)[0] for x in xs)
    total(leaf).backward()
    close(leaf.grad, expected)
    close(grad(total(leaf), leaf)[0], expected)
    close(grad(total(leaf), leaf, create_graph=True)[0], expected)
    inner = leaf * 1
    inner.retain_grad()
    seen: list[Tensor] = []
    inner.register_hook(seen.append)
    total(inner).backward()
    close(inner.grad, expected)
    close(seen[0], expected)
    inner = leaf * 1
    close(grad(total(inner), inner)[0], expected)


def test_hooks_of_leaves(rng: np.random.Generator) -> None:
    leaf, xs = parameter(rng, D, H), rng.standard_normal((STEPS, 1, D))
    expected = np.repeat(xs.sum((0, 1))[:, None], H, 1)
    seen: list[Tensor] = []
    leaf.register_hook(seen.append)
    leaf.register_hook(lambda g: 10 * g)
    sum((Tensor(x) @ leaf).sum() for x in xs).backward()
    np.testing.assert_allclose(seen[0].numpy(), expected)
    np.testing.assert_allclose(leaf.grad.numpy(), 10 * expected)


def test_a_hook_may_write_to_what_was_multiplied(rng: np.random.Generator) -> None:
    """As one that trains a parameter at once: the gradient of another that was multiplied with it stays as it was."""
    x, w = parameter(rng, 1, D), parameter(rng, D, H)
    before = x.detach().clone()
    x.register_hook(lambda g: x.data.zero_() * 0 + g)
    (x @ w).sum().backward()
    close(w.grad, before.T * minigrad.ones(D, H, dtype=minigrad.float64))


def test_gradients_add_up_over_passes(rng: np.random.Generator) -> None:
    w, x = parameter(rng, D, H), Tensor(rng.standard_normal((1, D)))
    for _ in range(3):
        (x @ w).sum().backward()
    close(w.grad, 3 * x.T * minigrad.ones(D, H, dtype=minigrad.float64))


def test_who_looks_on_sees_arrays(rng: np.random.Generator) -> None:
    class Kinds(Observer):
        def gradient(self, node: Any, i: int, g: Any, gradient: Any) -> None:
            seen.add(type(gradient))

    seen: set[type] = set()
    cell = nn.LSTMCell(D, H).double()
    with Kinds():
        state = None
        for x in Tensor(rng.standard_normal((STEPS, 1, D))):
            state = cell(x, state)
        state[0].sum().backward()
    assert seen == {np.ndarray}


def test_a_hook_may_write_to_an_activation_that_its_gradient_has_passed(rng: np.random.Generator) -> None:
    """The product for W still waits for what the hook overwrites."""
    weight, x = parameter(rng, D, D), parameter(rng, 1, D)

    def gradient(hook: Callable[[Tensor, Tensor], None]) -> Tensor:
        y = nn.functional.linear(x * 1, weight)
        middle = y.tanh()
        y.register_hook(lambda g: hook(g, middle))
        nn.functional.linear(middle, weight).sum().backward()
        found, weight.grad = weight.grad, None
        assert found is not None
        return found

    def overwrite(g: Tensor, middle: Tensor) -> None:
        with minigrad.no_grad():
            middle.mul_(0.0)

    close(gradient(overwrite), gradient(lambda g, middle: None))
