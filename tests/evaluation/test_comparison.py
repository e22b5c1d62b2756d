"""What changed from one detector to another, by hand, and the page that shows it."""

import numpy as np
import pytest

from keras_retinanet.evaluation.analysis import analyse
from keras_retinanet.evaluation.changes import changes
from keras_retinanet.evaluation.columns import Columns, FoundBoxes, TrueBoxes
from keras_retinanet.evaluation.measures import compare, measure_analysis, with_nulls
from keras_retinanet.evaluation.page_comparison import Side, comparison_page, verdict
from tests.browser import opened

NASTY = "<script>alert(1)</script>"
NAMES = [NASTY, "b", "nowhere"]
# picture, class, x, y, width, height
TRUE = [
    *((0, 0, 10, 10, 20, 20), (0, 0, 60, 10, 30, 30), (1, 1, 10, 10, 40, 40)),
    *((1, 0, 60, 60, 20, 20), (2, 1, 5, 5, 10, 10)),
]
# … and the score
A = [
    (0, 0, 10, 10, 20, 20, 0.9),  # objects 0, 1, 2
    (0, 0, 60, 10, 30, 30, 0.8),
    (1, 1, 10, 10, 40, 40, 0.7),
    (1, 1, 70, 10, 20, 20, 0.75),  # false, and B has its like
    (2, 0, 50, 50, 20, 20, 0.74),  # false, and B has one of another class there
]
B = [
    (0, 0, 10, 10, 20, 20, 0.9),  # objects 0, 3, 4; 1 scores little
    (1, 0, 60, 60, 20, 20, 0.8),
    (2, 1, 5, 5, 10, 10, 0.7),
    (0, 0, 60, 10, 30, 30, 0.05),
    *((1, 0, x, 0, 5, 5, 0.06) for x in range(0, 60, 10)),  # so that the best F1 is above
    (1, 1, 72, 10, 20, 20, 0.75),
    (2, 1, 50, 50, 20, 20, 0.72),
]


def analysis(found):
    true, found = np.array(TRUE, float), np.array(found)
    boxes = true[:, 2:]
    areas = boxes[:, 2] * boxes[:, 3]
    columns = Columns(
        TrueBoxes(*true[:, :2].astype(int).T, boxes, areas, np.zeros(len(true), bool)),
        FoundBoxes(*found[:, :2].astype(int).T, found[:, 2:6], found[:, 6]),
        3,
        (0, 1, 2),
    )
    return analyse(columns)


@pytest.fixture(scope="module")
def both():
    return analysis(A), analysis(B)


def test_changes_by_hand(both):
    first, second = both
    found = changes(first, second)
    assert found.lost.tolist() == [2, 1]  # the larger first
    assert found.gained.tolist() == [3, 4]
    assert (found.both, found.neither) == (1, 0)
    told = [
        [(int(each.outcomes.pictures[row]), int(each.outcomes.labels[row])) for row in rows]
        for each, rows in ((first, found.gone), (second, found.new))
    ]
    assert told == [[(2, 0)], [(2, 1)]]
    same = changes(first, first)
    assert [len(same.lost), len(same.gained), len(same.gone), len(same.new)] == [0] * 4


@pytest.fixture(scope="module")
def made(both):
    """Return the page of three grey pictures."""
    sides = []
    for subject, each in zip((NASTY, "b.json"), both, strict=True):
        numbers, of_classes = measure_analysis(each, draws=0)
        sides.append(Side(subject, each, with_nulls(numbers), with_nulls(of_classes)))
    comparison = compare(*(each.columns for each in both), draws=20)
    picture = np.full((100, 100, 3), 90, np.uint8)
    return comparison_page(sides, comparison, NAMES, lambda place: (picture, f"{NASTY}{place}"))


def test_a_class_has_its_own_difference(both):
    classes = compare(*(each.columns for each in both), draws=20)["classes"]
    # class 0: A finds 2 of 3, B 1 of 3 surely and another at the end; class 1: each one of two
    expected = [each.matched.columns for each in both]
    own = [measure_analysis(analyse(each), draws=0)[1] for each in expected]
    for label in (0, 1):
        a, b = (of_classes[label]["coco"]["AP"] for of_classes in own)
        assert classes[label]["difference"] == pytest.approx(b - a, abs=1e-12)
    assert classes[2]["difference"] is None


@pytest.mark.parametrize(
    ("difference", "interval", "words"),
    [
        (0.02, [0.01, 0.03], ("B is better", "good")),
        (-0.02, [-0.03, -0.01], ("B is worse", "bad")),
        (0.02, [-0.01, 0.05], ("not shown to differ", "")),
        (None, [None, None], ("cannot be told", "")),
    ],
)
def test_a_difference_in_words(difference, interval, words):
    assert verdict({"difference": difference, "interval": interval}) == words


def test_what_comes_from_data_is_text_and_nothing_is_fetched(made):
    assert "<script>alert" not in made and made.count("<script") == 2
    assert "http" not in made.replace("http-equiv", "").replace('"http:" + "//', "")


def test_the_page_sorts_filters_and_opens_pictures_of_both(made, browser_page, tmp_path):
    faults = opened(browser_page, tmp_path / "comparison.html", made)
    browser_page.get_by_role("button", name="objects", exact=True).click()
    firsts = browser_page.locator("tbody tr td:first-child")
    assert [firsts.nth(place).inner_text() for place in range(3)] == NAMES
    figures = browser_page.locator("section > .pictures figure:visible")
    assert figures.count() == 6 and browser_page.locator("#count").inner_text() == "6 of 6 shown"
    browser_page.locator("#label").select_option("1")
    assert figures.count() == 3  # lost 2, gained 4, a new false alarm
    browser_page.locator("#clear").click()
    gone = figures.last.locator("button")
    gone.click()
    assert browser_page.locator("dialog svg.large .box.wrong").count() == 2  # A's, and the focus
    browser_page.keyboard.press("Escape")
    figures.first.locator("button").click()
    assert browser_page.locator("dialog svg.large .box").count() >= 3
    assert not faults
