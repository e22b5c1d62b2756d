"""--misses: every missed object once, with a reason; what cannot be traced is refused."""

import json

from keras_retinanet.bin import evaluate
from keras_retinanet.bin.evaluate_misses import reason_in_words
from keras_retinanet.evaluation.misses import REASONS
from keras_retinanet.utils import processes


def test_every_missed_object_is_in_the_file(trained, drawn, tmp_path, capsys):
    path = tmp_path / "misses.json"
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", trained.snapshot, "--draws", 0]
    words += ["--score-threshold", 0.3, "--misses", path, "--report", tmp_path / "page"]
    results = evaluate.main([str(word) for word in words])
    found = json.loads(path.read_text())
    assert found["objects"] == 8 and found["score_threshold"] == 0.3
    recall = {
        name: numbers["instances"] * numbers["F1"]["curve"][6]["recall"]  # at 0.3
        for name, numbers in results["classes"].items()
        if numbers["instances"]
    }
    assert len(found["misses"]) == found["missed"] == 8 - round(sum(recall.values()))
    rows = {(row["image"], *row["box"], row["class"]) for row in found["misses"]}
    truths = [line.split(",") for line in (drawn / "val.csv").read_text().splitlines()]
    objects = {(str(drawn / name), *map(float, box), kind) for name, *box, kind in truths if kind}
    assert rows <= objects and len(rows) == found["missed"] > 0
    for counts in (found["reasons"], *found["by_class"].values()):
        assert all(counts.values())
    assert sum(found["reasons"].values()) == found["missed"]
    for key in ("by_class", "by_size"):
        assert sum(sum(counts.values()) for counts in found[key].values()) == found["missed"]
    assert results["misses"] == {"file": str(path)} | {
        key: value for key, value in found.items() if key != "misses"
    }
    line = f"{path}: {found['missed']} of 8 objects missed at scores above 0.30: "
    assert line in capsys.readouterr().out
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    told = {reason_in_words(row) for row in found["misses"]}
    assert any(f"({words})" in page for words in told)


def test_every_reason_has_its_words():
    numbers = {"score": 0.034, "other_score": 0.8, "iou": 0.41, "anchor_iou": 0.3}
    facts = {**numbers, "other_iou": 0.62, "other_class": "disc"}
    told = {reason: reason_in_words({"reason": reason, **facts}) for reason in REASONS}
    assert len(set(told.values())) == len(REASONS)
    assert told["score"] == "score 0.03 is too low"
    assert told["class"] == "found as disc instead, at 0.80"
    assert told["suppressed"].endswith("0.62") and "0.41" in told["localisation"]
    assert reason_in_words({"reason": "score", "anchor_iou": 0.6, "iou": 0.2}) == "no box fits"


def test_results_files_and_tiles_are_refused(trained, drawn, tmp_path, outcome):
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", "--misses", tmp_path / "m.json"]
    code, error = outcome(evaluate, [*words, "--results", "r.json"])
    assert code == 2 and "--misses goes with a model, not with --results" in error
    code, error = outcome(evaluate, [*words, trained.snapshot, "--tile", 96])
    assert code == 2 and "not through tiles" in error and not (tmp_path / "m.json").exists()


def test_of_several_processes_the_first_alone_writes(trained, drawn, tmp_path, monkeypatch, capsys):
    """The others have seen their own part of the pictures."""
    monkeypatch.setattr(processes, "is_first", lambda: False)
    files = [drawn / "val.csv", drawn / "classes.csv", trained.snapshot]
    words = ["--misses", tmp_path / "m.json", "--json", tmp_path / "n.json", "csv", *files]
    assert evaluate.main([str(word) for word in words]) is None
    assert list(tmp_path.iterdir()) == [] and capsys.readouterr().out == ""
