"""Where the time of a training step and of a detection goes on JAX: kernels, by their part."""

import collections
import gzip
import re
import tempfile
from pathlib import Path

import gpu_work
import numpy as np
import scenes

TOP = 25
STEPS = 3
# part of the work -> what its operations' names hold, the first that fits
PARTS = (
    ("assignment", r"vmap\(.*(while|body)|/while"),
    ("optimizer", r"stateless_apply|optimizer"),
    ("backward", r"transpose\("),
    ("forward", r"jvp\("),
)


def kernels(folder):
    """Return {kernel: [seconds, count, name of the operation]} from the profile in a folder."""
    from jax.profiler import ProfileData

    found = collections.defaultdict(lambda: [0.0, 0, ""])
    for path in sorted(Path(folder).rglob("*.xplane.pb")):
        for plane in ProfileData.from_file(str(path)).planes:
            if "GPU" not in plane.name and "CUDA" not in plane.name:
                continue
            for line in plane.lines:
                if not line.name.startswith("Stream"):
                    continue
                for event in line.events:
                    stats = dict(event.stats)
                    entry = found[stats.get("hlo_op") or event.name]
                    entry[0] += event.duration_ns / 1e9
                    entry[1] += 1
                    entry[2] = event.name
    return dict(found)


def names_of_operations(text):
    """Return {HLO instruction: name of the operation that it came from} of an HLO module."""
    pattern = re.compile(r'^\s*(?:ROOT )?%?([\w.\-]+) = .*op_name="([^"]*)"', re.MULTILINE)
    found = dict(pattern.findall(text))
    # a kernel is called as its fusion is, in letters that a kernel's name may have
    return {re.sub(r"[.-]", "_", name): value for name, value in found.items()} | found


def part_of(name):
    """Return the part of `PARTS` that the name of an operation belongs to."""
    return next((part for part, pattern in PARTS if re.search(pattern, name)), "other")


def profiled(title, executable, run, folder):
    """Run `run` under the profiler and tell the parts and the longest kernels.

    Args:
        title: in the names of the files.
        executable: compiled, whose HLO is written beside.
        run: f(), ends when the device has ended; has run before.
        folder: of the files.
    """
    import jax

    text = executable.as_text()
    (Path(folder) / f"{title}.hlo.gz").write_bytes(gzip.compress(text.encode()))
    names = names_of_operations(text)
    with tempfile.TemporaryDirectory() as trace:
        try:
            with jax.profiler.trace(trace):
                run()
            found = kernels(trace)
        except Exception as error:  # a driver may not let itself be looked at
            gpu_work.tell(profile=title, note=str(error)[:160])
            return
    parts = collections.Counter()
    lines = []
    for kernel, (seconds, count, event) in sorted(found.items(), key=lambda item: -item[1][0]):
        parts[part_of(names.get(kernel, ""))] += seconds
        lines.append(
            f"{1e3 * seconds / STEPS:9.3f} ms {count / STEPS:6.1f}x {kernel} [{event[:60]}] "
            f"{names.get(kernel, '')}"
        )
    (Path(folder) / f"{title}.kernels.txt").write_text("\n".join(lines), encoding="utf-8")
    total = {f"{part} ms": round(1e3 * s / STEPS, 2) for part, s in parts.most_common()}
    gpu_work.tell(profile=title, **{"kernels ms": round(sum(total.values()), 2)}, **total)
    print("\n".join(line[:230] for line in lines[:TOP]), flush=True)


def profile(options):
    """Profile a training step of the first size and last batch, and detection of one picture."""
    _training(options)
    _detection(options)


def _training(options):
    import jax

    wanted = [(options["sizes"][0], options["batches"][-1])]
    dtype = options["dtypes"][0]
    for case, model, compiled, batches in gpu_work.jax_steps(options, dtype, wanted):
        seconds = gpu_work.jax_seconds(
            compiled, gpu_work.jax_state(model), batches, options["steps"]
        )
        tflop = gpu_work.training_tflop(model.network, case[0])
        gpu_work.told(*case, dtype, seconds, tflop, what="host pictures")
        fixed = [jax.device_put(batches[0])]
        seconds = gpu_work.jax_seconds(compiled, gpu_work.jax_state(model), fixed, options["steps"])
        gpu_work.told(*case, dtype, seconds, tflop, what="pictures on the device")
        state = [gpu_work.jax_state(model)]

        def run(state=state, compiled=compiled, batch=fixed[0]):
            for _ in range(STEPS):
                _, state[0] = compiled(state[0], batch)
            jax.block_until_ready(state[0])

        run()
        profiled("train", compiled, run, options["output"])
        seconds = gpu_work.fit_seconds(model, batches, options["steps"])
        gpu_work.told(*case, dtype, seconds, tflop, what="Keras' fit")


def _detection(options):
    import jax

    size, dtype = options["infer_sizes"][0], options["dtypes"][0]
    call, weights = gpu_work.jax_detector(options, dtype)
    shape = (1, *scenes.parse_size(size), 3)
    spec = jax.ShapeDtypeStruct(shape, np.uint8)
    ((_, compiled),) = gpu_work.jax_compiled(jax.jit(call), {"one": (weights, spec)})
    images = jax.device_put(gpu_work.batch_of(size, 1, options)[0])

    def run():
        for _ in range(STEPS):
            jax.block_until_ready(compiled(weights, images))

    run()
    profiled("detect", compiled, run, options["output"])
