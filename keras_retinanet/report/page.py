"""The base of a page: head, style, headings, tables, tiles. A page is one file.

The page allows itself no request: its policy lets pictures come from data URIs alone. Of scripts
it runs the one that it was made with, named by its digest, and none that came in by data.
"""

import base64
import hashlib

from keras_retinanet.report.markup import Html, element, joined, safe
from keras_retinanet.report.style import STYLE

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title, *parts, subtitle=None, style="", script=None):
    """Return a whole HTML page.

    Args:
        title: of the page, text.
        parts: what stands below it: Html, or text that is escaped.
        subtitle: a line of text.
        style: CSS beside that of all pages.
        script: JavaScript that runs when the page is there; it must not hold `</`.
    """
    allowed = POLICY if script is None else f"{POLICY}; script-src 'sha256-{_digest(script)}'"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
    head = (
        '<meta charset="utf-8">'
        f"{policy}"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{safe(title)}</title><style>{STYLE}{style}</style>"
    )
    top = element("header", element("h1", title), element("p", subtitle) if subtitle else None)
    body = element("main", top, *parts)
    if script is not None:
        body = joined([body, element("script", Html(script))])
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _digest(script):
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def section(heading, *parts, note=None):
    """Return a part of a page under a heading, with a line of explanation."""
    explained = element("p", note, class_="note") if note else None
    return element("section", element("h2", heading), explained, *parts)


def tiles(pairs):
    """Return the few numbers that matter most, large.

    Args:
        pairs: [(number, what it is, "" or "good" or "bad")].
    """
    return element(
        "div",
        *(
            element(
                "div",
                element("b", number),
                element("span", what),
                class_=f"tile {tone}".strip(),
            )
            for number, what, tone in pairs
        ),
        class_="tiles",
    )


def table(head, rows):
    """Return a table; columns of numbers, and of text that begins as one, stand at the right.

    Args:
        head: names of the columns.
        rows: lists of cells: Html, or values that are escaped.
    """
    rows = [list(row) for row in rows]
    kinds = ["number" if all(map(_is_number, cells)) else None for cells in zip(*rows, strict=True)]
    kinds = kinds or [None] * len(head)
    names = element("tr", *_cells("th", head, kinds))
    lines = (element("tr", *_cells("td", row, kinds)) for row in rows)
    whole = element("table", element("thead", names), element("tbody", *lines))
    return element("div", whole, class_="scroll")


def _is_number(value):
    if isinstance(value, str):
        return value == "" or (value[0].isdigit() and not isinstance(value, Html))
    return isinstance(value, int | float)


def _cells(tag, values, kinds):
    pairs = zip(values, kinds, strict=True)
    return [element(tag, _shown(value), class_=kind) for value, kind in pairs]


def _shown(value):
    return f"{value:,}" if isinstance(value, int | float) else value


def badge(text, tone):
    """Return a small label; `tone` is "bad", "note" or "good"."""
    return element("span", text, class_=f"badge {tone}")


def folded(summary, lines, most=200):
    """Return lines that are shown on a click, the first `most` of them."""
    lines = list(lines)
    more = [f"… and {len(lines) - most:,} more"] if len(lines) > most else []
    items = joined(element("li", line) for line in [*lines[:most], *more])
    return element("details", element("summary", summary), element("ul", items))


def side_by_side(*parts):
    """Return parts in columns where the window is wide enough."""
    return element("div", *(element("div", part) for part in parts), class_="columns")
