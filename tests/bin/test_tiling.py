"""Tiles from the command line: trained on, kept in the snapshot, measured by whole pictures."""

import json

import cv2
import numpy as np
import pytest

from keras_retinanet.bin import debug, evaluate, train
from keras_retinanet.models.snapshot import read_facts
from keras_retinanet.utils.tiles import OVERLAP
from tests import sketch


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """Return a folder with two pictures of 224 x 160, each with a disc of 40 in its middle."""
    folder = tmp_path_factory.mktemp("large")
    rows = []
    for name in ("a.png", "b.png"):
        image = np.random.default_rng(1).integers(60, 120, (160, 224, 3), np.uint8)
        cv2.circle(image, (112, 80), 20, (20, 40, 250), -1)
        cv2.imwrite(str(folder / name), image)
        rows.append(f"{name},92,60,133,101,disc")
    (folder / "a.csv").write_text("\n".join(rows))
    (folder / "c.csv").write_text("disc,0")
    (folder / "anchors.ini").write_text(
        "[anchor_parameters]\nsizes = 16 32 64\nstrides = 8 16 32\nratios = 1\nscales = 1 1.25\n"
        "[pyramid_levels]\nlevels = 3 4 5\n"
    )
    return folder


@pytest.fixture(scope="module")
def run_folder(large, tmp_path_factory):
    """Train two steps on tiles of 128."""
    folder = tmp_path_factory.mktemp("runs")
    data = [str(large / "a.csv"), str(large / "c.csv")]
    train.main(
        [
            *("csv", *data, "--val-annotations", data[0], "--tile", "128", "--seed", "1"),
            *("--no-weights", "--backbone", sketch.NAME, "--pyramid-features", "8"),
            *("--head-features", "8", "--head-layers", "1", "--config", str(large / "anchors.ini")),
            *("--batch-size", "2", "--steps", "1", "--epochs", "1"),
            *("--snapshot-path", str(folder), "--run-name", "tiles"),
        ]
    )
    return folder / "tiles"


def test_the_snapshot_knows_its_tiles_and_evaluation_uses_them(large, run_folder, tmp_path):
    profile = read_facts(run_folder / "last.keras")["profile"]
    assert (profile.tile, profile.tile_overlap, profile.resize) == (128, OVERLAP, False)
    words = ["csv", str(large / "a.csv"), str(large / "c.csv"), str(run_folder / "last.keras")]
    of_tiles = evaluate.main([*words, "--json", str(tmp_path / "a.json")])
    assert of_tiles["images"] == 2 and of_tiles["options"]["tile"] == 128
    assert json.loads((tmp_path / "a.json").read_text())["options"]["tile"] == 128
    whole = evaluate.create_generator(evaluate.parse_args([*words, "--tile", "0"]), profile)
    assert whole.tiled is None and whole.no_resize
    resized = evaluate.create_generator(
        evaluate.parse_args([*words, "--image-min-side", "64"]), profile
    )
    assert resized.tiled is None and not resized.no_resize and resized.image_min_side == 64
    finer = evaluate.create_generator(
        evaluate.parse_args([*words, "--tile", "100", "--tile-overlap", "0.5"]), profile
    )
    assert (finer.tiled.tiling.side, finer.tiled.tiling.overlap) == (100, 0.5)


def test_training_sees_tiles_and_measures_whole_pictures(large):
    data = [str(large / "a.csv"), str(large / "c.csv")]
    words = ["csv", *data, "--val-annotations", data[0], "--tile", "128", "--batch-size", "3"]
    args = train.parse_args([*words, "--augmentation", "scale-jitter", "--seed", "1"])
    args.image_min_side = args.image_max_side = 64  # as settled from a profile: of no effect
    generator, validation = train.create_generators(args)
    assert (generator.size(), len(generator), generator.dataset.size()) == (8, 3, 2)
    images, truth = generator.raw_batch(0)
    assert images.shape == (3, 128, 128, 3) and truth["sizes"].tolist() == [[128, 128]] * 3
    assert validation.size() == 2 and validation.tiled.size() == 8
    assert validation.tiled.raw_batch(0)[0].shape == (3, 128, 128, 3)


def test_tiles_are_shown(large, tmp_path, capsys):
    words = ["csv", str(large / "a.csv"), str(large / "c.csv"), "--tile", "128", "--no-gui"]
    written = debug.main([*words, "--flatten-output", "--output-dir", str(tmp_path / "out")])
    assert len(written) == 2 * 4
    assert {cv2.imread(path).shape for path in written} == {(128, 128, 3)}
    assert "8 pictures written" in capsys.readouterr().out


REFUSED = {
    "sides": (train, ["--tile", "64", "--image-min-side", "32"], "--tile 64 leaves sizes alone"),
    "no side to overlap": (evaluate, ["--tile", "0", "--tile-overlap", "0.1"], "goes with --tile"),
    "too much overlap": (train, ["--tile", "64", "--tile-overlap", "1"], "must be"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_contradictions_are_one_line(case, outcome):
    module, words, part = REFUSED[case]
    model = ["m.keras"] if module is evaluate else []
    code, message = outcome(module, ["csv", "a.csv", "c.csv", *model, *words])
    assert code == 2 and part in message and message.count("\n") == 1


def test_the_default_is_that_of_the_library():
    from keras_retinanet.bin.tile_options import TILE_OVERLAP

    assert TILE_OVERLAP == OVERLAP
