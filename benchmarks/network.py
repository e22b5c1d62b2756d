"""The network alone: preprocessed picture in, deltas and scores out.

python benchmarks/network.py --size 512x512 800x1344
"""

import networks
import numpy as np
import scenes
import timing

from keras_retinanet.models.operations import forward_gflop


def _keras_run(model, call):
    """Return run(case), which waits for the outputs and reports the network's GFLOP."""
    gflop = {}

    def run(size):
        sides = scenes.parse_size(size)
        if size not in gflop:  # the warm-up
            gflop[size] = round(forward_gflop(model, *sides), 2)
            run.images = {**getattr(run, "images", {}), size: networks.keras_input(*sides)}
        outputs = call(run.images[size])
        for output in outputs.values() if isinstance(outputs, dict) else outputs:
            np.asarray(output)
        return {"gflop": gflop[size]}

    return run


def ours(options):
    """Return our network, compiled."""
    network = networks.our_network(options)
    return _keras_run(network, networks.compiled(network))


def ours_frozen(options):
    """Return our network with its variables made constants (TensorFlow)."""
    network = networks.our_network(options)
    call = networks.tensorflow_function(lambda x: list(network(x, training=False)), freeze=True)
    return _keras_run(network, call)


def keras_hub(options):
    """Return KerasHub's network, compiled."""
    network = networks.hub_network(options)
    return _keras_run(network, networks.compiled(network))


def torchvision(options, layout="contiguous_format"):
    """Return torchvision's network."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    model = networks.torchvision_network(options).eval()
    layout = getattr(torch, layout)
    model = model.to(memory_format=layout)
    images, gflop = {}, {}

    def forward(image):
        with torch.inference_mode(), networks.torch_precision(options["dtype"]):
            return model.head(list(model.backbone(image).values()))

    def run(size):
        if size not in images:
            image = networks.torch_input(*scenes.parse_size(size))[None]
            images[size] = image.contiguous(memory_format=layout)
            with FlopCounterMode(display=False) as counter:
                forward(images[size])
            gflop[size] = round(counter.get_total_flops() / 1e9, 2)
        forward(images[size])
        return {"gflop": gflop[size]}

    return run


def torchvision_channels_last(options):
    """Return torchvision's network with channels last in memory."""
    return torchvision(options, "channels_last")


BENCHMARK = timing.Benchmark(
    title="Network only",
    script=__file__,
    contenders={
        "ours": timing.Contender(ours),
        "ours, frozen": timing.Contender(ours_frozen, backends=("tensorflow",)),
        "keras-hub": timing.Contender(keras_hub, peer="keras-hub"),
        "torchvision": timing.Contender(torchvision, peer="torchvision"),
        "torchvision, channels last": timing.Contender(
            torchvision_channels_last, peer="torchvision"
        ),
    },
    cases=scenes.size_cases,
    defaults={"size": ["512x512", "800x1344"], "classes": 80, "dtype": "float32"},
    tiny={"size": ["64x96"], "classes": 3},
    repeat=3,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
