"""From head outputs to detections: logits and deltas in, boxes, scores and labels out.

Cases are numbers of (anchor, class) pairs that score over 0.05.

    python benchmarks/postprocess.py --size 800x1344 --above 0 2000 50000
"""

import networks
import numpy as np
import scenes
import timing

HUB_DETECTIONS = 100  # the default of its decoder


def _inputs(options):
    """Return f(above) -> (image, anchors [1, N, 4], deltas [1, N, 4], logits [1, N, K])."""
    from keras_retinanet.utils.anchors import anchors_for_shape

    height, width = scenes.parse_size(options["size"])
    anchors = anchors_for_shape((height, width, 3)).astype(np.float32)
    image = np.zeros((1, height, width, 3), np.float32)
    made = {}

    def get(above):
        if above not in made:
            deltas, logits = scenes.head_outputs(len(anchors), options["classes"], above)
            made[above] = image, anchors[None], deltas[None], logits[None]
        return made[above]

    return get


def _keras_run(call, options):
    inputs, made = _inputs(options), {}

    def run(above):
        if above not in made:
            made[above] = networks.tensors(inputs(above))
        found = [np.asarray(output) for output in call(*made[above])]
        return {"boxes": int((found[2] >= 0).sum())}

    return run


def ours(options):
    """Return our detector's last layer, from logits."""
    from keras_retinanet.layers import Detect

    detect = Detect(activation="sigmoid")
    return _keras_run(networks.jitted(lambda *tensors: detect(list(tensors))), options)


def ours_in_layers(options):
    """Return the layers of keras-retinanet 1.0 one after the other: decode all, clip, filter."""
    from keras import ops

    from keras_retinanet.layers import ClipBoxes, FilterDetections, RegressBoxes

    regress, clip, select = RegressBoxes(), ClipBoxes(), FilterDetections()

    def call(image, anchors, deltas, logits):
        boxes = clip([image, regress([anchors, deltas])])
        return select([boxes, ops.sigmoid(logits)])

    return _keras_run(networks.jitted(call), options)


def keras_hub(options):
    """Return KerasHub's decoder."""
    model = networks.hub_network({**options, "dtype": "float32"})

    def call(image, anchors, deltas, logits):
        outputs = {"bbox_regression": deltas, "cls_logits": logits}
        found = model.decode_predictions(outputs, (image, None))
        return found["boxes"], found["confidence"], found["labels"]

    decode = _keras_run(networks.jitted(call), options)

    def run(above):
        if above < HUB_DETECTIONS:  # it looks for as many boxes as it has room for: minutes
            return {"skipped": f"does not end where fewer than {HUB_DETECTIONS} boxes are found"}
        return decode(above)

    return run


def torchvision(options):
    """Return torchvision's post-processing, which is given the outputs level by level."""
    import torch

    height, width = scenes.parse_size(options["size"])
    model = networks.torchvision_network(options, height, width).eval()
    cells = [-(-height // 2**level) * -(-width // 2**level) for level in range(3, 8)]
    counts = [9 * number for number in cells]
    made = {}

    def split(values):
        return list(torch.from_numpy(values)[None].split(counts, dim=1))

    def run(above):
        if above not in made:
            deltas, logits = scenes.head_outputs(sum(counts), options["classes"], above)
            centres = scenes.boxes_and_labels(height, width, sum(counts), 1)[0]
            anchors = [list(torch.from_numpy(centres).split(counts))]
            made[above] = {"cls_logits": split(logits), "bbox_regression": split(deltas)}, anchors
        with torch.inference_mode():
            found = model.postprocess_detections(*made[above], [(height, width)])[0]
        return {"boxes": len(found["scores"].numpy())}

    return run


def _cases(options):
    return {f"{above} over 0.05": above for above in options["above"]}


BENCHMARK = timing.Benchmark(
    title="Head outputs to detections",
    script=__file__,
    contenders={
        "ours": timing.Contender(ours),
        "ours, 1.0's layers": timing.Contender(ours_in_layers),
        "keras-hub": timing.Contender(keras_hub, peer="keras-hub"),
        "torchvision": timing.Contender(torchvision, peer="torchvision"),
    },
    cases=_cases,
    defaults={"size": "800x1344", "classes": 80, "above": [0, 2000, 50000]},
    tiny={"size": "64x64", "classes": 3, "above": [0, 50]},
    repeat=9,
    warmup=2,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
