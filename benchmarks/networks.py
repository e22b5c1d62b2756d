"""The networks that are compared: ours, KerasHub's and torchvision's, with random weights.

Each has ResNet50, a pyramid P3 to P7 and 80 classes. Nothing heavy is imported before it is used,
since a peer's process may lack what another needs.
"""

import numpy as np
import scenes

DTYPES = ("float32", "mixed_bfloat16")
TINY_NETWORK = {"pyramid_features": 16, "head_features": 16, "head_layers": 1}
ANCHORS = 9  # of a cell
CHECK_SIZE = (256, 256)  # pixels; the picture that sets the scale of random heads


def our_network(options):
    """Return our network under the policy options["dtype"]."""
    import keras

    from keras_retinanet import models

    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(options["dtype"])
    width = TINY_NETWORK if options["tiny"] else {}
    backbone = "vgg16" if options["tiny"] else "resnet50"
    return models.backbone(backbone).retinanet(num_classes=options["classes"], **width)


def hub_network(options):
    """Return KerasHub's detector, whose call gives deltas and logits."""
    import keras
    from keras_hub import layers, models

    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy(options["dtype"])
    encoder = models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block",
        use_pre_activation=False,
        image_shape=(None, None, 3),
    )
    backbone = models.RetinaNetBackbone(encoder, 3, 7, use_p5=False, image_shape=(None, None, 3))
    decoder = layers.NonMaxSuppression(
        bounding_box_format="xyxy", from_logits=True, confidence_threshold=scenes.SCORE_THRESHOLD
    )
    return models.RetinaNetObjectDetector(
        backbone,
        num_classes=options["classes"],
        bounding_box_format="xyxy",
        prediction_decoder=decoder,
    )


def freeze_norms(model):
    """Fix every batch norm of a Keras model, nested ones too, and return the model."""
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    return model


def torchvision_network(options, height=800, width=1344):
    """Return torchvision's detector, which leaves pictures of `height` and `width` unscaled."""
    import torch
    from torchvision.models import detection
    from torchvision.ops import FrozenBatchNorm2d

    torch.manual_seed(1)
    # what its builder takes by itself where it loads pretrained weights
    norm = {"norm_layer": FrozenBatchNorm2d} if options.get("norm") == "frozen" else {}
    return detection.retinanet_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=options["classes"],
        min_size=min(height, width),
        max_size=max(height, width),
        **norm,
    )


def keras_input(height, width):
    """Return a preprocessed picture float32 [1, H, W, 3]."""
    return scenes.picture(height, width)[None].astype(np.float32) - 115.0


def torch_input(height, width, layout="contiguous_format"):
    """Return a picture float32 [3, H, W] of 0 to 1, red first, as torchvision wants it."""
    import torch

    pixels = scenes.picture(height, width)[..., ::-1].astype(np.float32) / 255
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
    return image if layout == "channels_last" else image.contiguous()


def compiled(model):
    """Return f(images) -> outputs, as fast as the backend's usual way makes a Keras model."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return model.predict_on_batch
    return tensorflow_function(lambda images: model(images, training=False))


def tensorflow_function(call, freeze=False):
    """Return `call` as one TensorFlow graph for all sizes, its variables frozen if asked for."""
    import tensorflow as tf

    from keras_retinanet.predict.runner import freeze_function

    signature = [tf.TensorSpec((None, None, None, 3), tf.float32)]
    graph = tf.function(call, input_signature=signature, autograph=False)
    if freeze:
        graph = freeze_function(graph.get_concrete_function())
    return lambda images: graph(tf.convert_to_tensor(images, tf.float32))


def jitted(call):
    """Return `call` on tensors as the backend compiles functions; eager on torch."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(call, autograph=False)
    if backend == "jax":
        import jax

        return jax.jit(call)
    import torch

    return torch.no_grad()(call)


def with_gradients(loss, count):
    """Return f(*tensors) -> value of `loss` and its gradients by the first `count` arguments."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.jit(jax.value_and_grad(loss, argnums=tuple(range(count))))
    return {"tensorflow": _tape, "torch": _autograd}[backend](loss, count)


def _tape(loss, count):
    import tensorflow as tf

    def call(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments[:count])
            value = loss(*arguments)
        return value, tape.gradient(value, arguments[:count])

    return tf.function(call, autograph=False)


def _autograd(loss, count):
    import torch

    def call(*arguments):
        by = [one.detach().requires_grad_() for one in arguments[:count]]
        value = loss(*by, *arguments[count:])
        return value.detach(), torch.autograd.grad(value, by)

    return call


def tensors(arrays):
    """Return the arrays on the backend's device."""
    from keras import ops

    return [ops.convert_to_tensor(array) for array in arrays]


def torch_precision(dtype):
    """Return the context in which torch computes as a Keras dtype policy asks."""
    import torch

    return torch.autocast("cpu", torch.bfloat16, enabled=dtype == "mixed_bfloat16")


def calibrate_ours(network, above):
    """Make our random heads give `above` candidates; see `scenes.calibration`."""
    import keras

    from keras_retinanet.models.retinanet import class_logits, feature_levels

    logits = class_logits(network, feature_levels(network))
    probe = keras.Model(network.input, [network.outputs[0], logits])
    heads = {
        name: network.get_layer(f"{name}_submodel").get_layer(f"pyramid_{name}")
        for name in ("classification", "regression")
    }
    _calibrate_keras(probe.predict_on_batch, heads["classification"], heads["regression"], above)


def calibrate_hub(model, above):
    """Make KerasHub's random heads give `above` candidates."""
    boxes = model.output["bbox_regression"].shape[-1] * ANCHORS
    classes = model.output["cls_logits"].shape[-1] * ANCHORS
    layers = {
        layer.filters: layer for layer in model._flatten_layers() if hasattr(layer, "filters")
    }

    def outputs(images):
        found = model(images, training=False)
        return np.asarray(found["bbox_regression"]), np.asarray(found["cls_logits"])

    _calibrate_keras(outputs, layers[classes], layers[boxes], above)


def _calibrate_keras(outputs, class_layer, box_layer, above):
    bias = float(np.asarray(class_layer.bias)[0])
    deltas, logits = outputs(keras_input(*CHECK_SIZE))
    share = _share(above, CHECK_SIZE)
    factor, new_bias, box_factor = scenes.calibration(logits - bias, deltas, share)
    class_layer.kernel.assign(class_layer.kernel * factor)
    class_layer.bias.assign(np.full(class_layer.bias.shape, new_bias, np.float32))
    box_layer.kernel.assign(box_layer.kernel * box_factor)


def calibrate_torchvision(model, above):
    """Make torchvision's random heads give `above` candidates."""
    import torch

    heads = model.head.classification_head.cls_logits, model.head.regression_head.bbox_reg
    with torch.no_grad():
        found = model.head(list(model.backbone(torch_input(*CHECK_SIZE)[None]).values()))
        bias = float(heads[0].bias[0])
        factor, new_bias, box_factor = scenes.calibration(
            found["cls_logits"].numpy() - bias,
            found["bbox_regression"].numpy(),
            _share(above, CHECK_SIZE),
        )
        heads[0].weight *= factor
        heads[0].bias[:] = new_bias
        heads[1].weight *= box_factor


def _share(above, size):
    """Return how many candidates the check picture has where an 800 x 1344 one has `above`."""
    return max(1, round(above * size[0] * size[1] / (800 * 1344)))
