"""Pages: text is escaped, nothing is fetched, charts and pictures show what they were given."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.report import charts, pictures
from keras_retinanet.report.markup import Html, element, safe
from keras_retinanet.report.page import (
    badge,
    folded,
    page,
    section,
    side_by_side,
    table,
    tiles,
)
from keras_retinanet.report.style import STYLE

NASTY = "<script src='http://x'>&\"</script>"


class Nesting(HTMLParser):
    """Checks that elements are closed in order, and collects tags and text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.sources = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href", "data")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def whole_page():
    bars = [charts.Bar(NASTY, 3, 1), charts.Bar("b", 0)]
    image = np.zeros((4, 6, 3), np.uint8)
    return page(
        NASTY,
        tiles([(1, NASTY, "bad")]),
        section(
            NASTY,
            table([NASTY, "b"], [[NASTY, 1], ["x", 2.5]]),
            badge(NASTY, "bad"),
            folded(NASTY, [NASTY] * 3, most=2),
            side_by_side(charts.rows(bars), charts.columns(bars, NASTY), charts.key(NASTY, "b")),
            pictures.gallery([pictures.figure(image, NASTY)]),
            note=NASTY,
        ),
        subtitle=NASTY,
    )


def test_everything_is_escaped_and_well_nested():
    parsed = Nesting(whole_page())
    assert "script" not in parsed.tags
    assert {"svg", "table", "img", "details", "figure"} <= set(parsed.tags)
    assert sum(NASTY in text for text in parsed.text) >= 10
    assert any("and 1 more" in text for text in parsed.text)


def test_a_page_fetches_nothing():
    text = whole_page()
    assert "default-src 'none'; img-src data:" in text
    sources = Nesting(text).sources
    assert len(sources) == 1 and sources[0].startswith("data:image/jpeg")
    assert "url(" not in STYLE and "@import" not in STYLE
    assert "prefers-color-scheme:dark" in STYLE


def test_elements_by_hand():
    assert element("p", "a<b", Html("<i>c</i>"), None) == "<p>a&lt;b<i>c</i></p>"
    assert element("td", 1.5, class_="x", data_y="2", z=None) == '<td class="x" data-y="2">1.5</td>'
    assert element("img", src="data:") == '<img src="data:">'
    assert safe(safe("<")) == "&lt;"


def test_columns_of_numbers_stand_at_the_right():
    text = table(("name", "count", "share"), [("a", 1234, "12.5%"), ("b", 5, "")])
    assert text.count('class="number"') == 6
    assert ">1,234<" in text
    assert table(("name",), []).count("<tr>") == 1


def test_bars_are_as_long_as_their_numbers():
    text = charts.rows([charts.Bar("a", 10, 4), charts.Bar("b", 5), charts.Bar("c", 0)])
    widths = [float(width) for width in re.findall(r'width="([\d.]+)"', text)]
    unit = (charts.WIDTH - charts.NAMES - 110) / 10
    assert widths == pytest.approx([6 * unit, 4 * unit, 5 * unit], abs=0.06)
    assert "10 (4 bad)" in text
    heights = re.findall(
        r'height="([\d.]+)" class="(\w+)"',
        charts.columns([charts.Bar("a", 8, 2), charts.Bar("b", 4)]),
    )
    full = charts.HEIGHT - 38 - 18
    assert [(float(height), kind) for height, kind in heights] == [
        (pytest.approx(full * 0.75, abs=0.06), "bar"),
        (pytest.approx(full * 0.25, abs=0.06), "bad"),
        (pytest.approx(full * 0.5, abs=0.06), "bar"),
    ]
    assert Nesting(charts.rows([])).tags == Nesting(charts.columns([])).tags[:1] == ["svg"]


@pytest.mark.parametrize(("name", "lines"), [("a", 1), ("128-192", 2)])
def test_names_too_long_for_their_columns_stand_in_two_lines(name, lines):
    chart = charts.columns([charts.Bar(name, 1)] * 13)
    tops = re.findall(rf'y="([\d.]+)" text-anchor="middle">{name}<', chart)
    assert len(tops) == 13 and len(set(tops)) == lines


def test_a_picture_comes_back_from_its_uri():
    image = np.full((20, 30, 3), (200, 30, 60), np.uint8)  # blue first
    head, data = pictures.data_uri(image).split(",")
    assert head == "data:image/jpeg;base64"
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert read.shape == (20, 30, 3)
    np.testing.assert_allclose(read.reshape(-1, 3).mean(axis=0), (60, 30, 200), atol=3)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], (0, 0, 400, 300)),
        ([(100, 100, 120, 110)], (60, 60, 160, 150)),  # twice its longer side around it
        ([(0, 0, 4, 4)], (0, 0, 34, 34)),  # 30 pixels at least
        ([(100, 100, 120, 110), (120, 110, 140, 130)], (20, 20, 220, 210)),
        ([(390, 100, 420, 110)], (330, 40, 450, 170)),  # 30 pixels more than it reaches outside
        ([(-10, 100, 10, 110)], (-40, 60, 50, 150)),
        ([(500, 100, 510, 110)], (399, 70, 540, 140)),  # with the picture's last column
        ([(1e6, 100, 2e6, 110)], (0, 0, 800, 300)),  # no farther than a picture's side
        ([(60, 40, 50, 30)], (20, 0, 90, 70)),  # inside out
    ],
    ids=["none", "inside", "corner", "two", "right", "left", "outside", "far", "inside out"],
)
def test_a_view_shows_boxes_and_what_is_around(boxes, expected):
    assert pictures.window((300, 400, 3), np.reshape(boxes, (-1, 4)).astype(float)) == expected


def test_a_view_is_grey_beyond_the_picture_and_shows_the_box():
    image = np.full((300, 400, 3), 10, np.uint8)
    shown = pictures.view(image, [(390, 100, 420, 110)], (0, 0, 255), [(340, 60, 350, 70)])
    assert max(shown.shape) == pictures.LONGEST
    scale = pictures.LONGEST / 130
    assert (shown[2, 2] == 10).all() and (shown[2, -2] == pictures.BEYOND).all()
    assert (shown[round(60 * scale), round(75 * scale)] == (0, 0, 255)).all()
    assert (shown[round(20 * scale), round(15 * scale)] == (0, 200, 0)).all()
