"""Small parameters are updated beside each other; nobody can tell but by the time it takes."""

import copy

import numpy as np
import pytest

import minigrad
from nn import optim

RULES = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.01}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True, "maximize": True}),
    (optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.Adagrad, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True}),
    (optim.Adadelta, {"weight_decay": 0.01}),
]
SHAPES = [(3, 5), (7,), (), (2, 3, 5), (61, 79)]  # the last is not small


def parameters(dtype=minigrad.float32):
    rng = np.random.default_rng(0)
    return [minigrad.tensor(rng.standard_normal(s), dtype=dtype, requires_grad=True) for s in SHAPES]


def one_by_one(kind):
    """The same optimizer with a rule that does not say that it is elementwise."""

    class Alone(kind):
        def update(self, p, g, state, group):
            super().update(p, g, state, group)

    return Alone


def step(optimizer, params, seed, without=()):
    rng = np.random.default_rng(seed)
    for i, p in enumerate(params):
        g = rng.standard_normal(p.shape)
        p.grad = None if i in without else minigrad.tensor(g, dtype=p.dtype)
    optimizer.step()


def assert_alike(a, b, params, others):
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(p.array, q.array)
        assert a.state[p].keys() == b.state[q].keys()
        for key, value in a.state[p].items():
            np.testing.assert_array_equal(value, b.state[q][key])


def pair(kind, options):
    params, others = parameters(), parameters()
    return kind(params, **options), one_by_one(kind)(others, **options), params, others


def packs(optimizer):
    return [pack for _, packs, _ in optimizer._plans.values() for pack in packs]


@pytest.mark.parametrize(("kind", "options"), RULES)
def test_together_is_one_by_one_bit_for_bit(kind, options):
    a, b, params, others = pair(kind, options)
    for seed in range(3):
        step(a, params, seed)
        step(b, others, seed)
    assert [len(pack.params) for pack in packs(a)] == [4]
    assert not packs(b)
    assert_alike(a, b, params, others)


@pytest.mark.parametrize(("kind", "options"), RULES)
def test_parameters_without_gradient_stay_behind(kind, options):
    a, b, params, others = pair(kind, options)
    for seed, without in enumerate([(), (1,), (), (0, 2), (1,), ()]):
        step(a, params, seed, without)
        step(b, others, seed, without)
    assert_alike(a, b, params, others)


def test_a_frozen_parameter_stays_as_it_is():
    a, _, params, _ = pair(optim.Adam, {})
    step(a, params, 0)
    before = params[1].array.copy()
    step(a, params, 1, without=(1,))
    np.testing.assert_array_equal(params[1].array, before)


def changed_data(optimizer, params):
    params[0].data = minigrad.full(params[0].shape, 0.5)


def changed_in_place(optimizer, params):
    optimizer.state[params[0]]["exp_avg"][...] = 2
    with minigrad.no_grad():
        params[1].fill_(3)


def replaced_state(optimizer, params):
    optimizer.state[params[2]]["exp_avg_sq"] = np.full(params[2].shape, 2, np.float32)


def another_step(optimizer, params):
    optimizer.state[params[0]]["step"] = 7


def forgotten_state(optimizer, params):
    optimizer.state[params[1]] = {}
    optimizer.state[params[3]].clear()


def loaded_state(optimizer, params):
    state = optimizer.state_dict()
    step(optimizer, params, 9)
    optimizer.load_state_dict(state)


def another_group(optimizer, params):
    params += [minigrad.tensor([1.0, 2.0], requires_grad=True), minigrad.tensor(3.0, requires_grad=True)]
    optimizer.add_param_group({"params": params[-2:], "lr": 0.5})


@pytest.mark.parametrize(
    "change",
    [
        changed_data, changed_in_place, replaced_state, another_step, forgotten_state, loaded_state,
        another_group,
    ],
)  # fmt: skip
def test_what_is_done_between_steps_counts(change):
    a, b, params, others = pair(optim.Adam, {"lr": 0.1})
    for optimizer, own in ((a, params), (b, others)):
        step(optimizer, own, 0)
        change(optimizer, own)
        step(optimizer, own, 1)
        step(optimizer, own, 2)
    assert_alike(a, b, params, others)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_parameters_on_the_same_memory_are_both_updated(kind):
    found = []
    for maker in (kind, one_by_one(kind)):
        a, b, c = parameters()[:3]
        b.data = a.data[0]
        optimizer = maker([a, b, c], lr=0.1)
        step(optimizer, [a, b, c], 0)
        step(optimizer, [a, b, c], 1)
        found.append(a.array)
    np.testing.assert_array_equal(*found)


def test_parameters_of_two_dtypes_go_into_two_packs():
    params = parameters()[:3] + parameters(minigrad.float64)[:3]
    optimizer = optim.Adam(params)
    step(optimizer, params, 0)
    assert [len(pack.params) for pack in packs(optimizer)] == [3, 3]
    assert [p.dtype for p in params] == [minigrad.float32] * 3 + [minigrad.float64] * 3


def test_a_deep_copy_goes_its_own_way():
    a, b, params, others = pair(optim.Adam, {"lr": 0.1})
    step(a, params, 0)
    step(b, others, 0)
    copied, own = copy.deepcopy((a, params))
    for optimizer, moved in ((a, params), (copied, own), (b, others)):
        step(optimizer, moved, 1)
    assert_alike(a, b, params, others)
    assert_alike(copied, b, own, others)


def test_each_parameter_keeps_its_own_memory():
    a, _, params, _ = pair(optim.Adam, {})
    arrays = [p.array for p in params]
    step(a, params, 0)
    assert all(p.array is array for p, array in zip(params, arrays, strict=True))
    x = minigrad.tensor(2.0, requires_grad=True)
    y = params[0].detach() * x
    with minigrad.no_grad():
        params[1].fill_(0)  # no neighbour of what y needs
    y.sum().backward()
