"""Intervals and comparisons: draws against pycocotools on repeated pictures, and known spreads."""

import dataclasses

import numpy as np
import pytest

from keras_retinanet.bin import evaluate_options
from keras_retinanet.evaluation import bootstrap
from keras_retinanet.evaluation.coco import coco_stats
from keras_retinanet.evaluation.coco_numbers import prepare
from keras_retinanet.evaluation.columns import columns_of, columns_of_coco
from keras_retinanet.evaluation.measures import compare, measure
from tests.evaluation.drawn import drawn
from tests.evaluation.fakes import detections, truths

BOX = (10.0, 10.0, 40.0, 40.0)


def _distinct(results):
    """Give each result a score of its own: ties within a picture have no order between draws."""
    return [{**one, "score": one["score"] + place * 1e-6} for place, one in enumerate(results)]


def _repeated(dataset, results, weights):
    """Return dataset and results with each picture as often as its weight says."""
    ids = sorted(image["id"] for image in dataset["images"])
    copies = {key: [100 * key + n for n in range(w)] for key, w in zip(ids, weights, strict=True)}
    again = {
        key: [{**one, "image_id": new} for one in rows for new in copies[one["image_id"]]]
        for key, rows in (("annotations", dataset["annotations"]), ("results", results))
    }
    images = [{"id": new} for news in copies.values() for new in news]
    return {**dataset, "images": images, "annotations": again["annotations"]}, again["results"]


@pytest.mark.parametrize("seed", range(12))
def test_a_draw_is_the_dataset_with_pictures_repeated(seed):
    dataset, results = drawn(seed, counts=(0, 3, 20))
    results = _distinct(results)
    columns = columns_of_coco(dataset, results)
    weights = bootstrap.draw(np.random.default_rng(seed), columns.pictures, 3)
    values = bootstrap.drawn_ap(prepare(columns), bootstrap.with_whole(weights))
    for place, counts in enumerate(bootstrap.with_whole(weights)):
        expected = coco_stats(*_repeated(dataset, results, counts), engine="pycocotools")
        for key, rows in bootstrap.KEYS.items():
            ap = values[place, rows]
            ap = -1 if np.isnan(ap).all() else np.nanmean(ap)
            assert ap == pytest.approx(expected[key], abs=1e-12)


@pytest.mark.parametrize(
    ("name", "value"), [("CELLS_AT_ONCE", 1), ("CELLS_AT_ONCE", 60), ("SMALL", 1)]
)
def test_many_draws_at_once_and_few_give_the_same(monkeypatch, name, value):
    matched = prepare(columns_of_coco(*drawn(1)))
    weights = bootstrap.draw(np.random.default_rng(0), matched.columns.pictures, 20)
    whole = bootstrap.drawn_ap(matched, weights)
    monkeypatch.setattr(bootstrap, name, value)
    np.testing.assert_array_equal(bootstrap.drawn_ap(matched, weights), whole)


def test_a_draw_has_as_many_pictures_as_the_dataset():
    weights = bootstrap.draw(np.random.default_rng(0), 7, 50)
    assert weights.shape == (50, 7) and (weights.sum(axis=1) == 7).all() and weights.max() > 1
    assert bootstrap.draw(np.random.default_rng(0), 0, 5).shape == (5, 0)


def test_the_interval_is_the_middle_of_the_values():
    values = np.append(np.linspace(0, 1, 1001), np.nan)
    assert bootstrap.interval(values) == pytest.approx([0.025, 0.975])
    assert np.isnan(bootstrap.interval(np.array([np.nan]))).all()


def _found_in(count, pictures):
    """Return columns of one object a picture, found in the first `count` of them."""
    true = [truths((0, *BOX))] * pictures
    return columns_of(
        true, [detections((0, 0.9, *BOX)) if i < count else detections() for i in range(pictures)]
    )


def test_the_interval_of_a_share_is_as_wide_as_a_binomial_one():
    # AP is here the share of pictures found, 0.4 of 400: deviation sqrt(0.4 * 0.6 / 400) = 0.0245
    numbers, _ = measure(_found_in(160, 400), draws=2000)
    low, high = numbers["intervals"]["AP"]
    assert low == pytest.approx(0.4 - 1.96 * 0.0245, abs=0.012)
    assert high == pytest.approx(0.4 + 1.96 * 0.0245, abs=0.012)


def test_equal_seeds_give_equal_intervals_and_others_others():
    columns = _found_in(20, 50)
    first, again, other = (measure(columns, draws=50, seed=s)[0]["intervals"] for s in (3, 3, 4))
    assert first == again
    assert first["AP"] != other["AP"]


def test_no_draws_mean_no_intervals():
    numbers, classes = measure(_found_in(1, 2), draws=0)
    assert numbers["intervals"] is None and classes[0]["interval"] is None


def test_a_comparison_is_of_the_same_pictures():
    # 180 of 400 against 160, the same and 20 more: 5 points, deviation sqrt(.05 * .95 / 400)
    found = compare(_found_in(160, 400), _found_in(180, 400), draws=2000)["AP"]
    assert found["difference"] == pytest.approx(0.05, abs=0.006)  # recalls are hundredths
    assert found["plus_minus"] == pytest.approx(1.96 * 0.0109, abs=0.005)
    low, high = found["interval"]
    assert 0 < low < found["difference"] < high
    # apart, their intervals overlap
    ends = [measure(_found_in(n, 400), draws=500)[0]["intervals"]["AP"] for n in (160, 180)]
    assert ends[0][1] > ends[1][0]


def test_the_same_results_do_not_differ():
    columns = _found_in(10, 30)
    found = compare(columns, dataclasses.replace(columns), draws=20)
    assert found["AP"] == {"difference": 0, "plus_minus": 0, "interval": [0, 0]}


def test_the_command_draws_as_often_as_the_library():
    assert evaluate_options.DRAWS == bootstrap.DRAWS
