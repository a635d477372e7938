"""Pictures made by hand, as a layout and its writers meet them; and random ones."""

from __future__ import annotations

import random

from minigrad.viz.picture import Edge, Group, Picture, Vertex


class Builder:
    """Builds a picture the way a program runs: leaves, operations, calls of modules around them."""

    def __init__(self, **options) -> None:
        self.picture = Picture(**options)
        self.scope: list[str] = []

    def add(self, kind, *, group="", **what) -> str:
        name = f"n{len(self.picture.vertices)}"
        inside = self.scope[-1] if self.scope else None
        self.picture.vertices[name] = Vertex(name, kind, group=inside if group == "" else group, **what)
        return name

    def input(self, name, shape=None, **what) -> str:
        return self.add("input", group=None, name=name, shape=shape, **what)

    def parameter(self, name, shape, **what) -> str:
        return self.add("parameter", name=name, shape=shape, grad=what.pop("grad", "‖grad‖ = 0.459"), **what)

    def op(self, operation, *read, shape=None, kind="operation", **what) -> str:
        made = self.add(kind, operation=operation, shape=shape, **what)
        for argument, source in enumerate(read):
            self.edge(source, made, argument)
        return made

    def edge(self, source, target, argument=0, **what) -> None:
        flows = what.pop("flows", self.picture.vertices[source].kind != "input")
        self.picture.edges.append(Edge(source, target, argument, flows=flows, **what))

    def __call__(self, title, times=1) -> Builder:
        name = f"m{len(self.picture.groups)}"
        self.picture.groups[name] = Group(name, title, self.scope[-1] if self.scope else None, times)
        self.scope.append(name)
        return self

    def __enter__(self) -> str:
        return self.scope[-1]

    def __exit__(self, *_) -> None:
        self.scope.pop()

    def linear(self, path, x, shape, out, name="") -> str:
        with self(f"{path}: Linear"):
            h = self.op("matmul", x, self.parameter("weight", shape), shape=out)
            return self.op("add", h, self.parameter("bias", shape[:1]), shape=out, name=name)


def neuron(**options) -> Picture:
    b = Builder(title="y = tanh(w·x + b)", **options)
    w = b.add("parameter", name="w", shape=(), value="0.8", grad="grad = 0.7304")
    x = b.input("x", (), value="1.5")
    bias = b.add("parameter", name="b", shape=(), value="-0.3", grad="grad = 0.4869")
    product = b.op("×", w, x, shape=(), value="1.2", grad="grad = 0.4869")
    total = b.op("+", product, bias, shape=(), value="0.9", grad="grad = 0.4869")
    b.op("tanh", total, shape=(), name="y", value="0.7163", grad="grad = 1", output=True)
    return b.picture


def mlp(**options) -> Picture:
    b = Builder(**options)
    x = b.input("x", (5, 4))
    with b("Net"):
        h = b.linear("fc1", x, (8, 4), (5, 8))
        h = b.op("relu", h, shape=(5, 8))
        logits = b.linear("fc2", h, (3, 8), (5, 3), name="logits")
    b.op("cross_entropy", logits, b.input("target", (5,)), shape=(), name="loss", value="1.206", output=True)
    return b.picture


def attention(names=("x", "causal mask", "target"), **options) -> Picture:
    b = Builder(**options)
    x, mask = b.input(names[0], (6, 8)), b.input(names[1], (6, 6))
    with b("AttnNet"):
        with b("attn: SelfAttention"):
            q = b.linear("q_proj", x, (8, 8), (6, 8), name="Q")
            k = b.linear("k_proj", x, (8, 8), (6, 8), name="K")
            v = b.linear("v_proj", x, (8, 8), (6, 8), name="V")
            t = b.op("transpose (1, 0)", k, shape=(8, 6), kind="view")
            s = b.op("matmul", q, t, shape=(6, 6))
            s = b.op("× 0.3536", s, shape=(6, 6), name="scores")
            s = b.op("masked_fill", s, mask, shape=(6, 6))
            a = b.op("softmax dim=-1", s, shape=(6, 6), name="attention")
            c = b.op("matmul", a, v, shape=(6, 8), name="context")
        m = b.op("mean dim=0", c, shape=(1, 8))
        logits = b.linear("head", m, (5, 8), (1, 5), name="logits")
    target = b.input(names[2], (1,), value="[3]")
    b.op("cross_entropy", logits, target, shape=(), name="loss", value="1.52", output=True)
    return b.picture


def rnn(steps=4, **options) -> Picture:
    """Unrolled: the weights outside the steps, read by each."""
    b = Builder(**options)
    h = b.input("h0", (1, 5))
    xs = [b.input(f"x{t}", (1, 3), value="[-0.141, -1.28, 0.0825]") for t in range(1, steps + 1)]
    with b("RNN"):
        w_ih, w_hh, bias = b.parameter("W_ih", (3, 5)), b.parameter("W_hh", (5, 5)), b.parameter("b", (5,))
        for t, x in enumerate(xs, 1):
            with b(f"cell: RNNCell (call {t} of {steps})"):
                a = b.op("matmul", x, w_ih, shape=(1, 5))
                c = b.op("matmul", h, w_hh, shape=(1, 5))
                s = b.op("add", b.op("add", a, c, shape=(1, 5)), bias, shape=(1, 5))
                h = b.op("tanh", s, shape=(1, 5), name=f"h{t}")
        logits = b.linear("out", h, (2, 5), (1, 2), name="logits")
    target = b.input("target", (1,), value="[1]")
    b.op("cross_entropy", logits, target, shape=(), name="loss", value="1.567", output=True)
    return b.picture


def folded(**options) -> Picture:
    b = Builder(**options)
    h0 = b.input("h0", (1, 5))
    x = b.input("x1 … x4", (1, 3), times=4)
    with b("RNN"):
        w_ih, w_hh, bias = b.parameter("W_ih", (3, 5)), b.parameter("W_hh", (5, 5)), b.parameter("b", (5,))
        with b("cell: RNNCell", 4):
            a = b.op("matmul", x, w_ih, shape=(1, 5))
            c = b.op("matmul", h0, w_hh, shape=(1, 5))
            s = b.op("add", b.op("add", a, c, shape=(1, 5)), bias, shape=(1, 5))
            h = b.op("tanh", s, shape=(1, 5), name="h1 … h4")
        b.edge(h, c, 0, loop=True, label="×3")
        logits = b.linear("out", h, (2, 5), (1, 2), name="logits")
    target = b.input("target", (1,), value="[1]")
    b.op("cross_entropy", logits, target, shape=(), name="loss", value="1.567", output=True)
    return b.picture


def closed(b, path, kind, x, note) -> str:
    return b.op(f"{path}: {kind}", x, kind="module", notes=["→ (1, 7, 16)", note])


def block(b, x, mask, linear=None) -> str:
    """A transformer block, its leaf modules closed unless `linear` opens them."""
    linear = linear or (lambda path, x: closed(b, path, "Linear", x, "weight (16, 16), bias (16,)"))
    n = closed(b, "norm1", "LayerNorm", x, "weight (16,), bias (16,)")
    with b("attn: MultiHeadAttention"):
        heads = []
        for name in "qkv":
            h = b.op("reshape", linear(f"{name}_proj", n), shape=(1, 7, 4, 4), kind="view")
            heads.append(b.op("transpose (0, 2, 1, 3)", h, shape=(1, 4, 7, 4), name=name.upper(), kind="view"))
        t = b.op("transpose (0, 1, 3, 2)", heads[1], shape=(1, 4, 4, 7), kind="view")
        s = b.op("× 0.5", b.op("matmul", heads[0], t, shape=(1, 4, 7, 7)), shape=(1, 4, 7, 7), name="scores")
        s = b.op(
            "softmax dim=-1", b.op("masked_fill", s, mask, shape=(1, 4, 7, 7)), shape=(1, 4, 7, 7), name="attention"
        )
        c = b.op("matmul", s, heads[2], shape=(1, 4, 7, 4), name="context")
        c = b.op(
            "reshape", b.op("transpose (0, 2, 1, 3)", c, shape=(1, 7, 4, 4), kind="view"), shape=(1, 7, 16), kind="view"
        )
        c = linear("out_proj", c)
    x = b.op("add", x, c, shape=(1, 7, 16))
    n = closed(b, "norm2", "LayerNorm", x, "weight (16,), bias (16,)")
    with b("mlp: MLP"):
        h = linear("fc2", b.op("relu", linear("fc1", n), shape=(1, 7, 32)))
    return b.op("add", x, h, shape=(1, 7, 16))


def transformer(layers=0, **options) -> Picture:
    """Folded to one block of 33 vertices, or with `layers` open blocks: 22 are about 1,000 vertices."""
    b = Builder(title="modules opened to depth 4 of 4 (depth=None shows everything)", **options)
    tokens, mask = b.input("tokens", (1, 7)), b.input("causal mask", (7, 7))
    with b("Transformer"):
        x = closed(b, "embed", "Embedding", tokens, "weight (50, 16)")
        b.picture.edges[-1].flows = False
        if layers:
            for i in range(layers):
                with b(f"blocks.{i}: Block"):
                    x = block(b, x, mask, lambda path, x: b.linear(path, x, (16, 16), (1, 7, 16)))
        else:
            with b("blocks.0 … blocks.5: Block", 6):
                x = block(b, x, mask)
        x = closed(b, "norm", "LayerNorm", x, "weight (16,), bias (16,)")
        x = closed(b, "head", "Linear", x, "weight (16, 50)")
    x = b.op("reshape", x, shape=(7, 50), name="logits", kind="view")
    b.op("cross_entropy", x, b.input("targets", (7,)), shape=(), name="loss", value="3.783", output=True)
    return b.picture


def kinds(**options) -> Picture:
    """Every kind and every mark."""
    b = Builder(title='every kind & every mark: <b>bold</b> "quoted" 注意力 مرحبا 🙂', **options)
    x = b.input("<b>x</b>", (2, 3), copied=True)
    w = b.parameter("权重", (3, 5), bad="grad", grad="⚠ grad: 15 NaN of 15")
    cut = b.add("cut", name="49,963 earlier nodes not drawn")
    with b("backward pass"):
        g = b.op("∂ ×", x, w, cut, kind="gradient", shape=(2, 5))
        acc = b.op("AccumulateGrad (sum of 4)", g, kind="accumulate")
    bad = b.op("log", g, shape=(2, 5), bad="origin", notes=["⚠ 3 inf of 10", "first bad value appears here"])
    worse = b.op("mul", bad, bad, shape=(2, 5), bad="bad", notes=["⚠ 3 NaN of 10"])
    b.picture.edges[-1].label = "×2"
    many = b.op("blocks: Block", worse, kind="module", shape=(2, 5), times=6)
    view = b.op("transpose (1, 0)", many, kind="view", shape=(5, 2), faded=True)
    b.picture.edges[-1].faded = True
    b.op("sum", view, acc, shape=(), value="nan", name="loss", output=True)
    return b.picture


EXAMPLES = {
    "neuron": neuron,
    "mlp": mlp,
    "attention": attention,
    "rnn": rnn,
    "folded": folded,
    "transformer": transformer,
    "kinds": kinds,
}


def scattered(seed: int, rankdir: str = "TB") -> Picture:
    """A random picture: any DAG, any nesting, groups whose members are interleaved, loops."""
    rng = random.Random(seed)
    b = Builder(rankdir=rankdir)
    groups: list[str | None] = [None]
    for i in range(rng.randrange(8)):
        name = f"m{i}"
        b.picture.groups[name] = Group(
            name, f"group {i}: " + "Module" * rng.randrange(4), rng.choice(groups), rng.choice([1, 1, 3])
        )
        groups.append(name)
    kinds = ["input", "parameter", "operation", "view", "module", "gradient", "accumulate", "cut"]
    count = rng.randrange(1, 40)
    near = rng.choice([3, 10, 40])
    for i in range(count):
        lines = ["line " * rng.randrange(1, 6)] * rng.randrange(4)
        name = b.add(rng.choice(kinds), group=rng.choice(groups), name=f"v{i}" * rng.randrange(1, 5), notes=lines)
        for argument in range(min(i, rng.randrange(4))):
            b.edge(f"n{rng.randrange(max(0, i - near), i)}", name, argument, flows=rng.random() < 0.5)
    for _ in range(rng.randrange(3)):
        b.edge(f"n{rng.randrange(count)}", f"n{rng.randrange(count)}", loop=True, label=rng.choice(["", "×3"]))
    return b.picture


def called(seed: int, rankdir: str = "TB") -> Picture:
    """A random program: calls within calls, each reading what was computed before, some of it long before."""
    rng = random.Random(seed)
    b = Builder(rankdir=rankdir)
    known = [b.input("x", (2, 3))]
    for i in range(rng.randrange(5, 60)):
        step = rng.random()
        if step < 0.15 and len(b.scope) < 4:
            b(f"module {i}: Module")
        elif step < 0.3 and b.scope:
            b.scope.pop()
        elif step < 0.4:
            known.append(b.parameter("weight", (3, 5)))
        else:
            back = 3 if rng.random() < 0.8 else len(known)
            read = [rng.choice(known[-back:]) for _ in range(rng.randrange(1, 4))]
            known.append(b.op("operation " * rng.randrange(1, 4), *read, shape=(2, 3)))
    return b.picture
