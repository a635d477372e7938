"""SVG: a placed picture as an image that needs nothing else, on a light and on a dark page.

Every element that a page or a style sheet may want to find has a class, and these names stay:

- `g.n.KIND` is a vertex, its id that of the vertex, KIND one of input, parameter, operation, view, module, gradient,
  accumulate, cut; more classes say what is special: output, bad, origin, badgrad, copied, faded, folded. In it `.s` is
  the shape and `.t` the text.
- `g.e` is an edge, with the ids of its vertices as data-from and data-to; classes: flows, or still where no gradient
  flows; loop, faded, and path where others are faded. In it `.l` is the line, `.a` the head of the arrow, `.t` the
  label.
- `g.c` is the box of a group, its id that of the group; classes: d0, d1, d2 by depth, and folded. Its title is a
  `text.ct`, which is drawn over the edges.

Colours are written on the elements, for a light page; a style sheet changes them where the reader's page is dark. All
its rules begin with a class that is a hash of the picture, so that pictures on one page leave each other alone.
"""

from __future__ import annotations

from hashlib import sha256
from html import escape

from .drawing import FONT, SVG, number
from .layout import Box, Path, Placed, place
from .measure import clean, width
from .palette import DARK, LIGHT, Theme
from .picture import Edge, Picture, Vertex
from .shapes import DASHED, LEGEND, colours, look, outline, rectangle, tag

PAGE = 14.0  # the margin around everything
FADED = 0.35  # the opacity of a vertex beside the highlighted path
THEMES = {"auto": LIGHT, "light": LIGHT, "dark": DARK}


def svg(picture: Picture, placed: Placed | None = None, theme: str | None = None) -> str:
    """The picture as one SVG image; `placed` if that is known already.

    `theme` is auto (follows the reader's page), light or dark; without it, the picture's own.

    **Raises** `ValueError` for another theme, or a rankdir other than TB and LR.

    >>> image = svg(Picture({"n0": Vertex("n0", "input", name="x", shape=(2, 3))}))
    >>> image.startswith("<svg") and "(2, 3)" in image
    True
    """
    theme = theme or picture.theme
    if theme not in THEMES:
        raise ValueError(f"theme {theme!r}: there are 'auto' (follows the reader's page), 'light' and 'dark'")
    placed = placed or place(picture)
    head, wide, high = _head(picture, THEMES[theme], max(1.15 * placed.width, 480.0))
    body = drawing(picture, placed, theme=theme)
    scope = "mg-" + sha256((theme + head + body).encode()).hexdigest()[:10]
    across = max(placed.width, wide)
    size = {"width": across + 2 * PAGE, "height": high + placed.height + 2 * PAGE}
    sheet = tag("style", f"@media (prefers-color-scheme: dark){{{style(scope)}}}") if theme == "auto" else ""
    left = PAGE + (across - placed.width) / 2
    parts = [
        sheet,
        tag("rect", class_="page", **size, fill=THEMES[theme].page),
        tag("g", head, transform=f"translate({number(PAGE)} {number(PAGE)})"),
        tag("g", body, transform=f"translate({number(left)} {number(PAGE + high)})"),
    ]
    return tag(
        "svg",
        "\n".join(filter(None, parts)),
        xmlns=SVG,
        class_=scope,
        **size,
        viewBox=f"0 0 {number(size['width'])} {number(size['height'])}",
        role="img",
        aria_label=clean(picture.title) or "computation graph",
        font_family=FONT,
        style="max-width:100%;height:auto",
    )


def drawing(picture: Picture, placed: Placed, prefix: str = "", theme: str = "light") -> str:
    """What is inside the image: groups, edges, titles and vertices, in this order; `prefix` stands before every id.

    Several can stand on one page if their prefixes differ; `style` makes them dark.
    """
    ink = THEMES[theme]
    highlighted = any(edge.faded for edge in picture.edges)
    arrows = zip(picture.edges, placed.edges, placed.labels, strict=True)
    parts = [_group(picture, name, box, prefix, ink) for name, box in placed.groups.items()]
    parts += [
        _edge(edge, path, label, picture.rankdir == "LR", highlighted, ink)
        for edge, path, label in sorted(arrows, key=lambda arrow: not arrow[0].faded)
    ]
    for name, at in placed.titles.items():
        deep = _depth(picture, name)
        parts.append(_words(picture.groups[name].heading, at, f"ct d{deep}", ink.edge, ink.clusters[deep], 11, "bold"))
    parts += [_vertex(vertex, placed.vertices[name], prefix, ink) for name, vertex in picture.vertices.items()]
    return "\n".join(parts)


def style(scope: str) -> str:
    """The rules that make what stands inside an element of the class `scope` dark."""
    rules = {
        ".page": f"fill:{DARK.page}",
        "text": f"fill:{DARK.text}",
        ".view text,.ct,.e .t,.legend": f"fill:{DARK.edge}",
        ".e .t": f"stroke:{DARK.page}",
    }
    for name, colour in _arrows(DARK).items():
        rules |= {f"{name} .l": f"stroke:{colour}", f"{name} .a,{name} .t": f"fill:{colour}"}
    for i, fill in enumerate(DARK.clusters):
        rules |= {f".c.d{i} rect": f"fill:{fill};stroke:{DARK.cluster_line}", f".ct.d{i}": f"stroke:{fill}"}
    for name in LEGEND:
        fill, border = colours(name, DARK)
        rules[f".{name} .s"] = f"fill:{fill};stroke:{border}"
    rules[".badgrad .s"] = f"stroke:{DARK['bad'][1]}"
    return "".join(
        ",".join(f".{scope} {one}" for one in selector.split(",")) + f"{{{declared}}}"
        for selector, declared in rules.items()
    )


def _arrows(theme: Theme) -> dict[str, str]:
    """The colours of edges, by class; of several that hold, the last counts."""
    return {
        ".key": theme.edge,
        ".e": theme.edge,
        ".path": theme["output"][1],
        ".loop": theme["module"][1],
        ".e.faded": theme.cluster_line,
    }


# ---- vertices --------------------------------------------------------------------------------------------------------


def _vertex(vertex: Vertex, box: Box, prefix: str, theme: Theme) -> str:
    marks = {
        "output": vertex.output,
        "bad": vertex.bad in ("bad", "origin"),
        "origin": vertex.bad == "origin",
        "badgrad": vertex.bad == "grad",
        "copied": vertex.copied,
        "faded": vertex.faded,
        "folded": vertex.times > 1,
    }
    fill, border = colours(look(vertex), theme)
    shape = outline(
        vertex.kind,
        box,
        vertex.times,
        class_="s",
        fill=fill,
        stroke=theme["bad"][1] if vertex.bad == "grad" else border,
        stroke_width={"origin": 3.2, "bad": 1.8, "grad": 2.0}.get(vertex.bad, 2.0 if vertex.output else 1.2),
        stroke_dasharray=DASHED if vertex.copied or vertex.kind == "cut" else None,
    )
    x = box.x - 4 if vertex.kind == "accumulate" else box.x
    y = box.y + (3 if vertex.kind == "parameter" else 0) + 11 - 7 * (1 + len(vertex.lines))
    ink = theme.edge if look(vertex) == "view" else theme.text
    text = tag("text", _text(vertex.title), class_="t", x=x, y=y, font_size=12, font_weight="bold", fill=ink)
    for i, line in enumerate(vertex.lines, 1):
        text += tag("text", _text(line), class_="t", x=x, y=y + 14 * i, font_size=11, fill=ink)
    return tag(
        "g",
        tag("title", _text(vertex.tooltip or vertex.title, lines=True)) + shape + text,
        class_=" ".join(["n", vertex.kind, *(mark for mark, holds in marks.items() if holds)]),
        id=prefix + vertex.id,
        text_anchor="middle",
        opacity=FADED if vertex.faded else None,
    )


# ---- edges and groups ------------------------------------------------------------------------------------------------


def _edge(
    edge: Edge, path: Path, label: tuple[float, float] | None, right: bool, highlighted: bool, theme: Theme
) -> str:
    marks = {"loop": edge.loop, "faded": edge.faded, "path": highlighted and not edge.faded}
    classes = ["e", "flows" if edge.flows else "still", *(mark for mark, holds in marks.items() if holds)]
    ink = [colour for name, colour in _arrows(theme).items() if name.split(".")[-1] in classes][-1]
    line, head = _arrow(path, right)
    dashed = DASHED if edge.loop or not edge.flows else None
    thick = 2.2 if marks["path"] else 1.2
    drawn = tag("path", class_="l", d=line, fill="none", stroke=ink, stroke_width=thick, stroke_dasharray=dashed)
    drawn += tag("path", class_="a", d=head, fill=ink)
    if label:
        drawn += _words(edge.label, label, "t", ink, theme.page, 10)
    return tag("g", drawn, class_=" ".join(classes), data_from=edge.source, data_to=edge.target)


def _arrow(path: Path, right: bool) -> tuple[str, str]:
    """The line, up to where the head of the arrow begins, and the head."""
    x, y = path[-1][-2:]
    base = (x - 6, y) if right else (x, y - 6)
    points = [*path[:-1], (*path[-1][:-2], *base)]
    line = "".join(f"{'C' if len(point) == 6 else 'L'}{' '.join(map(number, point))}" for point in points)
    return f"M{line[1:]}", f"M{number(x)} {number(y)}{'l-7 -3.5v7Z' if right else 'l-3.5 -7h7Z'}"


def _group(picture: Picture, name: str, box: Box, prefix: str, theme: Theme) -> str:
    group, deep = picture.groups[name], _depth(picture, name)
    fill, line = theme.clusters[deep], theme.cluster_line
    shape = rectangle(box, 8, fill=fill, stroke=line)
    if group.times > 1:
        shape += rectangle(Box(box.x, box.y, box.width - 6, box.height - 6), 6, fill=fill, stroke=line)
    tip = tag("title", _text(group.tooltip or group.title, lines=True))
    return tag("g", tip + shape, class_=f"c d{deep}{' folded' * (group.times > 1)}", id=prefix + name)


def _depth(picture: Picture, group: str) -> int:
    """How deep a group lies, as far as the palette tells depths apart."""
    return min(picture.depth(group), len(LIGHT.clusters) - 1)


def _words(
    words: str, at: tuple[float, float], name: str, ink: str, halo: str, size: float, weight: str | None = None
) -> str:
    """Text on top of lines, with a halo in the colour of the ground, so that it stays readable."""
    return tag(
        "text",
        _text(words),
        class_=name,
        x=at[0],
        y=at[1],
        font_size=size,
        font_weight=weight,
        fill=ink,
        stroke=halo,
        stroke_width=3,
        stroke_linejoin="round",
        paint_order="stroke",
    )


# ---- title and legend ------------------------------------------------------------------------------------------------


def _head(picture: Picture, theme: Theme, widest: float) -> tuple[str, float, float]:
    """Title and legend, and the width and height they take; a legend wider than `widest` is broken into rows."""
    parts: list[str] = []
    wide = y = 0.0
    if picture.title:
        parts.append(tag("text", _text(picture.title), class_="title", x=0.0, y=13, font_size=13, fill=theme.text))
        wide, y = width(clean(picture.title), 13), 24.0
    if picture.legend and picture.vertices:
        kinds, lines = _kinds(picture, theme), _lines(picture, theme)
        rows = [kinds + lines]
        if sum(room + 8 for _, room in kinds + lines) > widest:
            rows = [*_broken(kinds, widest), lines]
        for row in filter(None, rows):
            x = 0.0
            for part, room in row:
                parts.append(tag("g", part, transform=f"translate({number(x)} {number(y)})", text_anchor="middle"))
                x += room + 8
            wide, y = max(wide, x - 8), y + 24
        y += 8
    return "\n".join(parts), wide, y


def _broken(entries: list[tuple[str, float]], widest: float) -> list[list[tuple[str, float]]]:
    """The entries in rows."""
    rows: list[list[tuple[str, float]]] = [[]]
    for entry in entries:
        if rows[-1] and sum(room + 8 for _, room in [*rows[-1], entry]) > widest:
            rows.append([])
        rows[-1].append(entry)
    return rows


def _kinds(picture: Picture, theme: Theme) -> list[tuple[str, float]]:
    """The kinds that occur, each with the width it takes."""
    looks = {look(vertex) for vertex in picture.vertices.values()}
    entries = []
    for name, words in LEGEND.items():
        if name not in looks:
            continue
        wide = width(words, 9) + (22 if name in ("input", "accumulate") else 14)
        fill, border = colours(name, theme)
        shape = outline(
            name,
            Box(wide / 2, 10, wide, 21 if name == "parameter" else 18),
            class_="s",
            fill=fill,
            stroke=border,
            stroke_width=1.8 if name in ("output", "bad") else 1.1,
            stroke_dasharray=DASHED if name == "cut" else None,
        )
        y = 14.8 if name == "parameter" else 13.2
        text = tag("text", _text(words), x=wide / 2, y=y, font_size=9, fill=theme.text)
        entries.append((tag("g", shape + text, class_=name), wide + (4 if name == "module" else 0)))
    return entries


def _lines(picture: Picture, theme: Theme) -> list[tuple[str, float]]:
    """What solid, dashed and violet arrows mean, if there are such, each with the width it takes."""
    flows = {(edge.loop, edge.flows or edge.loop) for edge in picture.edges}
    meanings = [
        ("key", (False, True), "gradient" if picture.backward else "gradient flows back"),
        ("key", (False, False), "no gradient"),
        ("key loop", (True, True), "next repeat"),
    ]
    entries = []
    for name, kind, words in meanings:
        if kind not in flows:
            continue
        ink = _arrows(theme)[f".{name.split()[-1]}"]
        dashed = None if kind == (False, True) else DASHED
        line = tag("path", class_="l", d="M2 10H24", stroke=ink, stroke_width=1.2, stroke_dasharray=dashed)
        head = tag("path", class_="a", d="M31 10l-7 -3.5v7Z", fill=ink)
        wide = width(words, 9)
        text = tag("text", _text(words), class_="legend", x=36 + wide / 2, y=13.2, font_size=9, fill=theme.edge)
        entries.append((tag("g", line + head + text, class_=name), 40 + wide))
    return entries


def _text(text: str, lines: bool = False) -> str:
    """Escaped, and without what XML has no place for; on one line, unless it may have `lines`."""
    return escape("\n".join(map(clean, text.splitlines())) if lines else clean(text))
