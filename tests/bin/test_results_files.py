"""retinanet-evaluate on results files: in place of a model, compared, written, refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from keras_retinanet.bin import evaluate
from keras_retinanet.evaluation.coco import coco_stats
from keras_retinanet.evaluation.measures import with_nulls
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.utils.image import ImageError, read_image_size

CSV = ["csv", "a.csv", "c.csv"]
COCO = ["coco", "--annotations", "i.json"]
EVERYWHERE = {
    "after the dataset": [*CSV, "--results", "r.json"],
    "before the dataset": ["--results", "r.json", *CSV],
    "with an equals sign": ["--results=r.json", *CSV],
    "beside another option for an argument": [*COCO, "--results", "r.json"],
    "before that": ["--results", "r.json", *COCO],
}


@pytest.mark.parametrize("words", EVERYWHERE.values(), ids=EVERYWHERE.keys())
def test_results_stand_for_a_model(words):
    args = evaluate.parse_args(words)
    assert (args.results, args.model) == ("r.json", None)
    assert args.annotations in ("a.csv", "i.json") and (args.draws, args.seed) == (500, 0)


REFUSED = {
    "a model, too": ([*CSV, "m.keras", "--results", "r.json"], "unrecognised argument 'm.keras'"),
    "a side": ([*CSV, "--results", "r", "--image-min-side", "9"], "--image-min-side goes with a m"),
    "anchors": ([*CSV, "--results", "r", "--config", "x.ini"], "--config goes with a model, not"),
    "pictures": ([*CSV, "--results", "r", "--save-path", "x"], "--save-path goes with a model"),
    "no draws": ([*CSV, "m.keras", "--compare", "r", "--draws", "0"], "--compare needs draws"),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_options_that_contradict_are_refused_in_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        evaluate.parse_args(words)
    assert stopped.value.code == 2 and message in capsys.readouterr().err


@pytest.fixture
def rows(drawn):
    """Return the truths of val.csv as results, each with its own score."""
    found = []
    for line in (drawn / "val.csv").read_text().splitlines():
        name, *numbers, kind = line.split(",")
        if kind:
            x1, y1, x2, y2 = map(int, numbers)
            found.append(
                {
                    "image_id": int(name[4]),
                    "category_id": ("disc", "square").index(kind),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "score": 0.9 - len(found) / 100,
                }
            )
    return found


def measured(drawn, tmp_path, rows, *words):
    """Return what retinanet-evaluate returns for results on val.csv."""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(rows))
    data = ["csv", str(drawn / "val.csv"), str(drawn / "classes.csv")]
    return evaluate.main([*data, "--results", str(path), "--draws", "20", *map(str, words)])


def test_suspect_labels_are_written_as_annotation_rows(drawn, tmp_path, rows, capsys):
    """One detection where nothing is, and one of the other class in place of the right one."""
    wrong = [{**rows[0], "category_id": 1 - rows[0]["category_id"], "score": 0.95}, *rows[1:]]
    stray = {**rows[0], "image_id": 0, "bbox": [100, 60, 20, 20], "score": 0.9}
    path = tmp_path / "suspects.csv"
    measured(drawn, tmp_path, [*wrong, stray], "--suspects", path, "--score-threshold", "0.5")
    line = f"{path}: suspect labels at scores above 0.50: 1 class, 1 missing"
    assert line in capsys.readouterr().out
    with path.open(newline="") as stream:
        one, other = csv.DictReader(stream)
    names = ("disc", "square")
    assert (one["reason"], one["score"]) == ("class", "0.9500")
    assert one["class"] == names[wrong[0]["category_id"]]
    assert one["given_class"] == names[rows[0]["category_id"]] and one["x1"] == one["given_x1"]
    assert Path(one["path"]).name == f"val_{rows[0]['image_id']}.png"
    assert (other["reason"], other["x2"], other["given_x1"]) == ("missing", "120.0", "")
    assert Path(other["path"]).name == "val_0.png"


def test_perfect_results_have_perfect_numbers(drawn, tmp_path, rows, capsys):
    results = measured(drawn, tmp_path, rows, "--json", tmp_path / "n.json")
    assert results["coco"]["AP"] == pytest.approx(1) and results["mAP"] == pytest.approx(1)
    assert results["voc"] == {"VOC07": pytest.approx(1), "VOC12": pytest.approx(1)}
    assert results["open_images"]["AP"] == pytest.approx(1)
    assert results["LRP"]["oLRP"] == pytest.approx(0, abs=1e-9)
    assert results["F1"]["best"]["F1"] == 1
    assert results["confusion"]["classes"] == ["disc", "square"]
    diagonal = {(row, column) for row, column, _ in results["confusion"]["counts"]}
    assert diagonal == {(0, 0), (1, 1)}
    assert sum(count for *_, count in results["confusion"]["counts"]) == 8
    assert results["intervals"]["AP"] == [pytest.approx(1)] * 2
    for name in ("by_size", "by_ratio", "by_crowding"):
        assert sum(each["objects"] for each in results[name].values()) == 8
    disc = results["classes"]["disc"]
    assert {"AP", "instances", "coco", "VOC07", "VOC12", "open_images", "F1", "LRP"} < disc.keys()
    assert (results["inference_seconds"], results["left_out"]) == (None, {})
    assert json.loads((tmp_path / "n.json").read_text()) == with_nulls(results)
    lines = capsys.readouterr().out.splitlines()
    assert "mAP: 1.0000" in lines and "VOC07: 1.0000, VOC12: 1.0000" in lines
    assert "AP lies between 1.000 and 1.000 (95 %, 20 draws)" in lines
    assert "LRP error: 0.000 (localisation 0.000, false 0.000, missed 0.000)" in lines
    assert not any(line.startswith("Inference time") for line in lines)


def test_what_is_left_out_is_told_before_the_numbers(drawn, tmp_path, rows, capsys):
    bad = [*rows, {**rows[0], "image_id": 17}, {**rows[0], "bbox": [1, 1, -2, 2]}]
    results = measured(drawn, tmp_path, bad)
    assert results["left_out"] == {"unknown_images": 1, "negative_sizes": 1}
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert "1 detections of pictures that the dataset does not have are left out" in first
    assert "1 detections with a negative width or height are left out" in second


def test_thresholds_apply_to_results_only_where_they_are_given(drawn, tmp_path, rows):
    low = [{**row, "score": row["score"] / 1000} for row in rows]
    assert measured(drawn, tmp_path, low)["coco"]["AR100"] == pytest.approx(1)
    cut = measured(drawn, tmp_path, rows, "--score-threshold", "0.885", "--max-detections", "1")
    assert sum(count for *_, count in cut["confusion"]["counts"]) == 8
    found = [row for row in cut["confusion"]["counts"] if row[0] == row[1]]
    assert sum(count for *_, count in found) == 1


def test_pictures_may_be_named_in_place_of_their_number(drawn, tmp_path, rows):
    named = [{**row, "image_id": f"val_{row['image_id']}.png"} for row in rows]
    assert measured(drawn, tmp_path, named)["coco"] == measured(drawn, tmp_path, rows)["coco"]


def test_no_results_are_told_and_give_nothing_right(drawn, tmp_path, capsys):
    results = measured(drawn, tmp_path, [])
    assert results["coco"]["AP"] == 0 and results["F1"]["best"]["threshold"] is None
    assert capsys.readouterr().out.splitlines()[0].endswith("results.json: holds no detection")


def test_a_comparison_says_which_is_better(drawn, tmp_path, rows, capsys):
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps(rows[:1]))
    report = "--report", tmp_path / "page"
    words = "--compare", worse, "--draws", "200", *report
    found = measured(drawn, tmp_path, rows, *words)["comparison"]
    assert set(found["classes"]) == {"disc", "square"}
    assert {path.name for path in report[1].iterdir()} == {"index.html", "comparison.html"}
    assert 'href="comparison.html"' in (report[1] / "index.html").read_text(encoding="utf-8")
    assert "B is worse" in (report[1] / "comparison.html").read_text(encoding="utf-8")
    assert found["AP"]["difference"] < 0 and found["file"] == str(worse)
    assert "worse.json is worse by " in capsys.readouterr().out.splitlines()[-2]
    worse.write_text(json.dumps(rows))
    assert measured(drawn, tmp_path, rows, "--compare", worse)["comparison"]["AP"]["interval"] == [
        0,
        0,
    ]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("worse.json is not shown to differ: +0.0 ± 0.0 AP (95 %)")


BAD_FILES = {
    "no file": (None, "results.json: No such file"),
    "no JSON": ("[{", "results.json: not JSON"),
    "an annotation file": ('{"annotations": []}', "is an annotation file, not a list"),
    "another dataset's": (
        '[{"image_id": 99, "category_id": 0, "bbox": [1, 1, 1, 1], "score": 1}]',
        "no detection is left to measure",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_bad_files_end_in_one_line(drawn, tmp_path, outcome, text, message):
    path = tmp_path / "results.json"
    if text is not None:
        path.write_text(text)
    words = ["csv", drawn / "val.csv", drawn / "classes.csv", "--results", path]
    code, stderr = outcome(evaluate, words)
    assert code == 2 and message in stderr and stderr.count("\n") == 1


def test_a_dataset_without_objects_has_no_numbers(drawn, tmp_path, rows, capsys):
    (tmp_path / "empty.csv").write_text(f"{drawn}/val_0.png,,,,,\n")
    (tmp_path / "r.json").write_text(json.dumps([{**rows[0], "image_id": 0}]))
    words = ["csv", f"{tmp_path}/empty.csv", f"{drawn}/classes.csv", "--results"]
    results = evaluate.main([*words, f"{tmp_path}/r.json", "--json", f"{tmp_path}/n.json"])
    assert capsys.readouterr().out.splitlines()[-1] == "No test instances found."
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert numbers["voc"]["VOC12"] is None and numbers["F1"]["best"]["threshold"] is None
    assert numbers["coco"]["AP"] == -1 and np.isnan(results["mAP"])


def test_published_coco_results_give_their_numbers_through_the_command(real_data, tmp_path):
    folder = real_data / "formats" / "coco_known_ap"
    words = ["coco", "--annotations", f"{real_data}/coco_sample/instances.json"]
    words += ["--images", f"{real_data}/coco_sample/images", "--draws", "20"]
    path = folder / "results_ssd_mobilenet_v1.json"
    results = evaluate.main(
        [*words, "--results", str(path), "--save-results", f"{tmp_path}/saved.json"]
    )
    expected = json.loads((folder / "expected_pycocotools_2.0.11.json").read_text())
    assert results["coco"] == pytest.approx(expected, abs=1e-12)
    dataset = json.loads((real_data / "coco_sample" / "instances.json").read_text())
    saved = json.loads((tmp_path / "saved.json").read_text())
    again = coco_stats(dataset, saved, engine="pycocotools")
    assert again == pytest.approx(expected, abs=1e-6)
    assert len(saved) == len(json.loads(path.read_text()))


@pytest.fixture
def coco_words(drawn, tmp_path, rows):
    """Return the words that measure `rows` on val.csv as a COCO file without its pictures."""
    names = sorted({line.split(",")[0] for line in (drawn / "val.csv").read_text().splitlines()})
    sizes = [read_image_size(drawn / name) for name in names]
    dataset = {
        "images": [
            {"id": int(name[4]), "file_name": name, "height": height, "width": width}
            for name, (height, width) in zip(names, sizes, strict=True)
        ],
        "categories": [{"id": 0, "name": "disc"}, {"id": 1, "name": "square"}],
        "annotations": [
            {**row, "id": number, "area": row["bbox"][2] * row["bbox"][3], "iscrowd": 0}
            for number, row in enumerate(rows)
        ],
    }
    (tmp_path / "val.json").write_text(json.dumps(dataset))
    (tmp_path / "r.json").write_text(json.dumps(rows[1:]))
    words = ["coco", "--annotations", f"{tmp_path}/val.json", "--results", f"{tmp_path}/r.json"]
    return [*words, "--draws", "20"]


def test_a_faulty_file_to_compare_with_is_told_before_the_work(drawn, tmp_path, monkeypatch):
    (tmp_path / "other.json").write_text('[{"image_id": 0}]')
    monkeypatch.setattr(evaluate, "detect", lambda args: pytest.fail("began to detect"))
    words = ["csv", f"{drawn}/val.csv", f"{drawn}/classes.csv", f"{drawn}/val.csv"]
    with pytest.raises(ValueError, match=r"other.json: detection \[0\] has no 'category_id'"):
        evaluate.main([*words, "--compare", str(tmp_path / "other.json")])


def test_results_are_measured_without_pictures(drawn, tmp_path, coco_words):
    with_pictures = evaluate.main([*coco_words, "--images", str(drawn)])
    with pytest.warns(AnnotationWarning, match="pictures are not there; their sizes are taken"):
        without = evaluate.main(coco_words)
    assert with_nulls(without) == with_nulls(with_pictures) and 0 < without["coco"]["AP"] < 1


def test_results_on_a_folder_without_pictures_are_measured(tmp_path, coco_words):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val.json").rename(tmp_path / "annotations" / "instances_val2017.json")
    with pytest.warns(AnnotationWarning, match="pictures are not there"):
        results = evaluate.main(["coco", str(tmp_path), *coco_words[3:]])
    assert 0 < results["coco"]["AP"] < 1


def test_sizes_of_a_csv_files_columns_do_for_results(tmp_path):
    (tmp_path / "c.csv").write_text("cat,0\n")
    header = "filename,width,height,class,xmin,ymin,xmax,ymax"
    (tmp_path / "a.csv").write_text(f"{header}\nno.jpg,60,40,cat,10,10,90,30\n")
    row = {"image_id": 0, "category_id": 0, "bbox": [10, 10, 50, 20], "score": 0.9}
    (tmp_path / "r.json").write_text(json.dumps([row]))
    words = ["csv", f"{tmp_path}/a.csv", f"{tmp_path}/c.csv", "--results", f"{tmp_path}/r.json"]
    with pytest.warns(AnnotationWarning) as told:
        results = evaluate.main([*words, "--draws", "20"])
    assert results["coco"]["AP"] == pytest.approx(1)  # the box ends at the stated width
    assert any("1 of 1 pictures are not there" in str(each.message) for each in told)


def test_absent_pictures_are_told_where_they_are_needed(tmp_path, coco_words):
    """By a page, which shows them; or where the annotations do not state sizes."""
    with pytest.raises(ImageError, match="pictures cannot be used"):
        evaluate.main([*coco_words, "--report", str(tmp_path / "page")])
    dataset = json.loads((tmp_path / "val.json").read_text())
    del dataset["images"][0]["height"]
    (tmp_path / "val.json").write_text(json.dumps(dataset))
    with pytest.raises(ImageError, match="pictures cannot be used"):
        evaluate.main(coco_words)


def test_what_a_model_found_is_measured_the_same_from_its_file(drawn, trained, tmp_path):
    data = ["csv", str(drawn / "val.csv"), str(drawn / "classes.csv"), "--draws", "20"]
    saved = str(tmp_path / "saved.json")
    found = evaluate.main(
        [*data, str(trained.snapshot), "--score-threshold", "0.001", "--save-results", saved]
    )
    again = evaluate.main([*data, "--results", saved])
    assert len(json.loads((tmp_path / "saved.json").read_text())) > 20
    for key in ("coco", "voc", "by_size"):
        assert again[key] == found[key], key
    assert again["mAP"] == pytest.approx(found["mAP"], abs=1e-12)
