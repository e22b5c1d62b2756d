"""From a picture to detections: uint8 pixels in, boxes, scores and labels out as NumPy arrays.

Pictures are not resized. Random heads are scaled so that `--above` (anchor, class) pairs of a
picture of 800x1344 score over 0.05, in every contender.

    python benchmarks/inference.py --size 512x512 800x1344
"""

import networks
import numpy as np
import scenes
import timing


def _our_detector(options):
    from keras_retinanet import models

    network = networks.our_network(options)
    networks.calibrate_ours(network, options["above"])
    return models.convert_model(network)


def _pictures():
    """Return f(size) -> uint8 [H, W, 3], each made once."""
    made = {}

    def picture(size):
        if size not in made:
            made[size] = scenes.picture(*scenes.parse_size(size))
        return made[size]

    return picture


def _our_run(predict_on_batch):
    from keras_retinanet.utils.image import preprocess_image

    picture = _pictures()

    def run(size):
        outputs = predict_on_batch(preprocess_image(picture(size))[None])
        return {"boxes": int(np.sum(np.asarray(outputs[1]) >= 0))}

    return run


def runner_frozen(options):
    """Return our Runner on a frozen graph."""
    from keras_retinanet.predict.runner import Runner

    runner = Runner(_our_detector(options), freeze=True)
    runner.settle()
    return _our_run(runner.predict_on_batch)


def runner(options):
    """Return our Runner."""
    from keras_retinanet.predict.runner import Runner

    return _our_run(Runner(_our_detector(options)).predict_on_batch)


def keras_predict(options):
    """Return Keras' own predict_on_batch of our detector."""
    return _our_run(_our_detector(options).predict_on_batch)


def keras_hub(options):
    """Return KerasHub's detector and decoder, on TensorFlow in one graph for each size."""
    import keras
    from keras import ops

    model = networks.hub_network(options)
    networks.calibrate_hub(model, options["above"])

    def detect(images):
        outputs = model(images, training=False)
        # its decoder takes no bfloat16
        outputs = {name: ops.cast(value, "float32") for name, value in outputs.items()}
        return model.decode_predictions(outputs, (images, None))

    if keras.backend.backend() == "tensorflow":
        graph = networks.jitted(detect)  # its anchors are made for one size

        def call(images):
            return graph(*networks.tensors([images]))

    else:

        def call(images):
            return model.predict(images, verbose=0)

    picture = _pictures()

    def run(size):
        images = picture(size)[None].astype(np.float32) - 115.0
        found = {name: np.asarray(output) for name, output in call(images).items()}
        return {"boxes": int(np.sum(found["num_detections"]))}

    return run


def torchvision(options, layout="contiguous_format"):
    """Return torchvision's detector."""
    import torch

    detectors = {}
    picture = _pictures()
    layout = getattr(torch, layout)

    def detector(size):
        if size not in detectors:
            model = networks.torchvision_network(options, *scenes.parse_size(size)).eval()
            networks.calibrate_torchvision(model, options["above"])
            detectors[size] = model.to(memory_format=layout)
        return detectors[size]

    def run(size):
        model = detector(size)
        image = torch.from_numpy(picture(size)).permute(2, 0, 1).flip(0).float() / 255
        with torch.inference_mode(), networks.torch_precision(options["dtype"]):
            found = {name: value.float().numpy() for name, value in model([image])[0].items()}
        return {"boxes": len(found["scores"])}

    return run


def torchvision_channels_last(options):
    """Return torchvision's detector with channels last in memory."""
    return torchvision(options, "channels_last")


BENCHMARK = timing.Benchmark(
    title="Picture to detections",
    script=__file__,
    contenders={
        "ours, Runner frozen": timing.Contender(runner_frozen, backends=("tensorflow",)),
        "ours, Runner": timing.Contender(runner),
        "ours, predict_on_batch": timing.Contender(keras_predict),
        "keras-hub": timing.Contender(keras_hub, peer="keras-hub"),
        "torchvision": timing.Contender(torchvision, peer="torchvision"),
        "torchvision, channels last": timing.Contender(
            torchvision_channels_last, peer="torchvision"
        ),
    },
    cases=scenes.size_cases,
    defaults={
        "size": ["512x512", "800x1344"],
        "classes": 80,
        "dtype": "float32",
        "above": 2000,
    },
    tiny={"size": ["64x96"], "classes": 3},
    repeat=5,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
