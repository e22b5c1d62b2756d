"""What the pages of an evaluation share: filters, the viewer of pictures, the colours of boxes."""

from keras_retinanet.evaluation import examples
from keras_retinanet.evaluation.breakdown import SIDES
from keras_retinanet.report.markup import Html, element


def share(value):
    """Return a number from 0 to 1 in words; None, nan and -1 are none."""
    return "none" if value is None or value != value or value < 0 else f"{value:.3f}"


def links(pages):
    """Return links to pages of the same folder, [(words, address)]; None for none."""
    if not pages:
        return None
    return element("p", *(element("a", words, href=address) for words, address in pages))


def colours():
    """Return the line that says what the colours of boxes mean."""
    return element(
        "p",
        "In pictures: label ",
        Html('<b style="color:#009e73">green</b>, right detection '),
        Html('<b style="color:#56b4e9">sky blue</b>, wrong one '),
        Html('<b style="color:#d55e00">vermillion</b>. A click opens the whole picture.'),
        class_="note",
    )


def filters(names):
    """Return the controls that choose among the figures of a page."""
    kinds = [(kind.replace(" ", "-"), kind) for kind in examples.REASONS]
    score = {"type": "number", "min": 0, "max": 1, "step": 0.05}
    return element(
        "div",
        _select("label", "class", list(enumerate(names))),
        _select("size", "size", list(enumerate(SIDES))),
        _select("kind", "error", kinds),
        element("label", "score from", _number("low", 0, score)),
        element("label", "score to", _number("high", 1, score)),
        element("button", "show all", id="clear", type="button"),
        element("span", "", id="count", role="status"),
        class_="filters",
    )


def _select(name, what, pairs):
    options = [element("option", text, value=value) for value, text in [("", "all"), *pairs]]
    return element("label", what, element("select", *options, id=name))


def _number(name, value, attributes):
    given = "".join(f' {key}="{each}"' for key, each in attributes.items())
    return Html(f'<input id="{name}" value="{value}"{given}>')


def viewer():
    """Return the dialog in which a picture opens."""
    buttons = [
        element("button", text, id=name, type="button")
        for name, text in (("before", "← before"), ("after", "next →"), ("close", "close"))
    ]
    return element(
        "dialog",
        element("nav", *buttons),
        element("div", id="large"),
        element("p", "", id="large-name"),
        id="viewer",
        aria_labelledby="large-name",
    )
