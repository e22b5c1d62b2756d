"""--store-thresholds: found by hand, written without touching a weight, used by prediction."""

import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.bin import evaluate
from keras_retinanet.bin.evaluate_thresholds import parse_rule, store_temperature
from keras_retinanet.evaluation.bootstrap import draw
from keras_retinanet.evaluation.operating_points import (
    best_point,
    point_of_precision,
    point_of_recall,
)
from keras_retinanet.evaluation.threshold_intervals import threshold_intervals
from keras_retinanet.models.snapshot import (
    MEMBER,
    attach_profile,
    profile_of,
    read_facts,
    rewrite_profile,
    save_snapshot,
    trained_profile,
)
from keras_retinanet.predict import Detector
from tests.models.tiny import tiny_network

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
HITS = np.array([True, False, True, True, False])


@pytest.mark.parametrize(
    ("find", "least", "threshold", "precision", "recall"),
    [
        (point_of_precision, 0.9, 0.85, 1.0, 0.25),
        (point_of_precision, 0.75, 0.55, 0.75, 0.75),
        (point_of_recall, 0.5, 0.65, 2 / 3, 0.5),
        (point_of_recall, 0.75, 0.55, 0.75, 0.75),
    ],
)
def test_wished_precision_and_recall(find, least, threshold, precision, recall):
    """Of four objects three are found."""
    found = find(SCORES, HITS, 4, least)
    assert found["threshold"] == pytest.approx(threshold)
    assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))


@pytest.mark.parametrize("find", [point_of_precision, point_of_recall])
def test_what_cannot_be_had_has_no_threshold(find):
    assert np.isnan(find(SCORES, np.zeros(5, bool), 4, 0.8)["threshold"])
    assert np.isnan(find(SCORES[:0], HITS[:0], 4, 0.8)["threshold"])
    assert np.isnan(point_of_recall(SCORES, HITS, 4, 0.8)["threshold"])


@pytest.mark.parametrize("rule", ["best", "precision", "recall"])
def test_intervals_are_those_of_pictures_drawn_anew(rule):
    """Against a slow way: lists of the detections of each picture, as often as it is drawn."""
    find = {
        "best": best_point,
        "precision": partial(point_of_precision, least=0.6),
        "recall": partial(point_of_recall, least=0.4),
    }[rule]
    rng = np.random.default_rng(4)
    scores = np.sort(rng.random(60))[::-1]
    hits, pictures = rng.random(60) < scores, rng.integers(0, 12, 60)
    owners = rng.integers(0, 12, 50)
    weights = draw(rng, 12, 40)
    threshold = find(scores, hits, 50)["threshold"]
    found = threshold_intervals(find, (scores, hits, pictures), owners, threshold, weights)
    slow = {name: [] for name in found}
    for times in weights:
        rows = [
            (s, h) for s, h, p in zip(scores, hits, pictures, strict=True) for _ in range(times[p])
        ]
        objects = sum(int(times[p]) for p in owners)
        columns = np.array([s for s, _ in rows]), np.array([h for _, h in rows], bool)
        slow["threshold"].append(find(*columns, objects)["threshold"])
        told = [hit for score, hit in rows if score > threshold]
        slow["precision"].append(sum(told) / len(told))
        slow["recall"].append(sum(told) / objects)
        slow["F1"].append(2 * sum(told) / (len(told) + objects))
    for name, values in slow.items():
        assert found[name] == pytest.approx(np.nanquantile(values, [0.025, 0.975]), abs=1e-12)
    low, high = found["threshold"]
    assert low <= threshold <= high and low < high


@pytest.mark.parametrize("text", ["best", "precision", "recall=0", "precision=2", "f1=0.5"])
def test_other_rules_are_refused(text, outcome):
    words = ["--store-thresholds", text, "csv", "a.csv", "c.csv", "m.keras"]
    code, error = outcome(evaluate, words)
    assert code == 2 and "is none of best-f1, precision=SHARE and recall=SHARE" in error
    assert parse_rule("recall=0.5") == ("recall", 0.5)


def test_only_snapshots_are_written_to(outcome):
    code, error = outcome(evaluate, ["csv", "a.csv", "c.csv", "m.h5", "--store-thresholds"])
    assert code == 2 and "--store-thresholds writes into a .keras snapshot, not for m.h5" in error


@pytest.fixture
def snapshot(tmp_path):
    path = tmp_path / "o.keras"
    save_snapshot(tiny_network(), path)
    return path


def test_all_but_the_profile_stays_as_it_is(snapshot):
    with zipfile.ZipFile(snapshot) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    profile = read_facts(snapshot)["profile"]
    rewrite_profile(snapshot, replace(profile, advised_thresholds=(0.25, None)))
    with zipfile.ZipFile(snapshot) as archive:
        after = {name: archive.read(name) for name in archive.namelist()}
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == [MEMBER]
    assert read_facts(snapshot)["profile"].advised_thresholds == (0.25, None)
    assert trained_profile(models.load_model(snapshot)).advised_thresholds == ()


@pytest.mark.parametrize("form", ["file", "h5", "memory"])
def test_prediction_uses_them_where_none_is_asked_for(form, snapshot, tmp_path):
    from keras_retinanet.models.exporting import save_h5

    profile = replace(read_facts(snapshot)["profile"], advised_thresholds=(0.25, None))
    rewrite_profile(snapshot, profile)
    model = snapshot
    if form == "memory":
        model = attach_profile(tiny_network(), profile)
    if form == "h5":
        model = tmp_path / "o.h5"
        save_h5(models.load_model(snapshot), model)
    assert Detector(model).options.thresholds == {None: 0.5, "square": 0.25}
    assert Detector(model, threshold=0.4).options.thresholds == {None: 0.4}
    other = attach_profile(tiny_network(), replace(profile, advised_thresholds=(0.2,)))
    assert Detector(other).options.thresholds == {None: 0.5}


def test_the_command_stores_what_it_measured(trained, drawn, tmp_path, capsys):
    path = tmp_path / "o.keras"
    path.write_bytes(trained.snapshot.read_bytes())
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", path, "--draws", 20]
    words += ["--score-threshold", 0, "--store-thresholds"]
    results = evaluate.main([str(word) for word in words])
    line = next(row for row in capsys.readouterr().out.splitlines() if "advised" in row)
    advised = read_facts(path)["profile"].advised_thresholds
    for name, value in zip(("disc", "square"), advised, strict=True):
        best = results["classes"][name]["F1"]["best"]["threshold"]
        assert value == (None if best is None or np.isnan(best) else pytest.approx(best, abs=1e-4))
        assert f"{name} none" in line if value is None else f"{name} {value:.2f}" in line
        point = results["thresholds"][name]
        if value is not None:
            low, high = point["intervals"]["threshold"]
            assert f"{name} {value:.2f} [{low:.2f} to {high:.2f}] (precision" in line
            assert point["intervals"]["recall"][0] <= point["recall"]
    assert profile_of(models.load_model(path)).advised_thresholds == advised


def test_a_temperature_is_stored_and_what_tells_none_is_refused(snapshot, outcome):
    line = store_temperature(snapshot, {"temperature": 1.23456})
    assert line == f"{snapshot}: temperature 1.2346, for scores of predictions"
    assert read_facts(snapshot)["profile"].temperature == 1.2346
    with pytest.raises(ValueError, match="all detections are right, or all are wrong"):
        store_temperature(snapshot, {"temperature": None})
    code, error = outcome(evaluate, ["csv", "a.csv", "c.csv", "m.h5", "--store-temperature"])
    assert code == 2 and "--store-temperature writes into a .keras snapshot, not for m.h5" in error
