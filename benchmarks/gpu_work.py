"""What each process of `gpu.py` measures: a reading is a line of JSON on standard output."""

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import networks
import numpy as np
import scenes

DISTINCT = 4  # batches that take turns, so that none stays in a cache
RATE = 1e-6  # so small that random weights stay finite


def tell(**reading):
    """Write a reading."""
    print(json.dumps(reading), flush=True)


def batch_of(size, batch, options, seed=0):
    """Return uint8 pictures [B, H, W, 3], boxes [B, M, 4], labels [B, M]."""
    height, width = scenes.parse_size(size)
    base = scenes.picture(height, width, seed)
    images = np.stack([np.roll(base, 37 * index, axis=1) for index in range(batch)])
    found = [
        scenes.boxes_and_labels(height, width, options["boxes"], options["classes"], seed + index)
        for index in range(batch)
    ]
    return images, np.stack([b for b, _ in found]), np.stack([n for _, n in found])


def keras_batches(size, batch, options):
    """Return `DISTINCT` batches as our loader gives them."""
    made = []
    for seed in range(DISTINCT):
        images, boxes, labels = batch_of(size, batch, options, 100 * seed)
        sizes = np.array([images.shape[1:3]] * batch, np.float32)
        made.append(({"images": images, "sizes": sizes}, {"boxes": boxes, "labels": labels}))
    return made


def training_model(options, dtype):
    """Return our compiled TrainingModel, frozen as `options` say."""
    import keras

    from keras_retinanet.models.freezing import freeze_stages, set_batch_norm
    from keras_retinanet.models.optimizer import make_optimizer
    from keras_retinanet.models.training import TrainingModel

    network = networks.our_network({**options, "dtype": dtype})
    freeze_stages(network, options["frozen"])
    set_batch_norm(network, "frozen")
    model = TrainingModel(network)
    model.compile(optimizer=make_optimizer("sgd", RATE, clipnorm=0))
    keras.utils.set_random_seed(1)
    return model


def training_tflop(network, size):
    """Return the TFLOP of a picture: forward, and twice that again where gradients pass."""
    from keras_retinanet.models.operations import layer_operations

    numbers = layer_operations(network, *scenes.parse_size(size))
    return sum(n * (3 if layer.trainable else 1) for layer, n in numbers) / 1e12


def cases(options):
    """Return [(size, batch), …] of training."""
    return list(itertools.product(options["sizes"], options["batches"]))


def told(size, batch, dtype, seconds, tflop, **more):
    """Tell a reading of `seconds` a step."""
    rate = batch / seconds
    share = {"TFLOP/s": round(rate * tflop, 2)} if tflop else {}
    tell(
        size=size,
        batch=batch,
        dtype=dtype,
        ms=round(1e3 * seconds, 2),
        **{"images/s": round(rate, 1), **share, **more},
    )


def jax_compiled(function, arguments_of_cases):
    """Yield (case, executable), compiled one by one, and tell how long each took.

    Compilers of several cases at once wait for the GPU on which they try kernels out: six took
    more than 120 s on an H200 and gave nothing, one alone takes 28 s.
    """
    for case, arguments in arguments_of_cases.items():
        start = time.perf_counter()
        lowered = function.lower(*arguments)
        traced = time.perf_counter() - start
        compiled = lowered.compile()
        seconds = time.perf_counter() - start - traced
        tell(note=f"traced in {traced:.0f} s, compiled in {seconds:.0f} s")
        yield case, compiled


def jax_memory(compiled):
    """Return the GB that an executable takes."""
    need = compiled.memory_analysis()
    total = need.argument_size_in_bytes + need.temp_size_in_bytes + need.output_size_in_bytes
    return round((total - need.alias_size_in_bytes) / 1e9, 2)


def jax_state(model):
    """Return a copy of the state that Keras' step takes."""
    state = model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
    )
    return on_device(state)


def on_device(values):
    """Return copies of JAX arrays on the default device."""
    import jax

    return jax.tree.map(lambda value: jax.device_put(np.array(value)), values)


def on_host():
    """Return the context in which JAX works on the CPU: a GPU compiles each initializer anew."""
    import jax

    return jax.default_device(jax.devices("cpu")[0])


def jax_steps(options, dtype, wanted):
    """Yield (case, model, executable of Keras' own step, batches) of each case."""
    import jax

    batches = {case: keras_batches(*case, options) for case in wanted}
    with on_host():
        model = training_model(options, dtype)
        model._symbolic_build(data_batch=batches[wanted[0]][0])
    step = jax.jit(model.train_step, donate_argnums=0)
    state = jax_state(model)
    for case, made in jax_compiled(step, {case: (state, batches[case][0]) for case in wanted}):
        yield case, model, made, batches[case]


def jax_seconds(compiled, state, batches, steps):
    """Return the seconds a step, each batch sent to the device one step ahead, as Keras does."""
    import jax

    endless = itertools.cycle(batches)
    ahead = jax.device_put(next(endless))
    start = None
    for index in range(-3, steps):
        if index == 0:
            jax.block_until_ready(state)
            start = time.perf_counter()
        now, ahead = ahead, jax.device_put(next(endless))
        _, state = compiled(state, now)
    jax.block_until_ready(state)
    return (time.perf_counter() - start) / steps


def train_jax(options):
    """Measure Keras' jitted step."""
    for dtype in options["dtypes"]:
        for case, model, compiled, batches in jax_steps(options, dtype, cases(options)):
            try:
                seconds = jax_seconds(compiled, jax_state(model), batches, options["steps"])
            except Exception as error:  # out of memory, most likely
                tell(size=case[0], batch=case[1], dtype=dtype, note=str(error)[:160])
                continue
            tflop = training_tflop(model.network, case[0])
            told(*case, dtype, seconds, tflop, **{"peak GB": jax_memory(compiled)})


def _endless(batches):
    yield from itertools.cycle(batches)


def fit_seconds(model, batches, steps):
    """Return the seconds a step of Keras' fit, after an epoch that does not count."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.start = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = time.perf_counter() - self.start

    clock, endless = Clock(), _endless(batches)
    model.fit(endless, steps_per_epoch=3, epochs=1, verbose=0)
    model.fit(endless, steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[clock])
    return clock.seconds / steps


def train_torch(options):
    """Measure Keras' fit on torch."""
    for dtype in options["dtypes"]:
        model = training_model(options, dtype)
        for case in cases(options):
            batches = keras_batches(*case, options)
            _reset_torch_peak()
            try:
                seconds = fit_seconds(model, batches, options["steps"])
            except Exception as error:
                tell(size=case[0], batch=case[1], dtype=dtype, note=str(error)[:160])
                continue
            tflop = training_tflop(model.network, case[0])
            told(*case, dtype, seconds, tflop, **{"peak GB": _torch_peak()})


def _torch_device():
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _reset_torch_peak():
    import torch

    if _torch_device() == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _torch_peak():
    import torch

    return round(torch.cuda.max_memory_allocated() / 1e9, 2) if _torch_device() == "cuda" else ""


def _synchronize():
    import torch

    if _torch_device() == "cuda":
        torch.cuda.synchronize()


def torchvision_model(options, size, compiled):
    """Return torchvision's detector on the GPU, channels last, its first stages frozen."""
    import torch

    model = networks.torchvision_network({**options, "norm": "frozen"}, *scenes.parse_size(size))
    body = model.backbone.body
    stem = [body.conv1, body.bn1] if options["frozen"] else []
    stages = [body.layer1, body.layer2, body.layer3, body.layer4][: max(options["frozen"] - 1, 0)]
    for part in stem + stages:
        part.requires_grad_(False)
    if options.get("calibrate"):
        networks.calibrate_torchvision(model.eval(), options["above"])
    model = model.to(_torch_device(), memory_format=torch.channels_last)
    if compiled:
        model.backbone, model.head = torch.compile(model.backbone), torch.compile(model.head)
    return model


def _autocast(dtype):
    import torch

    return torch.autocast(_torch_device(), torch.bfloat16, enabled=dtype == "mixed_bfloat16")


def _torch_pictures(images):
    """Return uint8 [B, H, W, 3], pinned where there is a GPU, as floats [3, H, W] on it."""
    device = images.to(_torch_device(), non_blocking=True)
    return [image.permute(2, 0, 1).float() / 255 for image in device]


def _pinned(array):
    import torch

    tensor = torch.from_numpy(array)
    return tensor.pin_memory() if _torch_device() == "cuda" else tensor


def _torchvision_step(model, optimizer, batch, dtype):
    images, boxes, labels = batch
    boxes, labels = boxes.to(_torch_device()), labels.long().to(_torch_device())
    targets = [{"boxes": b, "labels": n} for b, n in zip(boxes, labels, strict=True)]
    optimizer.zero_grad(set_to_none=True)
    with _autocast(dtype):
        loss = sum(model(_torch_pictures(images), targets).values())
    loss.backward()
    optimizer.step()


def train_torchvision(options, compiled=False):
    """Measure torchvision's detector: autocast, channels last, SGD."""
    import torch

    torch.backends.cudnn.benchmark = True
    # a wild step of random weights would make boxes that torchvision refuses
    for dtype, size in itertools.product(options["dtypes"], options["sizes"]):
        model = torchvision_model(options, size, compiled).train()
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(parameters, RATE, momentum=0.9)
        for batch in options["batches"]:
            try:
                _torchvision_case(model, optimizer, size, batch, dtype, options)
            except Exception as error:
                tell(size=size, batch=batch, dtype=dtype, note=str(error)[:160])


def _torchvision_case(model, optimizer, size, batch, dtype, options):
    made = [batch_of(size, batch, options, 100 * seed) for seed in range(DISTINCT)]
    endless = itertools.cycle([tuple(map(_pinned, one)) for one in made])
    _reset_torch_peak()
    start = time.perf_counter()
    for _ in range(3):
        _torchvision_step(model, optimizer, next(endless), dtype)
    _synchronize()
    first = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(options["steps"]):
        _torchvision_step(model, optimizer, next(endless), dtype)
    _synchronize()
    seconds = (time.perf_counter() - start) / options["steps"]
    more = {"peak GB": _torch_peak(), "first 3 steps s": round(first, 1)}
    told(size, batch, dtype, seconds, 0.0, **more)


def train_torchvision_compiled(options):
    """As `train_torchvision`, backbone and head through torch.compile."""
    train_torchvision(options, compiled=True)


def _told_inference(detect, size, batch, dtype, options):
    """Time `detect(uint8 [B, H, W, 3])` and tell the median."""
    made = [batch_of(size, batch, options, 100 * seed)[0] for seed in range(DISTINCT)]
    start = time.perf_counter()
    boxes = [detect(images) for images in made][0]
    first, seconds = time.perf_counter() - start, []
    for images in itertools.islice(itertools.cycle(made), options["steps"]):
        start = time.perf_counter()
        detect(images)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    more = {"boxes": boxes, "first s": round(first, 1)}
    told(size, batch, dtype, median, 0.0, **more)


def our_detector(options, dtype):
    """Return our detector with batch norm folded, and the preprocessing of its pictures."""
    from keras_retinanet import models
    from keras_retinanet.models.folding import with_folded_batch_norm
    from keras_retinanet.models.freezing import set_batch_norm
    from keras_retinanet.models.snapshot import profile_of

    network = networks.our_network({**options, "dtype": dtype})
    networks.calibrate_ours(network, options["above"])
    set_batch_norm(network, "frozen")
    detector = models.convert_model(network)
    return with_folded_batch_norm(detector), profile_of(detector).preprocessing


def jax_detector(options, dtype):
    """Return f(weights, uint8 pictures) -> boxes, scores, labels, and the weights."""
    from keras_retinanet.utils.normalisation import normalised

    with on_host():
        detector, preprocessing = our_detector(options, dtype)

    def call(weights, images):
        inputs = normalised(images, preprocessing)
        return detector.stateless_call(*weights, inputs, training=False)[0][:3]

    variables = detector.trainable_variables, detector.non_trainable_variables
    return call, on_device(tuple([variable.value for variable in some] for some in variables))


def infer_jax(options):
    """Measure our detector as one jitted function, pictures normalised inside."""
    import jax

    wanted = list(itertools.product(options["infer_sizes"], options["infer_batches"]))
    shapes = {
        (size, batch): jax.ShapeDtypeStruct((batch, *scenes.parse_size(size), 3), np.uint8)
        for size, batch in wanted
    }
    for dtype in options["dtypes"]:
        call, weights = jax_detector(options, dtype)
        inputs = {case: (weights, shapes[case]) for case in wanted}
        for case, made in jax_compiled(jax.jit(call), inputs):

            def detect(images, compiled=made, weights=weights):
                found = jax.device_get(compiled(weights, images))
                return int((found[1] >= 0).sum())

            _told_inference(detect, *case, dtype, options)


def infer_detector(options):
    """Measure what a script gets: `Detector(file).predict` of pictures in memory, on JAX."""
    from keras_retinanet.models.snapshot import save_snapshot
    from keras_retinanet.predict import Detector

    cases = list(itertools.product(options["infer_sizes"], options["infer_batches"]))
    for dtype, (size, batch) in itertools.product(options["dtypes"], cases):
        sides = dict(
            zip(("image_min_side", "image_max_side"), scenes.parse_size(size), strict=True)
        )
        with tempfile.TemporaryDirectory() as folder:
            with on_host():
                network = networks.our_network({**options, "dtype": dtype})
                networks.calibrate_ours(network, options["above"])
                save_snapshot(network, Path(folder) / "o.keras")
            start = time.perf_counter()
            options_of = {"batch_size": batch, "threshold": 0.05, **sides}
            detector = Detector(Path(folder) / "o.keras", **options_of)
        tell(note=f"loaded in {time.perf_counter() - start:.0f} s", size=size, batch=batch)

        def detect(images, detector=detector):
            return sum(len(result.scores) for result in detector.predict(list(images)))

        _told_inference(detect, size, batch, dtype, options)


def infer_torch(options):
    """Measure our detector on torch."""
    import torch
    from keras import ops

    from keras_retinanet.utils.normalisation import normalised

    for dtype in options["dtypes"]:
        detector, preprocessing = our_detector(options, dtype)

        def detect(images, detector=detector, preprocessing=preprocessing):
            with torch.inference_mode():
                inputs = normalised(ops.convert_to_tensor(images), preprocessing)
                found = [value.cpu() for value in detector(inputs, training=False)[:3]]
            return int((found[1] >= 0).sum())

        for size, batch in itertools.product(options["infer_sizes"], options["infer_batches"]):
            _told_inference(detect, size, batch, dtype, options)


def infer_torchvision(options, compiled=False):
    """Measure torchvision's detector: autocast, channels last."""
    import torch

    torch.backends.cudnn.benchmark = True
    for dtype, size in itertools.product(options["dtypes"], options["infer_sizes"]):
        model = torchvision_model({**options, "calibrate": True}, size, compiled).eval()

        def detect(images, model=model, dtype=dtype):
            with torch.inference_mode(), _autocast(dtype):
                found = model(_torch_pictures(_pinned(images)))
                found = [{name: value.cpu() for name, value in one.items()} for one in found]
            return sum(len(one["scores"]) for one in found)

        for batch in options["infer_batches"]:
            _told_inference(detect, size, batch, dtype, options)


def infer_torchvision_compiled(options):
    """As `infer_torchvision`, backbone and head through torch.compile."""
    infer_torchvision(options, compiled=True)


def ceilings(options):
    """Measure what the card does at best: a bf16 product, and a copy."""
    import torch

    device, side = _torch_device(), 64 if options["tiny"] else 8192
    left, right = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    source = torch.randn(side * side * (1 if options["tiny"] else 16), device=device)
    target = torch.empty_like(source)
    product = _repeated(lambda: torch.matmul(left, right))
    copy = _repeated(lambda: target.copy_(source))
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU"
    tell(
        card=card,
        torch=torch.__version__,
        **{
            "bf16 peak TFLOP/s": round(2 * side**3 / product / 1e12, 3),
            "copy TB/s": round(2 * source.nbytes / copy / 1e12, 3),
        },
    )


def _repeated(call, count=20):
    """Return the mean seconds of `call`."""
    for _ in range(3):
        call()
    _synchronize()
    start = time.perf_counter()
    for _ in range(count):
        call()
    _synchronize()
    return (time.perf_counter() - start) / count


def loader(options):
    """Measure our loader on all cores, 480x640 JPEG files to the canvas of training."""
    import tempfile

    import input_pipeline

    from keras_retinanet.preprocessing.loader import Loader

    tiny = input_pipeline.BENCHMARK.tiny if options["tiny"] else {"images": 128, "batch": 16}
    settings = {**input_pipeline.BENCHMARK.defaults, **tiny}
    with tempfile.TemporaryDirectory() as folder:
        generator = input_pipeline.make_generator(Path(folder), settings)
        for workers in sorted({1, os.cpu_count()}):
            steps = settings["steps"] if workers > 1 else 4
            start = time.perf_counter()
            with Loader(generator, workers=workers, steps=steps) as batches:
                shapes = [inputs["images"].shape for inputs, _ in batches]
            seconds = (time.perf_counter() - start) / len(shapes)
            size = "x".join(map(str, shapes[0][1:3]))
            told(size, shapes[0][0], "uint8", seconds, 0.0, workers=workers)


def profile(options):
    """Write what the kernels of a training step and of a detection take on JAX."""
    import gpu_profile

    gpu_profile.profile(options)


WORK = {
    ("ceilings", "torch"): ceilings,
    ("train", "jax"): train_jax,
    ("train", "torch"): train_torch,
    ("train", "torchvision"): train_torchvision,
    ("train", "torchvision-compiled"): train_torchvision_compiled,
    ("infer", "jax"): infer_jax,
    ("infer", "detector"): infer_detector,
    ("infer", "torch"): infer_torch,
    ("infer", "torchvision"): infer_torchvision,
    ("infer", "torchvision-compiled"): infer_torchvision_compiled,
    ("loader", "host"): loader,
    ("profile", "jax"): profile,
}

if __name__ == "__main__":
    options = json.loads(sys.argv[1])
    WORK[options["section"], options["contender"]](options)
