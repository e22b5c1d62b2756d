"""retinanet-debug --doctor and --fit-anchors, and the doctor's glance before a training."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.bin import (
    debug,
    debug_doctor,
    train,
    train_doctor,
    train_network,
    train_options,
    train_source,
)
from keras_retinanet.models.loading import load_model
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.utils.config import parse_grid, read_config_file
from keras_retinanet.utils.profile import Profile
from tests import sketch

SIDES = ("--image-min-side", "96", "--image-max-side", "192")


@pytest.fixture
def planted(tmp_path):
    """Return (folder, words of a dataset with known faults)."""
    rng = np.random.default_rng(1)
    for name in ("a", "b", "c", "cut", "d"):
        image = Image.fromarray(rng.integers(0, 256, (8, 12, 3), np.uint8)).resize((192, 96))
        image.save(tmp_path / f"{name}.png")
    (tmp_path / "e.png").write_bytes((tmp_path / "d.png").read_bytes())
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:2000])
    rows = [
        "a.png,10,10,74,74,cat",
        "a.png,10,10,74,74,cat",
        "a.png,11,10,75,74,cat",
        "b.png,20,20,20,60,cat",
        "b.png,90,70,30,20,cat",
        "b.png,150,20,214,84,cat",
        "c.png,200,20,240,60,cat",
        "cut.png,10,10,74,74,cat",
        "missing.png,10,10,74,74,cat",
        "d.png,,,,,",
    ]
    (tmp_path / "train.csv").write_text("\n".join(rows))
    (tmp_path / "val.csv").write_text("e.png,10,10,74,74,cat\n")
    (tmp_path / "classes.csv").write_text("cat,0\ndog,1\n")
    return tmp_path, ["csv", str(tmp_path / "train.csv"), str(tmp_path / "classes.csv"), *SIDES]


def test_every_planted_fault_is_found_in_one_run(planted, capsys):
    folder, words = planted
    page = folder / "page.html"
    more = ["--doctor", "--report", str(page), "--against", str(folder / "val.csv")]
    assert debug.main([*words, *more]) == []
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("6 pictures, 6 boxes of 1 class; ")
    for part in (
        "fault: 2 pictures cannot be read, the first ",
        "fault: 2 boxes have no area: x2 is not right of x1, or y2 not below y1, the first b.png: "
        "20,20,20,60 (line 4)",
        "fault: 1 box lies wholly outside the picture and is left out: c.png: 200,20,240,60 cat",
        "fault: 1 box reaches more than 1 pixel outside the picture, by 22 pixels at most: b.png",
        "fault: 1 box stands in the annotations more than once",
        "fault: 1 pair of boxes of one class overlaps at IoU 0.9 or more",
        "fault: 1 pair of pictures is the same, one to train and one to measure on (byte for byte)"
        ": d.png = e.png",
        "note: 1 picture has no object: d.png",
        "note: 1 class has no box: dog",
    ):
        assert sum(part in line for line in lines) == 1, part
    text = page.read_text(encoding="utf-8")
    assert all(part in text for part in ("missing.png", "150,20,214,84", "data:image/jpeg", "dog"))
    assert [path.name for path in folder.glob(".*")] == []  # nothing half written


@pytest.mark.parametrize(
    ("file", "said"),
    [("train", "6 pictures, "), ("val", "4 pictures (1 without objects, as background), ")],
)
def test_pictures_without_objects_are_counted_when_a_training_starts(drawn, capsys, file, said):
    dataset = CSVGenerator(drawn / f"{file}.csv", drawn / "classes.csv")
    start = SimpleNamespace(network=SimpleNamespace(count_params=lambda: 7))
    args = SimpleNamespace(tile=None, backbone="b", batch_size=2, folder=None, devices=1)
    train.describe(args, start, dataset, None, steps=3)
    assert capsys.readouterr().out.startswith(said)


def test_where_no_picture_can_be_read_no_anchors_are_praised(planted, capsys):
    folder, words = planted
    (folder / "train.csv").write_text("gone.png,10,10,74,74,cat")
    debug.main([*words, "--doctor", "--report", str(folder / "page.html")])
    first = capsys.readouterr().out.splitlines()[0]
    assert (
        first == "1 picture, 1 box of 1 class; no box in a readable picture to measure anchors by"
    )
    assert "100.0%" not in (folder / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["csv", "a.csv", "b.csv"], "annotations"),
        (["coco", "folder"], "coco_set"),
        (["coco", "--annotations", "a.json"], "annotations"),
        (["pascal", "folder"], "pascal_set"),
        (["kitti", "folder", "train"], "subset"),
        (["oid", "folder", "train"], "subset"),
        (["yolo", "folder"], "yolo_set"),
    ],
    ids=" ".join,
)
def test_against_takes_the_place_of_the_option_that_names_the_set(words, name):
    args = debug.parse_args([*words, "--doctor", "--against", "other"])
    assert vars(debug_doctor.of_other_set(args)) == {**vars(args), name: "other"}


def test_strict_exits_with_1_on_faults_alone(planted, outcome):
    folder, words = planted
    assert outcome(debug, [*words, "--doctor", "--strict"])[0] == 1
    assert outcome(debug, [*words, "--doctor"])[0] == 0
    words[1] = str(folder / "val.csv")
    assert outcome(debug, [*words, "--doctor", "--strict"])[0] == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--report", "x.html"], "--report needs --doctor"),
        (["--strict"], "--strict needs --doctor"),
        (["--against", "x"], "--against needs --doctor"),
        (["--num-ratios", "3"], "--num-ratios needs --fit-anchors"),
        (["--num-scales", "0", "--fit-anchors", "a.ini"], "0 must be at least 1"),
        (["--doctor", "--report", "nowhere/x.html"], "there is no folder nowhere"),
        (["--fit-anchors", "nowhere/x.ini"], "there is no folder nowhere"),
    ],
)
def test_bad_options_are_one_line(planted, outcome, more, message):
    code, error = outcome(debug, [*planted[1], *more])
    assert code == 2 and message in error and error.count("\n") == 1


def test_fitted_anchors_are_a_configuration_that_training_takes(drawn, tmp_path, capsys):
    path = tmp_path / "fitted.ini"
    network = "[network]\nhead_layers = 2\n"
    given = tmp_path / "given.ini"
    given.write_text((drawn / "anchors.ini").read_text() + network)
    words = ["csv", str(drawn / "train.csv"), str(drawn / "classes.csv"), "--config", str(given)]
    fit = ("--image-min-side", "96", "--image-max-side", "128", "--fit-anchors", str(path))
    debug.main([*words, *fit])
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("14 boxes: ") and "have an anchor before, 100.0% after" in first
    assert third == f"written: {path}; 6 anchors a cell"
    config = read_config_file(path)
    grid = parse_grid(config, path)
    assert grid["anchor_params"].sizes == (16, 32, 64) and grid["pyramid_levels"] == [3, 4, 5]
    assert len(grid["anchor_params"].ratios) == 3 and len(grid["anchor_params"].scales) == 2
    assert config["network"]["head_layers"] == "2"
    debug.main([*words, *fit, "--num-ratios", "1", "--num-scales", "1"])
    assert "1 anchors a cell, not 6: heads trained with those" in capsys.readouterr().out


def test_without_scipy_no_file_is_written(drawn, tmp_path, outcome, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    words = ["csv", str(drawn / "train.csv"), str(drawn / "classes.csv")]
    code, error = outcome(debug, [*words, "--fit-anchors", str(tmp_path / "a.ini")])
    assert code == 2 and "its extra 'anchors'" in error
    assert list(tmp_path.iterdir()) == []


HEADS = ("regression_submodel", "classification_submodel")


@pytest.mark.parametrize(
    ("ratios", "kept"), [("0.4 1.1 2.3", True), ("0.5 2", False)], ids=["as many", "fewer"]
)
def test_a_trained_head_is_kept_where_the_number_of_anchors_is(trained, tmp_path, ratios, kept):
    config = tmp_path / "fitted.ini"
    config.write_text(
        f"[anchor_parameters]\nsizes = 16 32 64\nstrides = 8 16 32\nratios = {ratios}\n"
        "scales = 0.9 1.3\n[pyramid_levels]\nlevels = 3 4 5\n"
        "[network]\npyramid_features = 16\nhead_features = 16\nhead_layers = 1\n"
    )
    weights = ("--weights", str(trained.snapshot), "--config", str(config))
    words = ["csv", "a.csv", "c.csv", "--backbone", sketch.NAME, *weights]
    args = train_options.parse_args(words)
    args.image_min_side, args.image_max_side = 96, 128
    lines = []
    plan = train_source.make_plan(args, lines.append)
    start = train_network.new_network(args, plan, ("disc", "square"), lines.append)
    old = load_model(str(trained.snapshot))
    assert any("in strides" in line for line in lines) != kept
    for name in HEADS:
        for variable, before in zip(
            start.network.get_layer(name).weights, old.get_layer(name).weights, strict=True
        ):
            if variable.shape == before.shape:
                np.testing.assert_array_equal(np.asarray(variable), np.asarray(before))
            else:
                assert not kept


# --- before a training


def glance(folder, *more, annotations="train.csv"):
    """Return the lines that a training would report of the doctor, and its generators."""
    words = ["csv", str(folder / annotations), str(folder / "classes.csv"), *more]
    args = train_options.parse_args([*words, *SIDES])
    generators = train.create_generators(args, lambda image: image)
    lines = []
    train_doctor.look(args, Profile(), *generators, lines.append)
    return lines, generators


def test_training_says_in_a_few_lines_what_the_doctor_sees(planted):
    folder, _ = planted
    (folder / "good.csv").write_text(
        "a.png,10,10,74,74,cat\na.png,11,10,75,74,cat\nb.png,3,3,6,7,cat\nd.png,,,,,\n"
    )
    val = ("--val-annotations", str(folder / "val.csv"))
    lines, (train_set, validation) = glance(folder, *val, annotations="good.csv")
    assert lines[0].startswith("doctor: 3 pictures, 3 boxes of 1 class; 66.7% of the boxes have an")
    kinds = ("overlaps at IoU 0.9", "one to train and one to measure on", "no anchor", "no box")
    assert len(lines) == 2 + len(kinds)
    assert all(sum(kind in line for line in lines) == 1 for kind in kinds)
    assert lines[-1] == "doctor: retinanet-debug with --doctor --report FILE.html shows where"
    assert train_set.found is None and validation.found is None


def test_before_training_on_tiles_whole_pictures_are_looked_at(planted):
    folder, _ = planted
    words = ["csv", str(folder / "val.csv"), str(folder / "classes.csv"), "--tile", "64"]
    args = train_options.parse_args(words)
    args.no_resize = True
    generators = train.create_generators(args, lambda image: image)
    lines = []
    train_doctor.look(args, Profile(), *generators, lines.append)
    assert generators[0].size() > 1 and generators[0].dataset.found is None
    share = "100.0% of the boxes have an anchor at own size"
    assert lines[0] == f"doctor: 1 picture, 1 box of 1 class; {share}"


def test_no_doctor_says_nothing(planted):
    folder, _ = planted
    lines, (train_set, _) = glance(folder, "--no-doctor", annotations="val.csv")
    assert lines == [] and train_set.found is None


def test_pictures_that_were_left_out_do_not_confuse_the_doctor(planted):
    folder, _ = planted
    (folder / "some.csv").write_text("a.png,10,10,74,74,cat\ncut.png,1,1,50,50,cat\n")
    with pytest.warns(UserWarning, match="1 pictures are left out"):
        lines, _ = glance(folder, "--skip-broken", annotations="some.csv")
    assert lines[0].startswith("doctor: 1 picture, 1 box of 1 class")


def test_a_sound_dataset_takes_one_line(planted):
    folder, _ = planted
    (folder / "classes.csv").write_text("cat,0\n")
    lines, _ = glance(folder, annotations="val.csv")
    share = "100.0% of the boxes have an anchor at 96 to 192 pixels"
    assert lines == [f"doctor: 1 picture, 1 box of 1 class; {share}"]
