"""What a picture shows: kinds, groups, edges, folds, depths, directions, and where values go bad. No drawing."""

import numpy as np
import pytest

import minigrad
import nn
from minigrad.viz.record import record as recording
from minigrad.viz.simplify import READABLE, Look, levels, picture
from minigrad.viz.trace import trace


def leaf(*values):
    """A leaf of these numbers, a scalar if it is one."""
    return minigrad.tensor(values if len(values) > 1 else values[0], dtype=minigrad.float32, requires_grad=True)


def titles(drawn, *kinds):
    return [vertex.title for vertex in drawn.vertices.values() if not kinds or vertex.kind in kinds]


def at(drawn, title):
    """The only vertex with a title."""
    (found,) = (vertex for vertex in drawn.vertices.values() if vertex.title == title)
    return found


def group_titles(drawn):
    return [group.title for group in drawn.groups.values()]


def where(drawn, vertex):
    """The titles of the groups that a vertex lies in, from the outside in."""
    return [drawn.groups[group].title for group in drawn.around(vertex.group)][::-1]


def edges(drawn):
    """Each edge as text: `w -> ×`, with its label, dashed as `-->` where no gradient flows, loops as `~>`."""
    name = {id: vertex.title for id, vertex in drawn.vertices.items()}
    return [
        f"{name[e.source]} {'~>' if e.loop else '->' if e.flows else '-->'} {name[e.target]} {e.label}".strip()
        for e in drawn.edges
    ]


def is_sound(drawn):
    """Each edge has its ends, each vertex its group, each group its parent before it; outer things come first."""
    place = {id: i for i, id in enumerate(drawn.vertices)}
    for edge in drawn.edges:
        assert edge.loop or place[edge.source] < place[edge.target]
    groups = [None]
    for group in drawn.groups.values():
        assert group.parent in groups
        groups.append(group.id)
    assert {vertex.group for vertex in drawn.vertices.values()} <= set(groups)
    assert {group.id for group in drawn.groups.values()} <= {
        around for vertex in drawn.vertices.values() for around in drawn.around(vertex.group)
    }
    ids = [vertex.id for vertex in drawn.vertices.values()]
    assert ids == list(drawn.vertices)
    return True


class Cell(nn.Module):
    """One step of a simple RNN, operation by operation."""

    def __init__(self, inputs=3, hidden=5):
        self.W_ih = nn.Parameter(minigrad.randn(inputs, hidden))
        self.W_hh = nn.Parameter(minigrad.randn(hidden, hidden))
        self.b = nn.Parameter(minigrad.zeros(hidden))

    def forward(self, x, h):
        return (x @ self.W_ih + h @ self.W_hh + self.b).tanh()


class Steps(nn.Module):
    """A cell, called once for each step."""

    def __init__(self):
        self.cell, self.out = Cell(), nn.Linear(5, 2)

    def forward(self, xs, h):
        for x in xs:
            h = self.cell(x, h)
        return self.out(h)


def steps(n=4, **look):
    model = Steps()
    xs = [minigrad.randn(1, 3) for _ in range(n)]
    h0, target = minigrad.zeros(1, 5), minigrad.tensor([1])
    loss = nn.functional.cross_entropy(model(xs, h0), target)
    loss.backward()
    there = {f"x{i + 1}": x for i, x in enumerate(xs)} | {"h0": h0, "target": target, "loss": loss}
    return picture(loss, model, variables=there, **look)


class Attention(nn.Module):
    """One head, operation by operation."""

    def __init__(self):
        self.q, self.k, self.v, self.out = (nn.Linear(6, 6) for _ in range(4))

    def forward(self, x):
        return self.out((self.q(x) @ self.k(x).mT * 0.5).softmax(-1) @ self.v(x))


class Block(nn.Module):
    """Attention and a network, each beside a way around."""

    def __init__(self):
        self.norm, self.attn = nn.LayerNorm(6), Attention()
        self.up, self.down = nn.Linear(6, 11), nn.Linear(11, 6)

    def forward(self, x):
        x = x + self.attn(self.norm(x))
        return x + self.down(self.up(x).relu())


class Encoder(nn.Module):
    """Tokens, some blocks, a head."""

    def __init__(self, blocks=6):
        self.embed, self.head = nn.Embedding(13, 6), nn.Linear(6, 13)
        self.blocks = nn.ModuleList([Block() for _ in range(blocks)])

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def encoder(blocks=6, **look):
    model, ids = Encoder(blocks), minigrad.tensor([[1, 2, 3, 5, 7]])
    return picture(model(ids).sum(), model, variables={"ids": ids}, **look)


# ---- what a vertex is and says --------------------------------------------------------------------------------------


def test_a_neuron():
    w, x, b = leaf(0.8), minigrad.tensor(1.5), leaf(-0.3)
    y = (w * x + b).tanh()
    y.backward()
    drawn = picture(y, variables={"w": w, "x": x, "b": b, "y": y})
    assert [(v.id, v.kind, v.title, v.lines) for v in drawn.vertices.values()] == [
        ("n0", "parameter", "w = 0.8", ["grad = 0.7304"]),
        ("n1", "input", "x = 1.5", []),
        ("n2", "operation", "×", ["= 1.2"]),
        ("n3", "parameter", "b = -0.3", ["grad = 0.4869"]),
        ("n4", "operation", "+", ["= 0.9"]),
        ("n5", "operation", "tanh", ["y = 0.7163"]),
    ]
    assert edges(drawn) == ["w = 0.8 -> ×", "x = 1.5 --> ×", "× -> +", "b = -0.3 -> +", "+ -> tanh"]
    assert [v.title for v in drawn.vertices.values() if v.output] == ["tanh"]
    assert not drawn.groups
    assert drawn.title == ""
    assert is_sound(drawn)


@pytest.mark.parametrize(
    ("compute", "title"),
    [
        (lambda x: x * 0.353553, "× 0.3536"),
        (lambda x: 3 * x, "× 3"),
        (lambda x: x + 1, "+ 1"),
        (lambda x: x - 0.5, "− 0.5"),
        (lambda x: 1 - x, "1 − ·"),
        (lambda x: x / 4, "÷ 4"),
        (lambda x: 1 / x, "1 ÷ ·"),
        (lambda x: x**2, "^ 2"),
        (lambda x: 2**x, "2 ^ ·"),
        (lambda x: x + x, "add"),
        (lambda x: x.sum(), "sum"),
        (lambda x: x.sum(1, keepdim=True), "sum dim=1 keepdim"),
        (lambda x: minigrad.softmax(x, -1), "softmax dim=-1"),
        (lambda x: x.transpose(1, 0), "transpose (1, 0)"),
        (lambda x: x.permute(1, 0), "permute (1, 0)"),
        (lambda x: x.reshape(3, 5), "reshape"),
        (lambda x: x.unsqueeze(1), "unsqueeze dim=1"),
        (lambda x: x[:, 0], "getitem [:, 0]"),
        (lambda x: x[1:4, None, ..., ::2], "getitem [1:4, None, …, ::2]"),
        (lambda x: x.masked_fill(minigrad.ones(5, 3, dtype=minigrad.bool).tril(), -np.inf), "masked_fill -inf"),
        (lambda x: minigrad.cat([x, x], 1), "cat dim=1"),
        (lambda x: x.clamp(min=0.5), "clamp min=0.5"),
        (lambda x: nn.functional.layer_norm(x, (3,)), "layer_norm"),
        (lambda x: minigrad.einsum("ij,kj->ik", x, x), "einsum ij,kj->ik"),
        (lambda x: x.leaky_relu(0.2), "leaky_relu negative_slope=0.2"),
    ],
)
def test_what_operations_are_called(compute, title):
    x = minigrad.rand(5, 3).requires_grad_()
    assert [v.title for v in picture(compute(x)).vertices.values() if v.output] == [title]
    assert picture(compute(x), show_attrs=False).vertices


def test_without_attributes_only_the_name():
    x = minigrad.rand(5, 3).requires_grad_()
    drawn = picture((x * 2).sum(1).softmax(0), show_attrs=False)
    assert titles(drawn, "operation") == ["×", "sum", "softmax"]


def test_kinds():
    model, x = nn.Sequential(nn.Linear(3, 5), nn.Flatten(0)), minigrad.ones(7, 3)
    drawn = picture(model(x).exp(), model, depth=1, variables={"x": x})
    assert [(v.kind, v.title) for v in drawn.vertices.values()] == [
        ("input", "x"),
        ("module", "0: Linear"),
        ("module", "1: Flatten"),
        ("operation", "exp"),
    ]
    drawn = picture(model(x).exp(), model, depth=None, variables={"x": x})
    assert [(v.kind, v.title) for v in drawn.vertices.values()][-2:] == [("view", "flatten"), ("operation", "exp")]
    assert titles(drawn, "parameter") == ["weight", "bias"]


def test_values_and_gradients():
    x = minigrad.tensor([0.19012, -0.14921, 9.19e-9], requires_grad=True)
    big = minigrad.ones(3, 5).requires_grad_()
    y = (big * 2 @ minigrad.ones(5)) @ x
    y.backward()
    drawn = picture(y, variables={"x": x, "big": big})
    assert at(drawn, "x").lines == ["(3,)", "= [0.19, -0.149, 9.19e-09]", "grad = [10, 10, 10]"]
    norm = 2 * np.sqrt(5) * np.linalg.norm(x.tolist())
    assert at(drawn, "big").lines == ["(3, 5)", f"‖grad‖ = {norm:.3g}"]
    assert at(picture(y, variables={"x": x}, max_values=2), "x").lines == ["(3,)", "‖grad‖ = 17.3"]
    bare = picture(y, variables={"x": x}, show_values=False, show_grad=False, show_shapes=False)
    assert at(bare, "x").lines == []


def test_whole_numbers_truths_and_rows():
    w = leaf(1.0, 2.0, 3.0)
    ids, few = minigrad.tensor([2, 0]), minigrad.tensor([[True, False, True]])
    drawn = picture((w[ids].sum() * 123456.0) + w.masked_fill(few, 0.0).sum(), variables={"ids": ids, "few": few})
    values = {v.name: v.value for v in drawn.vertices.values() if v.kind == "input"}
    assert values["few"] == "[True, False, True]"
    assert at(drawn, "× 123456").value == "493824"


def test_a_tensor_read_twice_has_one_edge():
    x = leaf(3.0)
    assert edges(picture(x * x, variables={"x": x})) == ["x = 3 -> × ×2"]


def test_names_are_cut_and_cleaned():
    x = leaf(1.0, 2.0)
    x.name = "a\nb\x00" + "x" * 50
    (vertex, _) = picture(x.sum()).vertices.values()
    assert vertex.name == "a⏎b\ufffd" + "x" * 35 + "…"


def test_tooltips_say_what_has_no_room():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
    with recording():
        y = model(minigrad.ones(7, 3)).sum()
    drawn = picture(y, model)
    assert at(drawn, "weight").tooltip.splitlines()[0] == "0.weight"
    lines = at(drawn, "tanh").tooltip.splitlines()
    assert lines[:2] == ["tanh: float32 (7, 5)", "in 1"]
    assert "g * (1 - out * out)" in lines[2]
    assert "minigrad/ops/elementwise.py:" in lines[2]
    assert lines[3].startswith("test_simplify.py:")
    assert "model(minigrad.ones(7, 3))" in lines[3]


def test_rules_and_saved_values_on_request():
    x, w = minigrad.ones(7, 3).requires_grad_(), minigrad.ones(3, 5).requires_grad_()
    y = (x @ w).tanh()
    drawn = picture(y, show_rules=True, show_saved=True)
    assert at(drawn, "tanh").notes == ["saves result · 140 B", "d/dx: g * (1 - out * out)"]
    assert at(drawn, "matmul").notes[0] == "saves a, b · 144 B"
    y.sum().backward()
    assert at(picture(y, show_saved=True), "tanh").notes == ["its saved values are freed"]


def test_an_input_that_many_read_is_drawn_beside_each_of_them():
    x, w = minigrad.tensor(2.0, name="x"), leaf(3.0)
    y = w
    for _ in range(4):
        y = y * x
    drawn = picture(y)
    copies = [v for v in drawn.vertices.values() if v.name == "x"]
    assert [(v.copied, v.id) for v in copies] == [(True, f"n1c{i}") for i in (1, 2, 3, 4)]
    assert is_sound(drawn)
    drawn = picture(y * w * w * w * w)
    assert len([v for v in drawn.vertices.values() if v.kind == "parameter"]) == 1


def test_ids_are_not_names():
    x = leaf(1.0, 2.0)
    x.name = "n5"
    y = x * 2
    y.name = "n0"
    assert list(picture(y).vertices) == ["n0", "n1"]


def test_an_input_without_a_name_is_called_as_its_reader_calls_it():
    x = minigrad.rand(5, 3).requires_grad_()
    y = x.masked_fill(minigrad.ones(5, 3, dtype=minigrad.bool), 0.0) + minigrad.ones(5, 3)
    assert titles(picture(y), "input") == ["mask", "input"]


# ---- depth ----------------------------------------------------------------------------------------------------------


def test_groups_are_the_calls_of_modules():
    model, x = nn.MultiHead(6, 2), minigrad.randn(5, 3, 6)
    drawn = picture(model(x), model, depth=None, variables={"x": x})
    assert group_titles(drawn) == [
        "MultiHead",
        "query: Linear",
        "key: Linear",
        "value: Linear",
        "similarity: ScaledDot",
        "normalisation: Softmax",
        "output: Linear",
    ]
    named = [v.name for v in drawn.vertices.values() if v.kind != "parameter" and v.name]
    assert named == ["x", "Q", "K", "V", "scores", "attention", "context"]
    weights = [v for v in drawn.vertices.values() if v.title == "weight"]
    assert [where(drawn, v)[1] for v in weights] == [f"{name}: Linear" for name in ("query", "key", "value", "output")]
    assert where(drawn, at(drawn, "x")) == []
    assert is_sound(drawn)


@pytest.mark.parametrize("layer", [nn.LSTM(3, 5), nn.GRU(3, 5), nn.RNN(3, 5)])
def test_a_fused_layer_is_one_operation(layer):
    drawn = picture(layer(minigrad.randn(7, 2, 3))[0].sum(), layer, depth=None)
    assert len([t for t in titles(drawn, "operation") if t.split()[0] in ("lstm", "gru", "rnn")]) == 1
    closed = at(picture(layer(minigrad.randn(7, 2, 3))[0].sum(), layer, depth=1), type(layer).__name__)
    gates = {"LSTM": 20, "GRU": 15, "RNN": 5}[type(layer).__name__]
    assert closed.notes == [
        f"weight_ih_l0 ({gates}, 3), weight_hh_l0 ({gates}, 5)",
        f"bias_ih_l0 ({gates},), bias_hh_l0 ({gates},)",
    ]


def test_depth_opens_so_many_levels():
    assert titles(encoder(depth=0)) == ["ids", "Encoder", "sum"]
    assert titles(encoder(depth=1)) == [
        "ids",
        "embed: Embedding",
        "blocks.0 … blocks.5: Block ×6",
        "head: Linear",
        "sum",
    ]
    assert "attn: Attention" in titles(encoder(depth=2))
    assert "out: Linear" in titles(encoder(depth=3))
    assert "out: Linear" in titles(encoder(depth=9))
    assert "out: Linear" in group_titles(encoder(depth=None))
    for depth in (0, 1, 2, 3, None):
        assert is_sound(encoder(depth=depth))


def test_closed_modules_say_what_is_in_them():
    drawn = encoder(depth=1)
    assert at(drawn, "embed: Embedding").lines == ["(1, 5, 6)", "weight (13, 6)"]
    assert at(drawn, "head: Linear").lines == ["(1, 5, 13)", "weight (13, 6), bias (13,)"]
    block = at(drawn, "blocks.0 … blocks.5: Block ×6")
    norm, attention, network = 6 + 6, 4 * (36 + 6), 66 + 11 + 66 + 6
    assert block.times == 6
    assert block.notes == [f"15 ops · {norm + attention + network} params"]
    assert edges(drawn) == [
        "ids --> embed: Embedding",
        "embed: Embedding -> blocks.0 … blocks.5: Block ×6",
        "blocks.0 … blocks.5: Block ×6 -> head: Linear",
        "head: Linear -> sum",
    ]


def test_auto_is_the_most_detailed_level_that_is_readable_and_says_so():
    assert encoder().title == ""
    drawn = encoder(blocks=2)
    assert drawn.title == "modules opened to depth 4 of 4 (depth=None shows everything)"
    assert len(drawn.vertices) == 34 <= READABLE < len(encoder(blocks=2, depth=None).vertices)
    assert encoder(fold=None).title == "modules opened to depth 1 of 4 (depth=None shows everything)"
    assert encoder(fold=None, title="step 5").title.startswith("step 5 — modules opened to depth 1 of 4")
    model = nn.Linear(3, 5)
    assert picture(model(minigrad.ones(7, 3)), model).title == ""
    assert picture(model(minigrad.ones(7, 3)), model).groups


def test_levels_are_all_depths_of_one_trace():
    model, ids = Encoder(), minigrad.tensor([[1, 2, 3, 5, 7]])
    seen = trace(model(ids).sum(), model)
    drawn = levels(seen, Look())
    counts = [len(level.vertices) for level in drawn]
    assert counts == [3, 5, 11, 19, 36]
    operations = {operation.serial for operation in seen.operations}
    for level in drawn:
        assert is_sound(level)
        members = [serial for vertex in level.vertices.values() for serial in vertex.members]
        assert operations <= set(members)
        assert len(members) == len(set(members)) or any(vertex.copied for vertex in level.vertices.values())


def test_a_closed_module_with_two_results():
    class Two(nn.Module):
        def __init__(self):
            self.a, self.b = nn.Linear(3, 5), nn.Linear(3, 5)

        def forward(self, x):
            return self.a(x), self.b(x)

    model = Two()
    a, b = model(minigrad.ones(7, 3))
    drawn = picture(a.exp() + b.sin(), model, depth=0)
    assert [edge for edge in edges(drawn) if "Two ->" in edge] == ["Two -> exp [0]", "Two -> sin [1]"]


# ---- folding --------------------------------------------------------------------------------------------------------


def test_an_unrolled_rnn():
    drawn = steps(fold=None, depth=None)
    assert group_titles(drawn) == ["Steps", *(f"cell: Cell (call {i} of 4)" for i in (1, 2, 3, 4)), "out: Linear"]
    shared = [v for v in drawn.vertices.values() if v.name == "cell.W_hh"]
    assert len(shared) == 1
    assert where(drawn, shared[0]) == ["Steps"]
    assert len([edge for edge in drawn.edges if edge.source == shared[0].id]) == 4


def test_a_folded_rnn():
    drawn = steps()
    cell = next(group for group in drawn.groups.values() if group.times > 1)
    assert (cell.title, cell.times) == ("cell: Cell", 4)
    x = at(drawn, "x1 … x4 ×4")
    assert (x.times, x.lines, x.group) == (4, ["(1, 3) each"], None)
    assert [edge for edge in edges(drawn) if "~>" in edge] == ["tanh ~> matmul ×3"]
    assert [edge for edge in edges(drawn) if "h0" in edge] == ["h0 --> matmul"]
    assert at(drawn, "h0").group is None
    assert len([edge for edge in drawn.edges if drawn.vertices[edge.source].name == "cell.W_hh"]) == 1
    assert at(drawn, "tanh").value == ""
    assert is_sound(drawn)


def test_three_calls_are_folded_and_two_are_not():
    assert any(group.times == 3 for group in steps(3).groups.values())
    assert all(group.times == 1 for group in steps(2).groups.values())
    assert any(group.times == 2 for group in steps(2, fold=2).groups.values())
    assert all(group.times == 1 for group in steps(3, fold=4).groups.values())


@pytest.mark.parametrize("depth", [None, 1])
def test_the_last_step_of_an_lstm_is_folded_although_nobody_reads_its_cell_state(depth):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = nn.LSTMCell(3, 5), nn.Linear(5, 2)

        def forward(self, xs):
            h, c = minigrad.zeros(1, 5), minigrad.zeros(1, 5)
            for x in xs:
                h, c = self.cell(x, (h, c))
                h.name, c.name = "h", "c"
            return self.out(h)

    model, xs = Net(), [minigrad.randn(1, 3) for _ in range(5)]
    for direction in ("forward", "backward"):
        drawn = picture(model(xs), model, depth=depth, direction=direction)
        assert is_sound(drawn)
        if depth is None:
            assert [group.times for group in drawn.groups.values() if "LSTMCell" in group.title] == [5]
        else:
            ((cell),) = [vertex for vertex in drawn.vertices.values() if "LSTMCell" in vertex.operation]
            assert cell.times == 5
            assert len(cell.members) == 3 * 5 - 1  # one getitem is missing
    two = picture(sum(model.cell(xs[0], None)), model)
    assert is_sound(two)


def test_a_shorter_call_of_another_module_is_no_last_step():
    class Two(Steps):
        def __init__(self):
            super().__init__()
            self.other = nn.LSTMCell(3, 5)
            self.first = nn.LSTMCell(3, 5)

        def forward(self, xs, h):
            c = h
            for x in xs:
                h, c = self.first(x, (h, c))
            return self.other(xs[0], (h, c))[0]

    model, xs = Two(), [minigrad.randn(1, 3) for _ in range(4)]
    drawn = picture(model(xs, minigrad.zeros(1, 5)), model, depth=None)
    assert {group.title: group.times for group in drawn.groups.values()} == {
        "Two": 1, "first: LSTMCell": 4, "other: LSTMCell": 1,
    }  # fmt: skip
    assert is_sound(drawn)


def test_what_each_step_picks_for_itself_is_folded_with_it():
    class Picks(Steps):
        def forward(self, xs, h):
            return super().forward([xs[:, t] for t in range(4)], h)

    model, xs = Picks(), minigrad.randn(1, 4, 3).requires_grad_()
    drawn = picture(model(xs, minigrad.zeros(1, 5)), model, depth=None, variables={"xs": xs})
    picked = at(drawn, "getitem [:, 0] … [:, 3] ×4")
    assert picked.times == 4
    assert edges(drawn)[:2] == ["xs -> getitem [:, 0] … [:, 3] ×4", "getitem [:, 0] … [:, 3] ×4 -> matmul"]
    assert titles(drawn, "input") == ["constant"]  # the state before the first step lies outside of the steps
    assert where(drawn, at(drawn, "constant")) == ["Picks"]
    assert is_sound(drawn)


def test_results_of_all_steps_that_are_read_together():
    class Keeps(Steps):
        def forward(self, xs, h):
            kept = []
            for t, x in enumerate(xs):
                h = self.cell(x, h)
                h.name = f"h{t + 1}"
                kept.append(h)
            return minigrad.stack(kept)

    model = Keeps()
    drawn = picture(model([minigrad.ones(1, 3) for _ in range(4)], minigrad.zeros(1, 5)), model)
    assert at(drawn, "tanh").name == "h1 … h4"
    assert "tanh -> stack ×4" in [edge.replace(" dim=0", "") for edge in edges(drawn)]


def test_blocks_are_folded_with_their_own_parameters():
    drawn = encoder(depth=None)
    blocks = next(group for group in drawn.groups.values() if group.times > 1)
    assert (blocks.title, blocks.times) == ("blocks.0 … blocks.5: Block", 6)
    assert len([v for v in drawn.vertices.values() if v.name == "weight" and where(drawn, v)[-1] == "up: Linear"]) == 1
    assert [v.times for v in drawn.vertices.values()] == [1] * len(drawn.vertices)
    loops = [edge for edge in drawn.edges if edge.loop]
    assert {edge.label for edge in loops} == {"×5"}
    assert [(drawn.vertices[e.source].title, drawn.vertices[e.target].title) for e in loops] == [
        ("add", "layer_norm"),
        ("add", "add"),
    ]


def test_layers_side_by_side_are_never_folded():
    x = minigrad.randn(5, 3, 6)
    heads = nn.Heads([nn.SelfAttention(6, d_v=2) for _ in range(5)], 6)
    assert all(group.times == 1 for group in picture(heads(x), heads, depth=None).groups.values())
    assert all(v.times == 1 for v in picture(heads(x), heads, depth=1).vertices.values())


def test_a_chain_that_leads_through_something_outside_is_not_folded():
    class Around(nn.Module):
        def __init__(self):
            self.layers = nn.ModuleList([nn.Linear(5, 5) for _ in range(4)])

        def forward(self, x):
            for layer in self.layers:
                y = layer(x)
                x = y + y.sin()  # the next layer reads what was computed here, not in the layer
            return x

    model = Around()
    drawn = picture(model(minigrad.ones(3, 5)), model, depth=1)
    assert len([t for t in titles(drawn, "module") if "Linear" in t]) == 4
    assert is_sound(drawn)


def test_a_chain_with_a_way_around_is_not_folded():
    class Cell(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(5, 5)

        def forward(self, x, also):
            return self.linear(x) + also

    class Around(nn.Module):
        def __init__(self):
            self.cell = Cell()

        def forward(self, x):
            for _ in range(4):
                x = self.cell(x, x.sin())  # x goes on straight, and by way of sin
            return x

    model = Around()
    drawn = picture(model(minigrad.ones(3, 5).requires_grad_()), model, depth=1)
    assert len([t for t in titles(drawn, "module") if "Cell" in t]) == 4
    assert is_sound(drawn)


def test_two_layers_of_cells_are_folded_each_for_itself():
    class Deep(nn.Module):
        def __init__(self):
            self.below, self.above = Cell(3, 5), Cell(5, 7)

        def forward(self, xs):
            g, h = minigrad.zeros(1, 5), minigrad.zeros(1, 7)
            for x in xs:
                g = self.below(x, g)
                h = self.above(g, h)
            return h

    model = Deep()
    drawn = picture(model([minigrad.ones(1, 3) for _ in range(4)]), model, depth=None)
    assert [(g.title, g.times) for g in drawn.groups.values()] == [
        ("Deep", 1),
        ("below: Cell", 4),
        ("above: Cell", 4),
    ]
    assert len([edge for edge in drawn.edges if edge.loop]) == 2
    assert is_sound(drawn)


def test_repeats_inside_repeats():
    class Block(nn.Module):
        def __init__(self):
            self.cell, self.norm = Cell(5, 5), nn.LayerNorm(5)

        def forward(self, x):
            h = x
            for _ in range(3):
                h = self.cell(x, h)
            return self.norm(h)

    model = nn.Sequential(*(Block() for _ in range(4)))
    drawn = picture(model(minigrad.ones(2, 5)), model, depth=None)
    assert [(g.title, g.times) for g in drawn.groups.values()] == [
        ("Sequential", 1),
        ("0 … 3: Block", 4),
        ("cell: Cell", 3),
        ("norm: LayerNorm", 1),
    ]
    weights = [v for v in drawn.vertices.values() if v.name == "cell.W_hh"]
    assert len(weights) == 1
    assert where(drawn, weights[0]) == ["Sequential", "0 … 3: Block"]
    assert {edge.label for edge in drawn.edges if edge.loop} == {"×2", "×3"}
    assert is_sound(drawn)


# ---- the backward direction -----------------------------------------------------------------------------------------


def test_gradients_of_shared_weights_are_sums():
    drawn = steps(direction="backward", fold=None, depth=None)
    assert drawn.backward
    sums = {drawn.vertices[e.target].title: drawn.vertices[e.source].title for e in drawn.edges if e.target[0] == "n"}
    assert sums["cell.W_hh.grad"] == sums["cell.b.grad"] == "AccumulateGrad (sum of 4)"
    assert sums["weight.grad"] == "AccumulateGrad"
    (total,) = (e.source for e in drawn.edges if drawn.vertices[e.target].title == "cell.W_hh.grad")
    assert len([edge for edge in drawn.edges if edge.target == total]) == 4
    assert drawn.vertices[total].kind == "accumulate"
    assert not [v for v in drawn.vertices.values() if v.kind == "input" and not v.output]
    assert is_sound(drawn)


def test_arrows_are_reversed():
    w, x, b = leaf(0.8), minigrad.tensor(1.5), leaf(1.0, 2.0, 3.0, 4.0, 5.0)
    y = (w * x * b).sum()
    y.backward()
    drawn = picture(y, variables={"w": w, "x": x, "b": b, "y": y}, direction="backward")
    assert edges(drawn) == [
        "grad of y = 1 -> sum backward",
        "sum backward -> mul backward",
        "mul backward -> AccumulateGrad",
        "AccumulateGrad -> b.grad",
        "mul backward -> × backward",
        "× backward -> AccumulateGrad",
        "AccumulateGrad -> w.grad = 22.5",
    ]
    assert at(drawn, "b.grad").lines == ["(5,)", "norm 2.68"]
    assert at(drawn, "mul backward").lines == ["grad (5,)"]
    assert at(drawn, "sum backward").kind == "gradient"
    assert at(drawn, "grad of y = 1").output


def test_backward_through_closed_and_folded_modules():
    assert is_sound(encoder(direction="backward", depth=1))
    drawn = encoder(direction="backward", depth=1)
    assert titles(drawn, "module")[:1] == ["head: Linear backward"]
    folded = steps(direction="backward")
    assert [edge for edge in edges(folded) if "~>" in edge] == ["matmul backward ~> tanh backward ×3"]
    assert is_sound(folded)


def test_a_gradient_that_was_not_computed():
    x = leaf(1.0, 2.0)
    drawn = picture(x.sum(), direction="backward", variables={"x": x})
    assert at(drawn, "x.grad").notes == ["not computed yet"]


# ---- several roots --------------------------------------------------------------------------------------------------


def test_double_backward():
    x = leaf(0.5)
    y = (x * x).tanh()
    (dy,) = minigrad.grad(y, x, create_graph=True)
    drawn = picture([y, dy], variables={"x": x, "y": y, "dy_dx": dy})
    assert group_titles(drawn) == ["backward pass"]
    assert [v.name for v in drawn.vertices.values() if v.output] == ["y", "dy_dx"]
    inside = [v for v in drawn.vertices.values() if v.group is not None]
    assert all(v.kind == "gradient" and v.title.startswith("∂ ") for v in inside if v.kind != "input")
    assert [v.title for v in inside if v.kind == "input"] == ["grad of y = 1"]
    slope = (1 - np.tanh(0.25) ** 2) * 1.0
    assert at(drawn, "∂ +").value == f"{slope:.4g}"
    assert all(v.kind != "gradient" for v in drawn.vertices.values() if v.group is None)
    assert is_sound(drawn)
    assert titles(picture([y, dy], depth=0), "gradient") == ["backward pass"]


def test_a_gradient_penalty_closed_and_open():
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = minigrad.ones(2, 3).requires_grad_()
    out = model(x).sum()
    (g,) = minigrad.grad(out, x, create_graph=True)
    loss = out + g.square().sum()
    for depth in (0, 1, 2, None):
        drawn = picture(loss, model, depth=depth)
        assert {edge.target for edge in drawn.edges} <= set(drawn.vertices)
        assert "backward pass" in [*group_titles(drawn), *titles(drawn, "gradient")]


# ---- bad values -----------------------------------------------------------------------------------------------------


def bad(drawn):
    return {vertex.title: vertex.bad for vertex in drawn.vertices.values() if vertex.bad}


def test_the_first_bad_value_is_an_infinity():
    x = leaf(-60.0, -60.5, -61.0)
    p = x.relu()
    with np.errstate(all="ignore"):
        y = (p.log() * p).sum()
        y.backward()
    drawn = picture(y, variables={"x": x})
    assert bad(drawn) == {"log": "origin", "mul": "bad", "sum": "bad", "x": "grad"}
    assert at(drawn, "log").notes == ["⚠ 3 inf of 3", "first bad value appears here"]
    assert at(drawn, "mul").notes == ["⚠ 3 NaN of 3"]
    assert at(drawn, "x").notes == ["⚠ grad: 3 NaN of 3"]


def test_the_first_bad_value_is_a_nan_and_two_may_be_first():
    x = leaf(-1.0, 4.0)
    with np.errstate(all="ignore"):
        y = x.sqrt() + x.log()
    drawn = picture(y)
    assert bad(drawn) == {"sqrt": "origin", "log": "origin", "add": "bad"}
    assert at(drawn, "sqrt").notes[0] == "⚠ 1 NaN of 2"


def test_a_bad_parameter_is_the_origin():
    w = leaf(1.0, np.nan)
    assert bad(picture(w * 2, variables={"w": w})) == {"w": "origin", "× 2": "bad"}


def test_a_mask_of_infinities_is_not_bad_but_what_comes_of_it_may_be():
    scores, mask = leaf(1.0, 2.0, 3.0), minigrad.tensor([True, True, False])
    hidden = scores.masked_fill(mask, -np.inf)
    assert bad(picture(hidden.softmax(0))) == {}
    assert bad(picture((scores + minigrad.tensor([0.0, -np.inf, 0.0])).softmax(0))) == {}
    with np.errstate(all="ignore"):
        difference = hidden - hidden
    assert bad(picture(difference)) == {"sub": "origin"}


def test_an_overflow_is_bad():
    x = leaf(800.0, 1.0)
    with np.errstate(all="ignore"):
        y = x.exp()
    assert bad(picture(y)) == {"exp": "origin"}


def test_bad_gradients_alone_mark_only_the_border():
    x = leaf(0.0, 4.0)
    with np.errstate(all="ignore"):
        y = (x.sqrt() * minigrad.tensor([0.0, 1.0])).sum()
        y.backward()
    drawn = picture(y, variables={"x": x})
    assert bad(drawn) == {"x": "grad"}
    assert bad(picture(y, variables={"x": x}, direction="backward")) == {"x.grad": "bad"}


def test_a_bad_value_inside_a_closed_module():
    class Bad(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return (self.linear(x) * 0).log()

    model = Bad()
    with np.errstate(all="ignore"):
        drawn = picture(model(minigrad.ones(1, 3)), model, depth=0)
    assert bad(drawn) == {"Bad": "origin"}
    assert "⚠ first bad value appears in here" in at(drawn, "Bad").notes


def test_where_it_began_is_not_claimed_if_it_is_not_known():
    x = leaf(*range(7))
    with np.errstate(all="ignore"):
        y = ((x - 3).sin() * 2).log().sum()
        drawn = picture(y)
        with recording():
            y = ((x - 3).sin() * 2).log().sum()
    assert at(drawn, "sum").notes == ["⚠ 1 NaN of 1", "first bad value known (record more: minigrad.record())"]
    assert bad(picture(y)) == {"log": "origin", "sum": "bad"}


# ---- highlight ------------------------------------------------------------------------------------------------------


def test_highlight_leaves_only_what_lies_on_the_way_to_the_output():
    model, x = nn.MultiHead(6, 2), minigrad.randn(5, 3, 6)
    loss = model(x).square().mean()
    drawn = picture(loss, model, highlight="query.weight")
    kept = [v.title for v in drawn.vertices.values() if not v.faded]
    assert kept == [
        *("weight", "linear", "unflatten", "transpose (1, 2)", "matmul", "× 0.5774", "softmax dim=-1"),
        *("matmul", "transpose (1, 2)", "flatten", "linear", "square", "mean"),
    ]
    assert len([edge for edge in drawn.edges if not edge.faded]) == len(kept) - 1
    assert not at(picture(loss, model, highlight="query.weight", depth=1), "query: Linear").faded
    assert at(picture(loss, model, highlight="query.weight", depth=1), "key: Linear").faded
    assert not any(v.faded for v in picture(loss, model).vertices.values())


def test_highlight_takes_a_tensor_a_result_and_several():
    w, v = leaf(2.0), leaf(3.0)
    y = w.exp() * v.sin()

    def clear(highlight):
        return [
            vertex.title
            for vertex in picture(y, variables=there, highlight=highlight).vertices.values()
            if not vertex.faded
        ]

    there = {"w": w, "v": v, "y": y}
    assert clear(w) == clear("w") == ["w = 2", "exp", "×"]
    assert clear([w, "v"]) == ["w = 2", "exp", "v = 3", "sin", "×"]
    assert clear(y) == clear("y") == ["×"]


def test_highlight_of_a_gradient():
    x = leaf(0.5)
    y = (x * x).tanh()
    (dy,) = minigrad.grad(y, x, create_graph=True)
    drawn = picture([y, dy, dy.exp()], highlight=dy)
    assert [vertex.title for vertex in drawn.vertices.values() if not vertex.faded] == ["∂ +", "exp"]


def test_highlight_of_what_is_not_there():
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2))
    y = model(minigrad.ones(7, 3))
    with pytest.raises(ValueError, match=r"'0.wieght' is not in this graph; the closest names are 0.weight"):
        picture(y, model, highlight="0.wieght")
    with pytest.raises(ValueError, match=r"a tensor of shape \(2,\) is not in this graph; there are weight, 0.weight"):
        picture(y, model, highlight=leaf(1.0, 2.0))
    with pytest.raises(TypeError, match="highlight is a name, a tensor, or a list of them, not int"):
        picture(y, model, highlight=3)


# ---- guards ---------------------------------------------------------------------------------------------------------


def chain(n):
    y = leaf(1.0)
    for _ in range(n):
        y = y * 1.0
    return y


def test_too_large_a_picture_is_refused_if_it_was_asked_for():
    with pytest.raises(ValueError, match=r"depth=None there are 1,001 nodes to draw, more than max_nodes=500"):
        picture(chain(1000), depth=None)
    assert len(picture(chain(1000), depth=None, max_nodes=1001).vertices) == 1001


def test_too_large_a_picture_is_cut_if_nothing_was_asked_for():
    drawn = picture(chain(2003), max_nodes=41)
    assert drawn.title == "the 41 nodes nearest to the output"
    first, *rest = drawn.vertices.values()
    assert (first.kind, first.title) == ("cut", "1,963 earlier nodes not drawn")
    assert [v.id for v in rest] == [f"n{i}" for i in range(1963, 2004)]
    assert edges(drawn)[0] == "1,963 earlier nodes not drawn -> × 1"
    assert rest[-1].output
    assert is_sound(drawn)
    assert "cut" in picture(chain(2003), max_nodes=41, direction="backward").vertices


def test_fifty_thousand_operations_are_cut():
    assert len(picture(chain(50_000)).vertices) == 501


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("depth", "all", r"depth is 'auto', None \(all\), or how many levels to open, not 'all'"),
        ("depth", -1, "not -1"),
        ("depth", True, "not True"),
        ("rankdir", "UP", r"rankdir='UP' is not one of 'TB', 'LR', 'BT', 'RL'"),
        ("theme", "blue", r"theme='blue' is not one of 'auto', 'light', 'dark'"),
        ("direction", "down", r"direction='down' is not one of 'forward', 'backward'"),
        ("fold", 1, "2 at least, not 1"),
        ("max_nodes", 0, "max_nodes is a number, 1 at least, not 0"),
    ],
)
def test_options_that_do_not_exist(option, value, says):
    with pytest.raises(ValueError, match=says):
        picture(chain(2), **{option: value})


def test_the_look_is_handed_on():
    drawn = picture(chain(2), rankdir="LR", legend=False, theme="dark", title="a\nb")
    assert (drawn.rankdir, drawn.legend, drawn.theme, drawn.title) == ("LR", False, "dark", "a⏎b")


def test_drawing_changes_nothing():
    x = leaf(1.0, 2.0, 3.0)
    y = x.exp().sum()
    picture(y, show_rules=True, show_saved=True, direction="backward")
    assert y.node.inputs[0].label is None
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp([1, 2, 3]), rtol=1e-6)
