"""--benchmark: how fast a model file answers, beside the files exported from it.

Each file is opened in a process of its own, so that thread pools of two runtimes do not disturb
each other and memory is that of one. They answer in turn (A B A B …), because a machine is never
equally busy from one minute to the next.
"""

import multiprocessing
import os
from dataclasses import dataclass
from pathlib import Path

from keras_retinanet.bin.benchmark_accuracy import average_precision
from keras_retinanet.bin.benchmark_table import lines_of, row
from keras_retinanet.bin.console import Unfinished, is_bad_input, one_line
from keras_retinanet.bin.convert_export import COMPUTE_IN_BFLOAT16, EXPORTS
from keras_retinanet.bin.convert_measure import dataset_words
from keras_retinanet.utils.saved_models import is_saved_model

BATCHES = (1, 8)
MOST_PICTURES = 8  # that are looked at
ROUNDS = 7
ENDINGS = (".keras", ".h5", ".onnx", ".xml", ".tflite")  # of files that may lie beside a model


@dataclass
class Answering:
    """A process that answers with one file.

    Attributes:
        path: of the file.
        bfloat16: whether it is to compute in that.
        process, connection: of it.
        times: (wall, CPU) seconds of each answer.
        facts: what it says of itself.
        fault: why it does not answer.
    """

    path: Path
    bfloat16: bool
    process: object
    connection: object
    times: list
    facts: dict
    fault: str = ""


def add_benchmark(parser):
    """Add the option."""
    parser.add_argument(
        "--benchmark",
        action="store_true",
        help="only measure the time of answers, also of files of other formats beside the model",
    )
    parser.add_argument(
        "--measure-on",
        metavar="DATASET",
        help="with --benchmark: what stands before the model in retinanet-evaluate, in quotes: AP",
    )


def check_benchmark(args):
    """Raise ValueError where --benchmark contradicts other options."""
    if args.benchmark and (args.serve is not None or args.format):
        other = "--format" if args.format else "--serve"
        raise ValueError(f"--benchmark writes nothing and serves nobody; leave {other} out")
    if args.measure_on and not args.benchmark:
        raise ValueError("--measure-on goes with --benchmark")
    if args.measure_on:
        dataset_words("measure-on", args.measure_on, args.model)


def files_of(model):
    """Return the model's file and those beside it that have its name and another ending."""
    path = Path(model)
    beside = [path.with_suffix(ending) for ending in ENDINGS]
    found = [path, *(other for other in beside if other != path and other.is_file())]
    folder = path.with_suffix("")
    return found + ([folder] if folder != path and is_saved_model(folder) else [])


def variants_of(args):
    """Return (path, whether in bfloat16) of all that is measured."""
    files = files_of(args.model)
    exact = [(path, False) for path in files]
    if not args.bfloat16:
        return exact
    unable = set(EXPORTS) - set(COMPUTE_IN_BFLOAT16)
    able = [path for path in files if path.suffix.lower() not in unable]
    return exact + [(path, True) for path in able if not is_saved_model(path)]


def answer(connection, args, variant, pictures, batch):
    """Open a file, say so, and time an answer for each message; in a process of its own."""
    import time

    from keras_retinanet.bin.model_files import start_keras
    from keras_retinanet.bin.predict_options import make_detector

    path, args.bfloat16 = variant
    args.model, args.batch_size = str(path), batch
    try:
        start_keras(args.gpu, args.model)
        detector = make_detector(args)
        images = [detector.image_of(result) for result in detector.stream(pictures)]
        images = [images[place % len(images)] for place in range(batch)]
        detector.predict(images)
        detector.settle()
        detector.predict(images)
    except Exception as error:
        said = one_line(error) if is_bad_input(error) else f"{type(error).__name__}: {error}"
        said = said.splitlines()[0]
        connection.send({"fault": said if said.startswith(str(path)) else f"{path}: {said}"})
        return
    connection.send({"runtime": detector.runtime, "precision": detector.precision})
    while connection.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        detector.predict(images)
        connection.send((time.perf_counter() - wall, time.process_time() - cpu))
    connection.send(peak_megabytes())


def peak_megabytes():
    """Return the most memory that this process held, None where nobody tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    import sys

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def start(args, variant, pictures, batch):
    """Return the `Answering` process of a file."""
    spawn = multiprocessing.get_context("spawn")
    own, other = spawn.Pipe()
    given = (other, args, variant, pictures, batch)
    process = spawn.Process(target=answer, args=given, daemon=True)
    process.start()
    other.close()
    return Answering(*variant, process, own, [], {})


def hear(one):
    """Return what a process sends; None, and a fault kept, where it is lost."""
    try:
        return one.connection.recv()
    except EOFError:
        one.process.join()
        one.fault = f"{one.path}: its process ended with exit code {one.process.exitcode}"
        return None


def measured(args, variants, pictures, batch, rounds=ROUNDS):
    """Return the `Answering` processes of files after `rounds` answers in turn.

    Args:
        args: of the command.
        variants: (path, whether in bfloat16) of each.
        pictures: paths.
        batch: pictures of an answer.
        rounds: answers of each.
    """
    all_of_them = [start(args, variant, pictures, batch) for variant in variants]
    for one in all_of_them:
        one.facts = hear(one) or {}
        one.fault = one.fault or one.facts.get("fault", "")
    for _ in range(rounds):
        for one in all_of_them:
            if not one.fault:
                one.connection.send(True)
                one.times.append(hear(one) or (0.0, 0.0))
    for one in all_of_them:
        if not one.fault:
            one.connection.send(False)
            one.facts["memory"] = hear(one)
        one.process.join(timeout=60)
    return all_of_them


def measured_rows(args, pictures):
    """Return the rows of the table, and what is wrong with files that are left out."""
    variants, faults, rows, accuracies = variants_of(args), [], [], {}
    batches = (1, args.batch_size) if args.batch_size > 1 else BATCHES
    for batch in batches:
        for one in measured(args, variants, pictures, batch):
            variant, accuracy = (one.path, one.bfloat16), {}
            if args.measure_on and not one.fault:
                if variant not in accuracies:
                    accuracies[variant] = average_precision(args, *variant)
                accuracy = accuracies[variant]
            if fault := one.fault or accuracy.get("fault"):
                faults += [fault] if fault not in faults else []
            else:
                rows.append(row(one, batch, accuracy.get("AP")))
    return rows, faults


def benchmark(args, sources, report=print):
    """Print how fast the model, and the files beside it, answer; return the rows.

    Args:
        args: of the command.
        sources: `predict.sources.Source`s; the first pictures count.
        report: gets lines of text.

    Raises:
        ValueError: there is no picture, or no file answers.
        Unfinished: some files do not.
    """
    pictures = [str(one.place) for one in sources if not one.is_video][:MOST_PICTURES]
    if not pictures:
        raise ValueError("--benchmark needs a picture among its inputs")
    rows, faults = measured_rows(args, pictures)
    if not rows:
        raise ValueError("; ".join(faults))
    for line in lines_of(rows):
        report(line)
    report(
        f"for each of {len(pictures)} pictures, decoded already; medians of {ROUNDS} answers in "
        f"turn, {os.cpu_count()} processors"
    )
    for fault in faults:
        report(f"left out: {fault}")
    if faults:
        raise Unfinished
    return rows
