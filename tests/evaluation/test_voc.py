"""VOC's and Open Images' average precision: published answers, hand cases, slow loops."""

import dataclasses

import numpy as np
import pytest

from keras_retinanet.evaluation import Detections, Truths, average_precisions
from keras_retinanet.evaluation.columns import columns_of
from keras_retinanet.evaluation.open_images import V2, open_images_by_class
from keras_retinanet.evaluation.voc import area_under_envelope, eleven_points, voc_by_class
from tests.evaluation import slow_metrics
from tests.evaluation.drawn import drawn_columns
from tests.evaluation.fakes import detections, truths


def test_the_published_ap_of_the_metrics_samples_is_reproduced(real_data):
    folder = real_data / "formats" / "od_metrics_samples" / "samples" / "sample_2"
    true, found = [], []
    for path in sorted((folder / "groundtruths").glob("*.txt")):
        # that tool counts the last pixel in, as VOC's kit does
        objects = np.array([line.split()[1:] for line in path.read_text().splitlines()], float)
        corners = np.hstack([objects[:, :2], objects[:, :2] + objects[:, 2:] + 1])
        true.append(Truths(corners, np.zeros(len(corners), np.int64)))
        text = (folder / "detections" / path.name).read_text()
        rows = np.array([line.split()[1:] for line in text.splitlines()], float)
        corners = np.hstack([rows[:, 1:3], rows[:, 1:3] + rows[:, 3:] + 1])
        found.append(Detections(corners, rows[:, 0], np.zeros(len(rows), np.int64)))
    (values,) = voc_by_class(columns_of(true, found), threshold=0.3)
    # Padilla et al. 2020, "A survey on performance metrics": 24.57 % and 26.84 %
    assert round(100 * values["VOC12"], 2) == 24.57
    assert round(100 * values["VOC07"], 2) == 26.84


CURVES = {
    # hits, objects: VOC07, VOC12
    "nothing found": ([], 2, 0, 0),
    "all found": ([1, 1], 2, 1, 1),
    # recall 1/2 with precision 1, then 1 with 2/3: points 0 to 0.5 are 1, 0.6 to 1 are 2/3
    "one false between": ([1, 0, 1], 2, (6 + 5 * 2 / 3) / 11, 1 / 2 + 1 / 2 * 2 / 3),
    "half of them": ([0, 1], 2, 6 / 11 / 2, 1 / 4),
    "three of ten: recall 0.3 counts": ([1, 1, 1], 10, 4 / 11, 0.3),
}


@pytest.mark.parametrize(("hits", "objects", "eleven", "area"), CURVES.values(), ids=CURVES.keys())
def test_the_two_averages_come_out_as_by_hand(hits, objects, eleven, area):
    hits, counted = np.array(hits, float), np.ones(len(hits))
    assert eleven_points(hits, counted, objects) == pytest.approx(eleven)
    assert area_under_envelope(hits, counted, objects) == pytest.approx(area)


@pytest.mark.parametrize("seed", range(10))
def test_voc12_equals_the_average_precision_of_1_0(seed):
    columns = drawn_columns(seed, crowds=0)
    true, found = columns.true, columns.found
    everything = []
    for boxes, make in ((true, Truths), (found, Detections)):
        corners = np.hstack([boxes.boxes[:, :2], boxes.boxes[:, :2] + boxes.boxes[:, 2:]])
        for picture in range(columns.pictures):
            own = boxes.pictures == picture
            fields = (corners[own], boxes.labels[own])
            if make is Detections:
                fields = (corners[own], boxes.scores[own], boxes.labels[own])
            everything.append(make(*fields))
    truths_list = everything[: columns.pictures]
    expected = average_precisions(
        truths_list, everything[columns.pictures :], range(len(columns.classes))
    )
    for label, values in enumerate(voc_by_class(columns)):
        ap, objects = expected[label]
        assert np.isnan(values["VOC12"]) if not objects else values["VOC12"] == pytest.approx(ap)


def test_difficult_objects_and_their_detections_do_not_count():
    crowd = np.array([False, True])
    true = [truths((0, 0, 0, 10, 10), (0, 20, 0, 30, 10), crowd=crowd)]
    both = [detections((0, 0.9, 20, 0, 30, 10), (0, 0.8, 0, 0, 10, 10))]
    assert voc_by_class(columns_of(true, both))[0] == {"VOC07": 1, "VOC12": 1}
    # a part of a difficult object does not reach its IoU: it is false, unlike in a crowd of COCO
    part = [detections((0, 0.9, 20, 0, 23, 10), (0, 0.8, 0, 0, 10, 10))]
    assert voc_by_class(columns_of(true, part))[0]["VOC12"] == 0.5


GROUP = truths((0, 0, 0, 10, 10), (0, 20, 0, 60, 40), crowd=np.array([False, True]))
SINGLE = (0, 0.9, 0, 0, 10, 10)
INSIDE = (0, 0.8, 21, 1, 30, 10)
INSIDE_TOO = (0, 0.7, 31, 1, 40, 10)
OUTSIDE = (0, 0.85, 100, 100, 110, 110)
OPEN_IMAGES = {
    # detections: AP with groups as objects, AP without them (one object, one group)
    "nothing found": ((), 0, 0),
    "the single one": ((SINGLE,), 1 / 2, 1),
    "all of the group are one": ((SINGLE, INSIDE, INSIDE_TOO), 1, 1),
    "the group alone": ((INSIDE, INSIDE_TOO), 1 / 2, 0),
    "a false one between": ((SINGLE, OUTSIDE, INSIDE), 1 / 2 + 1 / 2 * 2 / 3, 1),
    "twice found is false": ((SINGLE, SINGLE, INSIDE), 1 / 2 + 1 / 2 * 2 / 3, 1),
    "half inside is enough": ((SINGLE, (0, 0.8, 15, 0, 25, 10)), 1, 1),
    "less than half is not": ((SINGLE, (0, 0.95, 14, 0, 24, 10)), 1 / 4, 1 / 2),
}


@pytest.mark.parametrize(
    ("found", "with_groups", "without"), OPEN_IMAGES.values(), ids=OPEN_IMAGES.keys()
)
def test_open_images_comes_out_as_by_hand(found, with_groups, without):
    columns = columns_of([GROUP], [detections(*found)])
    assert open_images_by_class(columns) == [pytest.approx(with_groups)]
    assert open_images_by_class(columns, weight=V2) == [pytest.approx(without)]


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_open_images_equals_a_slow_loop(seed, weight):
    columns = drawn_columns(seed)
    # no two objects overlap a box alike: which one is then taken is nobody's rule
    rng = np.random.default_rng(seed)
    jittered = columns.true.boxes + rng.uniform(0, 1e-3, columns.true.boxes.shape)
    columns = dataclasses.replace(columns, true=dataclasses.replace(columns.true, boxes=jittered))
    values = open_images_by_class(columns, 0.5, weight)
    for label, value in enumerate(values):
        points = slow_metrics.open_images_points(columns, label, 0.5, weight)
        if points is None:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(slow_metrics.envelope_area(points), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_without_groups_open_images_is_voc(seed):
    columns = drawn_columns(seed, crowds=0)
    voc = [values["VOC12"] for values in voc_by_class(columns)]
    assert open_images_by_class(columns) == pytest.approx(voc, nan_ok=True)
