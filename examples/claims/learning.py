"""What has to be learned from examples, and how many it takes: closeness, order, and which head looks where."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import minigrad
import nn
from examples.claims.lab import CONDITION, HOLDS, Finding, Table, claim
from examples.claims.tasks import Reader, accuracy, from_a_pool, neighbours, right, train, which_first
from examples.progress import Progress
from minigrad import Tensor
from minigrad.viz import attention, curves
from nn.record import record_attention

DIM, STEPS = 24, 14  # features, and tokens in a sequence of which_first


def convolution() -> nn.Module:
    return nn.Sequential(nn.Window(DIM, DIM, reach=1), nn.ReLU())


def block(positions: str) -> nn.Module:
    """A block of attention that knows the order by the positions of that name."""
    bias = nn.RelativeBias(2, STEPS) if positions == "relative" else None
    added = {"sinusoidal": lambda: nn.SinusoidalPositions(DIM), "learned": lambda: nn.LearnedPositions(STEPS, DIM)}
    return nn.Sequential(
        added.get(positions, nn.Identity)(), nn.EncoderBlock(nn.MultiHead(DIM, 2, positions=bias), DIM, 2 * DIM)
    )


class Causal(nn.Module):
    """A block of attention without positions, in which nobody looks to the right."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.EncoderBlock(nn.MultiHead(DIM, 2), DIM, 2 * DIM)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x, mask=nn.masks.causal(x.shape[1]))


def reader(mixer: Callable[[], nn.Module], seed: int) -> Reader:
    minigrad.manual_seed(seed)
    return Reader(8, DIM, mixer(), "max", 2)


# ---- how much data --------------------------------------------------------------------------------------------------


@claim("little-data", "With little data a CNN is better, with much data self-attention.")
def little_data(seed: int, short: bool) -> Finding:
    sizes, seeds, steps = ((20, 100), 1, 5) if short else ((20, 100, 300, 1000), 3, 200)
    kinds = {
        "convolution": convolution,
        "attention, learned": lambda: block("learned"),
        "attention, sinusoidal": lambda: block("sinusoidal"),
        "attention, relative": lambda: block("relative"),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    test = which_first(np.random.default_rng([seed, 1]), 0.75)(600)
    for name, size in Progress([(name, size) for name in kinds for size in sizes], "little-data"):
        runs = []
        for s in range(seed, seed + seeds):
            rng = np.random.default_rng([s, size])
            model = reader(kinds[name], s)
            train(model, from_a_pool(rng, which_first(rng, 0.75)(size)), steps, lr=0.005, batch=32)
            runs.append(accuracy(model, test))
        found[name].append(float(np.mean(runs)))
    convolved, attended = found["convolution"], [row for name, row in found.items() if name != "convolution"]
    crossings = [next((str(n) for n, c, a in zip(sizes, convolved, row, strict=True) if a > c), "none of these")
                 for row in attended]  # fmt: skip
    if not short:
        assert convolved[0] > max(row[0] for row in attended[:2]) + 5
        assert min(row[-1] for row in attended) > convolved[-1]
    return Finding(
        CONDITION,
        f"here, three quarters of the examples can be told from neighbours, which is what a convolution is made for, "
        f"and the others cannot. With {sizes[0]} examples the convolution has {convolved[0]:.0f} %, attention with "
        f"positions from a trained table {attended[0][0]:.0f} %, with sinusoids {attended[1][0]:.0f} %, with a bias "
        f"for relative positions {attended[2][0]:.0f} %; attention is ahead from {crossings[0]}, {crossings[1]} and "
        f"{crossings[2]} examples on. So it is not attention as such that needs the data, but finding out what is "
        f"close to what: the more of that the positions say, the sooner the curves cross. Where they do depends on the "
        f"task, too; with nothing but neighbours in it, there would be no reason to.",
        [Table(f"accuracy in %: which of two marks comes first? mean of {seeds} seeds (chance: 50)",
               ["examples", *(f"{n:,}" for n in sizes)], [[name, *row] for name, row in found.items()], ".1f")],
        {"little-data": curves({name: (np.log10(sizes), row) for name, row in found.items()},
                               xlabel="log₁₀ of the number of examples", ylabel="accuracy in %")},
    )  # fmt: skip


# ---- order ----------------------------------------------------------------------------------------------------------


@claim("positions", "Self-attention by itself does not know the order; encodings of the positions tell it.")
def positions(seed: int, short: bool) -> Finding:
    steps = 5 if short else 300
    test = which_first(np.random.default_rng([seed, 1]), 0.3)(600)
    kinds: dict[str, Callable[[], nn.Module]] = {
        "none": lambda: block("none"),
        "none, but a causal mask": Causal,
        "sinusoidal": lambda: block("sinusoidal"),
        "learned": lambda: block("learned"),
        "relative": lambda: block("relative"),
    }
    found = {}
    for name in Progress(list(kinds), "positions"):
        rng = np.random.default_rng(seed)
        model = reader(kinds[name], seed)
        train(model, which_first(rng, 0.3), steps, lr=0.005, batch=32)
        found[name] = accuracy(model, test)
    assert abs(found["none"] - 50) < 2  # a sequence and its twin are one set of vectors, with two answers
    if not short:
        assert min(score for name, score in found.items() if name != "none") > 90
    return Finding(
        HOLDS,
        f"without positions the two sequences of a pair are the same set of vectors, and one of the two answers is "
        f"wrong: {found['none']:.1f} %, however long one trains. Any of the encodings mends it. So does a causal mask "
        f"({found['none, but a causal mask']:.0f} %), for it treats left and right differently.",
        [Table("accuracy in %: which of two marks comes first?",
               ["positions", "accuracy"], [[name, score] for name, score in found.items()], ".1f")],
    )  # fmt: skip


# ---- heads ----------------------------------------------------------------------------------------------------------


@claim("heads", "Several heads are needed, because there are several kinds of relevance.")
def heads(seed: int, short: bool) -> Finding:
    steps, dim, tokens = 10 if short else 300, 24, 6
    test = neighbours(np.random.default_rng([seed, 1]))(300)
    rows, models = [], {}
    for count in Progress([1, 2, 4], "heads"):
        rng = np.random.default_rng(seed)
        minigrad.manual_seed(seed)
        bias = nn.RelativeBias(count, reach=9)
        nn.init.normal_(bias.weight)
        models[count] = Reader(tokens, dim, nn.MultiHead(dim, count, positions=bias), "all", 2 * tokens)
        train(models[count], neighbours(rng), steps, lr=0.01, batch=32)
        by_side = 100 * right(models[count], test).mean((0, 1))
        size = sum(p.numel() for p in models[count].parameters())
        rows.append([f"{count} head{'s' * (count > 1)}", size, *by_side])
    several = Table("accuracy in %: which token stands to the left of each, and which to the right? (chance: 17)",
                    ["", "parameters", "left", "right"], rows, ".1f")  # fmt: skip

    # Ablation: what is lost if a head's part of the joined vectors is set to 0?
    model, d = models[2], dim // 2
    with record_attention(model) as maps:
        right(model, (test[0][:1], test[1][:1]))
    kept, ablated = model.mixer.output.weight.clone(), [["none", *rows[1][2:]]]
    for h in range(2):
        with minigrad.no_grad():
            model.mixer.output.weight[:, h * d : (h + 1) * d] = 0.0
            ablated.append([f"head {h + 1}", *(100 * right(model, test).mean((0, 1)))])
            model.mixer.output.weight.copy_(kept)
    ablation = Table("two heads, one of them taken out after training", ["without", "left", "right"], ablated, ".1f")
    if not short:
        assert min(rows[1][2:]) > min(rows[0][2:]) + 10
        for row in ablated[1:]:
            assert min(row[1:]) < 60
    names = [f"{t}:{token}" for t, token in enumerate(test[0][0])]
    return Finding(
        HOLDS,
        f"where there are two kinds. With about as many parameters, one head gets {rows[0][2]:.0f} % and "
        f"{rows[0][3]:.0f} % of the two sides, two heads {rows[1][2]:.0f} % and {rows[1][3]:.0f} %, for one softmax "
        f"has to share itself between two places, and mixes what it finds there. Without its first head the layer "
        f"still knows {ablated[1][1]:.0f} % of the left and {ablated[1][2]:.0f} % of the right, without its second "
        f"{ablated[2][1]:.0f} % and {ablated[2][2]:.0f} %. More heads than kinds ({rows[2][2]:.0f} % and "
        f"{rows[2][3]:.0f} % with four) add little here.",
        [several, ablation],
        {"heads": attention(next(iter(maps.values()))[0][0], names)},
    )
