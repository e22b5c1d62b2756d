"""Each backbone alone, from a preprocessed picture to C3, C4 and C5: parameters, GFLOP, seconds.

python benchmarks/backbones.py --names resnet50 mobilenetv2_1.0 --size 512x512
"""

import argparse
from functools import partial

import networks
import numpy as np
import scenes
import timing

from keras_retinanet.models.backbone_families import FAMILIES
from keras_retinanet.models.operations import forward_gflop

# MobileNet's 128 to 224 name the size of ImageNet pictures, not another network
ALL = [
    name
    for family in FAMILIES.values()
    for name in family.examples
    if not name.startswith(("mobilenet128", "mobilenet160", "mobilenet192"))
]


def backbone(options, name):
    """Return run(size) of a backbone of random weights, compiled."""
    import keras

    from keras_retinanet import models

    _, taps = models.backbone(name).build(inputs := keras.Input((None, None, 3)))
    model = keras.Model(inputs, [taps[level] for level in ("C3", "C4", "C5")])
    call, inputs_of, gflop = networks.compiled(model), {}, {}

    def run(size):
        if size not in gflop:  # the warm-up
            gflop[size] = round(forward_gflop(model, *scenes.parse_size(size)), 2)
            inputs_of[size] = networks.keras_input(*scenes.parse_size(size))
        for output in call(inputs_of[size]):
            np.asarray(output)
        millions = round(model.count_params() / 1e6, 2)
        return {"gflop": gflop[size], "GFLOP": gflop[size], "million parameters": millions}

    return run


def benchmark_of(names):
    """Return the benchmark of some backbones, each a group of its own: one in memory at a time."""
    return timing.Benchmark(
        title="Backbones",
        script=__file__,
        contenders={
            name: timing.Contender(partial(backbone, name=name), group=name) for name in names
        },
        cases=scenes.size_cases,
        defaults={"size": ["512x512"], "names": ALL},
        tiny={"size": ["64x96"]},
        repeat=3,
    )


def main(arguments=None):
    """Measure the backbones of `--names`, or serve any of them."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--names", nargs="+", default=ALL)
    parser.add_argument("--serve")
    args, _ = parser.parse_known_args(arguments)
    timing.main(benchmark_of(ALL if args.serve else args.names), arguments)


BENCHMARK = benchmark_of(ALL)

if __name__ == "__main__":
    main()
