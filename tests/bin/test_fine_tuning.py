"""retinanet-train --weights: what a new network takes over from a model, and what it says."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.bin import (
    convert_model,
    evaluate,
    train,
    train_network,
    train_options,
    train_source,
)
from keras_retinanet.models import load_model
from keras_retinanet.models.snapshot import attach_profile, profile_of, read_facts, save_snapshot
from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.families import FAMILIES
from keras_retinanet.utils.image import preprocess_image
from keras_retinanet.utils.profile import Profile
from tests import sketch
from tests.backends import array
from tests.models.test_by_name import write_keras2

SHORT = ("--epochs", "1", "--steps", "1", "--batch-size", "3", "--seed", "1", "--no-doctor")
SIDES = ("--image-min-side", "96", "--image-max-side", "128")


def words(folder, runs, *more, dataset="train"):
    """Return a command line of retinanet-train, the run's folder `runs`/run."""
    return [
        *("csv", str(folder / f"{dataset}.csv"), str(folder / "classes.csv"), *SHORT),
        *("--snapshot-path", str(runs), "--run-name", "run", *map(str, more)),
    ]


def planned(*more):
    """Return the Plan of a command line, its parsed options and what was reported."""
    args = train_options.parse_args(["csv", "a.csv", "c.csv", *map(str, more)])
    lines = []
    return train_source.make_plan(args, lines.append), args, lines


def built(plan, args, lines, classes=("disc", "square")):
    """Return the network that a run would start from."""
    train_network.settle_pictures(args, plan.profile)
    return train_network.new_network(args, plan, classes, lines.append).network


def class_kernel(network, classes=2):
    layer = network.get_layer("classification_submodel").get_layer("pyramid_classification")
    kernel = array(layer.kernel)
    return kernel.reshape(*kernel.shape[:3], -1, classes)


def test_a_run_takes_over_all_but_the_classes_that_it_does_not_know(
    drawn, trained, tmp_path, capsys
):
    text = (drawn / "train.csv").read_text().replace(",disc", ",blob").replace(",square", ",SQUARE")
    (tmp_path / "train.csv").write_text(text.replace("train_", f"{drawn}/train_"))
    (tmp_path / "classes.csv").write_text("SQUARE,0\nblob,1\n")
    train.main(words(tmp_path, tmp_path, "--weights", trained.snapshot, "--lr", "1e-9"))
    out = capsys.readouterr().out
    assert f"{trained.snapshot}: classes that keep their rows: SQUARE (from square)" in out
    assert f"{trained.snapshot}: classes that start afresh: blob" in out
    old, new = load_model(trained.snapshot), load_model(tmp_path / "run" / "last.keras")
    source, profile = profile_of(old), profile_of(new)
    assert profile.classes == ("SQUARE", "blob")
    for name in ("backbone", "anchors", "levels", "pyramid_features", "head_layers"):
        assert getattr(profile, name) == getattr(source, name), name
    assert (profile.image_min_side, profile.image_max_side) == (96, 128)
    np.testing.assert_allclose(class_kernel(new)[..., 0], class_kernel(old)[..., 1], atol=1e-6)
    facts = read_facts(tmp_path / "run" / "last.keras")["training"]
    assert (facts["batch_norm"], facts["freeze_backbone"]) == ("frozen", 0)


def test_weights_of_another_backbone_are_refused_in_one_line(drawn, trained, tmp_path, outcome):
    line = words(drawn, tmp_path, "--weights", trained.snapshot, "--backbone", "vgg16")
    code, error = outcome(train, line)
    assert code == 2 and error.count("\n") == 1
    assert f"--backbone vgg16: the weights of {trained.snapshot} are of {sketch.NAME}" in error


def test_the_rows_of_a_mobilenets_name_do_not_set_backbones_apart(tmp_path):
    network = models.backbone("mobilenet128_0.25").retinanet(
        2, pyramid_features=8, head_features=8, head_layers=1
    )
    attach_profile(network, replace(profile_of(network), classes=("disc", "square")))
    save_snapshot(network, tmp_path / "source.keras")
    source = ("--weights", tmp_path / "source.keras")
    plan, _, _ = planned(*source, "--backbone", "mobilenet224_.25")
    assert plan.profile.backbone == "mobilenet224_.25"


def test_a_weight_file_that_is_no_whole_model_goes_by_layer_name(trained, tmp_path):
    source = load_model(trained.snapshot)
    write_keras2(tmp_path / "part.h5", source, leave_out=("P3",))
    sizes = ("--pyramid-features", 16, "--head-features", 16, "--head-layers", 1)
    line = ("--weights", tmp_path / "part.h5", "--backbone", sketch.NAME, *sizes)
    plan, args, lines = planned(*line)
    assert plan.source is None and "its layers go by name, since it is no whole model" in lines[0]
    network = built(plan, args, lines)
    assert any("not in the file: " in line and "P3" in line for line in lines)
    np.testing.assert_array_equal(
        array(network.get_layer("conv1").kernel), array(source.get_layer("conv1").kernel)
    )


def test_a_plain_keras_model_goes_by_layer_name(trained, tmp_path):
    load_model(trained.snapshot).save(tmp_path / "plain.keras")
    plan, args, lines = planned("--weights", tmp_path / "plain.keras")
    assert (plan.source, args.backbone) == (None, "resnet50")
    assert "a model without a profile, so its layers go by name" in lines[0]


# between them they flip every switch of the network
@pytest.mark.parametrize("family", ["torchvision", "torchvision_v2", "mmdetection_caffe", "odtk"])
def test_a_network_of_any_family_computes_what_its_source_did(family, tmp_path):
    """Same classes, so everything is kept; every switch that were lost would change the outputs."""
    small = {"pyramid_features": 16, "head_features": 16, "head_layers": 1, "head_norm_groups": 4}
    profile = replace(FAMILIES[family], **small)
    source = models.backbone("resnet50").retinanet(2, profile=profile)
    rng = np.random.default_rng(0)
    for weight in source.weights:
        if "moving" in weight.path or "beta" in weight.path or "bias" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    attach_profile(source, replace(profile_of(source), classes=("disc", "square")))
    save_snapshot(source, tmp_path / "source.keras")
    plan, args, lines = planned("--weights", tmp_path / "source.keras")
    network = built(plan, args, lines)
    assert replace(profile_of(network), classes=()) == replace(profile_of(source), classes=())
    image = rng.normal(size=(1, 70, 93, 3)).astype(np.float32)
    for found, expected in zip(network(image), source(image), strict=True):
        np.testing.assert_allclose(array(found), array(expected), rtol=1e-5, atol=1e-6)


ODD = Profile(
    backbone="mobilenet128_0.25",
    backbone_options={},
    preprocessing="torch_rgb",
    resize_rule="pillow",
    box_coding="centres",
    clip_to="image",
    anchors=AnchorParameters(
        (16, 32, 64), (8, 16, 32), centre=0.0, rounding="whole", order="scale"
    ),
    levels=(3, 4, 5),
)


def test_a_config_changes_what_it_says_and_no_more(tmp_path):
    (tmp_path / "a.ini").write_text(
        "[anchor_parameters]\nsizes = 20 40 80\nstrides = 8 16 32\nratios = 1\nscales = 1\n"
        "[network]\nhead_layers = 2\n"
    )
    args = train_options.parse_args(
        ["csv", "a", "c", "--weights", "w", "--config", str(tmp_path / "a.ini")]
    )
    source = attach_profile(keras.Sequential(), ODD)
    profile = train_source.new_profile(args, source)
    wanted = AnchorParameters((20, 40, 80), (8, 16, 32), (1,), (1,), 0.0, "fixed", "whole", "scale")
    assert (profile.anchors, profile.head_layers) == (wanted, 2)
    for name in ("preprocessing", "resize_rule", "box_coding", "clip_to", "levels"):
        assert getattr(profile, name) == getattr(ODD, name), name


def test_levels_that_the_sources_anchors_do_not_fit_are_refused(tmp_path):
    (tmp_path / "a.ini").write_text("[pyramid_levels]\nlevels = 3 4 5 6\n")
    args = train_options.parse_args(
        ["csv", "a", "c", "--weights", "w", "--config", str(tmp_path / "a.ini")]
    )
    with pytest.raises(ValueError, match=r"a\.ini: levels \(3, 4, 5, 6\) need 4 anchor sizes"):
        train_source.new_profile(args, attach_profile(keras.Sequential(), ODD))


@pytest.mark.parametrize(
    ("line", "stages"),
    [
        (["csv", "a", "c"], None),
        (["--freeze-backbone", "csv", "a", "c"], 5),
        (["csv", "a", "c", "--freeze-backbone"], 5),
        (["--freeze-backbone", "2", "csv", "a", "c"], 2),
        (["csv", "a", "c", "--freeze-backbone=0"], 0),
        (["csv", "a", "c", "--freeze-backbone", "--lr", "1"], 5),
    ],
)
def test_the_number_of_frozen_stages_may_be_left_out(line, stages):
    parsed = train_options.make_parser().parse_args(train_options._with_stages(line))
    assert parsed.freeze_backbone == stages


def test_stages_and_batch_norm_are_resumed_and_may_be_changed(drawn, trained, tmp_path, capsys):
    train.main(
        words(drawn, tmp_path, "--weights", trained.snapshot)
        + ["--freeze-backbone", "3", "--batch-norm", "train"]
    )
    assert "--freeze-backbone 3: 6 layers keep their weights" in capsys.readouterr().out
    snapshot = tmp_path / "run" / "last.keras"
    before = load_model(snapshot)
    assert moved_statistics(load_model(trained.snapshot), before) == stage_norms(4, 5)
    on = [*words(drawn, tmp_path / "on", "--snapshot", snapshot), "--epochs", "2"]
    train.main(on)
    facts = read_facts(tmp_path / "on" / "run" / "last.keras")["training"]
    assert (facts["batch_norm"], facts["freeze_backbone"]) == ("train", 3)
    assert "afresh" not in capsys.readouterr().out
    after = load_model(tmp_path / "on" / "run" / "last.keras")
    assert moved_statistics(before, after) == stage_norms(4, 5)
    on[on.index(str(tmp_path / "on"))] = str(tmp_path / "changed")
    train.main([*on, "--batch-norm", "frozen", "--freeze-backbone", "0"])
    assert "other weights train than in the snapshot's run" in capsys.readouterr().out
    changed = load_model(tmp_path / "changed" / "run" / "last.keras")
    assert moved_statistics(before, changed) == set()
    kernels = (array(model.get_layer("conv1").kernel) for model in (before, changed))
    assert not np.array_equal(*kernels)


def moved_statistics(one, other):
    """Return the batch norms whose mean differs between two models."""
    return {
        layer.name
        for layer in one.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not np.array_equal(
            array(layer.moving_mean), array(other.get_layer(layer.name).moving_mean)
        )
    }


def stage_norms(*wanted):
    """Return the batch norms of stages of `sketch`."""
    return {f"conv{stage}_bn" for stage in wanted}


# --- pictures of other channels


@pytest.fixture(scope="module")
def five_channels(drawn, tmp_path_factory):
    """Return a folder of uint16 pictures of five channels with the drawn boxes."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("five")
    for path in sorted(drawn.glob("*.png")):
        colours = np.asarray(Image.open(path))[..., ::-1]
        image = np.concatenate([colours, colours[..., :2]], axis=-1).astype(np.uint16) * 257
        np.save(folder / f"{path.stem}.npy", image)
    for name in ("train", "val"):
        text = (drawn / f"{name}.csv").read_text().replace(".png", ".npy")
        (folder / f"{name}.csv").write_text(text)
    (folder / "classes.csv").write_text((drawn / "classes.csv").read_text())
    return folder


def test_pictures_of_five_channels_of_16_bits_go_all_the_way(
    five_channels, trained, tmp_path, capsys, outcome
):
    folder = five_channels
    line = words(folder, tmp_path, "--weights", trained.snapshot, "--channels", 5)
    train.main([*line, "--val-annotations", str(folder / "val.csv"), "--lr", "1e-9"])
    out = capsys.readouterr().out
    assert "the first convolution, of 3 channels, is inflated to 5" in out
    snapshot = tmp_path / "run" / "last.keras"
    preprocessing = read_facts(snapshot)["profile"].preprocessing
    assert (preprocessing.channels, preprocessing.bits) == (5, 16)
    old, new = load_model(trained.snapshot), load_model(snapshot)
    kernels = [array(model.get_layer("conv1").kernel) for model in (old, new)]
    np.testing.assert_allclose(kernels[1], kernels[0][:, :, [0, 1, 2, 0, 1]] * 0.6, atol=1e-6)
    dataset = ["csv", str(folder / "val.csv"), str(folder / "classes.csv"), str(snapshot)]
    results = evaluate.main([*dataset, "--save-path", str(tmp_path / "shown")])
    assert results["images"] == 4 and (tmp_path / "shown" / "3.png").is_file()
    convert_model.main([str(snapshot), str(tmp_path / "detector.keras")])
    assert load_model(tmp_path / "detector.keras").inputs[0].shape[-1] == 5
    train.main([*words(folder, tmp_path / "on", "--snapshot", snapshot), "--epochs", "2"])
    code, error = outcome(
        train, [*words(folder, tmp_path, "--snapshot", snapshot, "--channels", 4), "--epochs", "2"]
    )
    assert code == 2 and "--channels 4: the network of" in error and "takes 5" in error


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's")
def test_a_saved_model_takes_the_pictures_as_they_are(tmp_path):
    import tensorflow as tf

    plan, args, lines = planned(
        *("--no-weights", "--backbone", sketch.NAME, "--channels", 5, *SIDES)
    )
    network = built(plan, args, lines)
    profile = profile_of(network)
    preprocessing = replace(profile.preprocessing, bits=16)
    attach_profile(network, replace(profile, preprocessing=preprocessing))
    save_snapshot(network, tmp_path / "five.keras")
    convert_model.main([str(tmp_path / "five.keras"), str(tmp_path / "saved")])
    facts = json.loads((tmp_path / "saved" / "keras_retinanet.json").read_text())
    assert facts["input"].startswith("images: uint16 [batch, height, width, 5]")
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    image = np.random.default_rng(0).integers(0, 2**16, (1, 64, 96, 5)).astype(np.uint16)
    found = serve(images=tf.constant(image))
    detector = models.convert_model(network)
    expected = detector.predict_on_batch(preprocess_image(image, preprocessing))
    np.testing.assert_allclose(found["scores"], expected[1], atol=1e-5)


@pytest.mark.parametrize("channels", [1, 4])
def test_the_backbones_own_weights_are_inflated(tmp_path, channels):
    """Keras' MobileNets saw red first; pictures of four channels begin with blue."""
    keras.utils.set_random_seed(3)
    backbone = models.backbone(sketch.NAME)
    source, _ = backbone.build(keras.Input((None, None, 3)))
    source.save_weights(tmp_path / "b.weights.h5")
    plan, args, lines = planned(
        *("--backbone", sketch.NAME, "--backbone-weights", tmp_path / "b.weights.h5"),
        *("--channels", channels, *SIDES),
    )
    network = built(plan, args, lines)
    kernel, old = (array(model.get_layer("conv1").kernel) for model in (network, source))
    expected = {1: old.sum(axis=2, keepdims=True), 4: old[:, :, [2, 1, 0, 2]] * 0.75}[channels]
    np.testing.assert_allclose(kernel, expected, rtol=1e-5)
    assert not network.get_layer("conv1_bn").trainable
    assert any(f"of 3 channels, is inflated to {channels}" in line for line in lines)


def test_a_model_of_pictures_as_they_are_brings_that_along():
    _, args, _ = planned("--no-weights", "--backbone", "mobilenet128_0.25")
    train_network.settle_pictures(args, replace(ODD, resize=False))
    assert args.no_resize
    _, args, _ = planned("--no-weights", "--backbone", "mobilenet128_0.25", *SIDES)
    train_network.settle_pictures(args, replace(ODD, resize=False))
    assert not args.no_resize
