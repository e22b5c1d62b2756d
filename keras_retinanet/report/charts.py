"""Small charts as inline SVG. A bar may have a second part, which is shown as what is bad."""

from dataclasses import dataclass

from keras_retinanet.report.markup import element

WIDTH = 520  # of a chart in its own units, some pixels
NAMES = 150  # of the column of names
ROW, BAR = 24, 14  # height of a row, and of its bar
HEIGHT = 170  # of a chart of columns with one line of names
LINE, LETTER = 15, 7  # height of a line of names, width of a letter
LETTERS = 22  # of a name; the rest is cut


@dataclass(frozen=True)
class Bar:
    """One bar: its name, its number, and how much of it is bad."""

    name: str
    number: float
    bad: float = 0


def rows(bars):
    """Return a chart with one bar a row, its name left, its number right."""
    most = max((bar.number for bar in bars), default=0) or 1
    parts = [piece for place, bar in enumerate(bars) for piece in _row(bar, place * ROW, most)]
    return _svg(len(bars) * ROW, parts)


def _row(bar, top, most):
    unit = (WIDTH - NAMES - 110) / most
    good = (bar.number - bar.bad) * unit
    yield _text(NAMES - 10, top + 16, _short(bar.name), anchor="end", title=bar.name)
    yield _rect(NAMES, top + 5, max(good, 1 if bar.number else 0), BAR, "bar")
    yield _rect(NAMES + good, top + 5, bar.bad * unit, BAR, "bad")
    shown = f"{bar.number:,}" + (f" ({bar.bad:,} bad)" if bar.bad else "")
    yield _text(NAMES + bar.number * unit + 8, top + 16, shown, "soft")


def columns(bars, unit=""):
    """Return a chart with one bar a column: a histogram; `unit` names what its names count."""
    most = max((bar.number for bar in bars), default=0) or 1
    wide = WIDTH / max(len(bars), 1)
    floor = HEIGHT - 38
    crowded = max((len(bar.name) for bar in bars), default=0) * LETTER > wide
    parts = [element("line", x1=0, x2=WIDTH, y1=floor, y2=floor, class_="axis")]
    for place, bar in enumerate(bars):
        height = (floor - 18) * bar.number / most
        bad = (floor - 18) * bar.bad / most
        left, width = place * wide + 0.1 * wide, 0.8 * wide
        below = floor + LINE * (2 if crowded and place % 2 else 1)  # every second name lower
        parts += [
            _rect(left, floor - height, width, height - bad, "bar"),
            _rect(left, floor - bad, width, bad, "bad"),
            _text(left + width / 2, floor - height - 4, f"{bar.number:,}", "soft", "middle"),
            _text(left + width / 2, below, bar.name, anchor="middle"),
        ]
    height = HEIGHT + LINE * crowded
    parts.append(_text(WIDTH, height - 5, unit, "soft", "end"))
    return _svg(height, parts)


def key(good, bad):
    """Return the line that says what the two parts of bars are."""
    return element(
        "p", element("i", class_="bar"), good, element("i", class_="bad"), bad, class_="key"
    )


def _short(name):
    name = str(name)
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _svg(height, parts):
    return element("svg", *parts, viewBox=f"0 0 {WIDTH} {max(height, 1)}", role="img")


def _rect(x, y, width, height, kind):
    if width <= 0 or height <= 0:
        return None
    sides = {"x": x, "y": y, "width": width, "height": height}
    return element("rect", **{name: f"{side:.1f}" for name, side in sides.items()}, class_=kind)


def _text(x, y, content, kind=None, anchor=None, title=None):
    hint = element("title", title) if title and title != content else None
    place = {"x": f"{x:.1f}", "y": f"{y:.1f}"}
    return element("text", content, hint, **place, class_=kind, text_anchor=anchor)
