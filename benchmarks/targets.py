"""Assignment of anchors to true boxes and their deltas, for a batch.

python benchmarks/targets.py --size 800x1344 --batch 2 --boxes 20
"""

import networks
import numpy as np
import scenes
import timing


def truth(size, options):
    """Return anchors float32 [N, 4], boxes [B, M, 4], labels [B, M], sizes [B, 2]."""
    from keras_retinanet.utils.anchors import anchors_for_shape

    height, width = scenes.parse_size(size)
    found = [
        scenes.boxes_and_labels(height, width, options["boxes"], options["classes"], seed)
        for seed in range(options["batch"])
    ]
    boxes, labels = (np.stack(values) for values in zip(*found, strict=True))
    anchors = anchors_for_shape((height, width, 3)).astype(np.float32)
    return anchors, boxes, labels, np.array([[height, width]] * len(boxes), np.float32)


def cached(make):
    """Return f(size), which makes the inputs of a size once."""
    made = {}

    def get(size):
        if size not in made:
            made[size] = make(size)
        return made[size]

    return get


def ours(options):
    """Return the assignment of the training path, compiled: nothing of size N x K."""
    from keras_retinanet.utils import boxes as geometry
    from keras_retinanet.utils.targets import assign

    def targets(anchors, boxes, labels, sizes):
        state, label, box = assign(anchors, boxes, labels, sizes)
        return state, label, geometry.encode(box, anchors)

    call = networks.jitted(targets)
    inputs = cached(lambda size: networks.tensors(truth(size, options)))

    def run(size):
        found = [np.asarray(output) for output in call(*inputs(size))]
        return {"objects": int((found[0] == 1).sum()), "MB": _megabytes(found)}

    return run


def ours_dense(options):
    """Return the dense targets of keras-retinanet 1.0's generator, in NumPy."""
    from keras_retinanet.utils.anchors import anchor_targets_bbox

    inputs = cached(lambda size: truth(size, options))

    def run(size):
        anchors, boxes, labels, sizes = inputs(size)
        pictures = [np.empty((int(h), int(w), 0), np.uint8) for h, w in sizes]
        truths = [{"bboxes": b, "labels": n} for b, n in zip(boxes, labels, strict=True)]
        found = anchor_targets_bbox(anchors, pictures, truths, options["classes"])
        return {"objects": int((found[0][..., 4] == 1).sum()), "MB": _megabytes(found)}

    return run


def keras_hub(options):
    """Return KerasHub's label encoder, compiled."""
    encoder = networks.hub_network({**options, "dtype": "float32"}).label_encoder

    def targets(images, boxes, labels):
        return encoder(images, boxes, labels)

    call = networks.jitted(targets)

    def make(size):
        _, boxes, labels, _ = truth(size, options)
        images = np.zeros((len(boxes), *scenes.parse_size(size), 3), np.float32)
        return networks.tensors((images, boxes, labels.astype(np.float32)))

    inputs = cached(make)

    def run(size):
        return {"MB": _megabytes([np.asarray(output) for output in call(*inputs(size))])}

    return run


def _megabytes(arrays):
    return round(sum(array.nbytes for array in arrays) / 1e6, 1)


BENCHMARK = timing.Benchmark(
    title="Target assignment",
    script=__file__,
    contenders={
        "ours, on the device": timing.Contender(ours),
        "ours, dense as in 1.0": timing.Contender(ours_dense),
        "keras-hub": timing.Contender(keras_hub, peer="keras-hub"),
    },
    cases=scenes.size_cases,
    defaults={"size": ["800x1344"], "classes": 80, "batch": 2, "boxes": 20},
    tiny={"size": ["64x64"], "classes": 3, "boxes": 2},
    repeat=9,
    warmup=2,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
