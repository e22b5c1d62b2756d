"""One training step: forward, targets, losses, backward, Adam.

float32 and mixed_bfloat16 (autocast on torch) are measured one after the other, the contenders of
each in turn. Batch norm is frozen, as in every training that starts from pretrained weights;
`--norm trains` lets it train.

    python benchmarks/training_step.py --size 512x512 --batch 2
"""

import networks
import numpy as np
import scenes
import timing

from keras_retinanet.models.operations import training_gflop

RATE = 1e-5
CLIPNORM = 0.001  # of each gradient, as keras-retinanet 1.0 trains


def _batch(size, options):
    """Return uint8 pictures [B, H, W, 3], boxes [B, M, 4], labels [B, M]."""
    height, width = scenes.parse_size(size)
    seeds = range(options["batch"])
    found = [
        scenes.boxes_and_labels(height, width, options["boxes"], options["classes"], seed)
        for seed in seeds
    ]
    images = np.stack([scenes.picture(height, width, seed) for seed in seeds])
    return (
        images,
        np.stack([boxes for boxes, _ in found]),
        np.stack([labels for _, labels in found]),
    )


def _keras_run(step, model, options, prepare):
    """Return run(size) of `step(inputs, targets)` -> loss; `prepare` makes both of a batch."""
    ready = {}

    def run(size):
        if size not in ready:
            sides = scenes.parse_size(size)
            gflop = round(training_gflop(model, *sides, options["batch"]), 1)
            ready[size] = gflop, prepare(*_batch(size, options))
        gflop, (inputs, targets) = ready[size]
        return {"gflop": gflop, "loss": f"{float(step(inputs, targets)):.3g}"}

    return run


def ours(options):
    """Return a step of our TrainingModel."""
    import keras

    from keras_retinanet.models.training import TrainingModel

    network = networks.our_network(options)
    if options["norm"] == "frozen":
        networks.freeze_norms(network)
    model = TrainingModel(network)
    model.compile(optimizer=keras.optimizers.Adam(RATE, clipnorm=CLIPNORM))

    def prepare(images, boxes, labels):
        sizes = np.array([images.shape[1:3]] * len(images), np.float32)
        return {"images": images, "sizes": sizes}, {"boxes": boxes, "labels": labels}

    def step(inputs, targets):
        return model.train_on_batch(inputs, targets, return_dict=True)["loss"]

    return _keras_run(step, network, options, prepare)


def ours_unfolded(options):
    """Return a step of our TrainingModel whose frozen batch norm is not folded."""
    from keras_retinanet.models import training

    training.with_folded_batch_norm = lambda model: model
    return ours(options)


def keras_hub(options):
    """Return a step of KerasHub's detector."""
    import keras

    model = networks.hub_network(options)
    if options["norm"] == "frozen":
        networks.freeze_norms(model)
    model.compile(optimizer=keras.optimizers.Adam(RATE, clipnorm=CLIPNORM))

    def prepare(images, boxes, labels):
        return images.astype(np.float32) - 115.0, {"boxes": boxes, "labels": labels}

    def step(inputs, targets):
        # its own train_on_batch takes no dictionary of targets, Keras' does
        return keras.Model.train_on_batch(model, inputs, targets, return_dict=True)["loss"]

    return _keras_run(step, model, options, prepare)


def torchvision(options, layout="contiguous_format"):
    """Return a step of torchvision's detector."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    layout = getattr(torch, layout)
    ready, gflop = {}, {}

    def prepare(size):
        images, boxes, labels = _batch(size, options)
        model = networks.torchvision_network(options, *scenes.parse_size(size)).train()
        model = model.to(memory_format=layout)
        optimizer = torch.optim.Adam(model.parameters(), RATE)
        pictures = [torch.from_numpy(i).permute(2, 0, 1).float() / 255 for i in images]
        targets = [
            {"boxes": torch.from_numpy(b), "labels": torch.from_numpy(n).long()}
            for b, n in zip(boxes, labels, strict=True)
        ]
        return model, optimizer, pictures, targets

    def step(model, optimizer, pictures, targets):
        optimizer.zero_grad()
        with networks.torch_precision(options["dtype"]):
            loss = sum(model(pictures, targets).values())
        loss.backward()
        for parameter in model.parameters():
            torch.nn.utils.clip_grad_norm_(parameter, CLIPNORM)
        optimizer.step()
        return float(loss.detach())

    def run(size):
        if size not in ready:
            ready[size] = prepare(size)
            with FlopCounterMode(display=False) as counter:
                step(*ready[size])
            gflop[size] = round(counter.get_total_flops() / 1e9, 1)
        return {"gflop": gflop[size], "loss": f"{step(*ready[size]):.3g}"}

    return run


def torchvision_channels_last(options):
    """Return a step of torchvision's detector with channels last in memory."""
    return torchvision(options, "channels_last")


def _contenders():
    """Return {name: Contender}, each once for every dtype policy."""
    rows = (
        ("ours", ours, ""),
        ("ours, batch norm apart", ours_unfolded, ""),
        ("keras-hub", keras_hub, "keras-hub"),
        ("torchvision", torchvision, "torchvision"),
        ("torchvision, channels last", torchvision_channels_last, "torchvision"),
    )
    return {
        f"{name}, {dtype}": timing.Contender(make, peer=peer, group=dtype, options={"dtype": dtype})
        for dtype in networks.DTYPES
        for name, make, peer in rows
    }


BENCHMARK = timing.Benchmark(
    title="Training step",
    script=__file__,
    contenders=_contenders(),
    cases=scenes.size_cases,
    defaults={"size": ["512x512"], "classes": 80, "batch": 2, "boxes": 20, "norm": "frozen"},
    tiny={"size": ["64x64"], "classes": 3, "boxes": 2},
    repeat=3,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
