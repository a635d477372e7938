"""draw, from finished tensors to what is written: golden files, determinism, names, options, errors."""

import os
import re
import shutil
import subprocess
import sys
import xml.dom.minidom
from pathlib import Path

import graphviz
import numpy as np
import pytest

import minigrad
import nn
import nn.functional as F
from examples.draw_graphs import DRAWINGS
from minigrad import Tensor
from minigrad.autograd import ancestors
from minigrad.viz.dot import ComputationGraph
from minigrad.viz.draw import draw, make_dot

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = Path(__file__).parent / "golden"


# ---- golden files: look at what changes in them ---------------------------------------------------------------------


def transformer(**look):
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True)
    model = nn.TransformerEncoder(layer, 6)
    x = minigrad.randn(1, 7, 16)
    loss = model(x).square().mean()
    return draw(loss, model, **look)


def odd_names(**look):
    names = ["<b>x</b>", 'say "x"', "back\\slash\\", "{a|b}", "a:b", "node", "two\nlines", "nul\0", "注意力", "x", "x"]
    leaves = [Tensor([1.0], requires_grad=True, name=name) for name in names]
    total = leaves[0]
    for i, leaf in enumerate(leaves[1:]):
        total = total + leaf
        total.name = names[-1 - i]
    return draw(total, **look)


CASES = {**DRAWINGS, "transformer": transformer, "odd_names": odd_names}


@pytest.mark.parametrize("name", CASES)
def test_golden(name, request):
    minigrad.manual_seed(1)
    graph = CASES[name](theme="light")
    source = re.sub(r"\.py:\d+", ".py", graph.source)  # rules may move within their file
    for suffix, text in {".txt": str(graph) + "\n", ".gv": source}.items():
        path = GOLDEN / f"{name}{suffix}"
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert text == path.read_text(encoding="utf-8"), f"{path.name} changed; see --update-golden"


def test_no_golden_file_is_left_over():
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


def test_two_runs_with_other_hash_seeds_write_the_same_bytes():
    program = (
        "import hashlib, minigrad\nfrom examples.draw_graphs import DRAWINGS\n"
        "for name in ('neuron', 'attention', 'attention_backward', 'rnn_folded'):\n"
        "    minigrad.manual_seed(1)\n    graph = DRAWINGS[name]()\n"
        "    for text in (graph.source, graph.to_text(), graph.to_svg(), graph.to_html()):\n"
        "        print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    runs = []
    for seed in "12":
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", program]
        runs.append(subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout)
    assert len(runs[0].split()) == 16
    assert runs[0] == runs[1]


# ---- names ----------------------------------------------------------------------------------------------------------


def test_eleven_thousand_operations_become_a_picture_that_can_be_read():
    minigrad.manual_seed(1)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True), 530)
    graph = draw(model(minigrad.randn(1, 3, 4)).square().mean(), model)
    assert len(ancestors([graph.outputs.node])) > 10_000
    assert len(graph.picture.vertices) <= 40
    assert "×530" in graph.to_svg()


def test_what_has_no_name_is_called_as_the_callers_variable_is():
    w, x = minigrad.tensor([2.0, 3.0], requires_grad=True), np.ones(2, dtype=np.float32)
    named = minigrad.tensor([1.0, 1.0], requires_grad=True, name="given")
    _private = named * w
    y = (_private + x).sum()
    names = [vertex.name for vertex in draw(y).picture.vertices.values()]
    assert names == ["given", "w", "", "x", "", "y"]


def test_params_name_tensors_and_count_before_variables():
    w = minigrad.tensor([2.0, 3.0], requires_grad=True)
    assert "parameters  weight (2,)" in str(draw(w.sum(), params={"weight": w}))
    assert "parameters  weight (2,)" in str(make_dot(w.sum(), {"weight": w}))
    assert "parameters  w (2,)" in str(make_dot(w.sum()))


def test_redraw_changes_options_and_keeps_the_rest():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    x = minigrad.randn(5, 3)
    y = model(x)
    graph = draw(y, model, depth=0, title="a title", name="net")
    assert [vertex.kind for vertex in graph.picture.vertices.values()] == ["input", "module"]
    opened = graph.redraw(depth=None, rankdir="LR", theme="dark")
    assert len(opened.picture.vertices) > 2
    assert (opened.picture.title, opened.name, opened.picture.theme) == ("a title", "net", "dark")
    assert "rankdir=LR" in opened.source
    assert {"x", "y"} <= {vertex.name for vertex in opened.picture.vertices.values()}


def test_the_name_is_that_of_the_files():
    w = minigrad.tensor(2.0, requires_grad=True)
    graph = draw(w * 3, name="net")
    assert (graph.name, graph.filename) == ("net", "net.gv")


# ---- options --------------------------------------------------------------------------------------------------------


def small(**options):
    w = minigrad.tensor([[2.0, 3.0]], requires_grad=True)
    y = w.softmax(1)
    y.sum().backward(retain_graph=True)
    return str(draw(y, **options))


@pytest.mark.parametrize(
    ("option", "said"),
    [("show_shapes", "(1, 2)"), ("show_values", "0.731"), ("show_grad", "grad"), ("show_attrs", "dim=1")],
)
def test_what_is_not_to_be_shown_is_not(option, said):
    assert said in small()
    assert said not in small(**{option: False})


def test_rules_and_saved_values_are_shown_on_request():
    assert "saves" not in small()
    assert "saves" in small(show_saved=True)
    assert len(small(show_rules=True)) > len(small())


def test_large_values_are_not_shown():
    assert "0.731" not in small(max_values=1)


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": -1}, "depth"),
        ({"depth": "all"}, "'auto'"),
        ({"rankdir": "XX"}, "'TB', 'LR'"),
        ({"theme": "blue"}, "'auto', 'light', 'dark'"),
        ({"direction": "up"}, "'forward', 'backward'"),
        ({"highlight": "weigth"}, "closest names are weight"),
        ({"fold": 1}, "fold"),
        ({"max_nodes": 1, "depth": None}, "max_nodes=1"),
    ],
)
def test_options_that_do_not_exist(options, said):
    weight = minigrad.tensor(2.0, requires_grad=True)
    with pytest.raises(ValueError, match=said):
        draw((weight * 3).tanh(), **options)


def test_outputs_without_a_graph():
    w = minigrad.tensor(2.0, requires_grad=True)
    for output in (w, (w * 3).detach(), minigrad.tensor(1.0)):
        with pytest.raises(ValueError, match="no graph: computed under no_grad, detached, or a leaf"):
            draw(output)
    with pytest.raises(TypeError, match="not float"):
        draw(2.0)
    with pytest.raises(TypeError, match="not str"):
        draw([w * 3, "loss"])


# ---- without programs, and with them --------------------------------------------------------------------------------


def attention():
    minigrad.manual_seed(1)
    return DRAWINGS["attention"]()


def test_without_dot_all_but_images_work(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    graph = attention()
    bundle = graph._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "nodes" in bundle["text/plain"]
    for suffix in (".svg", ".html", ".txt", ".dot", ".gv"):
        graph.write(tmp_path / f"graph{suffix}")
    with pytest.raises(graphviz.ExecutableNotFound, match="apt install graphviz"):
        graph.write(tmp_path / "graph.pdf")
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".html", ".txt", ".dot", ".gv"}


def test_the_svg_has_every_vertex_and_needs_nothing_from_outside():
    graph = attention()
    document = xml.dom.minidom.parseString(graph.to_svg())
    drawn = {g.getAttribute("id") for g in document.getElementsByTagName("g") if "n" in g.getAttribute("class").split()}
    assert drawn == set(graph.picture.vertices)
    for text in (graph.to_svg(), graph.to_html()):
        assert text.replace("http://www.w3.org/2000/svg", "").count("://") == 0


@pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")
@pytest.mark.parametrize("name", ["attention", "rnn_folded", "attention_backward", "nan", "odd_names"])
def test_graphviz_draws_the_same_vertices(name):
    graph = CASES[name]()
    run = subprocess.run(["dot", "-Tsvg"], input=graph.source.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    document = xml.dom.minidom.parseString(run.stdout)
    nodes = [g for g in document.getElementsByTagName("g") if g.getAttribute("class").startswith("node")]
    titles = {node.getElementsByTagName("title")[0].firstChild.data for node in nodes}
    assert {title for title in titles if not title.startswith("legend_")} == set(graph.picture.vertices)


# ---- what it costs not to draw --------------------------------------------------------------------------------------


def test_nothing_of_this_is_imported_before_it_is_asked_for():
    program = (
        "import sys, minigrad, minigrad.viz\n"
        "print([name for name in sys.modules if name.startswith(('graphviz', 'minigrad.viz.'))])\n"
        "print(minigrad.viz.ComputationGraph.__name__, 'graphviz' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True)
    assert run.stdout.splitlines() == ["[]", "ComputationGraph True"]


def test_the_package_says_what_it_has():
    import minigrad.viz

    assert minigrad.viz.ComputationGraph is ComputationGraph
    assert "attention" in dir(minigrad.viz)
    assert all(callable(getattr(minigrad.viz, name)) for name in minigrad.viz.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'drawing_board'; it has ComputationGraph, Figure"):
        minigrad.viz.drawing_board  # noqa: B018


def test_drawing_changes_nothing():
    model = nn.Linear(3, 2)
    x = minigrad.randn(5, 3)
    loss = F.cross_entropy(model(x), minigrad.tensor([0, 1, 0, 1, 1]))
    draw(loss, model, show_rules=True, show_saved=True, direction="backward").to_svg()
    assert model.weight.grad is None
    loss.backward()
    assert model.weight.grad is not None
