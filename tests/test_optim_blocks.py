"""Large parameters are updated in blocks, and rows at rest not at all; nobody can tell but by the time it takes."""

import copy

import numpy as np
import pytest

import minigrad
from minigrad.ops import index
from nn import Embedding, optim
from nn.optim import blocks
from nn.utils import clip_grad_norm_

RESTING = [
    (optim.SGD, {"lr": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}),
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (optim.Adam, {"lr": 0.1}),
    (optim.Adam, {"lr": 0.1, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.1, "weight_decay": 0}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
    (optim.Adagrad, {"lr": 0.1, "initial_accumulator_value": 0.1}),
    (optim.RMSprop, {"lr": 0.1}),
    (optim.RMSprop, {"lr": 0.1, "momentum": 0.9, "centered": True}),
    (optim.Adadelta, {}),
]
RESTLESS = [
    (optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01}),
    (optim.SGD, {"lr": 0.1, "maximize": True}),
    (optim.Adam, {"lr": 0.1, "weight_decay": 0.01}),
    (optim.Adam, {"lr": 0.1, "eps": 0}),
    (optim.AdamW, {"lr": 0.1, "weight_decay": 0.1}),
    (optim.Adagrad, {"lr": np.inf}),
    (optim.RMSprop, {"lr": 0.1, "weight_decay": 0.01, "maximize": True}),
    (optim.Adadelta, {"weight_decay": 0.01}),
]
V, D = 97, 5


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 13)


def whole(kind):
    """The same optimizer with a rule that does not say that it is elementwise, nor that numbers rest."""

    class Whole(kind):
        def update(self, p, g, state, group):
            super().update(p, g, state, group)

    return Whole


def table(dtype=minigrad.float32):
    return minigrad.tensor(np.random.default_rng(0).standard_normal((V, D)), dtype=dtype, requires_grad=True)


def pair(kind, options, dtype=minigrad.float32):
    p, q = table(dtype), table(dtype)
    return kind([p], **options), whole(kind)([q], **options), p, q


def step(optimizer, p, rows, seed=0, numbers=None):
    g = np.zeros((V, D))
    g[np.array(rows, int)] = np.random.default_rng(seed).standard_normal((len(rows), D)) if numbers is None else numbers
    p.grad = minigrad.tensor(g, dtype=p.dtype)
    optimizer.step()


def bits(a):
    return a.view(f"u{a.itemsize}") if isinstance(a, np.ndarray) else a


def assert_alike(a, b, p, q):
    np.testing.assert_array_equal(bits(p.array), bits(q.array))
    mine, others = a.state_dict()["state"], b.state_dict()["state"]  # unlike `state`, nobody can write to these
    assert mine.keys() == others.keys()
    for number, state in mine.items():
        assert state.keys() == others[number].keys()
        for key, value in state.items():
            np.testing.assert_array_equal(bits(value), bits(others[number][key]))


@pytest.fixture
def updated(monkeypatch):
    """How many rows were updated by each call of `update_in_blocks`; None for all."""
    counts = []
    in_blocks = blocks.update_in_blocks

    def counted(rule, p, g, state, rows=None):
        counts.append(None if rows is None else len(rows))
        in_blocks(rule, p, g, state, rows)

    monkeypatch.setattr(optim.optimizer, "update_in_blocks", counted)
    return counts


COURSE = [(2, 3, 96), (3,), (), (5, 2), (0, 11, 13), (5,), (7,)]


@pytest.mark.parametrize("dtype", [minigrad.float32, minigrad.float64])
@pytest.mark.parametrize(("kind", "options"), RESTING)
def test_rows_at_rest_are_passed_over_and_nothing_changes(kind, options, dtype, updated):
    a, b, p, q = pair(kind, options, dtype)
    for seed, rows in enumerate(COURSE):
        step(a, p, rows, seed)
        step(b, q, rows, seed)
        assert_alike(a, b, p, q)
    keeps_moving = a.update.momentum and a.state_dict()["state"]
    so_far = [len(set().union(*COURSE[: i + 1])) for i in range(len(COURSE))]
    assert updated == (so_far if keeps_moving else list(map(len, COURSE)))


@pytest.mark.parametrize(("kind", "options"), RESTLESS)
def test_where_nothing_rests_all_rows_are_updated(kind, options, updated):
    a, b, p, q = pair(kind, options)
    for seed, rows in enumerate(COURSE):
        step(a, p, rows, seed)
        step(b, q, rows, seed)
    assert_alike(a, b, p, q)
    assert updated == [None] * len(COURSE)


@pytest.mark.parametrize(("kind", "options"), RESTING + RESTLESS)
def test_blocks_give_the_same_numbers_bit_for_bit(kind, options, updated):
    a, b, p, q = pair(kind, options)
    for seed in range(3):
        step(a, p, range(V), seed)
        step(b, q, range(V), seed)
    assert_alike(a, b, p, q)
    assert updated == [None] * 3


@pytest.mark.parametrize(("kind", "options"), RESTING)
def test_rows_move_on_when_all_had_a_gradient_once(kind, options):
    a, b, p, q = pair(kind, options)
    for seed, rows in enumerate([(2,), (3,), range(V), (5,), range(0, V, 2), (2, 3), (2,)]):
        step(a, p, rows, seed)
        step(b, q, rows, seed)
    assert_alike(a, b, p, q)


@pytest.mark.parametrize("number", [-0.0, np.nan, np.inf, 1e-45, 3e38])
@pytest.mark.parametrize(("kind", "options"), RESTING)
def test_numbers_at_the_edge(kind, options, number):
    a, b, p, q = pair(kind, options)
    for own in (p, q):
        with minigrad.no_grad():
            own[::3] = -0.0
            own[1::7] = np.inf
    for seed, rows in enumerate([(2,), (3, 7)]):
        step(a, p, rows, seed)
        step(b, q, rows, seed)
    for rows in [(3, 6), (), (8,)]:
        step(a, p, rows, numbers=number)
        step(b, q, rows, numbers=number)
    with np.errstate(invalid="ignore"):
        assert_alike(a, b, p, q)


def test_in_half_precision_eps_may_be_zero():
    a, b, p, q = pair(optim.Adam, {}, minigrad.float16)
    for optimizer, own in ((a, p), (b, q)):
        step(optimizer, own, (2,))
        step(optimizer, own, (3,))
    assert np.isnan(p.array).any()
    np.testing.assert_array_equal(p.array, q.array)


@pytest.fixture
def read(monkeypatch):
    """How many rows `_not_zero` looked at, call by call."""
    counts = []
    not_zero = blocks._not_zero
    monkeypatch.setattr(blocks, "_not_zero", lambda a: counts.append(len(a)) or not_zero(a))
    return counts


@pytest.mark.parametrize(
    ("change", "searched"),
    [
        (lambda p: None, 3),
        (lambda p: clip_grad_norm_([p], 0.1), 3),
        (lambda p: p.grad.array.__setitem__(17, 3), V),
        (lambda p: index.embedding(p, minigrad.tensor([11])).sum().backward(), V),
        (lambda p: (p[-3] * 2).sum().backward(), V),
        (lambda p: setattr(p, "grad", p.grad.flip(0)), V),
    ],
)  # fmt: skip
def test_a_hint_is_taken_only_if_it_is_true(change, searched, read):
    p, q = table(), table()
    for optimizer, own in ((optim.SGD([p], lr=0.1), p), (whole(optim.SGD)([q], lr=0.1), q)):
        (index.embedding(own, minigrad.tensor([[2, 3], [3, 96]])) ** 2).sum().backward()
        change(own)
        optimizer.step()
    np.testing.assert_array_equal(bits(p.array), bits(q.array))
    assert read[-1] == searched


def test_a_hint_may_name_a_row_twice():
    g = np.zeros((V, D), np.float32)
    g[[5, 96]] = 1
    rows = blocks._among(np.array([[-1, 96], [96, 7]]), g)
    assert np.flatnonzero(rows).tolist() == [5, 96]


def test_a_hint_about_memory_that_shows_other_rows():
    p, q = (minigrad.tensor(np.ones((D, V)), requires_grad=True) for _ in range(2))
    for optimizer, own in ((optim.SGD([p], lr=0.1), p), (whole(optim.SGD)([q], lr=0.1), q)):
        (index.embedding(own.reshape(V, D), minigrad.tensor([[2, 3], [3, 96]])) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_array_equal(bits(p.array), bits(q.array))


def changed_gradient(optimizer, p):
    p.grad.array[17] = 3


def added_gradient(optimizer, p):
    (p * 2).sum().backward()


def written_state(optimizer, p):
    for value in optimizer.state[p].values():
        if isinstance(value, np.ndarray):
            value[23] = 2


def replaced_state(optimizer, p):
    optimizer.state[p]["exp_avg"] = np.full((V, D), 2, np.float32)


def forgotten_state(optimizer, p):
    optimizer.state[p] = {}


def replaced_states(optimizer, p):
    optimizer.state = {p: {"step": 3, "exp_avg": np.ones((V, D), "f"), "exp_avg_sq": np.ones((V, D), "f")}}


def loaded_state(optimizer, p):
    state = optimizer.state_dict()
    step(optimizer, p, (29,), 9)
    optimizer.load_state_dict(state)


def loaded_moments(optimizer, p):
    state = optimizer.state_dict()
    state["state"][0]["exp_avg"][31] = 2
    optimizer.load_state_dict(state)


def changed_values(optimizer, p):
    p.data = minigrad.full((V, D), 0.5)


def other_layout(optimizer, p):
    p.grad = minigrad.tensor(np.ones((D, V), np.float32)).T
    optimizer.step()


def other_hyperparameters(optimizer, p):
    optimizer.param_groups[0].update(weight_decay=0.1)
    optimizer.step()
    optimizer.param_groups[0].update(weight_decay=0, lr=0.3)


def no_gradient(optimizer, p):
    optimizer.zero_grad()
    optimizer.step()


@pytest.mark.parametrize(
    "change",
    [
        changed_gradient, added_gradient, written_state, replaced_state, forgotten_state, replaced_states, loaded_state,
        loaded_moments, changed_values, other_layout, other_hyperparameters, no_gradient,
    ],
)  # fmt: skip
def test_what_is_done_between_steps_counts(change):
    a, b, p, q = pair(optim.Adam, {"lr": 0.1})
    for optimizer, own in ((a, p), (b, q)):
        step(optimizer, own, (2, 3), 0)
        step(optimizer, own, (3,), 1)
        change(optimizer, own)
        if own.grad is not None:
            optimizer.step()
        step(optimizer, own, (5,), 2)
        step(optimizer, own, (2,), 3)
    assert_alike(a, b, p, q)


def test_what_somebody_keeps_of_the_state_can_be_written_to_at_any_time():
    a, b, p, q = pair(optim.Adam, {"lr": 0.1})
    for optimizer, own in ((a, p), (b, q)):
        step(optimizer, own, (2, 3), 0)
        kept = optimizer.state[own]["exp_avg"]
        step(optimizer, own, (3,), 1)
        step(optimizer, own, (3,), 2)
        kept[19] = 1
        step(optimizer, own, (3,), 3)
    assert_alike(a, b, p, q)


def test_a_deep_copy_goes_its_own_way():
    a, b, p, q = pair(optim.Adam, {"lr": 0.1})
    step(a, p, (2,), 0)
    step(b, q, (2,), 0)
    step(a, p, (3,), 1)
    step(b, q, (3,), 1)
    copied, own = copy.deepcopy((a, p))
    step(a, p, (5,), 2)
    step(copied, own, (7,), 2)
    step(b, q, (7,), 2)
    assert_alike(copied, b, own, q)
    assert not np.array_equal(own.array, p.array)


def test_a_rule_may_begin_to_remember_more():
    a, b, p, q = pair(optim.RMSprop, {"lr": 0.1})
    for optimizer, own in ((a, p), (b, q)):
        step(optimizer, own, (2, 3), 0)
        step(optimizer, own, (3,), 1)
        optimizer.param_groups[0].update(momentum=0.9, centered=True)
        step(optimizer, own, (5,), 2)
        step(optimizer, own, (7,), 3)
    assert_alike(a, b, p, q)


def test_an_overridden_rule_has_to_say_that_rows_rest(updated):
    class Shrinking(optim.SGD):
        @optim.pack.elementwise
        def update(self, p, g, state, group):
            super().update(p, g, state, group)
            p *= 0.5

    p = table()
    before = p.array.copy()
    step(Shrinking([p], lr=0.1), p, ())
    np.testing.assert_array_equal(p.array, before / 2)
    assert updated == [None]


def test_an_embedding_is_trained_alike(updated):
    trained = []
    for kind in (optim.Adam, whole(optim.Adam)):
        minigrad.manual_seed(0)
        layer = Embedding(V, D, padding_idx=0)
        optimizer = kind(layer.parameters(), lr=0.1)
        for ids in ([[2, 3, 2], [0, 5, 7]], [[2, 0, 0], [11, 5, 5]], [[1, 1, 1], [1, 1, 96]]):
            optimizer.zero_grad()
            (layer(minigrad.tensor(ids)) ** 2).sum().backward()
            optimizer.step()
        trained.append(layer.weight.array)
    np.testing.assert_array_equal(*trained)
    assert updated == [4, 5, 7]


def test_rows_that_do_not_fit_are_refused():
    p = table()
    optimizer = optim.Adam([p])
    step(optimizer, p, (2,))
    p.grad = None
    p.data = minigrad.zeros(V + 4, D)
    p.grad = minigrad.zeros(V + 4, D)
    with pytest.raises(minigrad.ShapeError, match="exp_avg"):
        optimizer.step()
