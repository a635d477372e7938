"""Pictures in DOT, and the graph that can do without Graphviz; on pictures made by hand."""

import re
import shutil
import subprocess
import sys
import types
import xml.dom.minidom

import graphviz
import pytest

from minigrad.viz.dot import ComputationGraph, escaped, statements
from minigrad.viz.palette import DARK, LIGHT
from minigrad.viz.picture import Edge, Group, Picture, Vertex

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="the program dot is not installed")

ODD_NAMES = [
    "<b>x</b>", 'say "x"', "back\\slash", "\\N\\n\\", "{a|b}", "a:b", "node", "n0", "&amp;", "&#65;", "",
    "two\nlines", "nul\0", "tab\t", "🎲", "e\u0301", "نص", "注意力", "x" * 100,
]  # fmt: skip


def picture_of(*vertices, edges=(), groups=(), **options):
    return Picture({v.id: v for v in vertices}, list(edges), {g.id: g for g in groups}, **options)


def small(**options):
    """y = x @ weight inside a module, then a loss; x gets no gradient."""
    return picture_of(
        Vertex("n0", "input", name="x", shape=(5, 3)),
        Vertex("n1", "parameter", name="weight", shape=(3, 2), group="g0", tooltip="head.weight"),
        Vertex("n2", "operation", "matmul", shape=(5, 2), group="g0"),
        Vertex("n3", "operation", "sum", name="loss", shape=(), value="1.5", output=True),
        edges=[Edge("n0", "n2", 0, flows=False), Edge("n1", "n2", 1), Edge("n2", "n3")],
        groups=[Group("g0", "head: Linear")],
        **options,
    )


STATEMENT = re.compile(r"(?P<what>\w+|\w+ -> \w+)(?: \[(?P<look>.*)\])?")
ATTRIBUTE = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)" ?')


def parsed(lines):
    """The vertices, the arrows, and the cluster of each vertex, of the lines that `statements` writes."""
    nodes, arrows, clusters, path = {}, [], {}, []
    for line in map(str.strip, lines):
        if line.startswith("subgraph"):
            path.append(line.split()[1])
        elif line == "}":
            path.pop()
        else:
            match = STATEMENT.fullmatch(line)
            assert match, line
            look = dict(ATTRIBUTE.findall(match["look"] or ""))
            assert " ".join(f'{name}="{value}"' for name, value in look.items()) == (match["look"] or "")
            if " -> " in match["what"]:
                arrows.append((*match["what"].split(" -> "), look))
            elif match["what"] == "graph":
                nodes[path[-1]] = look
            else:
                assert match["what"] not in nodes, "a vertex stands there twice"
                nodes[match["what"]] = look
                clusters[match["what"]] = list(path)
    assert not path
    return nodes, arrows, clusters


# ---- the source -----------------------------------------------------------------------------------------------------


def test_every_vertex_stands_in_its_cluster_and_every_arrow_between_two():
    inner = Group("g1", "inner: B", parent="g0")
    deep = Vertex("n2", "operation", "exp", group="g1")
    picture = picture_of(
        Vertex("n0", "input", name="x"), Vertex("n1", "operation", "neg", group="g0"), deep,
        edges=[Edge("n0", "n1"), Edge("n1", "n2")], groups=[Group("g0", "outer: A"), inner],
    )  # fmt: skip
    nodes, arrows, clusters = parsed(statements(picture))
    assert [clusters[f"n{i}"] for i in range(3)] == [[], ["cluster_g0"], ["cluster_g0", "cluster_g1"]]
    assert {node for *ends, _ in arrows for node in ends} <= set(nodes)
    assert [arrow[:2] for arrow in arrows if arrow[0].startswith("n")] == [("n0", "n1"), ("n1", "n2")]
    assert nodes["cluster_g0"]["fillcolor"] == LIGHT.clusters[0]
    assert nodes["cluster_g1"]["label"] == "inner: B"


def test_labels_tooltips_and_classes():
    nodes, _, _ = parsed(statements(small()))
    assert nodes["n1"]["label"] == r"weight\n(3, 2)"
    assert nodes["n1"]["tooltip"] == "head.weight"
    assert nodes["n1"]["class"] == "mg-parameter"
    assert nodes["n3"]["label"] == r"sum\nloss = 1.5"
    assert (nodes["n3"]["fillcolor"], nodes["n3"]["penwidth"]) == (LIGHT["output"][0], "2")


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("input", "ellipse"), ("parameter", "cylinder"), ("operation", "box"), ("view", "box"), ("module", "box3d"),
     ("gradient", "box"), ("accumulate", "cds"), ("cut", "box")],
)  # fmt: skip
def test_kinds_differ_by_shape(kind, shape):
    nodes, _, _ = parsed(statements(picture_of(Vertex("n0", kind, name="t"))))
    assert nodes["n0"]["shape"] == shape


@pytest.mark.parametrize(
    ("bad", "width", "fill"), [("bad", "1.6", "bad"), ("origin", "3.5", "bad"), ("grad", "2.2", "")]
)
def test_bad_values_are_red_and_bad_gradients_have_a_red_border(bad, width, fill):
    nodes, _, _ = parsed(statements(picture_of(Vertex("n0", "parameter", name="w", bad=bad))))
    assert (nodes["n0"]["color"], nodes["n0"]["penwidth"]) == (LIGHT["bad"][1], width)
    assert nodes["n0"]["fillcolor"] == LIGHT[fill or "parameter"][0]
    assert "legend_bad" in nodes


def test_copies_are_dashed_and_repeats_have_two_borders():
    copied, repeated = Vertex("n0", "input", name="mask", copied=True), Vertex("n1", "module", "Block", times=6)
    nodes, _, _ = parsed(statements(picture_of(copied, repeated)))
    assert nodes["n0"]["style"] == "filled,dashed"
    assert nodes["n1"]["peripheries"] == "2"


def test_arrows_say_whether_a_gradient_flows_and_keep_the_main_path_straight():
    _, arrows, _ = parsed(statements(small(legend=False)))
    assert [look for *_, look in arrows] == [
        {"minlen": "2", "style": "dashed", "weight": "3"},  # enters a module beside a parameter
        {},
        {"weight": "6"},
    ]


def test_loops_and_labels_of_arrows():
    picture = picture_of(
        Vertex("n0", "operation", "tanh"), Vertex("n1", "operation", "mul"),
        edges=[Edge("n0", "n1", label="×2"), Edge("n1", "n0", label="×3", loop=True)], legend=False,
    )  # fmt: skip
    _, ((*_, twice), (*_, loop)), _ = parsed(statements(picture))
    assert twice["label"] == " ×2"
    assert (loop["constraint"], loop["style"], loop["color"]) == ("false", "dashed", LIGHT["module"][1])


def test_a_highlighted_path_is_thick_and_the_rest_faint():
    picture = small(legend=False)
    picture.vertices["n0"].faded = picture.edges[0].faded = True
    nodes, arrows, _ = parsed(statements(picture))
    assert nodes["n0"]["fontcolor"] == nodes["n0"]["color"] == LIGHT.cluster_line
    assert [look["penwidth"] for *_, look in arrows] == ["0.7", "2.4", "2.4"]
    assert arrows[1][2]["color"] == LIGHT["output"][1]


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_the_legend_has_what_occurs_in_front_of_where_the_longest_way_starts(rankdir):
    nodes, arrows, clusters = parsed(statements(small(rankdir=rankdir)))
    legend = [name for name in nodes if name.startswith("legend_")]
    shown = [f"legend_{kind}" for kind in ("input", "parameter", "operation", "output", "arrows")]
    assert legend == (shown[::-1] if rankdir == "TB" else shown)  # dot begins a row on the right
    assert {clusters[name][0] for name in legend} == {"cluster_legend"}
    assert [(a, b) for a, b, look in arrows if look.get("style") == "invis"] == [("legend_operation", "n0")]
    assert nodes["legend_arrows"]["label"] == r"solid arrow: gradient flows back\ldashed arrow: no gradient\l"


def test_without_a_legend_there_is_none():
    assert "legend" not in "".join(statements(small(legend=False)))


def test_themes():
    light, dark = (ComputationGraph.of(small(theme=theme)).source for theme in ("auto", "dark"))
    assert light == ComputationGraph.of(small(theme="light")).source
    assert f'bgcolor="{LIGHT.page}"' in light
    assert f'bgcolor="{DARK.page}"' in dark
    assert set(re.findall("#[0-9A-F]{6}", light)).isdisjoint(re.findall("#[0-9A-F]{6}", dark))


def test_dot_may_settle_sooner_on_large_graphs():
    many = [Vertex(f"n{i}", "operation", "neg") for i in range(151)]
    assert "nslimit" in ComputationGraph.of(picture_of(*many)).source
    assert "nslimit" not in ComputationGraph.of(picture_of(*many[1:])).source


def test_a_thousand_modules_inside_each_other():
    groups = [Group(f"g{i}", "self: M", parent=f"g{i - 1}" if i else None) for i in range(1000)]
    lines = statements(picture_of(Vertex("n0", "operation", "neg", group="g999"), groups=groups, legend=False))
    _, _, clusters = parsed(lines)
    assert len(clusters["n0"]) == 1000


# ---- names are shown, never obeyed ----------------------------------------------------------------------------------


def odd():
    vertices = [Vertex(f"n{i}", "input", name=name, tooltip=name) for i, name in enumerate(ODD_NAMES)]
    arrows = [Edge("n0", vertex.id, label=vertex.name) for vertex in vertices[1:]]
    return picture_of(
        *vertices, Vertex("n50", "operation", "<i>op</i>", name="<b>", group="g0"), edges=arrows,
        groups=[Group("g0", "<b>: M", tooltip="a&b\\")], title="<b>title</b> & \\l\0", legend=False,
    )  # fmt: skip


def test_escaped():
    assert escaped('<"a\\b">', "&lt;", "x\0y") == '<\\"a\\\\b\\">\\n&amp;lt;\\nx\ufffdy'


def test_odd_names_stay_inside_their_quotes():
    nodes, arrows, _ = parsed(statements(odd()))
    assert set(nodes) == {*odd().vertices, "cluster_g0"}
    assert len(arrows) == len(ODD_NAMES) - 1


@needs_dot
def test_graphviz_shows_odd_names_letter_for_letter():
    graph = ComputationGraph.of(odd())
    run = subprocess.run(["dot", "-Tsvg"], input=graph.source.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    document = xml.dom.minidom.parseString(run.stdout)
    shown = {"".join(node.data for node in text.childNodes) for text in document.getElementsByTagName("text")}
    literal = {name for name in ODD_NAMES if name.isprintable() and name}
    literal |= {"two⏎lines", "nul\ufffd", "<i>op</i>", "<b>: M"}
    # Graphviz writes a no-break space for a space at the start of a line, as labels of arrows have one.
    shown = {text.replace("\xa0", " ") for text in shown}
    assert literal <= shown
    assert "<b>title</b> & \\l\ufffd" in shown


# ---- a Digraph ------------------------------------------------------------------------------------------------------


def test_it_is_a_digraph_and_can_be_copied():
    graph = ComputationGraph.of(small(), "net", outputs=(1, 2), depth=3)
    graph.attr(label="mine")
    copy = graph.copy()
    assert isinstance(copy, graphviz.Digraph)
    assert type(copy) is ComputationGraph
    assert (copy.source, copy.name, copy.filename) == (graph.source, "net", "net.gv")
    assert (copy.picture, copy.outputs, copy.options) == (graph.picture, (1, 2), {"depth": 3})
    copy.node("extra")
    assert "extra" in copy.source
    assert "extra" not in graph.source


def test_a_subgraph_of_it_starts_empty():
    graph = ComputationGraph.of(small())
    with graph.subgraph(name="cluster_mine") as inner:
        inner.node("n0")
    assert graph.source.count('label="matmul') == 1
    assert "subgraph cluster_mine" in graph.source


def test_made_without_a_picture_it_is_an_empty_graph():
    graph = ComputationGraph("name", comment="comment", format="png")
    graph.edge("a", "b")
    assert graph.source == "// comment\ndigraph name {\n\ta -> b\n}\n"
    assert graph.to_text() == ""


def test_what_it_says_of_itself():
    graph = ComputationGraph.of(small())
    assert repr(graph).startswith("<ComputationGraph: 4 nodes, 3 edges; show it in a notebook, print it, or .write(")
    assert str(graph) == graph.to_text()
    assert "loss = sum(%0)" in str(graph)


# ---- notebooks ------------------------------------------------------------------------------------------------------


def test_a_notebook_gets_svg_and_a_text_unless_it_asks_for_more(monkeypatch):
    graph = ComputationGraph.of(small())
    monkeypatch.setattr(graph, "to_svg", lambda: "<svg/>")
    monkeypatch.setattr(graph, "pipe", lambda format: format)
    both = {"image/svg+xml": "<svg/>", "text/plain": "<ComputationGraph: 4 nodes, 3 edges>"}
    assert graph._repr_mimebundle_() == both
    assert graph._repr_mimebundle_(include=None, exclude=["text/plain"]) == {"image/svg+xml": "<svg/>"}
    assert graph._repr_mimebundle_(include=["image/png", "text/html"]) == {"image/png": "png"}
    assert graph._repr_mimebundle_(include={"text/plain", "image/png"}, exclude={"image/png"}).keys() == {"text/plain"}
    assert graph._repr_mimebundle_(include=[]) == {}


# ---- writing --------------------------------------------------------------------------------------------------------


def test_the_suffix_names_the_form(tmp_path, monkeypatch):
    graph = ComputationGraph.of(small())
    monkeypatch.setattr(graph, "to_svg", lambda: "<svg>注</svg>")
    monkeypatch.setattr(graph, "to_html", lambda: "<html>")
    monkeypatch.setattr(graph, "pipe", lambda format: format.encode())
    forms = {".svg": "<svg>注</svg>", ".html": "<html>", ".txt": str(graph) + "\n", ".dot": graph.source,
             ".gv": graph.source, ".pdf": "pdf", ".PNG": "png"}  # fmt: skip
    for suffix, content in forms.items():
        path = tmp_path / f"graph{suffix}"
        assert graph.write(path) == str(path)
        assert path.read_bytes().decode() == content
    assert {path.suffix for path in tmp_path.iterdir()} == set(forms), "and nothing else is left behind"


@pytest.mark.parametrize("name", ["graph", "graph.docx", ".svg"])
def test_an_unknown_suffix_lists_those_there_are(name, tmp_path):
    with pytest.raises(ValueError, match=r"ends in .*can be written as \.svg, \.html, \.txt, \.dot, \.gv, and .*\.png"):
        ComputationGraph.of(small()).write(tmp_path / name)


def test_a_directory_has_to_exist(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no directory .*missing.* for 'graph.txt'; make it first"):
        ComputationGraph.of(small()).write(tmp_path / "missing" / "graph.txt")


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "graph.txt"
    path.write_text("before")
    graph = ComputationGraph.of(small())
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        graph.write(path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["before"]


# ---- without dot ----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_dot(monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setitem(sys.modules, "pygraphviz", None)  # importing it fails


def install_pygraphviz(monkeypatch, version):
    class AGraph:
        def __init__(self, string):
            self.string = string

        def draw(self, format, prog):
            return f"{prog} {format} {len(self.string)}".encode()

    monkeypatch.setitem(sys.modules, "pygraphviz", types.SimpleNamespace(__version__=version, AGraph=AGraph))


@pytest.mark.usefixtures("no_dot")
def test_without_dot_the_error_says_what_to_install_and_what_works(tmp_path):
    graph = ComputationGraph.of(small())
    attempts = [
        lambda: graph.write(tmp_path / "graph.png"),
        lambda: graph.render(tmp_path / "graph", format="png"),
        lambda: graph.pipe("png"),
        lambda: graph._repr_mimebundle_(include=["image/png"]),
    ]
    for attempt in attempts:
        with pytest.raises(graphviz.ExecutableNotFound) as caught:
            attempt()
        for hint in ("png", "apt install", "brew install", "conda install", "pip install pygraphviz", "graph.svg",
                     "graph.html", "print(graph)"):  # fmt: skip
            assert hint in str(caught.value)
        assert type(caught.value) is graphviz.ExecutableNotFound
    assert not (tmp_path / "graph.png").exists()
    for suffix in (".txt", ".dot", ".gv"):
        graph.write(tmp_path / f"graph{suffix}")


@pytest.mark.usefixtures("no_dot")
def test_without_dot_pygraphviz_draws(tmp_path, monkeypatch):
    install_pygraphviz(monkeypatch, "2.0.4")
    graph = ComputationGraph.of(small(), "net")
    content = f"dot png {len(graph.source)}".encode()
    assert graph.pipe("png") == content
    assert graph.pipe(format="png", encoding="utf-8") == content.decode()
    graph.write(tmp_path / "written.png")
    assert (tmp_path / "written.png").read_bytes() == content
    assert graph.render(directory=tmp_path, format="png", cleanup=True) == str(tmp_path / "net.gv.png")
    assert graph.render(outfile=tmp_path / "out.png") == str(tmp_path / "out.png")
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "net.gv.png", "written.png", "out.png", "out.gv"}


@pytest.mark.usefixtures("no_dot")
def test_an_old_pygraphviz_brings_no_graphviz(monkeypatch):
    install_pygraphviz(monkeypatch, "1.14")
    with pytest.raises(graphviz.ExecutableNotFound, match="pip install pygraphviz"):
        ComputationGraph.of(small()).pipe("png")


# ---- with dot -------------------------------------------------------------------------------------------------------


@needs_dot
@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_graphviz_draws_every_vertex_and_has_nothing_to_complain_of(rankdir, tmp_path):
    graph = ComputationGraph.of(small(rankdir=rankdir))
    run = subprocess.run(["dot", "-Tsvg"], input=graph.source.encode(), capture_output=True, check=True)
    assert run.stderr == b""
    document = xml.dom.minidom.parseString(run.stdout)
    groups = [g for g in document.getElementsByTagName("g") if g.getAttribute("class").split()[:1] == ["node"]]
    titles = {g.getElementsByTagName("title")[0].firstChild.data for g in groups}
    assert set(graph.picture.vertices) <= titles
    assert "node mg-parameter" in {group.getAttribute("class") for group in groups}
    graph.write(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert graph.pipe("pdf").startswith(b"%PDF")
    assert graph.render(directory=tmp_path, format="svg", cleanup=True).endswith("computation_graph.gv.svg")
