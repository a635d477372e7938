"""The summary of a model: shapes, parameters and multiply-adds, counted by hand."""

import pytest

import minigrad
import nn
from minigrad import ShapeError, einsum
from minigrad.autograd import thread
from nn import recurrent
from nn.overview import WIDTH, summary
from nn.transformer import Transformer


def by_path(table):
    return {row.path: row for row in table.rows}


def test_a_chain_by_hand():
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2, bias=False))
    table = summary(model, minigrad.ones(7, 11, 3))
    assert [(row.path, row.kind) for row in table.rows] == [
        ("", "Sequential"),
        ("0", "Linear"),
        ("1", "ReLU"),
        ("2", "Linear"),
    ]
    rows = by_path(table)
    assert rows["0"].inputs == ((7, 11, 3),)
    assert rows["0"].outputs == rows["1"].inputs == ((7, 11, 5),)
    assert [row.parameters for row in table.rows] == [0, 20, 0, 10]
    assert [row.multiply_adds for row in table.rows] == [0, 7 * 11 * 3 * 5, 0, 7 * 11 * 5 * 2]
    assert (table.parameters, table.trainable, table.multiply_adds) == (30, 30, 7 * 11 * 25)


class Products(nn.Module):
    def forward(self, a, b):
        v = a[0, 0]
        return a @ b, v @ v, a @ v, einsum("bij,bjk,k->bi", a, b, b[0, 0]), minigrad.outer(v, v), a * a


def test_products_of_all_kinds():
    table = summary(Products(), minigrad.ones(2, 3, 5), minigrad.ones(2, 5, 7))
    assert table.multiply_adds == 2 * 3 * 5 * 7 + 5 + 2 * 3 * 5 + 2 * (2 * 3 * 5 * 7)
    assert table.rows[0].outputs == ((2, 3, 7), (), (2, 3), (2, 3), (5, 5), (2, 3, 5))


def test_convolutions():
    model = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.Conv2d(5, 3, (2, 1)))
    assert summary(model[0], minigrad.ones(2, 4, 7)).multiply_adds == 2 * 5 * 6 * (2 * 3)  # places · outputs · window
    assert summary(model[1], minigrad.ones(2, 5, 3, 7)).multiply_adds == 2 * (2 * 7) * 3 * (5 * 2)


def test_attention_counts_where_it_happens():
    table = summary(nn.MultiHead(6, 2), minigrad.ones(5, 3, 6))
    rows = by_path(table)
    for name in ("query", "key", "value", "output"):
        assert rows[name].multiply_adds == 5 * 3 * 6 * 6
    assert table.multiply_adds == 4 * 5 * 3 * 6 * 6 + 2 * 5 * 2 * (3 * 3 * 3)  # scores and weighted sum
    assert sum(row.multiply_adds for row in table.rows) == table.multiply_adds


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
def test_recurrent_layers(kind, gates):
    """What a fused kernel does is counted like the steps it stands for."""
    layer = getattr(recurrent, kind)(3, 5, batch_first=True)
    assert summary(layer, minigrad.ones(2, 7, 3)).multiply_adds == 2 * 7 * gates * (3 * 5 + 5 * 5)


class Tied(nn.Module):
    """A layer used twice under two names, its weight tied to another's, a frozen one and one that is never called."""

    def __init__(self):
        self.first = nn.Linear(3, 3)
        self.again = self.first
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.first.weight
        self.frozen = nn.Linear(3, 2).requires_grad_(False)
        self.unused = [nn.Linear(5, 7)]

    def forward(self, x, scale=1.0, seen=None):
        seen.append(self.training)
        assert not minigrad.is_grad_enabled()
        return {"y": [self.frozen(self.tied(self.again(self.first(x)))) * scale], "n": 3}


def test_shared_frozen_and_unused_parts():
    model, seen = Tied(), []
    table = summary(model, minigrad.ones(2, 3), seen=seen)
    assert seen == [False]
    rows = by_path(table)
    assert list(rows) == ["", "first", "tied", "frozen", "unused.0"]
    assert rows["first"].calls == 2
    assert rows["first"].multiply_adds == 2 * (2 * 3 * 3)
    assert (rows["first"].parameters, rows["tied"].parameters) == (12, 3)
    assert (rows["unused.0"].calls, rows["unused.0"].inputs, rows["unused.0"].multiply_adds) == (0, (), 0)
    assert rows[""].outputs == ((2, 2),)
    assert table.parameters == sum(row.parameters for row in table.rows) == 12 + 3 + 8 + 42
    assert table.trainable == table.parameters - 8
    text = str(table)
    assert "first Linear ×2" in text
    assert text.endswith("8 of the parameters are frozen")


def test_the_model_is_as_it_was():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 2))
    model[2].eval()
    before = model.state_dict()["0.running_mean"].clone()
    summary(model, minigrad.randn(7, 3))
    assert minigrad.equal(model[0].running_mean, before)
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert thread.mode.observers == ()
    assert not any(m._forward_hooks for m in model.modules())
    with pytest.raises(ShapeError):
        summary(model, minigrad.randn(7, 3, 5, 2))
    assert model.training
    assert thread.mode.observers == ()
    assert not any(m._forward_hooks for m in model.modules())


def test_the_table_is_aligned_and_narrow():
    model = Transformer(16, 2, 1, 1, 2000, batch_first=True)
    table = summary(model, minigrad.ones(101, 11, 16), minigrad.ones(101, 7, 16))
    lines = str(table).split("\n")
    assert max(map(len, lines)) <= WIDTH == 100
    body = [line for line in lines if not line.startswith("-")]
    assert len(body) == len(table.rows) + 2
    assert len(set(map(len, body))) == 1  # numbers end in one column
    assert lines[0].split() == ["layer", "input", "output", "parameters", "multiply-adds"]
    assert lines[-1].split() == ["total", f"{table.parameters:,}", f"{table.multiply_adds:,}"]
    linear = next(line for line in lines if "linear1 Linear" in line)
    assert linear.startswith(" " * 8 + "linear1")
    assert "(101, 11, 2000)" in linear
    assert repr(table) == str(table)
