"""The drawing of the wings, made from their imports: ``python -m tests.support.wings > docs/wings.svg``."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Mapping
from html import escape
from typing import NamedTuple

from tests.house import test_architecture as house
from tests.support.markdown import DOCS

GROUND = "the ground"
BOX_WIDTH, BOX_HEIGHT, LINE = 212, 78, 15
GAP_X, GAP_Y, MARGIN = 28, 40, 10
LETTERS, LINES = 32, 3
MOST_ASIDE = 70  # from the middle of a box, where an arrow begins and ends
STYLE = """text { font-family: system-ui, sans-serif; font-size: 12px; fill: #333 }
.name { font-size: 14px; font-weight: 600 }
rect { fill: #fff; stroke: #5c6bc0; stroke-width: 1.5 }
line { stroke: #9aa5d8; stroke-width: 1.5; marker-end: url(#tip) }
#tip path { fill: #9aa5d8 }"""


class Box(NamedTuple):
    """A wing, with what it is for, in the middle of its upper side at ``x``, ``y``."""

    name: str
    purpose: str
    x: int
    y: int


def rooms() -> list[str]:
    """The rooms that are drawn, in the order of the imports."""
    return [GROUND, *house.ORDER[len(house.GROUND) :]]


def imported() -> dict[str, set[str]]:
    """What each room imports."""
    drawn = {room: room for room in rooms()} | dict.fromkeys(house.GROUND, GROUND)
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for file in house.sources(*house.FOLDERS):
        source = drawn.get(house.room_of(file))
        if source is None or file in house.ALIASES:
            continue
        modules = [module for module, _, _ in house.early_imports(file) if module.split(".")[0] in house.FOLDERS]
        found[source] |= {drawn[room] for module in modules if (room := house.room_of(module)) in drawn}
    return {room: targets - {room} for room, targets in found.items()}


def arrows(found: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """What is left if each arrow that follows from others is taken away."""
    reached: dict[str, set[str]] = {}
    for room in rooms():
        reached[room] = {*found[room], *(far for near in found[room] for far in reached.get(near, ()))}
    return {
        room: sorted(one for one in found[room] if not any(one in reached[other] for other in found[room]))
        for room in rooms()
    }


def purposes() -> dict[str, str]:
    """What each room is for, as the page around the drawing says it."""
    lines = re.findall(r"^\| `(\w+)` \| (.+) \|$", (DOCS / "house.md").read_text(encoding="utf-8"), re.MULTILINE)
    return {**dict(lines), GROUND: ", ".join(house.GROUND)}


def placed(links: Mapping[str, list[str]]) -> dict[str, Box]:
    """Each room on a floor below all that import it, a room that is alone there below the middle of these."""
    importers = {room: [source for source in links if room in links[source]] for room in rooms()}
    floor: dict[str, int] = {}
    for room in reversed(rooms()):
        floor[room] = 1 + max((floor[source] for source in importers[room]), default=-1)
    rows = [[room for room in rooms() if floor[room] == level] for level in range(max(floor.values()) + 1)]
    middle = max(len(row) for row in rows) * (BOX_WIDTH + GAP_X) // 2 - GAP_X // 2 + MARGIN
    boxes, told = dict[str, Box](), purposes()
    for level, row in enumerate(rows):
        above = [boxes[source].x for source in importers[row[0]] if floor[source] == level - 1]
        alone = len(row) == 1 and above and level < len(rows) - 1
        first = (sum(above) // len(above) if alone else middle) - (len(row) - 1) * (BOX_WIDTH + GAP_X) // 2
        for place, room in enumerate(row):
            x, y = first + place * (BOX_WIDTH + GAP_X), MARGIN + level * (BOX_HEIGHT + GAP_Y)
            boxes[room] = Box(room, told.get(room, "").replace("`", ""), x, y)
    return boxes


def _line(source: Box, target: Box) -> str:
    aside = max(-MOST_ASIDE, min(MOST_ASIDE, (target.x - source.x) // 4))
    begin, end = f'x1="{source.x + aside}" y1="{source.y + BOX_HEIGHT}"', f'x2="{target.x - aside}" y2="{target.y - 6}"'
    return f"<line {begin} {end}/>"


def drawing() -> str:
    """The drawing, as SVG; that everything uses the ground goes without arrows."""
    links = arrows(imported())
    boxes = placed(links)
    wide = max(box.x for box in boxes.values()) + BOX_WIDTH // 2 + MARGIN
    high = max(box.y for box in boxes.values()) + BOX_HEIGHT + MARGIN
    lines = [
        _line(boxes[room], boxes[target]) for room, targets in links.items() for target in targets if target != GROUND
    ]
    tip = '<marker id="tip" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto"><path d="M0 0 8 4 0 8z"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}">'
    drawn = [*lines, *(line for box in boxes.values() for line in _box(box))]
    return "\n".join([head, f"<style>{STYLE}</style>", f"<defs>{tip}</marker></defs>", *drawn, "</svg>", ""])


def _box(box: Box) -> list[str]:
    words = textwrap.wrap(box.purpose, LETTERS, max_lines=LINES, placeholder=" …")
    texts = [f'<text class="name" x="{box.x}" y="{box.y + 20}" text-anchor="middle">{escape(box.name)}</text>']
    for number, line in enumerate(words, 1):
        y = box.y + 22 + number * LINE
        texts.append(f'<text x="{box.x}" y="{y}" text-anchor="middle">{escape(line, quote=False)}</text>')
    x = box.x - BOX_WIDTH // 2
    return [f'<rect x="{x}" y="{box.y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>', *texts]


if __name__ == "__main__":
    sys.stdout.write(drawing())
