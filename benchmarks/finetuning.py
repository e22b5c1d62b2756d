"""What a start is worth: average precision after the same few epochs from different weights.

The pictures of each dataset are cut in two halves. A detector learns the first half from an
ImageNet backbone; on blood cells it is told of red and white cells only, so that platelets are
new to what follows. Then every contender learns the second half, by one recipe: from random
weights, from the ImageNet backbone, and from the detector, without and with the rows of its class
head. Detectors have seen more pictures than the others; that is what fine-tuning is about.

    python benchmarks/finetuning.py                 # all of it: some 10 minutes on 2 cores
    python benchmarks/finetuning.py --tiny          # does it run?
"""

import argparse
import contextlib
import csv
import itertools
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import report

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BACKBONE = "mobilenetv2_1.0"
WEIGHTS = "backbones/mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"
BATCH = 8
WIDTH = 96  # channels of pyramid and heads, which have two layers
SIZES = {"--pyramid-features": WIDTH, "--head-features": WIDTH, "--head-layers": 2}
STARTS = (
    "random weights",
    "ImageNet backbone",
    "detector, class rows afresh",
    "detector, class rows kept",
)


@dataclass(frozen=True)
class Dataset:
    """Pictures and boxes of a dataset.

    Attributes:
        train, val: files of boxes in CSV.
        pictures: folder that their paths are relative to.
        known: classes that the detector of the first half is told of.
        new: classes that only the second half has.
    """

    train: str
    val: str
    pictures: str
    known: tuple
    new: tuple = ()


DATASETS = {
    "blood cells": Dataset(
        "blood_cells/train.csv",
        "blood_cells/val.csv",
        "blood_cells",
        ("RBC", "WBC"),
        ("Platelets",),
    ),
    "raccoons": Dataset(
        "raccoons/data/train_labels.csv",
        "raccoons/data/test_labels.csv",
        "raccoons/images",
        ("raccoon",),
    ),
}


def boxes_by_picture(path, pictures):
    """Return {picture: [(x1, y1, x2, y2, class), …]} of a CSV file, in the file's order."""
    found = {}
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            if row[0] == "filename":
                continue
            name, *box = [row[0], *row[4:], row[3]] if len(row) == 8 else row
            found.setdefault(pictures / name, []).append(box)
    return found


def write_part(folder, name, boxes, classes):
    """Write name.csv with the boxes of `classes`, and name_classes.csv."""
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        for picture, rows in boxes.items():
            kept = [row for row in rows if row[-1] in classes] or [[""] * 5]
            writer.writerows([picture, *row] for row in kept)
    lines = [f"{label},{index}\n" for index, label in enumerate(classes)]
    (folder / f"{name}_classes.csv").write_text("".join(lines), encoding="utf-8")


def write_parts(folder, data, dataset, most):
    """Write first.csv, second.csv and val.csv; return the number of pictures of each."""
    pictures = data / dataset.pictures
    train = list(boxes_by_picture(data / dataset.train, pictures).items())[: 2 * most]
    val = list(boxes_by_picture(data / dataset.val, pictures).items())[:most]
    everything = (*dataset.known, *dataset.new)
    parts = {"first": train[::2], "second": train[1::2], "val": val}
    for name, boxes in parts.items():
        write_part(folder, name, dict(boxes), dataset.known if name == "first" else everything)
    return {name: len(boxes) for name, boxes in parts.items()}


def run(folder, name, part, epochs, options, args):
    """Train on a part; return the path of the snapshot."""
    import keras

    from keras_retinanet.bin.train import main

    keras.utils.clear_session()
    words = ["csv", folder / f"{part}.csv", folder / f"{part}_classes.csv"]
    words += ["--image-min-side", args.side * 3 // 4, "--image-max-side", args.side]
    words += ["--recipe", "standard"]
    words += ["--batch-size", BATCH, "--epochs", epochs, "--seed", args.seed]
    words += ["--augmentation", "scale-jitter", "--no-evaluation", "--no-doctor"]
    words += ["--snapshot-path", folder, "--run-name", name, *options]
    main([str(word) for word in words])
    return folder / name / "last.keras"


def measured(folder, snapshot):
    """Return the COCO numbers of a snapshot on val.csv."""
    from keras_retinanet.bin.evaluate import main

    words = ["csv", folder / "val.csv", folder / "val_classes.csv", snapshot]
    return main([str(word) for word in words])["coco"]


def without_names(snapshot):
    """Return the path of a copy of a snapshot that does not name its classes."""
    from keras_retinanet.models import load_model
    from keras_retinanet.models.snapshot import profile_of, save_snapshot

    model = load_model(snapshot)
    profile = profile_of(model)
    path = snapshot.with_name("nameless.keras")
    save_snapshot(model, path, replace(profile, classes=("",) * profile.num_classes))
    return path


def starts(folder, args):
    """Train the detector of the first half; return {start: options of retinanet-train}."""
    sizes = ["--backbone", BACKBONE, *itertools.chain(*SIZES.items())]
    pretrained = ["--backbone-weights", args.data / WEIGHTS, *sizes]
    detector = run(folder, "detector", "first", args.source_epochs, pretrained, args)
    options = (
        ["--no-weights", *sizes],
        pretrained,
        ["--weights", without_names(detector)],
        ["--weights", detector],
    )
    return dict(zip(STARTS, options, strict=True))


def contest(name, args):
    """Return the pictures of each part, and {start: COCO numbers} of one dataset and seed."""
    with tempfile.TemporaryDirectory() as path, contextlib.redirect_stdout(sys.stderr):
        folder = Path(path)
        counts = write_parts(folder, args.data, DATASETS[name], args.pictures)
        found = {}
        for number, (start, options) in enumerate(starts(folder, args).items()):
            snapshot = run(folder, f"start{number}", "second", args.epochs, options, args)
            found[start] = measured(folder, snapshot)
    return counts, found


def table(results):
    """Return the lines of the table of {dataset: {start: [COCO numbers of each seed, …]}}."""
    lines = [["dataset", "start", "AP", "AP50", "runs"], ["---"] * 5]
    for dataset, by_start in results.items():
        for start, runs in by_start.items():
            means = [f"{statistics.mean(run[key] for run in runs):.3f}" for key in ("AP", "AP50")]
            lines.append([dataset, start, *means, str(len(runs))])
    return ["| " + " | ".join(line) + " |" for line in lines]


def page(results, counts, args, seconds):
    """Return the report as Markdown."""
    shown = ", ".join(f"{name} {version}" for name, version in sorted(report.versions().items()))
    halves = [
        f"{name} {n['first']} + {n['second']}, {n['val']} to measure" for name, n in counts.items()
    ]
    lines = [
        "### Fine-tuning",
        "",
        f"`{' '.join(['python', 'benchmarks/finetuning.py', *sys.argv[1:]])}`, backend "
        f"{os.environ.get('KERAS_BACKEND', 'tensorflow')}, took {seconds:.0f} s. "
        f"{report.machine()}; {shown}.",
        "",
        *table(results),
        "",
        f"- {args.epochs} epochs on the second half, the detector {args.source_epochs} on the "
        f"first; {BACKBONE}, {args.side * 3 // 4} x {args.side} pixels, batches of {BATCH}.",
        f"- Pictures: {'; '.join(halves)}.",
    ]
    return "\n".join(lines)


def parse_args(words=None):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("RETINANET_TEST_DATA", DATA))
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    parser.add_argument("--epochs", type=int, default=5, help="of every contender")
    parser.add_argument("--source-epochs", type=int, default=10, help="of the detector")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--tiny", action="store_true", help="toy sizes")
    args = parser.parse_args(words)
    args.data, args.side, args.pictures = Path(args.data), 320, 10**6
    if args.tiny:
        args.side, args.pictures, args.epochs, args.source_epochs = 96, 8, 1, 1
    return args


def main(words=None):
    """Run every contender; print the table and return it as {dataset: {start: [numbers]}}."""
    args, results, counts, started = parse_args(words), {}, {}, time.time()
    for seed, name in itertools.product(args.seeds, args.datasets):
        args.seed = seed
        counts[name], found = contest(name, args)
        for start, numbers in found.items():
            results.setdefault(name, {}).setdefault(start, []).append(numbers)
    print(page(results, counts, args, time.time() - started))
    return results


if __name__ == "__main__":
    main()
