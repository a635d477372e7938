"""The page holds everything, is well formed, and is the same every time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import nn
from minigrad.op import registry
from minigrad.viz.draw import draw
from minigrad.viz.html import Page, explain, page
from minigrad.viz.record import record
from minigrad.viz.rules import formulas
from minigrad.viz.typeset import typeset

VOID = {"meta", "input", "link", "br"}


class Checker(HTMLParser):
    """Counts elements, keeps their ids, and complains where tags do not match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.ids: list[str] = []
        self.problems: list[str] = []
        self.run = ""
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.inside = dict(attrs).get("id") or ""
        self.ids += [self.inside] if self.inside else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.inside == "run" and self.open[-1] == "script":
            self.run += data


def checked(html: str) -> tuple[Checker, dict[str, Any]]:
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert not checker.problems
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)
    return checker, json.loads(checker.run)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 5)
        self.blocks = nn.Sequential(*[nn.Sequential(nn.Linear(5, 5), nn.Tanh()) for _ in range(3)])
        self.last = nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        return self.last(self.blocks(self.first(x)))


def example() -> tuple[Net, Any]:
    model = Net()
    return model, (model(mg.randn(7, 3)) ** 2).mean()


def test_the_page_is_whole_and_well_formed() -> None:
    model, loss = example()
    checker, run = checked(explain(loss, model).html)
    assert len(run["levels"]) > 1
    assert checker.count["svg"] == len(run["levels"]) + 6  # and the signs on the buttons
    assert checker.count["script"] == 2
    assert checker.count.get("link", 0) == checker.count.get("img", 0) == checker.count.get("iframe", 0) == 0
    assert [step["phase"] for step in run["steps"]].count("start") == 1


def test_no_address_but_that_of_svg() -> None:
    model, loss = example()
    html = explain(loss, model).html
    assert set(re.findall(r"\w+://[^\s\"'<>)]*", html)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|\bfetch\(|XMLHttpRequest|\bimport\(|<link|\bsrc=", html)


def test_names_cannot_break_out() -> None:
    name = "</script><b>\"'&\u2028名"
    x = mg.tensor([2.0, 3.0], requires_grad=True, name=name)
    checker, run = checked(explain((x * x).sum(), title=name).html)
    assert checker.count["script"] == 2
    assert "b" not in checker.count
    assert run["steps"][0]["takes"][0]["name"].startswith("</script><b>")


def test_every_step_and_every_leaf_has_its_place_on_every_level() -> None:
    model, loss = example()
    _, run = checked(explain(loss, model, max_nodes=100).html)
    for level in run["levels"]:
        for step in run["steps"]:
            assert level["where"][str(step["at"])]
    most = run["levels"][-1]
    for step in run["steps"]:
        for flow in step["flows"]:
            assert most["where"][str(flow["to"])]
    assert run["levels"][0]["label"].startswith(f"{len(run['levels'][0]['words'])} of {len(most['words'])}")
    ids = {vertex for edge in most["edges"] for vertex in edge}
    assert ids == set(most["words"])


@pytest.mark.parametrize("options", [{"direction": "backward"}, {"rankdir": "LR"}, {"fold": None, "theme": "dark"}])
def test_it_is_drawn_as_asked(options: dict[str, Any]) -> None:
    model, loss = example()
    _, run = checked(explain(loss, model, depth=None, **options).html)
    assert run["theme"] == options.get("theme", "auto")
    for level in run["levels"]:
        assert all(level["where"][str(step["at"])] for step in run["steps"])


def test_the_numbers_are_those_of_the_engine() -> None:
    x = mg.tensor([[2.0, -3.0, 5.0]], requires_grad=True, name="x")
    loss = (x.sigmoid() * x).sum()
    _, run = checked(explain(loss).html)
    last = [flow for step in run["steps"] for flow in step["flows"] if flow["name"] == "x"][-1]
    loss.backward()
    np.testing.assert_allclose(run["values"][last["total"]]["entries"], x.grad.array, rtol=1e-5)  # type: ignore[union-attr]
    assert last["last"]
    assert last["leaf"]


def test_numbers_that_json_does_not_know() -> None:
    w = mg.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    with np.errstate(all="ignore"):
        _, run = checked(explain(w.log().sum()).html)
    value = run["values"][run["steps"][0]["value"]]
    assert value["entries"][:2] == ["NaN", "-inf"]
    assert (value["nan"], value["infinite"]) == (1, 1)


def test_the_line_of_the_program_is_there_when_it_was_traced() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    with record():
        y = x.exp()  # this line
    _, run = checked(explain(y).html)
    assert run["steps"][0]["line"] == "y = x.exp()  # this line"
    assert run["steps"][0]["place"].startswith("test_html.py:")
    assert run["name"] == "y"


def test_explain_writes_and_a_notebook_shows_it(tmp_path: Path) -> None:
    x = mg.tensor(2.0, requires_grad=True)
    made = explain(x * x, path=tmp_path / "run.html")
    assert isinstance(made, Page)
    assert (tmp_path / "run.html").read_text(encoding="utf-8") == made.html == str(made)
    assert repr(made).startswith("<Page: 1 operation, 3 steps;")
    frame = made._repr_html_()
    checker = Checker()
    checker.feed(frame)
    assert checker.count == {"iframe": 1}
    assert x.grad is None
    with pytest.raises(ValueError, match=r"run\.svg.*a page can be written as \.html"):
        made.write(tmp_path / "run.svg")
    with pytest.raises(FileNotFoundError, match=r"no directory .*missing.* for 'run.html'; make it first"):
        made.write(tmp_path / "missing" / "run.html")


def test_a_freed_run_is_refused_by_explain_and_shown_by_the_graph() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    loss = x * x
    loss.backward()
    with pytest.raises(RuntimeError, match=r"call minigrad.explain\(loss\) before loss.backward\(\)"):
        explain(loss)
    _, run = checked(page(draw(loss)))
    assert run["steps"] == []
    assert "before loss.backward()" in run["note"]
    assert run["levels"]


def test_a_run_of_very_many_operations_is_shown_but_not_told() -> None:
    x = y = mg.tensor(2.0, requires_grad=True)
    for _ in range(3001):
        y = y * 1.0
    with pytest.raises(ValueError, match=r"explain: 3,001 operations .* which 3,000 are not"):
        explain(y)
    _, run = checked(page(draw(y)))
    assert run["steps"] == []
    assert "3,001 operations are too many" in run["note"]
    assert "nearest to the output" in run["levels"][0]["note"]
    assert x.grad is None


def test_gradients_of_gradients() -> None:
    x = mg.tensor(2.0, requires_grad=True)
    y = x**3
    (dy,) = mg.grad(y, x, create_graph=True)
    _, run = checked(explain([y, dy]).html)
    assert run["name"] == "(y + dy)"
    assert run["title"] == "How y and dy were computed"
    last = [flow for step in run["steps"] for flow in step["flows"] if flow["name"] == "x"][-1]
    assert run["values"][last["total"]]["entries"] == pytest.approx(24)


@pytest.mark.parametrize("name", [name for name, operation in registry.items() if operation.rules])
def test_every_rule_can_be_set(name: str) -> None:
    for formula in formulas(registry[name]):
        lines = typeset(formula.text)
        assert lines
        for line in lines:
            checker = Checker()
            checker.feed(line)
            assert not checker.problems
            assert not checker.open


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("g * (1 - out * out)", "g · (1 − out · out)"),
        ("-(a + b) * c", "−(a + b) · c"),
        ("a - (b - c)", "a − (b − c)"),
        ("(a + b) ** 2", "(a + b)2"),
        ("g / np.sqrt(1 - x * x)", "g√1 − x · x"),
        ("np.where(x > 0, g, 0)", "g, where x > 00, elsewhere"),
        ("np.matmul(np.swapaxes(a, -1, -2), g)", "aT g"),
        ("g * ((x > 1) & (x < 2))", "g · ((x > 1) ∧ (x < 2))"),
        ("rule(g, x): The slope. <b>", "The slope. <b> rule(g, x)"),
        ("tall(g).T @ tall(x)", "tall(g)T tall(x)"),
        ("g[0] if y else 1", "g[0] if y else 1"),
        ("dx = g * y; dx -= y + 1", "dx = g · ydx = dx − (y + 1)"),
    ],
)
def test_formulas_keep_their_meaning(text: str, said: str) -> None:
    assert unescape(re.sub(r"<[^>]*>", "", "".join(typeset(text)))) == said


PROGRAM = """
import numpy as np, minigrad as mg, nn
from minigrad.viz.html import explain
mg.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))
loss = (model(mg.randn(7, 3)) ** 2).mean()
print(explain(loss, model).html)
"""


def test_the_same_bytes_every_time() -> None:
    pages = []
    for seed in ("1", "2"):
        run = [sys.executable, "-X", "utf8", "-c", PROGRAM]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(mg.__file__).parents[1])}
        pages.append(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)
    assert pages[0] == pages[1]
    assert len(pages[0]) > 10_000
