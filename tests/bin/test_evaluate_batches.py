"""retinanet-evaluate --batch-size: the same detections, several pictures or tiles at a time."""

import json

import numpy as np
import pytest

from keras_retinanet.bin import evaluate


@pytest.mark.parametrize("more", [(), ("--tile", 64)], ids=["pictures", "tiles"])
def test_batches_find_what_single_pictures_do(trained, drawn, tmp_path, more):
    rows = {}
    for size in (1, 3):
        path = tmp_path / f"{size}.json"
        words = ["csv", drawn / "val.csv", drawn / "classes.csv", trained.snapshot, "--draws", 0]
        words += ["--score-threshold", 0.001, "--batch-size", size, "--save-results", path, *more]
        results = evaluate.main([str(word) for word in words])
        assert results["options"]["batch_size"] == size
        rows[size] = json.loads(path.read_text())
    assert len(rows[1]) == len(rows[3]) > 0
    for key in ("image_id", "category_id"):
        assert [row[key] for row in rows[1]] == [row[key] for row in rows[3]]
    for key in ("score", "bbox"):
        values = ([row[key] for row in rows[size]] for size in (1, 3))
        np.testing.assert_allclose(*values, rtol=1e-4, atol=1e-3)


def test_a_results_file_has_no_batches(drawn, outcome):
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", "--results", "r.json"]
    code, error = outcome(evaluate, [*words, "--batch-size", 2])
    assert code == 2 and "--batch-size goes with a model, not with --results" in error
    code, error = outcome(evaluate, [*words, "--batch-size", 0])
    assert code == 2 and "--batch-size" in error
