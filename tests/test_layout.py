"""What every layout must hold, on random pictures; and what makes the known ones readable."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path as File

import pictures
import pytest

from minigrad.viz.layout import Box, Path, Placed, place
from minigrad.viz.measure import width
from minigrad.viz.picture import Edge, Picture, Vertex

SEEDS = range(int(os.environ.get("MINIGRAD_LAYOUT_SEEDS", "60")))


def points(path: Path) -> list[tuple[float, float]]:
    """The corners of the path, and curves in sixteen steps."""
    chain = [path[0][:2]]
    for point in path[1:]:
        (a, b), start = chain[-1], 16 if len(point) == 2 else 1
        c, d, e, f, g, h = point if len(point) == 6 else (a, b, *point, *point)
        for i in range(start, 17):
            t, s = i / 16, 1 - i / 16
            p, q, r, u = s**3, 3 * s * s * t, 3 * s * t * t, t**3
            chain.append((p * a + q * c + r * e + u * g, p * b + q * d + r * f + u * h))
    return chain


def overlap(a: Box, b: Box, apart: float = 0.0) -> bool:
    return (
        abs(a.x - b.x) * 2 < a.width + b.width + 2 * apart - 0.01
        and abs(a.y - b.y) * 2 < a.height + b.height + 2 * apart - 0.01
    )


def inside(a: Box, b: Box) -> bool:
    return b.left <= a.left and a.right <= b.right and b.top <= a.top and a.bottom <= b.bottom


def check(picture: Picture, placed: Placed) -> None:
    """All that must hold of any layout."""
    assert list(placed.vertices) == list(picture.vertices)
    assert len(placed.edges) == len(placed.labels) == len(picture.edges)
    numbers = [v for box in [*placed.vertices.values(), *placed.groups.values()] for v in box]
    numbers += [v for path in placed.edges for point in path for v in point]
    assert all(map(math.isfinite, [*numbers, placed.width, placed.height]))
    sheet = Box(placed.width / 2, placed.height / 2, placed.width + 0.02, placed.height + 0.02)
    for box in [*placed.vertices.values(), *placed.groups.values()]:
        assert inside(box, sheet)
    for (a, box), (b, other) in combinations(placed.vertices.items(), 2):
        assert not overlap(box, other, 2), f"{a} and {b} overlap"
    for name, box in placed.vertices.items():
        around = set(picture.around(picture.vertices[name].group))
        for group, frame in placed.groups.items():
            if group in around:
                assert inside(box, frame), f"{name} sticks out of {group}"
            else:
                assert not overlap(box, frame), f"{name} stands in {group}, where it does not belong"
    for (a, box), (b, other) in combinations(placed.groups.items(), 2):
        if a in picture.around(b):
            assert inside(other, box), f"{b} sticks out of {a}"
        elif b in picture.around(a):
            assert inside(box, other), f"{a} sticks out of {b}"
        else:
            assert not overlap(box, other), f"{a} and {b} overlap"
    for edge, path in zip(picture.edges, placed.edges, strict=True):
        _check_edge(picture, placed, edge, path)


def _check_edge(picture: Picture, placed: Placed, edge: Edge, path: Path) -> None:
    source, target = placed.vertices[edge.source], placed.vertices[edge.target]
    (x, y), (to_x, to_y) = path[0], path[-1][-2:]
    if picture.rankdir == "TB":
        assert (x, y) == pytest.approx((source.x, source.bottom))
        assert target.left < to_x < target.right
        assert to_y == pytest.approx(target.top)
    else:
        assert (x, y) == pytest.approx((source.right, source.y))
        assert target.top < to_y < target.bottom
        assert to_x == pytest.approx(target.left)
    across = int(picture.rankdir == "LR")
    for before, point in pairwise(path):
        if len(point) == 2:
            assert abs(point[across] - before[-2:][across]) < 0.6, "a line is not parallel to the arrows"
    for (a, b), (c, d) in pairwise(points(path)):
        left, right, top, bottom = min(a, c) + 0.5, max(a, c) - 0.5, min(b, d) + 0.5, max(b, d) - 0.5
        for name, box in placed.vertices.items():
            over = box.left < right and left < box.right and box.top < bottom and top < box.bottom
            assert not over, f"{edge.source} → {edge.target} passes over {name}"
        for name, (start, base) in placed.titles.items():
            end = start + width(picture.groups[name].heading, 11, bold=True)
            over = start < max(a, c) and min(a, c) < end and base - 9 < max(b, d) and min(b, d) < base
            assert not over, f"{edge.source} → {edge.target} passes over the title of {name}"


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [pictures.scattered, pictures.called])
def test_random_pictures(make: Callable[[int, str], Picture], seed: int, rankdir: str) -> None:
    picture = make(seed, rankdir)
    check(picture, place(picture))


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("name", pictures.EXAMPLES)
def test_known_pictures(name: str, rankdir: str) -> None:
    picture = pictures.EXAMPLES[name](rankdir=rankdir)
    check(picture, place(picture))


def test_one_vertex_and_none() -> None:
    assert place(Picture()).vertices == {}
    placed = place(Picture({"n0": Vertex("n0", "input", name="x")}))
    box = placed.vertices["n0"]
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((0, 0, placed.width, placed.height))


def test_an_edge_to_itself_and_a_circle() -> None:
    b = pictures.Builder()
    one, two = b.op("a"), b.op("b")
    for source, target in ((one, one), (one, two), (two, one)):
        b.edge(source, target)
    check(b.picture, place(b.picture))


def test_groups_that_read_each_other() -> None:
    b = pictures.Builder()
    with b("forward") as forward, b("inner"):
        x = b.op("a")
    with b("backward"):
        y = b.op("b", x)
    z = b.add("operation", group=forward, operation="c")
    b.edge(y, z)
    check(b.picture, place(b.picture))


@pytest.mark.parametrize("rankdir", ["BT", "RL", "down"])
def test_a_rankdir_that_is_not_ours(rankdir: str) -> None:
    with pytest.raises(ValueError, match=f"'{rankdir}'.*'TB'.*'LR'.*dot"):
        place(pictures.neuron(rankdir=rankdir))


def test_a_long_chain_needs_no_recursion() -> None:
    b = pictures.Builder()
    x = b.input("x", (2, 3))
    for depth in range(40):
        b(f"level {depth}: Module")
    for _ in range(1200):
        x = b.op("relu", x, shape=(2, 3))
    placed = place(b.picture)
    assert len({box.x for box in placed.vertices.values()}) == 1


def test_the_same_places_for_every_hash_seed() -> None:
    program = (
        "import hashlib, pictures; from minigrad.viz.layout import place\n"
        "made = [place(pictures.scattered(s, d)) for s in range(20) for d in ('TB', 'LR')]\n"
        "print(hashlib.sha256(repr(made).encode()).hexdigest())"
    )
    here = File(__file__).parent
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


# ---- what makes a picture readable -----------------------------------------------------------------------------------


def find(picture: Picture, **what: object) -> list[str]:
    """The vertices of which all that holds."""
    return [
        name for name, v in picture.vertices.items() if all(getattr(v, key) == value for key, value in what.items())
    ]


def test_the_path_of_the_data_is_straight() -> None:
    picture = pictures.mlp()
    placed = place(picture)
    path = [*find(picture, name="x"), *find(picture, kind="operation")]
    assert len(path) == 7
    assert len({round(placed.vertices[name].x, 6) for name in path}) == 1


def test_queries_keys_and_values_stand_side_by_side() -> None:
    picture = pictures.attention()
    placed = place(picture)
    q, k, v = (placed.vertices[find(picture, name=name)[0]] for name in "QKV")
    assert q.y == k.y == v.y
    assert q.x < k.x < v.x


def test_a_parameter_stands_just_before_its_reader() -> None:
    picture = pictures.attention()
    placed = place(picture)
    for edge in picture.edges:
        if picture.vertices[edge.source].kind == "parameter":
            distance = placed.vertices[edge.target].top - placed.vertices[edge.source].bottom
            assert 0 < distance < 50


def test_a_leaf_beside_a_group_stands_at_its_reader_and_not_far_away() -> None:
    picture = pictures.attention()
    placed = place(picture)
    target, loss = placed.vertices[find(picture, name="target")[0]], placed.vertices[find(picture, name="loss")[0]]
    assert abs(target.x - loss.x) < loss.width
    assert loss.top - target.bottom < 50


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_arguments_arrive_in_their_order(rankdir: str) -> None:
    picture = pictures.kinds(rankdir=rankdir)
    placed = place(picture)
    (reader,) = find(picture, kind="gradient")
    ends = [p[-1][-2:] for e, p in zip(picture.edges, placed.edges, strict=True) if e.target == reader]
    across = [end[rankdir == "LR"] for end in ends]
    assert across == sorted(across)
    assert len(set(across)) == 3


def test_an_outside_value_enters_a_group_once() -> None:
    picture = pictures.attention()
    placed = place(picture)
    (x,) = find(picture, name="x")
    border = placed.groups[next(name for name, group in picture.groups.items() if group.title.startswith("attn"))].top
    places = set()
    for edge, path in zip(picture.edges, placed.edges, strict=True):
        if edge.source == x:
            places.add(next(round(px, 3) for (px, y), (_, end) in pairwise(points(path)) if y <= border <= end))
    assert len(places) == 1


def test_a_title_keeps_clear_of_the_arrow_into_its_group() -> None:
    picture = pictures.mlp()
    placed = place(picture)
    door = placed.vertices[find(picture, name="x")[0]].x
    for name, (x, _) in placed.titles.items():
        assert x > door or picture.groups[name].title == "Net"


@pytest.mark.parametrize("title", ["1: ReLU", "normalisation: Softmax over the keys"])
def test_a_narrow_group_grows_until_its_title_fits_beside_the_arrow(title: str) -> None:
    b = pictures.Builder()
    x = b.input("x", (2, 3))
    with b(title) as group:
        b.op("relu", x, shape=(2, 3))
    placed = place(b.picture)
    start, box = placed.titles[group][0], placed.groups[group]
    end, door = start + width(title, 11, bold=True), placed.vertices[x].x
    assert box.left < start < end < box.right
    assert door < start or end < door


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
def test_a_label_stands_on_the_side_that_its_arrow_does_not_come_from(rankdir: str) -> None:
    b = pictures.Builder(rankdir=rankdir)
    x = b.input("x", (2,))
    targets = [b.op("mul", shape=(2,)) for _ in range(2)]
    for target in targets:
        b.edge(x, target, label="×2")
    placed = place(b.picture)
    across = rankdir == "LR"
    origin = (placed.vertices[x].y if across else placed.vertices[x].x) - 0.1
    for target, label in zip(targets, placed.labels, strict=True):
        assert label is not None
        box = placed.vertices[target]
        middle = label[1] - 4 if across else label[0] + width("×2", 10) / 2
        head = box.y if across else box.x
        assert (middle < head) == (head < origin)


def test_a_loop_runs_beside_what_it_repeats() -> None:
    picture = pictures.folded()
    placed = place(picture)
    ((edge, path, label),) = [
        found for found in zip(picture.edges, placed.edges, placed.labels, strict=True) if found[0].loop
    ]
    frame = placed.groups[picture.vertices[edge.source].group or ""]
    right = max(
        box.right
        for name, box in placed.vertices.items()
        if picture.vertices[name].group == picture.vertices[edge.source].group
    )
    assert right < max(x for x, _ in points(path)) < frame.right
    assert label is not None
    assert label[0] < frame.right


def test_a_thousand_vertices() -> None:
    picture = pictures.transformer(22)
    placed = place(picture)
    assert len(placed.vertices) == 954
    names = list(placed.vertices)
    for a, b in pairwise(names):
        assert not overlap(placed.vertices[a], placed.vertices[b])


def test_a_chain_stands_beside_a_high_group_and_does_not_wait_for_its_end() -> None:
    b = pictures.Builder()
    x = b.op("a", b.input("x", (2, 3)), shape=(2, 3))
    with b("high") as high:
        y = x
        for _ in range(4):
            y = b.op("relu", y, shape=(2, 3))
    z = x
    for _ in range(4):
        z = b.op("tanh", z, shape=(2, 3))
    b.op("add", y, z, shape=(2, 3))
    placed = place(b.picture)
    check(b.picture, placed)
    frame = placed.groups[high]
    beside = [placed.vertices[name] for name in find(b.picture, operation="tanh")]
    assert all(frame.top < box.y < frame.bottom for box in beside[:2])
    assert placed.height < frame.height + 300
