"""Attention maps, head views and curves: what they say as text, how their SVG is built, what they refuse."""

import math
import re
import subprocess
import sys
from pathlib import Path
from xml.dom import minidom

import numpy as np
import pytest

import minigrad
import nn
from minigrad.viz import attention, curves, entropy, head_view, measure, palette
from minigrad.viz.lines import _apart, _log_ticks, _ticks
from nn.record import record_attention

ROOT = Path(minigrad.__file__).parents[1]
NAN, INF = float("nan"), float("inf")
CAUSAL = np.array([[1, 0, 0], [0.25, 0.75, 0], [0.03, 0.02, 0.95]])
LEGEND = "█ from .75  ▓ from .5  ▒ from .25  ░ from .05  · less  × exactly 0 (masked)"


def weights(*shape, seed=0):
    """Random weights whose rows sum to one."""
    w = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return w / w.sum(-1, keepdims=True)


def words(n):
    return [f"w{i}" for i in range(n)]


def elements(figure, tag):
    return minidom.parseString(figure.svg).getElementsByTagName(tag)


def texts(figure):
    return [element.firstChild.data for element in elements(figure, "text")]


def tips(figure):
    return [element.firstChild.data for element in elements(figure, "title")]


# ---- measuring ------------------------------------------------------------------------------------------------------


def test_ideographs_are_one_em_and_two_columns():
    assert measure.width("注意力", 12) == 36
    assert measure.width("，", 12) == 12
    assert measure.columns("注意力 ok，") == 11
    assert measure.columns("é") == 1
    assert measure.columns("e\u0301") == 1
    assert measure.columns("👍") == 2


def test_widths_are_not_below_those_of_a_wide_font():
    # DejaVu Sans, whose advances stand in its hmtx table: a 0.613, W 0.989, i 0.278, 0 0.636, space 0.318 em.
    for text, em in (("a", 0.613), ("W", 0.989), ("i", 0.278), ("0", 0.636), (" ", 0.318), ("aWi", 1.88)):
        assert em <= measure.width(text, 1) <= em + 0.1
    assert measure.width("abc", 11, bold=True) > measure.width("abc", 11)
    assert measure.width("", 11) == measure.columns("") == 0


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("attention", 9, "attention"),
        ("attention", 8, "attenti…"),
        ("注意力", 6, "注意力"),
        ("注意力", 5, "注意…"),
        ("注意力", 4, "注…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_cut_counts_columns(text, limit, expected):
    assert measure.cut(text, limit) == expected
    assert measure.columns(expected) <= limit


def test_clean_leaves_nothing_that_is_obeyed():
    everything = "".join(map(chr, [*range(0x300), 0x2028, 0x202E, 0x2066, 0xD800, 0xFFFE, 0xFFFF]))
    cleaned = measure.clean(everything)
    minidom.parseString(f"<a>{cleaned.replace('&', '').replace('<', '')}</a>")
    assert not set(cleaned) & set("\n\r\t\x00\x1b\x7f\x85\u2028\u202e\u2066")
    assert measure.clean("a\nb\r\nc\td\x00\x1b[31m") == "a⏎b⏎c d\ufffd\ufffd[31m"
    assert measure.clean(cleaned) == cleaned
    assert measure.clean("<注意> & e\u0301") == "<注意> & e\u0301"


def contrast(one, other):
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        return np.dot(
            [0.2126, 0.7152, 0.0722], [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        )

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_the_palette_can_be_read(theme):
    kinds = ("input", "parameter", "operation", "view", "module", "output", "gradient", "bad")
    assert set(theme.nodes) == set(kinds)
    for kind in kinds:
        fill, border = theme[kind]
        assert contrast(theme.text, fill) > 9.8
        if kind != "view":
            assert contrast(border, theme.page) > 4.2
    assert len(theme.series) == 8
    assert min(contrast(colour, theme.page) for colour in theme.series) > 4.2
    ramp = [contrast(colour, theme.page) for colour in theme.ramp]
    assert ramp == sorted(ramp)


# ---- entropy --------------------------------------------------------------------------------------------------------


def test_entropy_by_hand():
    # Rows of 0, 1 and 2 bits; a row of ½ ¼ ¼ has ½·1 + 2·¼·2 = 1.5 bits.
    first = [[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]]
    second = [[0.5, 0.25, 0.25, 0]] * 3
    np.testing.assert_allclose(entropy([first, second]), [1.0, 1.5])


def test_entropy_of_rows_that_are_no_distributions():
    # A row of zeros and one with NaN are left out, one that sums to 2 is divided by it: (1 + 0) / 2.
    assert entropy([[0, 0], [NAN, 1], [1, 1], [0, 2]]) == 0.5
    assert math.isnan(entropy([[0.0, 0.0], [0.0, 0.0]]))
    assert math.isnan(entropy([[INF, 1.0]]))
    assert entropy([[1e308, 1e308]]) == entropy([[1e-310, 1e-310]]) == 1, "neither sum is lost"
    assert entropy(minigrad.ones(5, 3, 2, 7)).shape == (5, 3)
    np.testing.assert_allclose(entropy(np.ones((5, 3, 2, 7))), math.log2(7))


# ---- attention as text ----------------------------------------------------------------------------------------------


def test_one_map_as_text():
    # Entropies of the rows: 0; 0.8113; 0.03·5.0589 + 0.02·5.6439 + 0.95·0.0740 = 0.3349. Their mean is 0.3821.
    assert str(attention(CAUSAL, ["我", "喜欢", "it"])) == "\n".join(
        [
            "entropy 0.38 bits",
            "      我 喜 it",
            "  我  ██ ×× ××  → 我 1.00",
            "喜欢  ▒▒ ██ ××  → 喜欢 0.75",
            "  it  ·· ·· ██  → it 0.95",
            LEGEND,
        ]
    )


def test_heads_alignment_nan_and_nothing_as_text():
    maps = [[[0.5, 0.5, 0], [0, 0, 0]], [[NAN, 0.1, 0.6], [0.05, 0.25, 0.7]]]
    figure = attention(maps, ["the", "cat"], ["le", "chat", "。"], titles=["one", "二"])
    assert str(figure) == "\n".join(
        [
            "one · entropy 1.00 bits",
            "     le ch 。",
            "the  ▓▓ ▓▓ ××  → le 0.50",
            "cat  ×× ×× ××  → nothing: all masked",
            "",
            "二 · entropy 1.08 bits",
            "     le ch 。",
            "the  ⚠⚠ ░░ ▓▓  ⚠ 1 not finite",
            "cat  ░░ ▒▒ ▓▓  → 。 0.70",
            LEGEND,
        ]
    )


def test_tokens_that_cannot_be_seen_are_shown():
    figure = attention(np.eye(4), ["", " the", "a\nb", "x" * 30])
    lines = str(figure).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["∅", "␣the", "a⏎b", "x" * 15 + "…"]
    assert any(tip.startswith("x" * 30 + " → ") for tip in tips(figure)), "the tooltip has it whole"


def test_rows_need_not_sum_to_one():
    figure = attention([[0.9, 0.8], [3.25, 120.0]], "ab")
    assert {".90", ".80", "3.2", "1e2", "strongest = 1 and above"} <= {
        part for text in texts(figure) for part in text.split(" · ")
    }


# ---- attention as a picture -----------------------------------------------------------------------------------------


def test_every_weight_has_a_cell_with_its_number_and_its_tokens():
    figure = attention(CAUSAL, ["a<b>&\"'", "喜欢", "it"])
    assert [tip for tip in tips(figure) if "→" in tip] == [
        "a<b>&\"' → a<b>&\"': 1",
        "喜欢 → a<b>&\"': 0.25",
        "喜欢 → 喜欢: 0.75",
        "it → a<b>&\"': 0.03",
        "it → 喜欢: 0.02",
        "it → it: 0.95",
    ]
    numbers = [text for text in texts(figure) if re.fullmatch(r"\.?\d+", text)]
    assert numbers == ["1", ".25", ".75", ".95", *("0", ".5", "1")], "the last three are of the scale"
    hatches = [path for path in elements(figure, "path") if path.getAttribute("d").count("l") == 3]
    assert len(hatches) == 1, "three masked cells"
    assert "exactly 0: masked" in tips(figure)


def test_numbers_are_written_up_to_twelve_tokens():
    def written(n, values="auto"):
        figure = attention(np.full((n, n), 0.5), words(n), values=values)
        return texts(figure).count(".50")

    assert (written(12), written(13), written(3, False), written(13, True)) == (144, 0, 0, 169)


def test_nan_is_red_and_said():
    figure = attention([[0.5, NAN], [INF, 0.5]], "ab")
    red = [cell for cell in elements(figure, "rect") if cell.getAttribute("fill") == palette.LIGHT["bad"][1]]
    assert [cell.getElementsByTagName("title")[0].firstChild.data for cell in red] == ["a → b: nan", "b → a: inf"]
    assert "NaN" in texts(figure)
    assert "red = not a finite number" in " · ".join(texts(figure))


def test_colour_grows_with_weight():
    figure = attention([np.linspace(0.01, 1, 11)], ["q"], words(11))
    cells = [r for r in elements(figure, "rect") if r.getElementsByTagName("title")]
    light = [contrast(cell.getAttribute("fill"), "#FFFFFF") for cell in cells]
    assert light == sorted(light)
    assert len(set(light)) == 11


def test_columns_of_maps():
    def places(heads, cols=None):
        figure = attention(weights(heads, 5, 5), words(5), cols=cols)
        found = [g.getAttribute("transform") for g in elements(figure, "g")]
        x, y = zip(*(map(int, re.findall(r"\d+", place)) for place in found), strict=True)
        return len(set(x)), len(set(y))

    assert places(6, 3) == (3, 2)
    assert places(1) == (1, 1)
    assert places(4) == (4, 1)
    columns, rows = places(8)
    assert columns * rows >= 8
    assert columns > 1


@pytest.mark.parametrize("n", [2, 9, 31])
def test_nothing_sticks_out(n):
    tokens = [("注意力机制" * 4 if i % 2 else "representation")[: 1 + i % 17] for i in range(n)]
    lines = curves({f"{i} {token * 3}": [1e6 + i, 1e6] for i, token in enumerate(tokens[-8:])}, ylabel="损失")
    for figure in (attention(weights(3, n, n), tokens), head_view(weights(3, n, n), tokens), lines):
        (root,) = elements(figure, "svg")
        wide, high = float(root.getAttribute("width")), float(root.getAttribute("height"))
        for text in elements(figure, "text"):
            dx, dy = 0.0, 0.0
            if moved := text.parentNode.getAttribute("transform"):
                dx, dy = map(float, re.findall(r"[-\d.]+", moved))
            x, y = float(text.getAttribute("x")) + dx, float(text.getAttribute("y")) + dy
            room = measure.width(text.firstChild.data, float(text.getAttribute("font-size")))
            if text.getAttribute("transform"):
                assert y - room * math.sqrt(0.5) >= 0
                assert x + room * math.sqrt(0.5) <= wide
            else:
                left = x - room * {"end": 1, "middle": 0.5}.get(text.getAttribute("text-anchor"), 0)
                assert left >= -0.5
                assert left + room <= wide + 0.5
            assert 0 <= y <= high


# ---- whole models ---------------------------------------------------------------------------------------------------


class Translator(nn.Module):
    def __init__(self):
        self.encoder = nn.SelfAttention(6)
        self.decoder = nn.MultiHead(6, 2)
        self.cross = nn.CrossAttention(6)
        self.pool = nn.AttentionPool(6)

    def forward(self, source, target):
        memory, y = self.encoder(source), self.decoder(target)
        return self.pool(self.cross(y, memory))


def test_maps_of_a_model_are_matched_with_their_side():
    model = Translator()
    with record_attention(model) as maps:
        model(minigrad.randn(1, 5, 6), minigrad.randn(1, 3, 6))
        model(minigrad.randn(1, 5, 6), minigrad.randn(1, 3, 6))
    figure = attention(maps, ["t0", "t1", "t2"], ["s0", "s1", "s2", "s3", "s4"])
    blocks = [block.splitlines() for block in str(figure).split("\n\n")]
    assert [block[0] for block in blocks if len(block) == 1][:2] == ["encoder (call 1 of 2)", "encoder (call 2 of 2)"]
    found = [(block[2].split()[0], block[1].split()[-1]) for block in blocks if len(block) > 1]
    assert found == 2 * [("s0", "s4")] + 4 * [("t0", "t2")] + 2 * [("t0", "s4")] + 2 * [("pool", "t2")]
    assert {"encoder (call 1 of 2)", "cross (call 2 of 2)", "head 1"} <= set(texts(figure))


def test_one_layer_of_a_model():
    model = nn.MultiHead(6, 2)
    with record_attention(model) as maps:
        model(minigrad.randn(1, 3, 6))
    alone = attention(maps["MultiHead"][0], words(3))
    assert str(alone) in str(attention(maps, words(3)))
    assert str(alone) == str(attention(maps["MultiHead"][0].numpy()[0], words(3)))
    attached = minigrad.tensor(maps["MultiHead"][0].numpy(), requires_grad=True)
    assert str(alone) == str(attention(attached, words(3)))
    assert attention({"a": attached}, words(3)).text.startswith("a\n\nhead 0 · entropy")
    with pytest.raises(TypeError, match=r"head_view: one layer is shown at a time.*maps\['MultiHead'\]\[0\]"):
        head_view(maps, words(3))


# ---- head view ------------------------------------------------------------------------------------------------------


def threads(figure):
    return [path for path in elements(figure, "path") if "thread" in path.getAttribute("class").split()]


def test_threads_are_as_dark_as_their_weight():
    maps, tokens = [CAUSAL, [[0, 0, 2.5], [0.029, 0.03, 0.5], [NAN, 0.1, 0.2]]], ["我", "喜欢", "it"]
    figure = head_view(maps, tokens)
    found = [(path.getAttribute("stroke"), path.getAttribute("stroke-opacity")) for path in threads(figure)]
    blue, orange = palette.LIGHT.series[:2]
    first = [(blue, "1"), (orange, "1")]
    second = [(blue, "0.25"), (blue, "0.75"), (orange, "0.03"), (orange, "0.5")]
    third = [(blue, "0.03"), (blue, "0.95"), (orange, "0.1"), (orange, "0.2")]
    assert found == first + second + third
    queries = [g for g in elements(figure, "g") if g.getAttribute("class") == "q"]
    assert [g.getElementsByTagName("title")[0].firstChild.data for g in queries] == [
        "我\nhead 0 → 我: 1\nhead 1 → it: 2.5",
        "喜欢\nhead 0 → 喜欢: 0.75\nhead 1 → it: 0.5",
        "it\nhead 0 → it: 0.95\nhead 1 → 我: nan",
    ]
    assert str(figure) == str(attention(maps, tokens)), "the text is that of the heat map"


def test_a_notebook_shows_what_answers_to_the_mouse():
    view, map_ = head_view(CAUSAL, words(3)), attention(CAUSAL, words(3))
    assert set(view._repr_mimebundle_()) == {"image/svg+xml", "text/plain", "text/html"}
    assert map_._repr_mimebundle_() == {"image/svg+xml": map_.svg, "text/plain": map_.text}
    assert set(map_._repr_mimebundle_(include=["text/plain", "image/png"])) == {"text/plain"}
    assert set(map_._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml"}
    assert re.search(r"\.mg-\w+ \.all \.q:hover \.thread\{opacity:1\}", view.svg)
    assert "<script" not in view.svg


# ---- curves ---------------------------------------------------------------------------------------------------------


def test_curves_as_text():
    figure = curves(
        {"训练": [8, 4, 2, 1, NAN, INF], "val": ([0, 3.5], [6, 4.5])}, xlabel="epoch", ylabel="损失", log=True
    )
    assert str(figure) == "\n".join(
        [
            "损失 over epoch, logarithmic",
            "训练  █▆▃▁⚠⚠  min 1 at 3 · max 8 at 0 · last inf · ⚠ nan at 4",
            "val   ▇▆      min 4.5 at 3.5 · max 6 at 0 · last 4.5",
        ]
    )


def test_a_single_series_of_any_kind():
    expected = str(curves([3, 2, 1]))
    assert expected == "loss over step\n█▅▁  min 1 at 2 · max 3 at 0 · last 1"
    losses = [minigrad.tensor(float(n), requires_grad=True) for n in (3, 2, 1)]
    for same in ((3, 2, 1), np.array([3, 2, 1]), minigrad.tensor([3.0, 2.0, 1.0]), losses, ([0, 1, 2], [3, 2, 1])):
        assert str(curves(same)) == expected
    assert str(curves([5])) == "loss over step\n▅  min 5 at 0 · max 5 at 0 · last 5"
    assert str(curves([NAN])) == "loss over step\n⚠  last nan · ⚠ nan at 0"
    assert len(str(curves(range(1000))).splitlines()[1].split()[0]) == 48


def points(path):
    return [tuple(map(float, point.split())) for point in path.getAttribute("d")[1:].split("L")]


def lines(figure):
    return [path for path in elements(figure, "path") if path.getAttribute("stroke-linejoin")]


def test_a_line_stands_where_its_values_are():
    (line,) = lines(curves({"a": ([0, 10, 40], [0, 1, 4])}))
    (x0, y0), (x1, y1), (x2, y2) = points(line)
    assert x1 - x0 == pytest.approx((x2 - x0) / 4, abs=0.02)
    assert y0 - y1 == pytest.approx((y0 - y2) / 4, abs=0.02)
    (line,) = lines(curves({"a": [1, 10, 1000]}, log=True))
    (_, y0), (_, y1), (_, y2) = points(line)
    assert y0 - y1 == pytest.approx((y0 - y2) / 3, abs=0.02)


def test_series_differ_by_colour_and_dash():
    found = lines(curves({f"s{i}": [1, 2 + i] for i in range(8)}))
    assert len({line.getAttribute("stroke") for line in found}) == 8
    assert len({line.getAttribute("stroke-dasharray") for line in found}) == 8


def test_a_line_breaks_and_says_so_where_it_stops_being_finite():
    figure = curves({"train": [3, 2, NAN, NAN, 1, 1, INF], "val": [1] * 7})
    assert len(lines(figure)) == 3
    assert "train: nan at 2, 3 in all" in tips(figure)
    assert texts(figure).count("nan at 2") == 1
    assert len(elements(curves([1, NAN, 2]), "circle")) == 2


def test_names_stand_apart_at_the_ends_of_their_lines():
    names = [f"系列 {i}" for i in range(8)]
    figure = curves({name: [1, 2 + i / 100] for i, name in enumerate(names)})
    heights = {t.firstChild.data: float(t.getAttribute("y")) for t in elements(figure, "text")}
    order = sorted(names, key=heights.__getitem__)
    assert order == names[::-1], "the higher line has the higher name"
    gaps = np.diff([heights[name] for name in order])
    assert gaps.min() >= 13.9


def test_moving_apart_by_hand():
    assert _apart([10, 50, 90], 14, 0, 100) == [10, 50, 90]
    assert _apart([50, 50], 14, 0, 100) == [43, 57]
    assert _apart([0, 0, 0], 10, 0, 100) == [0, 10, 20]
    assert _apart([99, 99], 10, 0, 100) == [90, 100]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (0.13, 0.48, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (-3.0, 17.0, [-5, 0, 5, 10, 15, 20]),
        (0.0, 3e-7, [0, 1e-7, 2e-7, 3e-7]),
    ],
)
def test_ticks_are_round(low, high, expected):
    assert _ticks(low, high, 5) == expected


def test_logarithmic_ticks():
    assert _log_ticks(np.array([0.3, 4.0])) == [0.5, 1, 2]
    assert _log_ticks(np.array([1e-3, 1e2])) == [1e-3, 1e-2, 1e-1, 1, 10, 100]
    assert len(_log_ticks(np.array([1e-30, 1e30]))) <= 10
    for close in ([1.1, 1.2], [7.0, 7.0], [3.0, 4.5]):
        ticks = _log_ticks(np.array(close))
        assert len(ticks) >= 2
        assert min(ticks) > 0


def test_ticks_of_values_close_together_can_be_told_apart():
    labels = texts(curves([1234567.1, 1234567.2, 1234567.3]))
    assert len(labels) == len(set(labels))


def test_many_points_are_thinned_without_losing_the_extremes():
    ys = np.sin(np.arange(100_000) / 50)
    ys[77_777] = 5
    figure = curves(ys)
    (line,) = lines(figure)
    assert len(points(line)) < 2500
    top = min(y for _, y in points(line))
    assert top == 35, "the axis goes from -2 to 6 over 280 pixels, so 5 is an eighth from the top"


# ---- every figure ---------------------------------------------------------------------------------------------------

FIGURES = {
    "map": lambda: attention(CAUSAL, ["<我>", "&", '"']),
    "maps": lambda: attention(weights(8, 13, 11), words(13), words(11)),
    "heads": lambda: head_view(weights(8, 13, 11), words(13), words(11)),
    "curve": lambda: curves([1, 2]),
    "curves": lambda: curves({f"<{i}> & 步": [1, 2 + i, NAN] for i in range(8)}, ylabel="<b>", log=True),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_svg_is_self_contained_and_keeps_to_itself(make):
    figure = make()
    (root,) = elements(figure, "svg")
    assert re.findall(r"[a-z]+://[^\"]*", figure.to_html()) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"\bid=|url\(|<script|@import", figure.svg)
    (style,) = elements(figure, "style")
    css = style.firstChild.data
    scope = root.getAttribute("class")
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", css.replace("@media(prefers-color-scheme:dark){", ""))
    assert selectors
    assert all(selector.startswith(f".{scope} ") for selector in selectors)
    assert make() == figure


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_every_colour_has_a_dark_one(make):
    figure = make()
    css = elements(figure, "style")[0].firstChild.data
    dark = dict(re.findall(r"\.(c\d+)\{(?:fill|stroke):(#\w{6})\}", css))
    for tag in ("rect", "path", "text", "circle"):
        for element in elements(figure, tag):
            inks = [element.getAttribute(name) for name in ("fill", "stroke")]
            named = [name for name in element.getAttribute("class").split() if name in dark]
            assert len(named) == sum(ink.startswith("#") for ink in inks)


def test_two_figures_have_two_scopes():
    scopes = {elements(make(), "svg")[0].getAttribute("class") for make in FIGURES.values()}
    assert len(scopes) == len(FIGURES)


def test_the_same_bytes_whatever_the_hash_seed():
    program = (
        "from tests.test_figures import FIGURES\n"
        "import hashlib\n"
        "figures = [make() for make in FIGURES.values()]\n"
        "print(hashlib.sha256(''.join(f.to_html() + f.text for f in figures).encode()).hexdigest())"
    )
    digests = set()
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_writing(tmp_path):
    figure = curves({"训练": [3, 2, 1]})
    assert Path(figure.write(tmp_path / "a.svg")).read_text("utf-8") == figure.svg
    assert Path(figure.write(str(tmp_path / "a.TXT"))).read_text("utf-8") == figure.text + "\n"
    page = Path(figure.write(tmp_path / "a.html")).read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert figure.svg in page
    for name in ("a.png", "a"):
        with pytest.raises(ValueError, match=r"\.svg, \.html, \.txt"):
            figure.write(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no directory .*missing.* for 'a.svg'; make it first"):
        figure.write(tmp_path / "missing" / "a.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.TXT", "a.html", "a.svg"]
    assert "loss over step" in repr(figure)


# ---- what is refused ------------------------------------------------------------------------------------------------

ODD = np.full((3, 5), 0.2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: attention(CAUSAL, words(5)), ValueError, r"have 3 queries, but there are 5 tokens; name each"),
        (
            lambda: attention(ODD, words(3)),
            ValueError,
            r"\(3, 5\) have 5 keys, but there are 3 tokens; name the keys",
        ),
        (lambda: attention(ODD, words(3), words(4)), ValueError, r"5 keys, but there are 4 keys"),
        (lambda: attention(weights(2, 3, 5, 5), words(5)), minigrad.ShapeError, r"those of 2 examples.*weights\[i\]"),
        (lambda: attention({"a.b": [weights(2, 1, 5, 5)]}, words(5)), ValueError, r"a\.b: weights.*2 examples"),
        (lambda: attention({"a.b": [ODD]}, words(3)), minigrad.ShapeError, r"attention: a\.b: weights \(3, 5\)"),
        (lambda: attention(weights(65, 65), words(65)), ValueError, r"65 queries are more than the 64.*\[:64\]"),
        (lambda: head_view(weights(2, 70), words(2), words(70)), ValueError, r"70 keys are more than the 64"),
        (lambda: head_view(weights(9, 2, 2), words(2)), ValueError, r"9 heads, and there are 8 colours.*attention\("),
        (lambda: attention(-CAUSAL, words(3)), ValueError, r"negative, -1 at \[0, 0\].*softmax"),
        (lambda: attention([["a"]], ["a"]), TypeError, r"real numbers.*not <U1"),
        (lambda: attention([[1j]], ["a"]), TypeError, r"real numbers.*not complex128"),
        (lambda: attention([[1], [1, 2]], words(2)), ValueError, r"unequal lengths"),
        (lambda: attention([1.0, 2.0], words(2)), ValueError, r"not \(2,\)"),
        (lambda: attention(np.ones((0, 0)), []), ValueError, r"not \(0, 0\)"),
        (lambda: attention(CAUSAL, 3), TypeError, r"a sequence of words, not int"),
        (lambda: attention({}, words(3)), ValueError, r"no maps in it.*record_attention"),
        (lambda: attention(CAUSAL, words(3), titles=["a", "b"]), ValueError, r"2 titles for 1 heads"),
        (lambda: attention(CAUSAL, words(3), titles="a"), ValueError, r"one text for 1 heads"),
        (lambda: attention(CAUSAL, words(3), cols=0), ValueError, r"cols=0"),
        (lambda: attention(CAUSAL, words(3), values="no"), ValueError, r"values='no'"),
        (lambda: entropy([0.5, 0.5]), minigrad.ShapeError, r"not \(2,\)"),
        (lambda: entropy([[-0.5]]), ValueError, r"entropy: a weight is negative"),
        (lambda: curves({}), ValueError, r"there is no series"),
        (lambda: curves([]), ValueError, r"the series is empty"),
        (lambda: curves({"val": []}), ValueError, r"val: the series is empty"),
        (lambda: curves({"val": ([0, 1, 2], [5, 7])}), minigrad.ShapeError, r"val: 3 xs and 2 ys"),
        (lambda: curves({"val": ([0, NAN], [5, 7])}), ValueError, r"val: xs\[1\] is not finite"),
        (lambda: curves({str(i): [1] for i in range(9)}), ValueError, r"9 series, and 8 can be told apart"),
        (lambda: curves({"a": [1, 0.5, 0]}, log=True), ValueError, r"a is 0 at 2, which has no logarithm.*log=False"),
        (lambda: curves({"a": [1, None]}), TypeError, r"a: numbers are needed, not NoneType.*\(xs, ys\)"),
        (lambda: curves("loss"), TypeError, r"a sequence of numbers is needed, not str"),
        (lambda: curves(3.0), TypeError, r"not float"),
        (lambda: curves(CAUSAL), minigrad.ShapeError, r"one row.*\(3, 3\)"),
    ],
)
def test_what_is_refused_and_why(call, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        call()
