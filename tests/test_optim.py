"""Optimizers and schedules: steps computed by hand, what is refused, and runs that go on exactly where they stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ShapeError, Tensor
from nn.optim import SGD, Adadelta, Adagrad, Adam, AdamW, Optimizer, RMSprop
from nn.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)


def leaf(*values: float, dtype: Any = None) -> Tensor:
    return minigrad.tensor(values, requires_grad=True, dtype=dtype)


def grad_of(p: Tensor) -> Tensor:
    assert p.grad is not None
    return p.grad


def course(make: Callable[..., Optimizer], start: float, gradients: list[float], **settings: Any) -> list[float]:
    """Where one number goes from `start`, given the gradient at each step."""
    p = leaf(start, dtype=minigrad.float64)
    optimizer = make([p], **settings)
    places = []
    for g in gradients:
        p.grad = minigrad.tensor([g], dtype=minigrad.float64)
        optimizer.step()
        assert grad_of(p).item() == g
        places.append(p.item())
    return places


# ---- by hand --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "places"),
    [
        ({}, [1.75, 1.5]),
        ({"maximize": True}, [2.25, 2.5]),
        ({"weight_decay": 0.5}, [2 - 0.25 * (1 + 1), 1.5 - 0.25 * (1 + 0.75)]),
        ({"weight_decay": 0.5, "maximize": True}, [2 - 0.25 * (-1 + 1), 2.0]),
        ({"momentum": 0.5}, [2 - 0.25 * 1, 1.75 - 0.25 * 1.5]),
        ({"momentum": 0.5, "maximize": True}, [2 + 0.25 * 1, 2.25 + 0.25 * 1.5]),
        ({"momentum": 0.5, "dampening": 0.25}, [2 - 0.25 * 1, 1.75 - 0.25 * (0.5 + 0.75)]),
        ({"momentum": 0.5, "nesterov": True}, [2 - 0.25 * (1 + 0.5), 1.625 - 0.25 * (1 + 0.75)]),
        ({"momentum": 0.5, "weight_decay": 0.5}, [2 - 0.25 * 2, 1.5 - 0.25 * (1 + 1.75)]),
    ],
)
def test_sgd(settings: dict[str, Any], places: list[float]) -> None:
    """From θ = 2 with lr = 1/4 and two gradients of 1; every number is a sum of powers of two, so it is exact."""
    assert course(SGD, 2.0, [1.0, 1.0], lr=0.25, **settings) == places


# β₁ = 1/2, β₂ = 3/4, ε = 4, γ = 1/2. With g = 4 at first: m = 2, v = 4, so m̂ = 4, v̂ = 16 and the step is ½·4/(4 + 4).
# Then g = 0: m = 1, v = 3, so m̂ = 4/3, v̂ = 48/7; AMSGrad keeps v = 4, so v̂ = 64/7.
BY_HAND = {"lr": 0.5, "betas": (0.5, 0.75), "eps": 4.0}
SECOND = 0.5 * (4 / 3) / (math.sqrt(48 / 7) + 4)
SECOND_AMSGRAD = 0.5 * (4 / 3) / (math.sqrt(64 / 7) + 4)


def test_adam() -> None:
    assert course(Adam, 1.0, [4.0, 0.0], **BY_HAND) == pytest.approx([0.75, 0.75 - SECOND], rel=1e-14)
    assert course(Adam, 1.0, [-4.0, 0.0], maximize=True, **BY_HAND) == pytest.approx([0.75, 0.75 - SECOND], rel=1e-14)
    places = course(Adam, 1.0, [4.0, 0.0], amsgrad=True, **BY_HAND)
    assert places == pytest.approx([0.75, 0.75 - SECOND_AMSGRAD], rel=1e-14)


def test_adam_penalizes_within_the_gradient() -> None:
    """With λ = 1 and θ = 1, g = 3 + 1; then, with g = −θ from outside, 0."""
    places = course(Adam, 1.0, [3.0, -0.75], weight_decay=1.0, **BY_HAND)
    assert places == pytest.approx([0.75, 0.75 - SECOND], rel=1e-14)


def test_adamw_decays_beside_the_gradient() -> None:
    """With λ = 1/2, θ first shrinks by a quarter."""
    places = course(AdamW, 1.0, [4.0, 0.0], weight_decay=0.5, **BY_HAND)
    assert places == pytest.approx([0.75 - 0.25, 0.75 * 0.5 - SECOND], rel=1e-14)


def test_adagrad() -> None:
    """From s = 7, g = 3 makes s = 16 and the step ½ · 3/(4 + 1); then s = 25 and γ is half of ½: ¼ · 3/(5 + 1)."""
    settings = {"lr": 0.5, "lr_decay": 1.0, "initial_accumulator_value": 7.0, "eps": 1.0}
    assert course(Adagrad, 1.0, [3.0, 3.0], **settings) == pytest.approx([0.7, 0.575], rel=1e-14)
    assert course(Adagrad, 1.0, [-3.0, -3.0], maximize=True, **settings) == pytest.approx([0.7, 0.575], rel=1e-14)
    assert course(Adagrad, 1.0, [2.0, 2.3], weight_decay=1.0, **settings) == pytest.approx([0.7, 0.575], rel=1e-14)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [4 / 3, 0]),
        ({"maximize": True}, [-4 / 3, 0]),
        ({"momentum": 0.5}, [4 / 3, 2 / 3]),
        ({"centered": True}, [4 / (math.sqrt(3) + 1), 0]),
        ({"centered": True, "momentum": 0.5}, [4 / (math.sqrt(3) + 1), 2 / (math.sqrt(3) + 1)]),
    ],
)
def test_rmsprop(settings: dict[str, Any], steps: list[float]) -> None:
    """α = 3/4, ε = 1: g = 4 makes v = 4 and the step 4/(2 + 1), or, centered on ¼ · 4 = 1, 4/(√(4 − 1) + 1)."""
    places = course(RMSprop, 1.0, [4.0, 0.0], lr=0.5, alpha=0.75, eps=1.0, **settings)
    assert places == pytest.approx([1 - 0.5 * steps[0], 1 - 0.5 * sum(steps)], rel=1e-14)


def test_rmsprop_penalizes_within_the_gradient() -> None:
    places = course(RMSprop, 1.0, [3.0], lr=0.5, alpha=0.75, eps=1.0, weight_decay=1.0)
    assert places == pytest.approx([1 - 0.5 * 4 / 3], rel=1e-14)


def test_a_variance_is_not_below_zero() -> None:
    """Equal gradients: mean square and squared mean come together, and rounding must not make their difference NaN."""
    places = course(RMSprop, 1.0, [0.1] * 400, lr=1e-3, alpha=0.9, centered=True)
    assert np.isfinite(places).all()


def test_adadelta() -> None:
    """ρ = ε = 3/4, g = 1 twice: v = 1/4 and u = 0, then v = 7/16 and u = ¼ · ¾."""
    steps = [math.sqrt(0.75), math.sqrt(0.75 + 0.1875) / math.sqrt(0.75 + 0.4375)]
    settings = {"lr": 0.5, "rho": 0.75, "eps": 0.75}
    places = [1 - 0.5 * steps[0], 1 - 0.5 * sum(steps)]
    assert course(Adadelta, 1.0, [1.0, 1.0], **settings) == pytest.approx(places, rel=1e-14)
    assert course(Adadelta, 1.0, [-1.0, -1.0], maximize=True, **settings) == pytest.approx(places, rel=1e-14)
    decayed = course(Adadelta, 1.0, [0.0, 1 - places[0]], weight_decay=1.0, **settings)
    assert decayed == pytest.approx(places, rel=1e-14)


def test_defaults_are_pytorchs() -> None:
    def defaults(make: Callable[..., Optimizer]) -> dict[str, Any]:
        return {key: value for key, value in make([leaf(1.0)]).param_groups[0].items() if key != "params"}

    adam = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
    assert defaults(Adam) == adam
    assert defaults(AdamW) == {**adam, "weight_decay": 0.01}
    sgd = {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}
    assert defaults(SGD) == sgd
    adagrad = {"lr": 0.01, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10}
    assert defaults(Adagrad) == {**adagrad, "maximize": False}
    rmsprop = {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False}
    assert defaults(RMSprop) == {**rmsprop, "maximize": False}
    assert defaults(Adadelta) == {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0, "maximize": False}


# ---- every optimizer ------------------------------------------------------------------------------------------------

MAKERS = {
    "sgd": lambda params: SGD(params, lr=0.002),
    "momentum": lambda params: SGD(params, lr=0.002, momentum=0.9, dampening=0.1, weight_decay=1e-3),
    "nesterov": lambda params: SGD(params, lr=0.002, momentum=0.9, nesterov=True),
    "maximize": lambda params: SGD(params, lr=0.002, momentum=0.9, maximize=True),
    "adam": lambda params: Adam(params, lr=0.05),
    "amsgrad": lambda params: Adam(params, lr=0.05, weight_decay=1e-3, amsgrad=True),
    "adamw": lambda params: AdamW(params, lr=0.05),
    "adagrad": lambda params: Adagrad(params, lr=0.5, lr_decay=1e-4, weight_decay=1e-3),
    "rmsprop": lambda params: RMSprop(params, lr=0.01, weight_decay=1e-3),
    "centered": lambda params: RMSprop(params, lr=0.002, momentum=0.9, centered=True),
    "adadelta": lambda params: Adadelta(params, eps=1e-4, weight_decay=1e-3),
}
every_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@every_optimizer
def test_shapes_and_layouts_do_not_matter(make: Callable[..., Optimizer]) -> None:
    """A vector, a scalar, a transposed matrix and a view take the same steps, number by number."""
    numbers = np.random.default_rng(0).standard_normal((3, 6), np.float32)
    flat = leaf(*numbers[0].tolist())
    scalars = [minigrad.tensor(x, requires_grad=True) for x in numbers[0]]
    matrix = minigrad.from_numpy(np.asfortranarray(numbers[0].reshape(2, 3))).requires_grad_()
    view = minigrad.from_numpy(np.repeat(numbers[0], 2)[::2]).requires_grad_()
    optimizer = make([flat, *scalars, matrix, view])
    for g in numbers:
        flat.grad, matrix.grad, view.grad = minigrad.tensor(g), minigrad.tensor(g.reshape(2, 3)), minigrad.tensor(g)
        for p, x in zip(scalars, g, strict=True):
            p.grad = minigrad.tensor(x)
        optimizer.step()
    assert not np.allclose(flat.array, numbers[0])
    for other in ([p.item() for p in scalars], matrix.array.ravel(), view.array):
        np.testing.assert_array_equal(flat.array, other)


@every_optimizer
def test_what_a_step_leaves_alone(make: Callable[..., Optimizer]) -> None:
    used, unused, frozen = leaf(1.0, 2.0), leaf(3.0), minigrad.tensor([4.0])
    memory = used.array
    optimizer = make([used, unused, frozen])
    for _ in range(3):
        optimizer.zero_grad()
        (used * used).sum().backward()
        gradient = grad_of(used).tolist()
        assert optimizer.step() is None
        assert grad_of(used).tolist() == gradient
    assert used.array is memory
    assert used.is_leaf
    assert used.requires_grad
    assert used.dtype == minigrad.float32
    assert used.tolist() != [1.0, 2.0]
    assert (unused.item(), frozen.item()) == (3.0, 4.0)


@every_optimizer
def test_a_graph_from_before_the_step_raises(make: Callable[..., Optimizer]) -> None:
    w = leaf(1.0, 2.0)
    optimizer = make([w])
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"changed in place by \w+\.step\(\) at test_optim\.py:\d+"):
        loss.backward()


@every_optimizer
def test_descent_finds_the_valley(make: Callable[..., Optimizer]) -> None:
    """Down the narrow bowl x² + 10y², or up the hill that is its negative."""
    w = leaf(1.0, -1.0)
    optimizer = make([w])
    sign = -1 if optimizer.param_groups[0]["maximize"] else 1

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sign * (w * w * minigrad.tensor([1.0, 10.0])).sum()
        loss.backward()
        return loss

    with minigrad.no_grad():  # a closure records all the same
        losses = [optimizer.step(closure).item() for _ in range(300)]
    assert losses[0] == sign * 11.0
    assert abs(losses[-1]) < 1.0


@every_optimizer
def test_a_run_goes_on_exactly_where_it_stopped(make: Callable[..., Optimizer], tmp_path: Path) -> None:
    def begin() -> tuple[list[Tensor], Optimizer, LRScheduler]:
        weights = [leaf(1.0, -2.0, 3.0), leaf(0.5)]
        optimizer = make([{"params": weights[:1]}, {"params": weights[1:], "lr": 0.01}])
        return weights, optimizer, StepLR(optimizer, step_size=3, gamma=0.5)

    def train(weights: list[Tensor], optimizer: Optimizer, scheduler: LRScheduler) -> None:
        for _ in range(5):
            optimizer.zero_grad()
            ((weights[0] * minigrad.randn(3) + weights[1]) ** 2).sum().backward()
            optimizer.step()
            scheduler.step()

    minigrad.manual_seed(0)
    whole = begin()
    train(*whole)
    train(*whole)

    minigrad.manual_seed(0)
    half = begin()
    train(*half)
    checkpoint = {"weights": half[0], "optimizer": half[1].state_dict(), "scheduler": half[2].state_dict()}
    minigrad.save({**checkpoint, "rng": minigrad.get_rng_state()}, tmp_path / "checkpoint")
    train(*half)  # changes nothing in what was saved

    weights, optimizer, scheduler = begin()
    loaded = minigrad.load(tmp_path / "checkpoint")
    with minigrad.no_grad():
        for w, saved in zip(weights, loaded["weights"], strict=True):
            w.copy_(saved)
    optimizer.load_state_dict(loaded["optimizer"])
    scheduler.load_state_dict(loaded["scheduler"])
    minigrad.set_rng_state(loaded["rng"])
    train(weights, optimizer, scheduler)
    for w, expected in zip(weights, whole[0], strict=True):
        assert w.tolist() == expected.tolist()
    assert scheduler.get_last_lr() == whole[2].get_last_lr()


# ---- gradients ------------------------------------------------------------------------------------------------------


def test_zero_grad() -> None:
    w, b = leaf(1.0, 2.0), leaf(3.0)
    optimizer = SGD([w, b])
    (w * w).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert grad_of(w).tolist() == [0.0, 0.0]
    assert not grad_of(w).requires_grad
    assert b.grad is None
    optimizer.zero_grad()
    assert w.grad is None


def test_overflow_passes_silently() -> None:
    w = leaf(1.0)
    w.grad = minigrad.tensor([1e30])
    Adam([w]).step()
    assert w.item() == 1.0  # g² is inf, and g / inf is 0


# ---- groups ---------------------------------------------------------------------------------------------------------


def test_groups_have_settings_of_their_own() -> None:
    a, b, c = leaf(1.0), leaf(1.0), leaf(1.0)
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": iter([c]), "weight_decay": 1.0})
    for p in (a, b, c):
        p.grad = minigrad.ones(1)
    optimizer.step()
    assert (a.item(), b.item(), c.item()) == (0.75, 0.5, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5, 0.25]
    assert "3 parameters" not in repr(optimizer)
    assert repr(optimizer).count("1 parameters: lr=") == 3


def test_a_changed_setting_counts_from_the_next_step() -> None:
    w = leaf(1.0)
    optimizer = SGD([w], lr=0.25)
    w.grad = minigrad.ones(1)
    optimizer.step()
    optimizer.param_groups[0]["lr"] = np.float64(0.5)
    optimizer.step()
    assert w.item() == 0.25
    assert w.dtype == minigrad.float32


def test_an_optimizer_of_ones_own() -> None:
    class Halving(Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {})

        def update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: dict[str, Any]) -> None:
            state["calls"] = state.get("calls", 0) + 1
            p /= 2

    w = leaf(8.0)
    optimizer = Halving([w])
    w.grad = minigrad.zeros(1)
    optimizer.step()
    optimizer.step()
    assert w.item() == 2.0
    assert optimizer.state[w] == {"calls": 2}
    nameless = Optimizer([w], {})
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        nameless.step()


# ---- what is refused ------------------------------------------------------------------------------------------------

w, b = leaf(1.0), leaf(2.0)
w.name = "w"
used_up = iter([w])
list(used_up)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ([], ValueError, "there are no parameters"),
        (used_up, ValueError, "the iterator was used up before"),
        ([{"params": []}], ValueError, "there are no parameters"),
        (w, TypeError, "an ordered iterable of tensors or groups is needed, .* not a Tensor"),
        ({w}, TypeError, "not a set"),
        (object(), TypeError, "not a object"),
        ([w, "b"], TypeError, "parameters are tensors, but number 1 is a str"),
        ([("w", w)], TypeError, "number 0 is a tuple"),
        ([w, w * 2], ValueError, "parameter 1, .* was computed by mul; only leaves"),
        ([w, b, w], ValueError, "parameter 2, 'w', is there twice"),
        ([{"params": [w]}, {"params": [b, w]}], ValueError, "parameter 1, 'w', is there twice"),
        ([{"lr": 0.5}], ValueError, "needs a 'params' entry; this one has \\['lr'\\]"),
        ([{"params": [w], "lr": -0.5}], ValueError, r"lr is a number that is not negative, unlike -0\.5"),
        ([minigrad.ones(1).expand(3).detach().requires_grad_()], ValueError, "is read-only memory"),
    ],
)
def test_parameters_that_cannot_be_optimized(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"SGD: .*{message}"):
        SGD(params, lr=0.1)


@pytest.mark.parametrize(
    ("make", "settings", "message"),
    [
        (SGD, {"lr": -1}, "SGD: lr is a number that is not negative, unlike -1"),
        (SGD, {"lr": math.nan}, "lr is a number that is not negative, unlike nan"),
        (SGD, {"lr": "0.1"}, "lr is a number that is not negative, unlike '0.1'"),
        (SGD, {"momentum": -0.5}, "momentum is a number"),
        (SGD, {"nesterov": True}, "Nesterov's form needs momentum above 0"),
        (SGD, {"nesterov": True, "momentum": 0.5, "dampening": 0.5}, "dampening, not momentum=0.5 and dampening=0.5"),
        (Adam, {"betas": (0.9, 1.0)}, r"Adam: betas are numbers from 0 to below 1, unlike betas\[1\]=1\.0"),
        (Adam, {"eps": -1e-8}, "eps is a number that is not negative"),
        (Adadelta, {"rho": 1.5}, "Adadelta: rho is a number from 0 to 1, unlike 1.5"),
        (RMSprop, {"alpha": -0.5}, "RMSprop: alpha is a number that is not negative"),
        (Adagrad, {"lr_decay": -1}, "Adagrad: lr_decay is a number that is not negative"),
        (AdamW, {"weight_decay": -1}, "AdamW: weight_decay is a number that is not negative"),
    ],
)
def test_settings_out_of_range(make: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make([leaf(1.0)], **settings)


@every_optimizer
def test_values_replaced_by_others_of_another_shape(make: Callable[..., Optimizer]) -> None:
    p = leaf(1.0)
    optimizer = make([p])
    p.grad = minigrad.ones(1)
    optimizer.step()
    p.data = minigrad.ones(3)
    with pytest.raises(ShapeError, match=r"step\(\): a tensor of shape \(3,\) has a gradient of shape \(1,\)"):
        optimizer.step()
    p.grad = minigrad.ones(3)
    if optimizer.state[p]:
        with pytest.raises(
            ShapeError, match=r"(momentum_buffer|exp_avg|sum|square_avg) \(1,\).*; were its values replaced"
        ):
            optimizer.step()


# ---- saving ---------------------------------------------------------------------------------------------------------


def stepped(make: Callable[..., Optimizer], *values: float, **settings: Any) -> tuple[Tensor, Optimizer]:
    p = leaf(*values)
    optimizer = make([p], **settings)
    p.grad = minigrad.ones(len(values))
    optimizer.step()
    return p, optimizer


def test_state_dict_is_a_copy_in_pytorchs_form() -> None:
    _, optimizer = stepped(Adam, 1.0, 2.0, lr=0.5)
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert state["param_groups"][0]["params"] == [0]
    assert list(state["state"][0]) == ["step", "exp_avg", "exp_avg_sq"]
    m = state["state"][0]["exp_avg"].tolist()
    optimizer.step()
    assert state["state"][0]["exp_avg"].tolist() == m
    assert state["state"][0]["step"] == 1
    _, other = stepped(Adam, 3.0, 4.0, lr=0.25)
    other.load_state_dict(state)
    other.step()
    assert state["state"][0]["exp_avg"].tolist() == m
    assert other.param_groups[0]["lr"] == 0.5
    assert other.state_dict()["state"][0]["step"] == 2


def test_state_takes_the_dtype_of_the_parameter() -> None:
    _, single = stepped(SGD, 1.0, momentum=0.5)
    p = leaf(1.0, dtype=minigrad.float64)
    optimizer = SGD([p], momentum=0.5)
    optimizer.load_state_dict(single.state_dict())
    assert optimizer.state[p]["momentum_buffer"].dtype == np.float64


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: Adam([leaf(1.0), leaf(1.0)]), r"the groups have \[2\] parameters, the saved ones \[1\]"),
        (lambda: Adam([{"params": leaf(1.0)}, {"params": leaf(1.0)}]), r"the groups have \[1, 1\] parameters"),
        (lambda: SGD([leaf(1.0)]), r"the saved state lacks \['dampening', 'momentum', 'nesterov'\]"),
        (lambda: Adam([leaf(1.0, 2.0, 3.0)]), r"'exp_avg' of parameter 0 has shape \(1,\), but .* \(3,\)"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(other: Callable[[], Optimizer], message: str) -> None:
    _, saved = stepped(Adam, 1.0, lr=0.5)
    optimizer = other()
    before = repr(optimizer)
    with pytest.raises(ValueError, match=rf"load_state_dict: .*{message}"):
        optimizer.load_state_dict(saved.state_dict())
    assert repr(optimizer) == before
    assert not optimizer.state


# ---- schedules ------------------------------------------------------------------------------------------------------


def optimizer_with(*lrs: float) -> Optimizer:
    return SGD([{"params": leaf(0.0), "lr": lr} for lr in lrs])


def rates(scheduler: LRScheduler, steps: int) -> list[float]:
    """The learning rate of the first group at t = 0 … steps − 1."""
    found = []
    for _ in range(steps):
        assert scheduler.get_last_lr() == [group["lr"] for group in scheduler.optimizer.param_groups]
        found.append(scheduler.get_last_lr()[0])
        scheduler.step()
    return found


WAVE = math.cos(math.pi / 4) / 2
SCHEDULES: dict[str, tuple[Callable[[Optimizer], LRScheduler], list[float]]] = {
    "lambda": (lambda o: LambdaLR(o, lambda t: 1 / (1 + t)), [2, 1, 2 / 3, 0.5]),
    "step": (lambda o: StepLR(o, 2, gamma=0.5), [2, 2, 1, 1, 0.5]),
    "milestones": (lambda o: MultiStepLR(o, [3, 1, 3], gamma=0.5), [2, 1, 1, 0.25, 0.25]),
    "linear": (lambda o: LinearLR(o, total_iters=2), [2 / 3, 4 / 3, 2, 2]),
    "to zero": (lambda o: LinearLR(o, 1.0, 0.0, total_iters=4), [2, 1.5, 1, 0.5, 0, 0]),
    "exponential": (lambda o: ExponentialLR(o, gamma=0.5), [2, 1, 0.5, 0.25]),
    "cosine": (lambda o: CosineAnnealingLR(o, 4, eta_min=1), [2, 1.5 + WAVE, 1.5, 1.5 - WAVE, 1, 1.5 - WAVE]),
    "restarts": (
        lambda o: CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=1),
        [2, 1.5, 2, 1.5 + WAVE, 1.5, 1.5 - WAVE, 2, 1.5 + math.cos(math.pi / 8) / 2],
    ),
    "sequence": (
        lambda o: SequentialLR(o, [LinearLR(o, 0.25, total_iters=3), ExponentialLR(o, 0.5), StepLR(o, 1)], [3, 5]),
        [0.5, 1, 1.5, 2, 1, 2, 0.2],
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name: str) -> None:
    make, expected = SCHEDULES[name]
    assert rates(make(optimizer_with(2.0)), len(expected)) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    optimizer = optimizer_with(2.0, 20.0)
    scheduler = make(optimizer)
    for _ in range(2):
        scheduler.step()
    if name not in ("cosine", "restarts"):  # which has a floor, the same for all
        assert optimizer.param_groups[1]["lr"] == pytest.approx(10 * expected[2])


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_go_on_where_they_stopped(name: str, tmp_path: Path) -> None:
    make, expected = SCHEDULES[name]
    stopped = make(optimizer_with(2.0))
    rates(stopped, 2)
    minigrad.save(stopped.state_dict(), tmp_path / "schedule")
    again = make(optimizer_with(7.0))  # the learning rates are part of the state
    again.load_state_dict(minigrad.load(tmp_path / "schedule"))
    assert rates(again, len(expected) - 2) == pytest.approx(expected[2:], rel=1e-12, abs=1e-12)


def test_a_restart_between_two_steps() -> None:
    scheduler = CosineAnnealingWarmRestarts(optimizer_with(2.0), 2)
    scheduler.step(2.5)
    assert scheduler.get_last_lr() == pytest.approx([1 + math.cos(math.pi / 4)])
    with pytest.raises(ValueError, match="epoch is not negative, as -1 is"):
        scheduler.step(-1)


ONE_CYCLE: dict[str, tuple[dict[str, Any], list[float], list[float]]] = {
    "cosine": ({}, [1, 5, 9, 4.75, 0.5], [0.75, 0.5, 0.25, 0.5, 0.75]),
    "line": ({"anneal_strategy": "linear"}, [1, 5, 9, 4.75, 0.5], [0.75, 0.5, 0.25, 0.5, 0.75]),
    "epochs": ({"total_steps": None, "epochs": 5, "steps_per_epoch": 1}, [1, 5, 9, 4.75], [0.75, 0.5, 0.25, 0.5]),
    "in three": (
        {"total_steps": 8, "pct_start": 3 / 8, "three_phase": True, "anneal_strategy": "linear"},
        [1, 5, 9, 5, 1, 1 - 1 / 6, 1 - 2 / 6, 0.5],
        [0.75, 0.5, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75],
    ),
    "at once": ({"total_steps": 4, "pct_start": 0.25}, [9, 9 - 8.5 / 4, 9 - 8.5 * 3 / 4, 0.5], [0.25, 0.375, 0.625]),
}


@pytest.mark.parametrize("name", ONE_CYCLE)
def test_one_cycle(name: str) -> None:
    """From 9/9 up to 9 and down to 9/18, the momentum from 3/4 to 1/4 and back."""
    settings, expected, momenta = ONE_CYCLE[name]
    common = {"total_steps": 5, "pct_start": 0.6, "div_factor": 9, "final_div_factor": 2}
    common |= {"base_momentum": 0.25, "max_momentum": 0.75} | settings
    sgd, adam = SGD([leaf(0.0)], momentum=0.9), Adam([leaf(0.0)], betas=(0.9, 0.99))
    schedules = [OneCycleLR(sgd, 9.0, **common), OneCycleLR(adam, 9.0, **common)]
    for i, rate in enumerate(expected):
        for scheduler in schedules:
            assert scheduler.get_last_lr() == pytest.approx([rate], rel=1e-12)
        if i < len(momenta):
            assert sgd.param_groups[0]["momentum"] == pytest.approx(momenta[i], rel=1e-12)
            assert adam.param_groups[0]["betas"] == pytest.approx((momenta[i], 0.99), rel=1e-12)
        for scheduler in schedules:
            scheduler.step()


def test_one_cycle_goes_on_where_it_stopped_and_ends() -> None:
    def make() -> tuple[Optimizer, OneCycleLR]:
        optimizer = SGD([{"params": leaf(0.0), "lr": 1.0}, {"params": leaf(0.0)}], momentum=0.5)
        return optimizer, OneCycleLR(optimizer, [4.0, 8.0], total_steps=7, max_momentum=[0.9, 0.8])

    (one, stopped), (other, again) = make(), make()
    for _ in range(3):
        stopped.step()
    again.load_state_dict(stopped.state_dict())
    for _ in range(4):
        for mine, its in zip(one.param_groups, other.param_groups, strict=True):
            assert (mine["lr"], mine["momentum"]) == (its["lr"], its["momentum"])
        stopped.step()
        again.step()
    with pytest.raises(ValueError, match="the cycle has 7 steps, and this is step 8"):
        stopped.step()


def test_plateau() -> None:
    """patience 1: the second step in a row without improvement halves the rate; then one step is not counted."""
    optimizer = optimizer_with(8.0, 4.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=[0, 1.5])
    seen = []
    for loss in [4.0, 3.9999, 5.0, 5.0, 5.0, minigrad.tensor(5.0), math.nan, 5.0, 5.0]:
        scheduler.step(loss)
        seen.append(scheduler.get_last_lr())
    first = [8, 8, 4, 4, 4, 2, 2, 2, 1]
    assert seen == [[lr, max(lr / 2, 1.5)] for lr in first]


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "measures", "improved"),
    [
        ("min", "rel", [2.0, 1.9, 1.7], [True, False, True]),
        ("min", "abs", [2.0, 1.95, 1.85], [True, False, True]),
        ("max", "rel", [2.0, 2.15, 2.25], [True, False, True]),
        ("max", "abs", [2.0, 2.05, 2.15], [True, False, True]),
        ("max", "rel", [-2.0, -2.15, -2.4], [True, True, False]),  # a part of a negative value is negative
    ],
)
def test_what_counts_as_better(mode: str, threshold_mode: str, measures: list[float], improved: list[bool]) -> None:
    scheduler = ReduceLROnPlateau(optimizer_with(1.0), mode, threshold=0.1, threshold_mode=threshold_mode)
    for measure, expected in zip(measures, improved, strict=True):
        scheduler.step(measure)
        assert (scheduler.num_bad_epochs == 0) == expected


def test_plateau_goes_on_where_it_stopped(tmp_path: Path) -> None:
    stopped = ReduceLROnPlateau(optimizer_with(1.0), factor=0.5, patience=1)
    for loss in (3.0, 5.0):
        stopped.step(loss)
    minigrad.save(stopped.state_dict(), tmp_path / "schedule")
    again = ReduceLROnPlateau(optimizer_with(7.0), factor=0.5, patience=1)
    again.load_state_dict(minigrad.load(tmp_path / "schedule"))
    again.step(4.0)
    assert again.get_last_lr() == [0.5]


def test_one_function_for_each_group() -> None:
    optimizer = optimizer_with(1.0, 1.0)
    LambdaLR(optimizer, [lambda t: 0.5, lambda t: 0.25])
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.25]
    with pytest.raises(ValueError, match="1 functions for 2 groups"):
        LambdaLR(optimizer, [lambda t: 1.0])


def test_a_group_added_later_is_scheduled_too() -> None:
    optimizer = optimizer_with(1.0)
    scheduler = ExponentialLR(optimizer, 0.5)
    optimizer.add_param_group({"params": leaf(0.0), "lr": 8.0})
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 4.0]


def test_last_epoch_goes_on() -> None:
    optimizer = optimizer_with(1.0)
    with pytest.raises(ValueError, match="last_epoch=3, but this optimizer never had a schedule"):
        ExponentialLR(optimizer, 0.5, last_epoch=3)
    ExponentialLR(optimizer, 0.5)
    assert ExponentialLR(optimizer, 0.5, last_epoch=2).get_last_lr() == [0.125]


def test_a_schedule_of_ones_own() -> None:
    class Halving(LRScheduler):
        def get_lr(self) -> list[float]:
            return [group["lr"] / 2 for group in self.optimizer.param_groups]

    assert rates(Halving(optimizer_with(2.0)), 3) == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: StepLR(o, 0), "step_size is at least 1, unlike 0"),
        (lambda o: LinearLR(o, start_factor=0), "the first is not 0, unlike start_factor=0 and end_factor=1.0"),
        (lambda o: LinearLR(o, total_iters=0), "total_iters is at least 1"),
        (lambda o: CosineAnnealingLR(o, 0), "T_max is at least 1"),
        (lambda o: CosineAnnealingWarmRestarts(o, 0), "T_0 is a whole number from 1, unlike 0"),
        (lambda o: CosineAnnealingWarmRestarts(o, 1, 0.5), "T_mult is a whole number from 1, unlike 0.5"),
        (lambda o: OneCycleLR(o, 1.0, epochs=3), "give total_steps, or both epochs and steps_per_epoch"),
        (lambda o: OneCycleLR(o, 1.0, 0), "a cycle has at least 1 step, not 0"),
        (lambda o: OneCycleLR(o, 1.0, 9, pct_start=3), "from 0 to 1, unlike 3"),
        (lambda o: OneCycleLR(o, 1.0, 9, anneal_strategy="sin"), "'cos' or 'linear', not 'sin'"),
        (lambda o: OneCycleLR(Adadelta([leaf(0.0)]), 1.0, 9), "Adadelta has no momentum; pass cycle_momentum=False"),
        (lambda o: OneCycleLR(o, [1.0, 2.0], 9), "max_lr: 2 values for 1 groups"),
        (lambda o: ReduceLROnPlateau(o, "best"), "mode is 'min' or 'max' and threshold_mode 'rel' or 'abs'"),
        (lambda o: ReduceLROnPlateau(o, factor=1.0), "a factor of 1.0 does not reduce"),
        (lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 1)], [1, 2]), "2 schedules have 1 milestones"),
        (lambda o: SequentialLR(o, [StepLR(o, 1)] * 3, [5, 5]), r"above 0 and increase, unlike \[5, 5\]"),
        (lambda o: SequentialLR(o, [StepLR(optimizer_with(1.0), 1)], []), "schedule 0 is for another optimizer"),
        (lambda o: StepLR(o, 1).load_state_dict(StepLR(optimizer_with(1, 2), 1).state_dict()), "for 2 groups"),
    ],
)
def test_schedules_that_make_no_sense(make: Callable[[Optimizer], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optimizer_with(1.0))


def test_a_schedule_needs_an_optimizer() -> None:
    for make in (lambda: StepLR([leaf(1.0)], 1), lambda: LambdaLR([leaf(1.0)], lambda t: 1.0)):  # type: ignore[arg-type]  # on purpose
        with pytest.raises(TypeError, match="an Optimizer is needed first, not a list"):
            make()


@pytest.mark.parametrize("betas", [(0.9,), 0.9, (0.9, 0.99, 0.999)])
def test_betas_are_two(betas):
    with pytest.raises(ValueError, match="Adam: betas are two numbers from 0 to below 1, unlike"):
        Adam([minigrad.zeros(2, requires_grad=True)], betas=betas)
