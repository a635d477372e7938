"""The listing of a picture, for terminals; on pictures made by hand."""

import pytest

from minigrad.viz.measure import columns
from minigrad.viz.picture import Edge, Group, Picture, Vertex
from minigrad.viz.text import LINE, listing


def picture_of(*vertices, edges=(), groups=(), **options):
    return Picture({v.id: v for v in vertices}, [Edge(*edge) for edge in edges], {g.id: g for g in groups}, **options)


def test_names_numbers_shapes_values_and_gradients():
    picture = picture_of(
        Vertex("n0", "input", name="x", shape=(5, 3)),
        Vertex("n1", "parameter", name="w", shape=(3,), value="[1, 2, 3]", grad="grad = [0, 0, 1]"),
        Vertex("n2", "parameter", name="b", shape=(), value="0.5", grad="grad = 5"),
        Vertex("n3", "operation", "matmul", shape=(5,), notes=["saves both"]),
        Vertex("n4", "operation", "add", name="y", shape=(5,), grad="‖grad‖ = 2.236"),
        Vertex("n5", "operation", "sum", name="loss", shape=(), value="-2.5", output=True),
        edges=[("n0", "n3"), ("n1", "n3", 1), ("n3", "n4"), ("n2", "n4", 1), ("n4", "n5")],
        title="A title",
    )
    assert listing(picture).splitlines() == [
        "A title",
        "inputs      x (5, 3)",
        "parameters  w (3,) = [1, 2, 3] grad = [0, 0, 1] · b = 0.5 grad = 5",
        "%0 = matmul(x, w)  (5,)    saves both",
        "y = add(%0, b)     (5,)    ‖grad‖ = 2.236",
        "loss = sum(y)      scalar  = -2.5",
    ]


def test_groups_indent_and_hold_their_leaves_and_can_be_returned_to():
    picture = picture_of(
        Vertex("n0", "input", name="x", shape=(2,)),
        Vertex("n1", "parameter", name="weight", shape=(2,), group="g1"),
        Vertex("n2", "operation", "mul", shape=(2,), group="g1"),
        Vertex("n3", "operation", "exp", shape=(2,)),
        Vertex("n4", "operation", "neg", shape=(2,), group="g1"),
        Vertex("n5", "operation", "sum", name="s", shape=(), group="g0"),
        edges=[("n0", "n2"), ("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n5")],
        groups=[Group("g0", "Net"), Group("g1", "blocks.0 … blocks.2: Block", parent="g0", times=3)],
    )
    assert listing(picture).splitlines() == [
        "inputs      x (2,)",
        "Net",
        "  blocks.0 … blocks.2: Block ×3",
        "    parameters  weight (2,)",
        "    %0 = mul(x, weight)  (2,)",
        "%1 = exp(%0)             (2,)",
        "Net   (continued)",
        "  blocks.0 … blocks.2: Block ×3   (continued)",
        "    %2 = neg(%1)         (2,)",
        "  s = sum(%2)            scalar",
    ]


def test_closed_modules_stand_in_brackets_and_repeats_say_how_often():
    picture = picture_of(
        Vertex("n0", "input", name="x1 … x4", shape=(1, 3), times=4),
        Vertex("m0", "module", "blocks.0 … blocks.5: Block", shape=(1, 3), notes=["31 ops"], times=6),
        edges=[("n0", "m0")],
    )
    assert listing(picture).splitlines() == [
        "inputs      x1 … x4 ×4 (1, 3) each",
        "%0 = [blocks.0 … blocks.5: Block ×6](x1 … x4)  (1, 3)  31 ops",
    ]


def test_results_of_one_name_are_numbered_and_so_are_leaves_where_both_can_be_read():
    picture = picture_of(
        Vertex("n0", "input", name="x"),
        Vertex("n1", "operation", "neg", name="x"),
        Vertex("n2", "operation", "exp", name="x"),
        Vertex("n3", "parameter", name="w"),
        Vertex("n4", "parameter", name="w", group="g0"),
        Vertex("n5", "parameter", name="b", group="g0"),
        Vertex("n6", "parameter", name="b", group="g1"),
        Vertex("n7", "operation", "f", group="g0"),
        Vertex("n8", "operation", "f", name="x#2", group="g1"),
        edges=[("n0", "n1"), ("n1", "n2"), ("n2", "n7"), ("n3", "n7"), ("n4", "n7"), ("n5", "n7"), ("n7", "n8"),
               ("n6", "n8")],
        groups=[Group("g0", "A"), Group("g1", "B")],
    )  # fmt: skip
    text = listing(picture)
    assert "x = neg(x#3)" in text
    assert "x#2 = exp(x)" in text
    assert "%0 = f(x#2, w, w#2, b)" in text
    assert "x#2#2 = f(%0, b)" in text, "the b of the other module is not in sight"


def test_what_has_no_name_is_shown_by_its_value_and_copies_are_one():
    picture = picture_of(
        Vertex("n0", "input", value="-60", shape=()),
        Vertex("n1", "input", name="mask", shape=(6, 6), copied=True),
        Vertex("n2", "input", name="mask", shape=(6, 6), copied=True, group="g0"),
        Vertex("n3", "input", shape=(2, 2)),
        Vertex("n4", "operation", "f"),
        Vertex("n5", "operation", "f", group="g0"),
        edges=[("n0", "n4"), ("n1", "n4", 1), ("n3", "n4", 2), ("n4", "n5"), ("n2", "n5", 1)],
        groups=[Group("g0", "A")],
    )
    assert listing(picture).splitlines() == [
        "inputs      mask (6, 6) · input (2, 2)",
        "%0 = f(-60, mask, input)",
        "A",
        "  %1 = f(%0, mask)",
    ]


def test_arguments_read_twice_chosen_results_and_loops():
    picture = picture_of(
        Vertex("n0", "parameter", name="x"), Vertex("n1", "operation", "×"), Vertex("n2", "operation", "split"),
        Vertex("n3", "operation", "f"), Vertex("n4", "operation", "g"), Vertex("n5", "operation", "h"),
    )  # fmt: skip
    picture.edges = [
        Edge("n0", "n1", 0, label="×2"),
        Edge("n1", "n2"),
        Edge("n2", "n3", 0, label="[1]"),
        Edge("n2", "n4", 0),
        Edge("n4", "n4", 0, label="×3", loop=True),
        Edge("n4", "n5", 0, loop=True),
    ]
    assert listing(picture).splitlines()[1:] == [
        "%0 = x × x", "%1 = split(%0)", "%2 = f(%1[1])", "%3 = g(%1 ↻ %3)", "%4 = h(↻ %3)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "names", "said"),
    [("×", "ab", "a × b"), ("× 0.5", "a", "a × 0.5"), ("1 − ·", "a", "1 − a"), ("∂ ÷", "ab", "a ÷ b"),
     ("∂ tanh", "a", "tanh(a)"), ("mul", "ab", "mul(a, b)"), ("×", "a", "×(a)")],
)  # fmt: skip
def test_arithmetic_has_its_own_notation(operation, names, said):
    leaves = [Vertex(name, "parameter", name=name) for name in names]
    edges = [(name, "n", i) for i, name in enumerate(names)]
    picture = picture_of(*leaves, Vertex("n", "operation", operation), edges=edges)
    assert listing(picture).splitlines()[-1] == f"%0 = {said}"


def test_a_gradient_is_added_to_those_before():
    picture = picture_of(
        Vertex("g", "input", name="grad of y", value="1", shape=()),
        Vertex("n0", "gradient", "× backward", group="g0"),
        Vertex("n1", "gradient", "÷ 2 backward", group="g0"),
        Vertex("a0", "accumulate", "AccumulateGrad (sum of 2)", group="g0"),
        Vertex("w", "parameter", name="w.grad", shape=(2,), value="[1, 2]", group="g0"),
        Vertex("a1", "accumulate", "AccumulateGrad", group="g1"),
        Vertex("v", "parameter", name="w.grad", shape=(2,), notes=["norm 3"], group="g1"),
        edges=[("g", "n0"), ("n0", "n1"), ("n0", "a0"), ("n1", "a0"), ("a0", "w"), ("n1", "a1"), ("a1", "v")],
        groups=[Group("g0", "A"), Group("g1", "B")],
        backward=True,
    )
    assert listing(picture).splitlines() == [
        "inputs      grad of y = 1",
        "A",
        "  %0 = × backward(grad of y)",
        "  %1 = ÷ 2 backward(%0)",
        "  w.grad += %0 + %1           (2,)  = [1, 2]  (sum of 2)",
        "B",
        "  w.grad += %1                (2,)  norm 3",
    ]


def test_an_operation_with_many_arguments_names_some():
    leaves = [Vertex(f"n{i}", "parameter", name=f"p{i}") for i in range(50)]
    picture = picture_of(*leaves, Vertex("n50", "operation", "cat"), edges=[(f"n{i}", "n50", i) for i in range(50)])
    assert listing(picture).splitlines()[-1] == "%0 = cat(p0, p1, p2, p3, p4, p5, p6, … 42 more, p49)"


def test_a_long_list_of_leaves_goes_on_below():
    leaves = [Vertex(f"n{i}", "parameter", name=f"parameter{i}", shape=(3, 5)) for i in range(23)]
    lines = listing(picture_of(*leaves)).splitlines()
    assert len(lines) > 1
    assert all(columns(line) <= LINE for line in lines)
    assert lines[0].startswith("parameters  parameter0 (3, 5) · ")
    assert all(line.startswith(" " * 12 + "parameter") for line in lines[1:])
    assert " ".join("".join(lines).split()).count("(3, 5)") == 23


@pytest.mark.parametrize("names", ["abcd", ["注意力", "权重", "q", "é"]])
def test_columns_are_aligned_in_any_script(names):
    vertices = [Vertex(f"n{i}", "operation", "f", name=name, shape=(2, 3), value="1") for i, name in enumerate(names)]
    lines = listing(picture_of(*vertices)).splitlines()
    assert len({columns(line[: line.index("(2, 3)")]) for line in lines}) == 1


def test_a_very_long_line_does_not_move_the_columns_of_the_others():
    long = Vertex("n0", "operation", "f" * 200, shape=(2,))
    lines = listing(picture_of(long, Vertex("n1", "operation", "g", shape=(3,)))).splitlines()
    assert lines[0].endswith("  (2,)")
    assert lines[1] == "%1 = g()  (3,)"


def test_where_a_nan_came_from():
    picture = picture_of(
        Vertex("n0", "operation", "log", shape=(3,), bad="origin", notes=["⚠ 3 inf of 3"]),
        Vertex("n1", "operation", "mul", shape=(3,), bad="bad", notes=["⚠ 3 NaN of 3"]),
        edges=[("n0", "n1")],
    )
    first, second = listing(picture).splitlines()
    assert first.endswith("⚠ 3 inf of 3  ← first NaN/inf")
    assert "first" not in second


def test_a_highlighted_path_is_marked():
    picture = picture_of(
        Vertex("n0", "input", name="x", faded=True),
        Vertex("n1", "operation", "f", faded=True, group="g0"),
        Vertex("n2", "operation", "g"),
        edges=[("n0", "n1"), ("n1", "n2")],
        groups=[Group("g0", "A")],
    )
    assert listing(picture).splitlines() == ["  inputs      x", "  A", "    %0 = f(x)", "▸ %1 = g(%0)"]


def test_several_outputs_and_what_was_left_out():
    picture = picture_of(
        Vertex("n0", "cut", name="49,963 earlier nodes not drawn"),
        Vertex("n1", "operation", "f", name="y", output=True),
        Vertex("n2", "operation", "g", output=True),
        edges=[("n0", "n1"), ("n1", "n2")],
    )
    assert listing(picture).splitlines() == [
        "left out    49,963 earlier nodes not drawn", "y = f(…)", "%0 = g(y)", "outputs     y · %0",
    ]  # fmt: skip


def test_names_cannot_break_the_lines():
    picture = picture_of(Vertex("n0", "operation", "f\n", name="a\nb\0", shape=(2,)), title="one\ntwo")
    assert listing(picture).splitlines() == ["one⏎two", "a⏎b\ufffd = f⏎()  (2,)"]


def test_deep_and_long_pictures_need_no_recursion():
    groups = [Group(f"g{i}", "M", parent=f"g{i - 1}" if i else None) for i in range(1500)]
    vertices = [Vertex(f"n{i}", "operation", "f", name="h", group="g1499") for i in range(3000)]
    lines = listing(picture_of(*vertices[:2], groups=groups)).splitlines()
    assert len(lines) == 1502
    lines = listing(picture_of(*(Vertex(v.id, v.kind, "f", name="h") for v in vertices))).splitlines()
    assert lines[-1] == "h#3000 = f()"


def test_an_empty_picture():
    assert listing(Picture()) == ""
