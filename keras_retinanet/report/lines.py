"""Curves as inline SVG, in colours that the colour-blind tell apart, and in dashes."""

from dataclasses import dataclass

from keras_retinanet.report.markup import element

WIDTH, HEIGHT = 460, 300  # of a chart in its own units, some pixels
LEFT, BOTTOM, TOP, RIGHT = 36, 36, 24, 8  # margins; the name of what goes up stands on top
COLORS = 7  # of the style, after Okabe and Ito 2008
DASHES = (None, "7 3", "2 3")  # of each further round of colours


@dataclass(frozen=True)
class Line:
    """A curve: its name, and its points (x, y), both 0 to 1."""

    name: str
    points: tuple


def chart(lines, across, up):
    """Return the curves in one chart of 0 to 1, with a key.

    Args:
        lines: of Line; the first is drawn thick.
        across, up: what the axes are.
    """
    parts = [*_grid(across, up)]
    for place in reversed(range(len(lines))):
        line = lines[place]
        parts.append(
            element("path", element("title", line.name), d=_path(line.points), **_look(place))
        )
    svg = element("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=up)
    return element("div", svg, _key(lines))


def _look(place):
    kind = "line all" if place == 0 else f"line c{(place - 1) % COLORS}"
    dash = DASHES[(place - 1) // COLORS % len(DASHES)] if place else None
    return {"class_": kind, "stroke_dasharray": dash}


def _key(lines):
    parts = [
        element(
            "span",
            element("svg", element("path", d="M0 5H26", **_look(place)), viewBox="0 0 26 10"),
            line.name,
        )
        for place, line in enumerate(lines)
    ]
    return element("p", *parts, class_="lines")


def _x(value):
    return LEFT + (WIDTH - LEFT - RIGHT) * value


def _y(value):
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value


def _path(points):
    return "M" + "L".join(f"{_x(x):.1f} {_y(y):.1f}" for x, y in points) if points else "M0 0"


def _grid(across, up):
    for step in range(6):
        share = step / 5
        x, y = f"{_x(share):.1f}", f"{_y(share):.1f}"
        yield element("line", x1=_x(0), x2=_x(1), y1=y, y2=y, class_="axis")
        yield element("line", x1=x, x2=x, y1=_y(0), y2=_y(1), class_="axis")
        yield element("text", f"{share:.1f}", x=LEFT - 6, y=float(y) + 4, text_anchor="end")
        yield element("text", f"{share:.1f}", x=x, y=HEIGHT - BOTTOM + 15, text_anchor="middle")
    yield element("text", across, x=_x(1), y=HEIGHT - 4, text_anchor="end", class_="soft")
    yield element("text", up, x=2, y=12, class_="soft")
