"""The page of an evaluation: what is on it by hand, escaped, self-contained, used in a browser."""

import json
import re

import numpy as np
import pytest

from keras_retinanet.evaluation import examples, page_galleries
from keras_retinanet.evaluation.analysis import analyse
from keras_retinanet.evaluation.columns import Columns, FoundBoxes, TrueBoxes
from keras_retinanet.evaluation.measures import measure_analysis
from keras_retinanet.evaluation.page import evaluation_page
from keras_retinanet.evaluation.page_numbers import class_table, precision_recall, size_bars
from tests.browser import opened

NASTY = "<script>alert(1)</script>"
NAMES = [NASTY, "b"]
# picture, class, x, y, width, height
TRUE = [(0, 0, 10, 10, 20, 20), (0, 1, 60, 10, 20, 20), (1, 0, 10, 10, 40, 40)]
# … and the score: a hit, the wrong class, background, and a hit that is not sure
FOUND = [
    (0, 0, 10, 10, 20, 20, 0.9),
    (0, 0, 60, 10, 20, 20, 0.8),
    (1, 1, 70, 70, 20, 20, 0.7),
    (1, 0, 10, 10, 40, 40, 0.1),
]


@pytest.fixture(scope="module")
def analysis():
    true, found = np.array(TRUE, float), np.array(FOUND)
    boxes = true[:, 2:]
    areas = boxes[:, 2] * boxes[:, 3]
    crowd = np.zeros(len(true), bool)
    columns = Columns(
        TrueBoxes(*true[:, :2].astype(int).T, boxes, areas, crowd),
        FoundBoxes(*found[:, :2].astype(int).T, found[:, 2:6], found[:, 6]),
        2,
        (0, 1),
    )
    return analyse(columns)


@pytest.fixture(scope="module")
def made(analysis):
    """Return the page of two grey pictures."""
    numbers, of_classes = measure_analysis(analysis, draws=5)
    results = {
        **numbers,
        "mAP": 0.5,
        "images": 2,
        "classes": dict(zip(NAMES, of_classes, strict=True)),
        "options": {"model": NASTY},
    }
    picture = np.full((100, 100, 3), 90, np.uint8)
    return evaluation_page(analysis, results, NAMES, lambda place: (picture, f"{NASTY}{place}"))


def told(found):
    return [(each.picture, each.kind, each.objects) for each in found]


def test_misses_have_their_reason_and_the_largest_comes_first(analysis):
    assert told(examples.misses(analysis, 0.5)) == [
        (1, "low score", (2,)),
        (0, "classification", (1,)),
    ]
    assert examples.misses(analysis, 0.0)[0].objects == (1,)
    noted = examples.misses(analysis, 0.5, reasons={1: "no box fits"})
    assert [each.note for each in noted] == ["", "no box fits"]


def test_false_alarms_come_by_score(analysis):
    assert told(examples.false_alarms(analysis)) == [
        (0, "classification", (1,)),
        (1, "background", ()),
    ]


def test_suspects_and_best_pictures(analysis):
    notes = [(each.picture, each.note) for each in examples.suspects(analysis, 0.5)]
    assert notes == [(0, "wrong class?"), (1, "label missing?")]
    (best,) = examples.best_pictures(analysis, 0.5)
    assert (best.picture, best.objects) == (0, (0, 1))
    assert best.note == "F1 0.50: 1 of 2 objects found, 1 false"


def test_every_entry_of_the_confusion_matrix_has_its_pictures(analysis):
    cells = {each.cell: each.picture for each in examples.of_cells(analysis, 0.5)}
    assert cells == {(0, 0): 0, (1, 0): 0, (2, 1): 1, (0, 2): 1}


def test_without_draws_the_table_of_classes_has_no_interval(analysis):
    for draws, columns in ((5, 10), (0, 8)):
        _, of_classes = measure_analysis(analysis, draws)
        text = str(class_table(NAMES, dict(zip(NAMES, of_classes, strict=True))))
        assert text.count("</th>") == columns and text.count("</td>") == 2 * columns
        assert (">from<" in text) == (">to<" in text) == bool(draws)


def test_precision_by_recall_by_hand():
    points = precision_recall(np.array([True, False, True]), 4)  # 1, 1/2, 2/3 at 1/4, 1/4, 2/4
    assert len(points) == 51 and points[0] == (0, 1) and points[25] == (0.25, 1)
    assert points[26] == (0.26, pytest.approx(2 / 3)) and points[-1][0] == 0.5
    assert precision_recall(np.zeros(0, bool), 4) == ()


def test_objects_by_size_found_and_missed(analysis):
    bars = {bar.name: (bar.number, bar.bad) for bar in size_bars(analysis, 0.5) if bar.number}
    assert bars == {"16 to 32": (2, 1), "32 to 64": (1, 1)}


def test_what_comes_from_data_is_text_and_nothing_is_fetched(made):
    assert "<script>alert" not in made
    assert made.count("<script") == 2  # the facts and ours
    assert not re.search(r"https?://", made)
    assert "default-src 'none'" in made and "script-src 'sha256-" in made
    facts = re.search(r'<script id="facts"[^>]*>(.*?)</script>', made).group(1)
    assert json.loads(facts)["names"] == NAMES


def test_pictures_that_find_no_room_are_left_out(analysis, monkeypatch):
    picture = np.zeros((100, 100, 3), np.uint8)
    monkeypatch.setattr(page_galleries, "SMALL_BYTES", 0)
    monkeypatch.setattr(page_galleries, "LARGE_BYTES", 0)
    galleries = page_galleries.Galleries(analysis, NAMES, 0.5, lambda place: (picture, "x"))
    assert galleries.figures([examples.false_alarms(analysis)]) == [[None, None]]
    assert '"pictures":{}' in page_galleries.facts_of(NAMES, galleries)


def test_the_page_sorts_filters_and_opens_pictures(made, browser_page, tmp_path):
    faults = opened(browser_page, tmp_path / "index.html", made)
    firsts = browser_page.locator("tbody tr td:first-child")
    browser_page.get_by_role("button", name="objects", exact=True).press("Enter")
    assert firsts.first.inner_text() == NASTY
    browser_page.get_by_role("button", name="objects", exact=True).press("Enter")
    assert firsts.first.inner_text() == "b"
    browser_page.locator("#kind").select_option("background")
    shown = browser_page.locator("section > .pictures figure:visible")
    assert shown.count() == 2  # false alarm and suspect
    browser_page.locator("#low").fill("0.75")
    assert shown.count() == 0
    browser_page.locator("#clear").click()
    assert browser_page.locator("#count").inner_text() == "7 of 7 shown"
    browser_page.locator("button[data-cell='1-0']").click()
    assert browser_page.locator("#cell figure:visible").count() == 1
    browser_page.locator("#cell figure:visible button").press("Enter")
    assert browser_page.locator("dialog svg.large .box").count() >= 4
    browser_page.keyboard.press("Escape")
    assert not browser_page.locator("dialog").is_visible()
    assert not faults
