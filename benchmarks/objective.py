"""Targets and losses of one step, forward and backward, without the network around them.

python benchmarks/objective.py --size 800x800 --batch 2 --boxes 100
"""

import networks
import numpy as np
import scenes
import targets
import timing


def _step(options, **choices):
    """Return run(size): targets, both losses, and their gradients by the outputs of the heads."""
    import keras

    from keras_retinanet.models.objective import Objective
    from keras_retinanet.utils.anchors import AnchorParameters
    from keras_retinanet.utils.box_coder import BoxCoder
    from keras_retinanet.utils.targets import Layout

    objective, coder = Objective(**choices), BoxCoder()
    per_cell = AnchorParameters.default.num_anchors()

    def make(size):
        truth = targets.truth(size, options)
        height, width = scenes.parse_size(size)
        counts = [-(-height // 2**n) * -(-width // 2**n) * per_cell for n in range(3, 8)]
        rng = np.random.default_rng(0)
        shape = (options["batch"], len(truth[0]))
        deltas = rng.normal(0, 0.5, (*shape, 4)).astype(np.float32)
        logits = rng.normal(-4, 1, (*shape, options["classes"])).astype(np.float32)
        layout = Layout(tuple(counts), per_cell)

        def loss(deltas, logits, anchors, boxes, labels, sizes):
            assigned = objective.assigned(anchors, layout, boxes, labels, sizes)
            outputs = {"deltas": deltas, "logits": logits}
            return sum(objective.class_and_box_loss(outputs, anchors, assigned, coder))

        call = networks.with_gradients(loss, count=2)
        return call, networks.tensors((deltas, logits, *truth))

    inputs = targets.cached(make)

    def run(size):
        call, arguments = inputs(size)
        value, gradients = call(*arguments)
        for gradient in gradients:
            keras.ops.convert_to_numpy(gradient)
        return {"loss": f"{float(value):.4g}"}

    return run


def contender(**choices):
    """Return a contender that trains towards an `Objective` of `choices`."""
    return timing.Contender(lambda options: _step(options, **choices))


BENCHMARK = timing.Benchmark(
    title="Targets and losses",
    script=__file__,
    contenders={
        "default": contender(),
        "l1": contender(box_loss="l1"),
        "giou": contender(box_loss="giou"),
        "diou": contender(box_loss="diou"),
        "ciou": contender(box_loss="ciou"),
        "atss": contender(assignment="atss"),
        "match-all": contender(match_all=True),
        "quality-focal": contender(classification_loss="quality-focal"),
        "label smoothing": contender(label_smoothing=0.1),
    },
    cases=scenes.size_cases,
    defaults={"size": ["800x800"], "classes": 80, "batch": 2, "boxes": 100},
    tiny={"size": ["64x64"], "classes": 3, "boxes": 2},
    repeat=9,
    warmup=2,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
