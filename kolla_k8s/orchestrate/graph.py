"""Draw which service needs which: as text, as Graphviz' DOT, as SVG.

Pure. An edge that others imply is left out: to need Keystone is to need MariaDB.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Needs = Mapping[str, Collection[str]]

WIDTH, HEIGHT = 150, 34
COLUMN, ROW = 210, 58
MARGIN = 20
COLOURS = {"control": "#dbe9f6", "node": "#fbe5c8"}


@dataclass(frozen=True, slots=True)
class Graph:
    """Services and the plane of each; needs -> what must work before a service starts, without implied ones."""

    planes: Mapping[str, str]
    needs: Mapping[str, tuple[str, ...]]
    columns: tuple[tuple[str, ...], ...]


def graph_of(planes: Mapping[str, str], needs: Needs) -> Graph:
    """Graph of an acyclic relation; a service stands one column right of the last of its needs."""
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 1 + max((depth(need) for need in needs[name]), default=-1)
        return depths[name]

    by_depth: dict[int, list[str]] = {}
    for name in sorted(planes):
        by_depth.setdefault(depth(name), []).append(name)
    direct = {name: tuple(_direct(name, needs)) for name in sorted(planes)}
    return Graph(planes, direct, _ordered([by_depth[number] for number in sorted(by_depth)], direct))


def as_text(graph: Graph) -> str:
    """One line a service, in an order in which they can be installed."""
    names = [name for column in graph.columns for name in sorted(column)]
    width = max(map(len, names), default=0)
    return "".join(f"{name:{width}}  {', '.join(graph.needs[name])}".rstrip() + "\n" for name in names)


def as_dot(graph: Graph) -> str:
    """For Graphviz."""
    nodes = [f'  "{n}" [fillcolor="{COLOURS[plane]}"];' for n, plane in sorted(graph.planes.items())]
    edges = [f'  "{need}" -> "{name}";' for name, needed in graph.needs.items() for need in needed]
    head = ["digraph services {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled"];']
    return "\n".join([*head, *nodes, *edges, "}"]) + "\n"


def as_svg(graph: Graph) -> str:
    """For a page: columns from left to right, as they can be installed."""
    rows = max(map(len, graph.columns), default=0)
    width, height = len(graph.columns) * COLUMN - COLUMN + WIDTH + 2 * MARGIN, rows * ROW - ROW + HEIGHT + 2 * MARGIN
    at = {
        name: (MARGIN + x * COLUMN, MARGIN + (y + (rows - len(column)) / 2) * ROW)
        for x, column in enumerate(graph.columns)
        for y, name in enumerate(column)
    }
    shape = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="14"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {shape}>',
        "<title>What must work before each service starts</title>",
    ]
    for name, needed in graph.needs.items():
        lines += [_curve(at[need], at[name]) for need in needed]
    lines += [_box(name, graph.planes[name], at[name]) for name in at]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _direct(name: str, needs: Needs) -> Iterator[str]:
    for need in sorted(needs[name]):
        if not any(_reaches(other, need, needs) for other in needs[name] if other != need):
            yield need


def _reaches(name: str, wanted: str, needs: Needs) -> bool:
    return any(need == wanted or _reaches(need, wanted, needs) for need in needs[name])


def _ordered(columns: Sequence[Sequence[str]], needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Put each service at the mean height of what it needs, so that edges cross little."""
    found = [tuple(columns[0])] if columns else []
    heights = {name: number for column in found for number, name in enumerate(column)}
    for _, column in pairwise(columns):
        mean = {name: sum(heights[need] for need in needs[name]) / len(needs[name]) for name in column}
        found.append(tuple(sorted(column, key=lambda name: (mean[name], name))))
        heights |= {name: number for number, name in enumerate(found[-1])}
    return tuple(found)


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = (x2 - x1) / 2
    way = f"M{x1:g} {y1:g} C{x1 + bend:g} {y1:g} {x2 - bend:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{way}" fill="none" stroke="#8a8a8a"/>'


def _box(name: str, plane: str, at: tuple[float, float]) -> str:
    x, y = at
    box = f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{COLOURS[plane]}" stroke="#555"/>'
    text = f'<text x="{x + WIDTH / 2:g}" y="{y + HEIGHT / 2 + 5:g}" text-anchor="middle">{escape(name)}</text>'
    return box + text
