"""One NVIDIA GPU: training, inference and loader, ours on JAX and torch beside torchvision.

TensorFlow need not be installed. Each reading is printed when it is there, and each process ends
when its time is up, so that a short loan of a GPU gives what fits into it. On a machine without a
GPU all of it runs on the CPU, for a try:

    python benchmarks/gpu.py --output gpu
    python benchmarks/gpu.py --sections train --contenders jax --batches 16 32 --seconds 150
    python benchmarks/gpu.py --tiny

Training is `TrainingModel` under SGD, batch norm and the first `--frozen` stages of the backbone
fixed, as torchvision and Detectron2 finetune; pictures go to the GPU as uint8 in each step.
Inference is from uint8 pictures in the host's memory to detections there; "jax" calls the jitted
function itself, "detector" is `Detector.predict` on JAX, with all that it does around it.
"""

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import report

SECTIONS = {
    "ceilings": ("torch",),
    "train": ("jax", "torchvision", "torch", "torchvision-compiled"),
    "infer": ("jax", "detector", "torchvision", "torch", "torchvision-compiled"),
    "loader": ("host",),
    "profile": ("jax",),
}
WORK = Path(__file__).with_name("gpu_work.py")
HEAD = ("section", "contender", "dtype", "size", "batch", "ms", "images/s", "peak GB")
DEFAULTS = {
    "sizes": ["800x800", "800x1344"],
    "batches": [1, 2, 4, 8, 16, 32],
    "infer_sizes": ["800x1344"],
    "infer_batches": [1, 32],
    "steps": 30,
    "classes": 80,
    "boxes": 20,
    "above": 2000,
}
TINY = {
    "sizes": ["64x64"],
    "batches": [1, 2],
    "infer_sizes": ["64x96"],
    "infer_batches": [1, 2],
    "steps": 2,
    "classes": 3,
    "boxes": 2,
}


def environment(contender, cache):
    """Return the environment of a process.

    Args:
        contender: a name in `SECTIONS`.
        cache: folder of what compilers keep for the next process.
    """
    backend = "torch" if contender == "torch" else "jax"
    given = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # peaks are of use, not of reserve
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "PYTHONUNBUFFERED": "1",
    }
    return {**given, **os.environ, "KERAS_BACKEND": backend}


def readings(section, contender, options):
    """Yield the readings of one process as they come, until its time is up."""
    work = {"section": section, "contender": contender, **options}
    process = subprocess.Popen(
        [sys.executable, str(WORK), json.dumps(work)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(contender, Path(options["cache"])),
    )
    lines, deadline = queue.Queue(), time.monotonic() + options["seconds"]
    threading.Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()
    try:
        while (line := lines.get(timeout=max(deadline - time.monotonic(), 0.0))) is not None:
            yield {"section": section, "contender": contender, **json.loads(line)}
        if process.wait():
            yield {
                "section": section,
                "contender": contender,
                "note": f"exit code {process.returncode}",
            }
    except queue.Empty:
        note = f"out of time after {options['seconds']:.0f} s"
        yield {"section": section, "contender": contender, "note": note}
    finally:
        process.kill()
        process.wait()


def _forward(stream, lines):
    for line in stream:
        if line.startswith("{"):
            lines.put(line)
        else:
            print(line, end="", flush=True)
    lines.put(None)


def row(reading, peak):
    """Return a reading as a line of the table; `peak` TFLOP/s is 100 %, None if not measured."""
    cells = [str(reading.get(name, "")) for name in HEAD]
    share = reading.get("TFLOP/s")
    cells.append(f"{100 * share / peak:.0f}" if share and peak else "")
    rest = {k: v for k, v in reading.items() if k not in HEAD and not isinstance(v, (list, dict))}
    cells.append(", ".join(f"{key} {value}" for key, value in rest.items()))
    return "| " + " | ".join(cells) + " |"


def wanted(options):
    """Return [(section, contender), …] in their order; only sections of rivals leave some out."""
    return [
        (section, contender)
        for section in options["sections"]
        for contender in SECTIONS[section]
        if contender in options["contenders"] or len(SECTIONS[section]) == 1
    ]


def measure(options, save):
    """Print the table line by line and return all readings."""
    found, peak = [], None
    print("| " + " | ".join([*HEAD, "% of bf16 peak", "notes"]) + " |")
    print("| " + " | ".join(["---"] * (len(HEAD) + 2)) + " |", flush=True)
    for section, contender in wanted(options):
        for reading in readings(section, contender, options):
            peak = reading.get("bf16 peak TFLOP/s", peak)
            found.append(reading)
            print(row(reading, peak), flush=True)
            save(found)
    return found


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument(
        "--contenders", nargs="+", choices=SECTIONS["infer"], default=list(SECTIONS["infer"])
    )
    for name, value in DEFAULTS.items():
        many = isinstance(value, list)
        kind = type(value[0] if many else value)
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=kind, nargs="+" if many else None, help=f"{value}"
        )
    parser.add_argument("--dtypes", nargs="+", default=["mixed_bfloat16", "float32"])
    parser.add_argument(
        "--frozen", type=int, default=2, help="stages of the backbone (%(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=600.0, help="of each process")
    parser.add_argument("--output", default="gpu", help="folder of results (%(default)s)")
    parser.add_argument("--cache", help="folder of compilers' caches; OUTPUT/cache")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, to try the script")
    return parser


def main(arguments=None):
    """Run what is asked for, print a Markdown table and write OUTPUT/gpu.json."""
    args = _parser().parse_args(arguments)
    sizes = DEFAULTS | (TINY if args.tiny else {})
    given = {key: value for key, value in vars(args).items() if value is not None}
    options = {**sizes, **given}
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    options["output"] = str(folder)
    options.setdefault("cache", str(folder / "cache"))
    start = time.perf_counter()

    def save(found):
        text = json.dumps({"machine": report.machine(), "options": options, "readings": found})
        (folder / "gpu.json").write_text(text, encoding="utf-8")

    measure(options, save)
    print(f"\nTook {time.perf_counter() - start:.0f} s. {report.machine()}")


if __name__ == "__main__":
    main()
