"""Backbones of keras.applications: taps by structure, files, input, and a step of each backbone."""

import sys

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.applications import taps_of, trunk
from keras_retinanet.models.backbone_families import FAMILIES, find_family
from keras_retinanet.models.snapshot import profile_of, save_snapshot
from keras_retinanet.models.training import TrainingModel
from tests.backends import array
from tests.weights import keras2_file

SMALL = {"pyramid_features": 8, "head_features": 8, "head_layers": 1}

# the trunk


def test_the_trunk_leaves_out_what_a_shortcut_goes_round():
    inputs = keras.Input((8, 8, 1), name="inputs")
    before = keras.layers.Conv2D(2, 1, name="before")(inputs)
    inside = keras.layers.Conv2D(2, 1, name="inside")(before)
    total = keras.layers.Add(name="sum")([before, inside])
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="gate")(total)
    scaled = keras.layers.Multiply(name="scaled")([total, gate])
    found = trunk(keras.Model(inputs, scaled))
    names = [tensor._keras_history.operation.name for tensor in found]
    assert names == ["inputs", "before", "sum", "scaled"]


# name: (constructor, options, layers of C2 to C5, read off the networks' descriptions)
TAPS = {
    "MobileNet": (
        {"alpha": 0.25},
        ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
    ),
    "MobileNetV2": (
        {"alpha": 0.35},
        ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu", "out_relu"),
    ),
    "ResNet50": (
        {},
        ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    ),
    "ResNet50V2": (
        {},
        (
            "conv2_block3_preact_relu",
            "conv3_block4_preact_relu",
            "conv4_block6_preact_relu",
            "post_relu",
        ),
    ),
}


@pytest.mark.parametrize(("constructor", "row"), TAPS.items(), ids=TAPS)
def test_taps_by_structure_are_those_that_people_name(constructor, row):
    options, layers = row
    model = getattr(keras.applications, constructor)(
        input_tensor=keras.Input((None, None, 3)), include_top=False, weights=None, **options
    )
    found = taps_of(model)
    assert tuple(tensor._keras_history.operation.name for tensor in found.values()) == layers
    assert list(found) == ["C2", "C3", "C4", "C5"]


# backbone: (layers of C3 to C5 or None where Keras counts their names, their channels)
ROWS = {
    "EfficientNetB0": (
        ("block4a_expand_activation", "block6a_expand_activation", "top_activation"),
        (240, 672, 1280),
    ),
    "EfficientNetV2B0": (
        ("block4a_expand_activation", "block6a_expand_activation", "top_activation"),
        (192, 672, 1280),
    ),
    "mobilenetv3_small_1.0": (None, (96, 288, 576)),
    "mobilenetv3_large_0.75": (None, (192, 528, 720)),
    "convnext_tiny": (
        (
            "convnext_tiny_downsampling_layernorm_1",
            "convnext_tiny_downsampling_layernorm_2",
            "layer_normalization",
        ),
        (192, 384, 768),
    ),
}


@pytest.mark.parametrize(("name", "row"), ROWS.items(), ids=ROWS)
def test_rows_of_keras_applications_are_tapped_before_each_reduction(name, row):
    layers, channels = row
    model, taps = models.backbone(name).build(keras.Input((None, None, 3)))
    tensors = [taps[level] for level in ("C3", "C4", "C5")]
    assert tuple(tensor.shape[-1] for tensor in tensors) == channels
    if layers:
        assert tuple(tensor._keras_history.operation.name for tensor in tensors) == layers
    kinds = {type(layer) for layer in model.layers}
    assert not kinds & {keras.Sequential, keras.layers.Rescaling, keras.layers.Normalization}


# Files and input.

CONSTRUCTORS = {
    "EfficientNetB0": ("EfficientNetB0", "efficientnet", {}),
    "EfficientNetB7": ("EfficientNetB7", "efficientnet", {}),
    "EfficientNetV2B0": ("EfficientNetV2B0", "efficientnet_v2", {}),
    "EfficientNetV2B3": ("EfficientNetV2B3", "efficientnet_v2", {}),
    "EfficientNetV2S": ("EfficientNetV2S", "efficientnet_v2", {}),
    "EfficientNetV2L": ("EfficientNetV2L", "efficientnet_v2", {}),
    "convnext_tiny": ("ConvNeXtTiny", "convnext", {}),
    "convnext_xlarge": ("ConvNeXtXLarge", "convnext", {}),
    "resnet50v2": ("ResNet50V2", "resnet_v2", {}),
    "resnet152v2": ("ResNet152V2", "resnet_v2", {}),
    "mobilenetv3_small_0.75": ("MobileNetV3Small", "mobilenet_v3", {"alpha": 0.75}),
    "mobilenetv3_large_1": ("MobileNetV3Large", "mobilenet_v3", {"alpha": 1.0}),
    "mobilenetv2_1.4": ("MobileNetV2", "mobilenet_v2", {"alpha": 1.4}),
    "mobilenet160_0.5": ("MobileNet", "mobilenet", {"alpha": 0.5, "input_shape": (160, 160, 3)}),
    "densenet201": ("DenseNet201", "densenet", {}),
    "vgg16": ("VGG16", "vgg16", {}),
}
HEAVY = {"EfficientNetB7", "EfficientNetV2L", "convnext_xlarge", "resnet152v2", "EfficientNetV2B3"}
HEAVY |= {"EfficientNetV2S", "densenet201", "EfficientNetB0", "mobilenetv3_large_1", "vgg16"}


def params(rows, heavy):
    """Return the rows for `parametrize`, those of `heavy` marked."""
    marks = [pytest.mark.heavy if row in heavy else () for row in rows]
    return [pytest.param(row, marks=mark, id=row) for row, mark in zip(rows, marks, strict=True)]


@pytest.mark.parametrize("name", params(CONSTRUCTORS, HEAVY))
def test_the_weights_to_fetch_are_those_that_keras_fetches(name, monkeypatch):
    constructor, _, options = CONSTRUCTORS[name]
    asked = []

    def get_file(fname=None, origin=None, **_):
        asked.append(origin)
        raise InterruptedError

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)
    with pytest.raises(InterruptedError):
        getattr(keras.applications, constructor)(
            weights="imagenet", include_top=False, **{"input_shape": (224, 224, 3), **options}
        )
    family, match = find_family(name)
    assert asked == [family.weights_url(match)]


def application(name):
    """Return (f(levels of an RGB picture) -> first and last feature map, model), random weights.

    Keras' own model, with the scaling that its authors publish for it.
    """
    constructor, module, options = CONSTRUCTORS[name]
    shape = {"input_shape": (None, None, 3)}
    made = getattr(keras.applications, constructor)(
        include_top=False, weights=None, **{**options, **shape}
    )
    model = keras2_file.randomise(made)
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):  # one input channel each, not C
            layer.kernel.assign(layer.kernel * layer.kernel.shape[2] ** 0.5)
        if layer.name.endswith("project_bn"):  # or the sums of many blocks would overflow
            layer.gamma.assign(0.3 * layer.gamma)
        if type(layer) is keras.layers.Normalization and layer.input_mean is None:
            mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
            layer.set_weights([mean, std**2, np.array(0)])
            layer.finalize_state()
    scale = sys.modules[f"keras.src.applications.{module}"].preprocess_input
    both = keras.Model(model.input, [model.get_layer(first_of(model)).output, model.output])
    return (lambda levels: [array(x) for x in both(scale(levels.astype(np.float32)))]), model


def first_of(model):
    """Return the name of the first convolution."""
    return next(layer.name for layer in model.layers if hasattr(layer, "kernel"))


SEEN = ("mobilenetv3_small_0.75", "mobilenet160_0.5", "EfficientNetB0", "vgg16")
SEEN_HEAVY = ("convnext_tiny", "EfficientNetV2B0", "EfficientNetV2S", "resnet50v2", "densenet201")


@pytest.mark.parametrize("name", params(SEEN + SEEN_HEAVY, SEEN_HEAVY))
def test_a_network_sees_in_a_blue_first_picture_what_keras_sees_in_it_red_first(name, tmp_path):
    truth, model = application(name)
    path = tmp_path / "imagenet.weights.h5"
    model.save_weights(path)
    network = models.backbone(name).retinanet(2, backbone_weights=path, **SMALL)
    first = network.get_layer(first_of(model)).output
    last = network.get_layer("C5_reduced").input
    if name == "densenet201":  # 1.0 taps before its last norm and activation
        last = model.get_layer("relu")(model.get_layer("bn")(last))
    ours = keras.Model(network.input, [first, last])
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3)).astype(np.uint8)
    found = ours(models.backbone(name).preprocess_image(picture))
    expected = truth(picture[..., ::-1])
    for one, other in zip(found, expected, strict=True):
        assert np.abs(array(one) - other).max() <= 1e-4 * np.abs(other).max()
    wrong = truth(picture)[0]  # what the same weights see in channels the other way round
    assert np.abs(wrong - expected[0]).max() > 0.1 * np.abs(wrong).max()


# Every backbone is built, trained for a step at an odd size, and saved.

QUICK = ("mobilenetv3_small_0.75", "resnet18d")
FIRSTS = {"mobilenet": "mobilenet128_0.25", "mobilenetv2": "mobilenetv2_0.35"}
ONE_OF_EACH = [FIRSTS.get(key, family.examples[0]) for key, family in FAMILIES.items()]
REST = [
    name
    for family in FAMILIES.values()
    for name in family.examples
    if name not in ONE_OF_EACH and not name.startswith(("mobilenet1", "mobilenet2"))
]
STEPPED = dict.fromkeys([*QUICK, *ONE_OF_EACH, *REST])


@pytest.mark.parametrize("name", params(STEPPED, STEPPED.keys() - set(QUICK)))
def test_every_backbone_trains_a_step_at_an_odd_size_and_is_saved(name, tmp_path):
    keras.utils.set_random_seed(0)
    network = models.backbone(name).retinanet(2, **SMALL)
    model = TrainingModel(network)
    model.compile(optimizer=keras.optimizers.SGD(1e-3), jit_compile=False)
    images = np.random.default_rng(0).integers(0, 256, (2, 97, 65, 3)).astype(np.uint8)
    boxes = np.float32([[(5, 5, 45, 50)], [(10, 20, 60, 90)]])
    inputs = {"images": images, "sizes": np.float32([(97, 65)] * 2)}
    before = [array(variable) for variable in network.trainable_variables]
    loss = model.train_on_batch(inputs, {"boxes": boxes, "labels": np.int32([[0], [1]])})
    assert np.isfinite(loss).all()
    changed = [
        not np.array_equal(old, array(new))
        for old, new in zip(before, network.trainable_variables, strict=True)
    ]
    # ConvNeXt's scales of 1e-6 pass on less than a float32 holds
    assert np.mean(changed) > (0.8 if name.startswith("convnext") else 0.9)
    save_snapshot(network, tmp_path / "model.keras")
    again = models.load_model(tmp_path / "model.keras")
    assert profile_of(again) == profile_of(network)
    image = images[:1].astype(np.float32) / 255
    for one, two in zip(network(image), again(image), strict=True):
        np.testing.assert_array_equal(array(one), array(two))
