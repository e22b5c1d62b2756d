"""Exported files beside our own detector, in one process, in turn: ONNX Runtime, OpenVINO, LiteRT.

Weights are random, heads scaled as in `inference.py`, so that pictures have real work for
suppression. Writes a Markdown table: medians of wall and CPU seconds, and the largest differences.

    python benchmarks/exported.py
    python benchmarks/exported.py --tiny
    python benchmarks/exported.py --sizes 512x512
    python benchmarks/exported.py --torchvision /path/to/venv/bin/python   # its own export beside
"""

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import networks
import numpy as np
import report
import scenes

from keras_retinanet import models
from keras_retinanet.export import proven
from keras_retinanet.export.runtimes import open_file
from keras_retinanet.models.bfloat16 import computing_in_bfloat16
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.predict.runner import Runner

FULL = {"classes": 80, "above": 2000, "sizes": ["512x512", "800x1344"], "repeat": 5}
FIXED = (".tflite",)  # one size a file
TINY = {"classes": 3, "above": 50, "sizes": ["64x96"], "repeat": 1}


def ours(detector):
    """Return f(levels), red first, of the frozen detector."""
    runner = Runner(detector, freeze=True, profile=profile_of(detector))
    runner.settle()

    def run(levels):
        return runner.predict_on_batch(levels[..., ::-1], np.array([levels.shape[1:3]]))

    return run


def timed(run, levels):
    """Return (wall, CPU) seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    run(levels)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(contenders, size, repeat):
    """Return {name: (wall, CPU)}, medians of calls in turn after one that does not count."""
    levels = scenes.picture(*scenes.parse_size(size), 0)[None]
    found = {name: [] for name in contenders}
    for turn in range(repeat + 1):
        for name, run in contenders.items():
            seconds = timed(run, levels)
            if turn:
                found[name].append(seconds)
    return {
        name: [statistics.median(part) for part in zip(*seconds, strict=True)]
        for name, seconds in found.items()
    }


def made(detector, form, size, folder):
    """Return (version, f(levels)) of a file of `detector`, proven; say how that went."""
    kind = proven.FORMATS[form]
    path = Path(folder) / f"o{form}"
    started = time.perf_counter()
    told = proven.export(detector, path, size=size)
    seconds = time.perf_counter() - started
    bytes_ = sum(path.with_suffix(suffix).stat().st_size for suffix in kind.files)
    print(f"{kind.name}: {told['line']}; {bytes_ / 1e6:.0f} MB, made in {seconds:.0f} s")
    file = open_file(path)
    return file.version, file.detect


def torchvision_contenders(python, size, options, folder):
    """Return {name: f(levels)} of torchvision's own export, in ONNX Runtime and OpenVINO.

    Args:
        python: that has torchvision.
        size: "HEIGHTxWIDTH".
        options: "classes" and "above", as of ours.
        folder: for the file.
    """
    import onnxruntime
    import openvino

    path = Path(folder) / f"torchvision-{size}.onnx"
    words = [python, Path(__file__).with_name("torchvision_onnx.py"), size, path]
    words += ["--classes", options["classes"], "--above", options["above"]]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
    model = openvino.Core().read_model(path)
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def image(levels):
        return np.ascontiguousarray(levels[0].transpose(2, 0, 1), np.float32) / 255

    (given,) = session.get_inputs()
    return {
        "torchvision's export, ONNX Runtime": lambda x: session.run(None, {given.name: image(x)}),
        "torchvision's export, OpenVINO": lambda x: compiled([image(x)]),
    }


def main(words=None):
    """Write the files, prove them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="toy sizes: does it run?")
    parser.add_argument("--sizes", nargs="+", metavar="HEIGHTxWIDTH", help="in place of its own")
    parser.add_argument(
        "--formats", nargs="*", default=list(proven.FORMATS), help="suffixes of files (all)"
    )
    parser.add_argument("--torchvision", metavar="PYTHON", help="that has it: its export, too")
    args = parser.parse_args(words)
    options = TINY if args.tiny else FULL
    network = networks.our_network({**options, "dtype": "float32", "tiny": args.tiny})
    networks.calibrate_ours(network, options["above"])
    detector = models.convert_model(network)
    with tempfile.TemporaryDirectory() as folder:
        any_size = [form for form in args.formats if form not in FIXED]
        fixed = [form for form in args.formats if form in FIXED]
        low = models.convert_model(computing_in_bfloat16(network))
        contenders = {"ours, TensorFlow": ours(detector), "ours, bfloat16": ours(low)}
        contenders |= dict(made(detector, form, None, folder) for form in any_size)
        print(f"\n{report.machine()}\n")
        for size in args.sizes or options["sizes"]:
            sides = scenes.parse_size(size)
            contenders |= dict(made(detector, form, sides, folder) for form in fixed)
            if args.torchvision:
                contenders |= torchvision_contenders(args.torchvision, size, options, folder)
            found = measure(contenders, size, options["repeat"])
            print("\n| | " + " | ".join(contenders) + " |\n" + "| --- " * (1 + len(found)) + "|")
            for place, what in enumerate(("wall s", "CPU s")):
                cells = [f"{np.round(found[name][place], 3)}" for name in contenders]
                print(f"| {size}, {what} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
