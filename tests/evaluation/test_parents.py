"""Boxes told as those of parent classes: by hand, and against copies made one by one."""

import numpy as np
import pytest

from keras_retinanet.evaluation.analysis import analyse
from keras_retinanet.evaluation.columns import columns_of
from keras_retinanet.evaluation.measures import measure_analysis
from keras_retinanet.evaluation.open_images import open_images_by_class
from keras_retinanet.evaluation.parents import spread
from tests.evaluation.drawn import drawn_columns
from tests.evaluation.fakes import detections, truths

ANIMAL, CAT, DOG = 0, 1, 2
ANCESTORS = {CAT: [ANIMAL], DOG: [ANIMAL]}
BOX, OTHER = (0, 0, 10, 10), (20, 20, 30, 30)


def test_a_cat_found_as_a_dog_is_found_as_an_animal():
    true = [truths((CAT, *BOX), (DOG, *OTHER))]
    found = [detections((DOG, 0.9, *BOX), (CAT, 0.8, 50, 50, 60, 60), (DOG, 0.7, *OTHER))]
    numbers, classes = measure_analysis(analyse(columns_of(true, found)), 0, ancestors=ANCESTORS)
    # the dog's object is the second of two dogs found; of animals, the first and third are right
    assert numbers["open_images"]["AP"] == pytest.approx((0 + 1 / 2) / 2)
    animal = 1 / 2 * 1 + 1 / 2 * 2 / 3
    assert numbers["open_images"]["AP_with_parents"] == pytest.approx((animal + 0 + 1 / 2) / 3)
    assert [each["open_images_with_parents"] for each in classes] == [0, pytest.approx(1 / 2)]
    plain, _ = measure_analysis(analyse(columns_of(true, found)), 0)
    assert "AP_with_parents" not in plain["open_images"]


def _slowly(boxes, old, new, ancestors):
    """Return the rows of `boxes` with copies, as places in the classes `new`."""
    rows, labels = [], []
    for row, label in enumerate(boxes.labels.tolist()):
        for key in [old[label], *sorted(ancestors.get(old[label], ()))]:
            rows.append(row)
            labels.append(new.index(key))
    return boxes.rows(np.array(rows, int)), labels


@pytest.mark.parametrize("seed", range(6))
def test_copies_are_those_of_a_slow_loop(seed):
    columns = drawn_columns(seed)
    first, *others = columns.classes
    ancestors = {key: [first, 1000] for key in others[:2]} | {first: [1000]}
    wide = spread(columns, ancestors)
    assert wide.classes == (*columns.classes, 1000)
    for old, new in ((columns.true, wide.true), (columns.found, wide.found)):
        expected, labels = _slowly(old, columns.classes, wide.classes, ancestors)
        assert new.labels.tolist() == labels
        np.testing.assert_array_equal(new.boxes, expected.boxes)
        np.testing.assert_array_equal(new.pictures, expected.pictures)
    assert wide.true.crowd.sum() >= columns.true.crowd.sum()


def test_without_ancestors_nothing_changes_and_nothing_can_be_spread():
    columns = drawn_columns(0)
    wide = spread(columns, {})
    assert open_images_by_class(wide) == pytest.approx(open_images_by_class(columns), nan_ok=True)
    empty = columns_of([truths()], [detections()], [CAT])
    assert spread(empty, ANCESTORS).classes == (ANIMAL, CAT)
