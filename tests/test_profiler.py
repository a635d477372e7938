"""Where the time goes: everything is counted, nothing is left out, nothing stays behind."""

import pytest

import minigrad
import nn
from minigrad.autograd import thread


def a_step(model, optimizer, x):
    optimizer.zero_grad()
    (model(x) ** 2).mean().backward()
    optimizer.step()


def test_operations_and_modules_are_charged_and_add_up():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
    optimizer, x = nn.optim.Adam(model.parameters()), minigrad.randn(7, 3)
    with minigrad.profile() as p:
        for _ in range(11):
            a_step(model, optimizer, x)
    calls = {entry.what: entry.calls for entry in p.operations}
    assert calls["linear"] == 11 * 2 + 11 * 5  # forward; backward the gradients of x, weight and bias, but for one x
    assert calls["tanh"] == 22
    assert calls["Adam.step()"] == calls["before backward()"] == 11
    assert {"0", "1", "2", "–"} == {entry.what for entry in p.modules}
    for entries in (p.operations, p.modules):
        assert sum(entry.total for entry in entries) == pytest.approx(p.seconds, rel=0.5)
        assert [e.total for e in entries] == sorted((e.total for e in entries), reverse=True)
    assert all(e.backward == 0 for e in p.operations if e.what == "Adam.step()")
    text = str(p)
    assert text.startswith("operation")
    assert "share" in text
    assert "Adam.step()" in text


def test_a_profile_ends_with_its_block_even_by_an_error():
    with pytest.raises(ZeroDivisionError), minigrad.profile() as p:
        1 / 0  # noqa: B018  # it raises
    assert thread.mode.observers == ()
    assert p.operations[0].what == "Python after the last operation"


def test_blocks_may_follow_and_lie_in_each_other():
    x = minigrad.ones(3)
    with minigrad.profile() as p:
        x + 1
        with minigrad.profile() as q:
            x * 2
    with p:
        x + 1
    assert {e.what: e.calls for e in p.operations if e.what in ("add", "mul")} == {"add": 2, "mul": 1}
    assert {e.what: e.calls for e in q.operations if e.what in ("add", "mul")} == {"mul": 1}
