"""The page in a real browser: what it shows is what the engine computes, and the keys do what they say."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import nn
from minigrad.viz.html import explain
from minigrad.viz.record import record

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--window-size=1366,768",
    "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=4000",
]  # fmt: skip

# What every script of a test can use; its answer is what it puts into `said`, or an error.
PRELUDE = """
const said = {}, $ = (id) => document.getElementById(id);
const key = (name, where = document) => where.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event("input")); };
const panel = () => $("panel").innerText.replace(/\\s+/g, " ");
const lit = (name) => [...document.querySelectorAll(`.level:not([hidden]) .n.${name}`)].map((e) => e.id.split("-")[1]);
"""

Driver = Callable[..., dict[str, Any]]


@pytest.fixture
def drive(tmp_path: Path) -> Driver:
    """A function that opens a page at #hash, runs a script in it, and returns what the script said."""

    def driven(page: str, script: str, hash: str = "", *flags: str) -> dict[str, Any]:
        body = f"{PRELUDE} try {{ {script} }} catch (error) {{ said.error = String(error.stack); }}"
        report = "const out = document.createElement('pre'); out.id = 'said'; out.textContent = JSON.stringify(said);"
        added = f"<script>{body} {report} document.body.append(out);</script></body>"
        file = tmp_path / "page.html"
        file.write_text(page.replace("</body>", added), encoding="utf-8")
        command = [str(BROWSER), *FLAGS, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        environment = {**os.environ, "HOME": str(tmp_path)}
        run = subprocess.run(
            [*command, f"{file.as_uri()}#{hash}"], env=environment, capture_output=True, timeout=120, check=False
        )
        found = re.search(r'<pre id="said">(.*?)</pre>', run.stdout.decode("utf-8"), re.DOTALL)
        assert found, run.stderr.decode("utf-8", "replace")[-2000:]
        answer = json.loads(html.unescape(found[1]))
        assert "error" not in answer, answer["error"]
        return answer

    return driven


def neuron() -> tuple[Any, Any, Any]:
    w, x, b = (mg.tensor(v, requires_grad=grad) for v, grad in ((0.8, True), (1.5, False), (-0.3, True)))
    with record():
        y = (w * x + b).tanh()
    return y, w, b


def shown(number: float) -> str:
    return f"{float(f'{number:.4g}'):g}".replace("-", "−")


def test_a_state_in_the_address_and_the_numbers_of_the_engine(drive: Driver) -> None:
    y, w, b = neuron()
    said = drive(
        explain(y).html,
        """
        said.progress = $("progress").textContent;
        said.panel = panel();
        said.now = lit("now").length;
        said.badges = [...document.querySelectorAll(".badge")].map((e) => e.textContent);
        said.dark = document.documentElement.classList.contains("dark");
        """,
        "step=7&theme=dark",
    )
    y.backward()
    slope, of_w = shown(b.grad.item()), shown(w.grad.item())
    assert said["progress"] == "step 7 of 7 · backward · mul"
    assert said["now"] == 1
    assert said["dark"]
    assert said["badges"] == [f"∂ {of_w}", f"∂ {slope}"]
    assert f"= g · b = {slope} · 1.5 = {of_w}" in said["panel"]
    assert "y = (w * x + b).tanh()" in said["panel"]
    assert re.search(r"minigrad/ops/elementwise\.py:\d+", said["panel"])
    assert "Complete: this is what backward() adds to .grad of w" in said["panel"]


def test_keys_and_buttons(drive: Driver) -> None:
    y, _, _ = neuron()
    said = drive(
        explain(y).html,
        """
        const at = () => $("slider").value;
        said.begin = [at(), $("back").disabled, $("first").disabled];
        key("ArrowRight"); said.right = [at(), $("progress").textContent, lit("later").length];
        key("ArrowRight"); key("ArrowLeft"); said.left = at();
        key("End"); said.end = [at(), $("on").disabled];
        key("ArrowRight"); said.beyond = at();
        key("Home"); said.home = at();
        $("on").click(); $("on").click(); said.clicked = at();
        set("slider", 5); said.slid = $("progress").textContent;
        const size = () => parseInt($("zoom").textContent), before = size();
        key("-"); said.smaller = size() < before;
        key("+"); key("+"); said.larger = size() > before;
        key("0"); said.fit = size() === before;
        const dark = document.documentElement.classList.contains("dark");
        $("theme").click(); said.toggled = document.documentElement.classList.contains("dark") !== dark;
        key("Home"); key(" "); said.playing = [$("play").getAttribute("aria-label")];
        key(" "); said.playing.push($("play").getAttribute("aria-label"));
        $("find").focus(); key("ArrowRight", $("find")); said.typing = at();
        const named = (e) => e.getAttribute("aria-label") || e.title || e.textContent.trim() || e.labels.length;
        said.unnamed = [...document.querySelectorAll("button, input, select")].filter((e) => !named(e)).length;
        """,
    )
    assert said["begin"] == ["0", True, True]
    assert said["right"] == ["1", "step 1 of 7 · forward · mul", 2]
    assert said["left"] == "1"
    assert said["end"] == ["7", True]
    assert (said["beyond"], said["home"], said["clicked"]) == ("7", "0", "2")
    assert said["slid"] == "step 5 of 7 · backward · tanh"
    assert said["smaller"]
    assert said["larger"]
    assert said["fit"]
    assert said["toggled"]
    assert said["playing"] == ["pause", "play"]
    assert said["typing"] == "0"
    assert said["unnamed"] == 0


def test_wheel_drag_and_two_fingers(drive: Driver) -> None:
    y, _, _ = neuron()
    said = drive(
        explain(y).html,
        """
        const canvas = $("canvas"), svg = document.querySelector(".level svg");
        const numbers = /translate\\((.*?)px, ?(.*?)px\\) scale\\((.*?)\\)/;
        const state = () => numbers.exec(svg.style.transform).slice(1).map(Number);
        const finger = (type, id, x, y) => canvas.dispatchEvent(
            new PointerEvent(type, { bubbles: true, pointerId: id, clientX: x, clientY: y }));
        const before = state();
        finger("pointerdown", 1, 300, 300); finger("pointermove", 1, 340, 320); finger("pointerup", 1, 340, 320);
        said.dragged = state().map((x, i) => x - before[i]);
        canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: -200, clientX: 100, clientY: 100, bubbles: true }));
        const wheeled = state()[2]; said.wheeled = wheeled > before[2];
        finger("pointerdown", 1, 300, 300); finger("pointerdown", 2, 400, 300); finger("pointermove", 2, 350, 300);
        said.pinched = state()[2] / wheeled;
        finger("pointerup", 1, 300, 300); finger("pointerup", 2, 350, 300);
        $("fit").click(); said.fitted = state().map((x, i) => Math.abs(x - before[i]) < 1);
        const tanh = [...document.querySelectorAll(".n")].find((e) => e.querySelector(".t").textContent === "tanh");
        tanh.dispatchEvent(new MouseEvent("dblclick", { bubbles: true })); said.step = $("progress").textContent;
        """,
    )
    assert said["dragged"] == pytest.approx([40, 20, 0])
    assert said["wheeled"]
    assert said["pinched"] == pytest.approx(0.5, rel=1e-3)  # the style has a few digits
    assert said["fitted"] == [True, True, True]
    assert said["step"] == "step 3 of 7 · forward · tanh"


def test_playing_ends_at_the_last_step(drive: Driver) -> None:
    y, _, _ = neuron()
    script = """
        $("speed").value = 4; $("play").click();
        setTimeout(() => {
            said.step = $("slider").value; said.label = $("play").getAttribute("aria-label");
            document.getElementById("said").textContent = JSON.stringify(said);
        }, 3500);
        """
    assert drive(explain(y).html, script) == {"step": "7", "label": "play"}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(3, 5)
        self.right = nn.Linear(3, 5)

    def forward(self, x: Any) -> Any:
        return self.left(x) * self.right(x)


def test_detail_clicks_and_find(drive: Driver) -> None:
    model = Net()
    loss = model(mg.randn(7, 3)).mean()
    page = explain(loss, model, depth=None).html
    said = drive(
        page,
        """
        const run = JSON.parse($("run").textContent);
        said.levels = run.levels.length;
        const names = () => run.levels[$("depth").value].words;
        const click = (e) => e.dispatchEvent(new MouseEvent("click", { bubbles: true }));
        const id = Object.keys(names()).find((id) => names()[id].includes("left.weight"));
        const weight = $($("depth").value + "-" + id);
        click(weight); said.lit = lit("lit").map((id) => names()[id]); said.dim = lit("dim").map((id) => names()[id]);
        click(weight); said.cleared = lit("lit").length;
        click(weight); key("Escape"); said.escaped = lit("lit").length;
        set("find", "weight");
        said.found = [$("found").textContent, lit("lit").length];
        key("Escape"); said.unfound = [$("found").textContent, lit("lit").length];
        set("depth", 0);
        said.closed = document.querySelectorAll(".level:not([hidden])").length;
        const inside = run.steps.findIndex((step) => step.scope === "left");
        set("slider", inside + 1);
        said.module = lit("now").map((id) => names()[id]);
        """,
    )
    assert said["levels"] > 1
    assert any("mean" in words for words in said["lit"])
    assert any("right.weight" in words for words in said["dim"])
    assert not any("right.weight" in words for words in said["lit"])
    assert said["cleared"] == said["escaped"] == 0
    assert said["found"] == ["2 found", 2]
    assert said["unfound"] == ["", 0]
    assert said["closed"] == 1
    assert len(said["module"]) == 1
    assert "net" in said["module"][0]


def test_no_step_raises_and_nothing_is_undefined(drive: Driver) -> None:
    model = nn.TransformerEncoderLayer(d_model=6, nhead=2, dim_feedforward=7, dropout=0.0)
    x = mg.randn(1, 5, 6, requires_grad=True)
    with np.errstate(invalid="ignore"):
        loss = (model(x) * mg.randn(6)).log().sum()  # some of it NaN
    said = drive(
        explain(loss, model, depth=None).html,
        """
        said.wrong = []; said.nan = [];
        addEventListener("error", (event) => said.wrong.push(event.message));
        const count = Number($("slider").max);
        for (let i = 0; i <= count; i++) {
            key(i ? "ArrowRight" : "Home");
            if (/undefined|\\[object|null/.test(panel())) said.wrong.push([i, panel()]);
            if (i && lit("now").length !== 1) said.wrong.push([i, "lights", lit("now")]);
            if (i && panel().includes("NaN")) said.nan.push($("progress").textContent.split(" · ").slice(1).join(" "));
        }
        said.at = Number($("slider").value) === count;
        """,
    )
    assert said["wrong"] == []
    assert said["at"]
    assert said["nan"] == ["forward log", "forward sum"]  # the derivative 1 / x is finite
