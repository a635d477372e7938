"""SVG: valid, complete, readable on both pages, and without a word from outside."""

from __future__ import annotations

import re
from xml.dom import minidom

import pictures
import pytest

from minigrad.viz.layout import place
from minigrad.viz.measure import width
from minigrad.viz.palette import DARK, LIGHT
from minigrad.viz.picture import Edge, Group, Picture, Vertex
from minigrad.viz.svg import drawing, style, svg

ODD = [
    "<b>x</b>",
    "a \"quoted\" & 'single'",
    "注意力权重",
    "مرحبا",
    "e\u0301",
    "\x00\x07",
    "two\nlines",
    "]]>",
    "\ud800",
    "🙂",
]


def parse(text: str) -> minidom.Document:
    return minidom.parseString(text.encode())


def by_class(document: minidom.Document | minidom.Element, tag: str, name: str) -> list[minidom.Element]:
    return [e for e in document.getElementsByTagName(tag) if name in e.getAttribute("class").split()]


def words(element: minidom.Element) -> list[str]:
    return [text.firstChild.data for text in element.getElementsByTagName("text")]


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("name", pictures.EXAMPLES)
def test_everything_is_there_once(name: str, rankdir: str, theme: str) -> None:
    picture = pictures.EXAMPLES[name](rankdir=rankdir)
    document = parse(svg(picture, theme=theme))
    vertices = by_class(document, "g", "n")
    assert [v.getAttribute("id") for v in vertices] == list(picture.vertices)
    for element, vertex in zip(vertices, picture.vertices.values(), strict=True):
        assert vertex.kind in element.getAttribute("class").split()
        assert words(element) == [vertex.title, *vertex.lines]
        assert len(element.getElementsByTagName("title")) == 1
    edges = sorted((e.getAttribute("data-from"), e.getAttribute("data-to")) for e in by_class(document, "g", "e"))
    assert edges == sorted((e.source, e.target) for e in picture.edges)
    assert [g.getAttribute("id") for g in by_class(document, "g", "c")] == list(picture.groups)
    titles = [text.firstChild.data for text in by_class(document, "text", "ct")]
    assert titles == [group.heading for group in picture.groups.values()]


@pytest.mark.parametrize("name", pictures.EXAMPLES)
def test_nothing_from_outside(name: str) -> None:
    text = svg(pictures.EXAMPLES[name]())
    assert re.findall(r"\w+://[^\"' )]+", text) == ["http://www.w3.org/2000/svg"]
    for word in ("<script", "href", "url(", "@import", "<image", "<foreignObject"):
        assert word not in text


@pytest.mark.parametrize("odd", ODD)
def test_odd_words_stand_as_they_are(odd: str) -> None:
    picture = Picture(title=odd)
    picture.groups["m0"] = Group("m0", odd, tooltip=odd)
    picture.vertices["n0"] = Vertex("n0", "input", name=odd, shape=(2, 3), notes=[odd], tooltip=odd, group="m0")
    picture.vertices["n1"] = Vertex("n1", "operation", operation=odd, name=odd, shape=(2, 3))
    picture.edges.append(Edge("n0", "n1", label=odd))
    document = parse(svg(picture))
    (vertex,) = [v for v in by_class(document, "g", "n") if v.getAttribute("id") == "n0"]
    if odd.isprintable():
        assert words(vertex)[0] == odd
    assert len(document.getElementsByTagName("b")) == 0


def marked(**what: object) -> minidom.Element:
    made = {"kind": "operation", "operation": "log", "shape": (2, 3), **what}
    return by_class(parse(svg(Picture({"n0": Vertex("n0", **made)}))), "g", "n")[0]


def outline(element: minidom.Element) -> list[minidom.Element]:
    return [e for e in element.childNodes if isinstance(e, minidom.Element) and e.getAttribute("class") == "s"]


def test_kinds_differ_by_shape() -> None:
    assert outline(marked(kind="input"))[0].tagName == "ellipse"
    assert "A" in outline(marked(kind="parameter"))[0].getAttribute("d")
    assert len(outline(marked(kind="module"))) == 2
    assert "L" in outline(marked(kind="accumulate"))[0].getAttribute("d")
    assert outline(marked(kind="cut"))[0].hasAttribute("stroke-dasharray")
    operation, view = outline(marked())[0], outline(marked(kind="view"))[0]
    assert operation.tagName == view.tagName == "rect"
    assert (operation.getAttribute("stroke"), view.getAttribute("stroke")) == (LIGHT["operation"][1], LIGHT["view"][1])


def test_marks() -> None:
    plain = outline(marked())[0]
    output, bad, origin, grad = (
        outline(marked(**what))[0] for what in ({"output": True}, {"bad": "bad"}, {"bad": "origin"}, {"bad": "grad"})
    )
    assert output.getAttribute("stroke") == LIGHT["output"][1]
    for element in (bad, origin, grad):
        assert element.getAttribute("stroke") == LIGHT["bad"][1]
    assert (bad.getAttribute("fill"), grad.getAttribute("fill")) == (LIGHT["bad"][0], LIGHT["operation"][0])
    widths = [float(e.getAttribute("stroke-width")) for e in (plain, bad, origin)]
    assert widths == sorted(set(widths))
    assert outline(marked(copied=True))[0].hasAttribute("stroke-dasharray")
    assert [len(outline(marked(kind=kind, times=3))) for kind in ("operation", "input", "module")] == [2, 2, 3]
    assert float(marked(faded=True).getAttribute("opacity")) < 0.5


def test_solid_where_a_gradient_flows_dashed_where_none_does() -> None:
    document = parse(svg(pictures.folded()))
    for edge in by_class(document, "g", "e"):
        classes = edge.getAttribute("class").split()
        line = by_class(edge, "path", "l")[0]
        assert line.hasAttribute("stroke-dasharray") == ("still" in classes or "loop" in classes)
        colour = LIGHT["module"][1] if "loop" in classes else LIGHT.edge
        assert line.getAttribute("stroke") == colour
    (loop,) = [edge for edge in by_class(document, "g", "e") if "loop" in edge.getAttribute("class").split()]
    assert words(loop) == ["×3"]


def test_loops_that_share_their_way_share_their_label() -> None:
    picture = pictures.folded()
    loop = next(edge for edge in picture.edges if edge.loop)
    other = next(edge.target for edge in picture.edges if edge.source == loop.target)
    picture.edges.append(Edge(loop.source, other, 2, loop=True, label="×3"))
    assert svg(picture).count(">×3</text>") == 1


def test_the_path_of_a_highlighted_parameter_stands_out() -> None:
    picture = pictures.mlp()
    for edge in picture.edges[2:5]:
        edge.faded = True
    colours = {}
    for element in by_class(parse(svg(picture)), "g", "e"):
        line = by_class(element, "path", "l")[0]
        colours["faded" in element.getAttribute("class").split()] = line.getAttribute("stroke")
        assert ("path" in element.getAttribute("class").split()) == (line.getAttribute("stroke-width") == "2.2")
    assert colours == {True: LIGHT.cluster_line, False: LIGHT["output"][1]}


def test_faint_vertices_keep_the_colour_of_their_text_on_a_dark_page() -> None:
    """They are faint already; only faint arrows take another colour."""
    rules = style("page")
    assert f".page .e.faded .l{{stroke:{DARK.cluster_line}}}" in rules
    assert not re.search(r"\.page \.faded", rules)


def test_the_legend_says_what_occurs_and_nothing_else() -> None:
    picture = pictures.neuron(legend=True)
    with_legend = svg(picture)
    for words_ in (
        "input",
        "parameter (has .grad)",
        "operation → output",
        "output",
        "gradient flows back",
        "no gradient",
    ):
        assert f">{words_}</text>" in with_legend
    for words_ in ("module (closed)", "view (no copy)", "⚠ NaN / inf", "next repeat"):
        assert f">{words_}</text>" not in with_legend
    assert "operation → output" not in svg(pictures.neuron(legend=False))


def test_themes() -> None:
    picture = pictures.mlp()
    auto, light, dark = (svg(picture, theme=theme) for theme in ("auto", "light", "dark"))
    assert f'fill="{LIGHT.page}"' in auto
    assert "prefers-color-scheme: dark" in auto
    assert DARK.page in auto
    assert "<style" not in light
    assert DARK.page not in light
    assert "<style" not in dark
    assert LIGHT.text not in dark
    assert svg(pictures.mlp(theme="dark")) == dark
    with pytest.raises(ValueError, match="'grey'.*'auto'.*'light'.*'dark'"):
        svg(picture, theme="grey")


def test_every_light_colour_has_a_dark_one() -> None:
    """What is coloured on the elements is coloured again in the style sheet."""
    text = svg(pictures.kinds())
    rules = text[text.index("<style>") : text.index("</style>")]
    scope = re.search(r'<svg[^>]* class="([^"]+)"', text)
    assert scope is not None
    selectors = re.findall(r"[{},]\s*(\.[^{},@]+)(?=[,{])", rules)
    assert selectors
    assert all(s.startswith(f".{scope[1]} ") for s in selectors)
    light = set(re.findall(r"#[0-9A-F]{6}", rules))
    assert light <= set(re.findall(r"#[0-9A-F]{6}", repr(DARK)))


def test_scopes_differ_from_picture_to_picture_and_agree_from_run_to_run() -> None:
    scopes = [re.search(r'class="(mg-\w+)"', svg(make())) for make in (pictures.mlp, pictures.neuron, pictures.mlp)]
    names = [found[1] for found in scopes if found]
    assert names[0] == names[2] != names[1]
    assert svg(pictures.attention()) == svg(pictures.attention())


def test_pieces_for_a_page_of_several() -> None:
    picture = pictures.mlp()
    placed = place(picture)
    one, two = drawing(picture, placed, "a-"), drawing(picture, placed, "b-")
    page = f'<svg xmlns="http://www.w3.org/2000/svg" class="page"><style>{style("page")}</style>{one}{two}</svg>'
    ids = [e.getAttribute("id") for e in parse(page).getElementsByTagName("g") if e.hasAttribute("id")]
    assert len(ids) == len(set(ids)) == 2 * (len(picture.vertices) + len(picture.groups))


def test_text_stays_in_its_shape() -> None:
    picture = pictures.kinds()
    placed = place(picture)
    for name, vertex in picture.vertices.items():
        widest = max(width(vertex.title, 12, bold=True), *[width(line, 11) for line in vertex.lines], 0)
        assert widest + 8 < placed.vertices[name].width


def test_an_empty_picture() -> None:
    assert parse(svg(Picture())).documentElement.tagName == "svg"
