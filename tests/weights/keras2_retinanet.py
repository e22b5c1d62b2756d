"""keras-retinanet 1.0's network in tf_keras (Keras 2), from the description of its layers.

Needs tf_keras. Stand-ins for the layers of the inference model carry 1.0's names and arguments.
"""

import numpy as np
import tensorflow as tf
import tf_keras
from tf_keras import layers

from keras_retinanet.utils.anchors import AnchorParameters, generate_anchors, shift

TAPS = {
    "mobilenet": ("conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu"),
    "vgg16": ("block3_pool", "block4_pool", "block5_pool"),
    "densenet121": ("conv3_block12_concat", "conv4_block24_concat", "conv5_block16_concat"),
}


class BatchNormalization(layers.BatchNormalization):
    """keras_resnet's: always at its statistics."""

    def __init__(self, freeze=True, **kwargs):
        super().__init__(**kwargs)
        self.freeze, self.trainable = freeze, not freeze

    def call(self, inputs, **_):
        return super().call(inputs, training=False)

    def get_config(self):
        return super().get_config() | {"freeze": self.freeze}


class UpsampleLike(layers.Layer):
    def call(self, inputs):
        source, target = inputs
        size = tf.shape(target)[1:3]
        return tf.compat.v1.image.resize_nearest_neighbor(source, size)


class Anchors(layers.Layer):
    def __init__(self, size, stride, ratios, scales, **kwargs):
        super().__init__(**kwargs)
        self.own = {"size": size, "stride": stride, "ratios": ratios, "scales": scales}

    def call(self, features):
        def grid(shape):
            cell = generate_anchors(self.own["size"], self.own["ratios"], self.own["scales"])
            return shift(shape, self.own["stride"], cell).astype("float32")[None]

        found = tf.numpy_function(grid, [tf.shape(features)[1:3]], tf.float32)
        return tf.reshape(found, (1, -1, 4))

    def get_config(self):
        return super().get_config() | self.own


class RegressBoxes(layers.Layer):
    def __init__(self, mean, std, **kwargs):
        super().__init__(**kwargs)
        self.mean, self.std = mean, std

    def call(self, inputs):
        anchors, deltas = inputs
        sides = tf.tile(anchors[..., 2:] - anchors[..., :2], (1, 1, 2))
        return anchors + (deltas * tf.constant(self.std) + tf.constant(self.mean)) * sides

    def get_config(self):
        return super().get_config() | {"mean": self.mean, "std": self.std}


class ClipBoxes(layers.Layer):
    def call(self, inputs):
        image, boxes = inputs
        rows, columns = (tf.cast(tf.shape(image)[axis], "float32") for axis in (1, 2))
        highest = tf.stack([columns - 1, rows - 1, columns - 1, rows - 1])
        return tf.minimum(tf.maximum(boxes, 0.0), highest)


class FilterDetections(layers.Layer):
    """One image: NMS of each class by TensorFlow, then the best of all classes."""

    def __init__(self, **kwargs):
        names = ("nms_threshold", "score_threshold", "max_detections", "nms")
        names = (*names, "class_specific_filter", "parallel_iterations")
        self.own = {name: kwargs.pop(name) for name in names}
        super().__init__(**kwargs)

    def call(self, inputs):
        boxes, scores = inputs[0][0], inputs[1][0]
        limit, found = self.own["max_detections"], []
        for label in range(scores.shape[-1]):
            rows = tf.where(scores[:, label] > self.own["score_threshold"])[:, 0]
            kept = tf.image.non_max_suppression(
                tf.gather(boxes, rows),
                tf.gather(scores[:, label], rows),
                limit,
                self.own["nms_threshold"],
            )
            rows = tf.gather(rows, kept)
            labels = tf.fill(tf.shape(rows), label)
            found.append((tf.gather(boxes, rows), tf.gather(scores[:, label], rows), labels))
        boxes, scores, labels = (tf.concat(part, 0) for part in zip(*found, strict=True))
        scores, order = tf.math.top_k(scores, tf.minimum(limit, tf.shape(scores)[0]))
        empty = [[0, limit - tf.shape(order)[0]]]
        return [
            tf.pad(tf.gather(boxes, order), [*empty, [0, 0]], constant_values=-1.0)[None],
            tf.pad(scores, empty, constant_values=-1.0)[None],
            tf.pad(tf.gather(labels, order), empty, constant_values=-1)[None],
        ]

    def get_config(self):
        return super().get_config() | self.own


def _resnet50(inputs, conv1_padding):
    def conv_norm(x, filters, size, name, **options):
        conv = layers.Conv2D(filters, size, use_bias=False, name=f"res{name}", **options)
        return BatchNormalization(epsilon=1e-5, name=f"bn{name}")(conv(x))

    x, padding = inputs, "same"
    if conv1_padding != "same":  # keras-resnet 0.1
        x, padding = layers.ZeroPadding2D(3, name="padding_conv1")(x), "valid"
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, padding=padding, name="conv1")(x)
    x = BatchNormalization(epsilon=1e-5, name="bn_conv1")(x)
    x = layers.Activation("relu", name="conv1_relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    taps = []
    for stage, blocks in enumerate((3, 4, 6, 3), start=2):
        width = 2 ** (4 + stage)
        for block in "abcdef"[:blocks]:
            stride = 2 if block == "a" and stage > 2 else 1
            name, shortcut = f"{stage}{block}", x
            y = conv_norm(x, width, 1, f"{name}_branch2a", strides=stride)
            y = layers.Activation("relu", name=f"res{name}_branch2a_relu")(y)
            options = {"padding": "same"}
            if conv1_padding != "same":
                y, options = layers.ZeroPadding2D(1, name=f"padding{name}_branch2b")(y), {}
            y = conv_norm(y, width, 3, f"{name}_branch2b", **options)
            y = layers.Activation("relu", name=f"res{name}_branch2b_relu")(y)
            y = conv_norm(y, 4 * width, 1, f"{name}_branch2c")
            if block == "a":
                shortcut = conv_norm(x, 4 * width, 1, f"{name}_branch1", strides=stride)
            x = layers.Add(name=f"res{name}")([y, shortcut])
            x = layers.Activation("relu", name=f"res{name}_relu")(x)
        taps.append(x)
    return taps[1:]


def _backbone(inputs, name, conv1_padding, alpha):
    if name == "resnet50":
        return _resnet50(inputs, conv1_padding)
    make = getattr(
        tf_keras.applications,
        {"mobilenet": "MobileNet", "vgg16": "VGG16", "densenet121": "DenseNet121"}[name],
    )
    options = {"alpha": alpha} if name == "mobilenet" else {}
    model = make(input_tensor=inputs, include_top=False, weights=None, **options)
    return [model.get_layer(tap).output for tap in TAPS[name]]


def _pyramid(taps, width):
    def conv3x3(name, **options):
        return layers.Conv2D(width, 3, padding="same", name=name, **options)

    pyramid, above = {}, None
    for level, tap in zip((5, 4, 3), reversed(taps), strict=True):
        x = layers.Conv2D(width, 1, padding="same", name=f"C{level}_reduced")(tap)
        if above is not None:
            x = layers.Add(name=f"P{level}_merged")([above, x])
        if level > 3:
            above = UpsampleLike(name=f"P{level}_upsampled")([x, taps[level - 4]])
        pyramid[level] = conv3x3(f"P{level}")(x)
    pyramid[6] = conv3x3("P6", strides=2)(taps[-1])
    relu = layers.Activation("relu", name="C6_relu")(pyramid[6])
    pyramid[7] = conv3x3("P7", strides=2)(relu)
    return [pyramid[level] for level in range(3, 8)]


def _head(kind, outputs, last, features, width):
    x = inputs = layers.Input((None, None, features))
    for index in range(4):
        name = f"pyramid_{kind}_{index}"
        x = layers.Conv2D(width, 3, activation="relu", padding="same", name=name)(x)
    x = layers.Conv2D(outputs, 3, padding="same", name=f"pyramid_{kind}")(x)
    x = layers.Reshape((-1, last), name=f"pyramid_{kind}_reshape")(x)
    if kind == "classification":
        x = layers.Activation("sigmoid", name="pyramid_classification_sigmoid")(x)
    return tf_keras.Model(inputs, x, name=f"{kind}_submodel")


def retinanet(
    backbone, num_classes, conv1_padding=3, alpha=0.25, features=32, width=24, num_anchors=9
):
    """Return 1.0's training model."""
    inputs = layers.Input((None, None, 3))
    pyramid = _pyramid(_backbone(inputs, backbone, conv1_padding, alpha), features)
    heads = {
        "regression": _head("regression", 4 * num_anchors, 4, features, width),
        "classification": _head(
            "classification", num_classes * num_anchors, num_classes, features, width
        ),
    }
    outputs = [
        layers.Concatenate(axis=1, name=kind)([head(level) for level in pyramid])
        for kind, head in heads.items()
    ]
    return tf_keras.Model(inputs, outputs, name="retinanet")


def inference_model(network, anchors=AnchorParameters.default, **thresholds):
    """Return 1.0's inference model of a training model; it takes one image at a time."""
    ratios, scales = (np.float32(v).tolist() for v in (anchors.ratios, anchors.scales))
    grids = [
        Anchors(size, stride, ratios, scales, name=f"anchors_{index}")(
            network.get_layer(f"P{3 + index}").output
        )
        for index, (size, stride) in enumerate(zip(anchors.sizes, anchors.strides, strict=True))
    ]
    grid = layers.Concatenate(axis=1, name="anchors")(grids)
    regress = RegressBoxes([0.0] * 4, [0.2] * 4, name="boxes")
    boxes = regress([grid, network.outputs[0]])
    boxes = ClipBoxes(name="clipped_boxes")([network.inputs[0], boxes])
    options = {
        "nms": True,
        "class_specific_filter": True,
        "nms_threshold": 0.5,
        "score_threshold": 0.05,
        "max_detections": 300,
        "parallel_iterations": 32,
    }
    filter_layer = FilterDetections(name="filtered_detections", **(options | thresholds))
    found = filter_layer([boxes, network.outputs[1]])
    return tf_keras.Model(network.inputs, found, name="retinanet-bbox")


def randomise(model, seed=0):
    """Give every weight of `model` a random value, batch norm statistics included."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        name, shape = variable.name, tuple(variable.shape)
        if "gamma" in name or "variance" in name:
            value = rng.uniform(0.5, 1.5, shape) * (
                0.3 if "branch2c" in name and "gamma" in name else 1
            )
        elif len(shape) == 1:
            value = rng.normal(0, 0.2, shape)
        else:
            fan_in = np.prod(shape[:2] if "depthwise" in name else shape[:-1])
            value = rng.normal(0, (2 / fan_in) ** 0.5, shape)
        variable.assign(value)
    return model
