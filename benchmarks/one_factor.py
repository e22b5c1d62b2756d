"""Accuracy, not speed: one change of a training at a time, on real pictures.

Every factor starts from the same pretrained backbone and, for a seed, from the same first weights
and the same pictures in the same order; all train for as many steps, and are measured once, after
the last. Writes a Markdown table after every run: AP of the held-out pictures, mean and standard
deviation over the seeds, and the difference to the default, seed by seed. What has run is kept
beside the table, so that the same command goes on where it was stopped.

    python benchmarks/one_factor.py --steps 300 --seeds 1 2 3 --output one_factor.md
    python benchmarks/one_factor.py --factors default giou atss --datasets blood-cells
    python benchmarks/one_factor.py --jobs 12      # runs side by side, for one GPU and many cores
"""

import argparse
import csv
import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import report

FACTORS = {
    "default": (),
    "l1": ("--box-loss", "l1"),
    "giou": ("--box-loss", "giou"),
    "diou": ("--box-loss", "diou"),
    "ciou": ("--box-loss", "ciou"),
    "atss": ("--assignment", "atss"),
    "match-all": ("--match-all",),
    "quality-focal": ("--classification-loss", "quality-focal"),
    "balanced-weights": ("--class-weights", "balanced"),
    "label-smoothing": ("--label-smoothing", "0.1"),
    "ema": ("--ema", "0.99"),
    "adamw": ("--optimizer", "adamw", "--weight-decay", "0.05"),
    "large-scale-jitter": ("--augmentation", "large-scale-jitter"),
    "bfloat16": ("--dtype", "mixed_bfloat16"),
    "float16": ("--dtype", "mixed_float16"),
    "giou-atss": ("--box-loss", "giou", "--assignment", "atss"),
    "giou-ema": ("--box-loss", "giou", "--ema", "0.99"),
}
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BACKBONE = Path("backbones") / "mobilenet_v2_1.0_224_imagenet_no_top.weights.h5"
# pictures are shrunk to less than half of the 800 pixels that the paper's anchors are for
ANCHORS = """\
[anchor_parameters]
sizes = 16 32 64 128 256
strides = 8 16 32 64 128
ratios = 0.5 1 2
scales = 1 1.26 1.587
"""
RECIPE = (
    *("--backbone", "mobilenetv2_1.0", "--pyramid-features", "96", "--head-features", "96"),
    *("--head-layers", "2", "--batch-size", "8", "--lr", "1e-3", "--augmentation", "scale-jitter"),
    *("--image-min-side", "256", "--image-max-side", "352", "--recipe", "standard"),
)
TINY = (
    *("--backbone", "mobilenet128_0.25", "--pyramid-features", "8", "--head-features", "8"),
    *("--head-layers", "1", "--batch-size", "2", "--no-weights"),
    *("--image-min-side", "96", "--image-max-side", "128"),
)


def blood_cells(data, folder):
    """Return the dataset's words: its own split, three classes."""
    root = data / "blood_cells"
    return ["csv", root / "train.csv", root / "classes.csv", "--val-annotations", root / "val.csv"]


def raccoons(data, folder):
    """Return the dataset's words: its own split, one class; writes CSV files into `folder`."""
    root = data / "raccoons"
    for part in ("train", "test"):
        with (root / "data" / f"{part}_labels.csv").open(newline="", encoding="utf-8") as stream:
            rows = [
                (root / "images" / row["filename"],)
                + tuple(row[name] for name in ("xmin", "ymin", "xmax", "ymax", "class"))
                for row in csv.DictReader(stream)
            ]
        with (folder / f"{part}.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows(rows)
    (folder / "classes.csv").write_text("raccoon,0\n", encoding="utf-8")
    files = folder / "train.csv", folder / "classes.csv"
    return ["csv", *files, "--val-annotations", folder / "test.csv"]


DATASETS = {"blood-cells": blood_cells, "raccoons": raccoons}
SENSELESS = {("raccoons", "balanced-weights")}  # one class


def train_once(words, factor, seed, args, folder):
    """Return {"AP", "AP50", "seconds"} of one run."""
    import keras

    from keras_retinanet.bin.train import main

    keras.utils.clear_session()
    started = time.time()
    start = () if args.tiny else ("--backbone-weights", args.data / BACKBONE)
    words = [*words, *(TINY if args.tiny else RECIPE), *start, *FACTORS[factor]]
    words += ["--config", folder / "anchors.ini", "--epochs", 1, "--steps", args.steps]
    words += ["--seed", seed, "--no-snapshots", "--no-doctor"]
    history = main([str(word) for word in words]).history
    found = {name: history[name][-1] for name in ("AP", "AP50")}
    return {**found, "seconds": round(time.time() - started)}


def spread(values):
    """Return mean ± standard deviation as text; the mean alone of one value."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def table(results):
    """Return the lines of the Markdown table of {(dataset, factor, seed): {"AP", "AP50", …}}."""
    datasets = list(dict.fromkeys(dataset for dataset, _, _ in results))
    factors = list(dict.fromkeys(factor for _, factor, _ in results))
    head = [f"{name}: {what}" for name in datasets for what in ("AP", "less the default's", "AP50")]
    lines = [["factor", *head], ["---"] * (1 + len(head))]
    for factor in factors:
        line = [factor]
        for dataset in datasets:
            runs = {s: run for (d, f, s), run in results.items() if (d, f) == (dataset, factor)}
            default = {
                s: run for (d, f, s), run in results.items() if (d, f) == (dataset, "default")
            }
            gains = [run["AP"] - default[s]["AP"] for s, run in runs.items() if s in default]
            line.append(spread([run["AP"] for run in runs.values()]))
            line.append(spread(gains) if factor != "default" else "")
            line.append(spread([run["AP50"] for run in runs.values()]))
        lines.append(line)
    return ["| " + " | ".join(line) + " |" for line in lines]


def page(results, args):
    """Return the Markdown of what has run so far, and what has not."""
    seeds = sorted({seed for _, _, seed in results})
    seconds = [run["seconds"] for run in results.values()]
    missing = [key for key in wanted(args) if key not in results]
    lines = [
        "### One factor at a time",
        "",
        f"{args.steps} steps, seeds {', '.join(map(str, seeds))}, {statistics.mean(seconds):.0f} s "
        f"a run. {report.machine()}; "
        + ", ".join(f"{name} {version}" for name, version in sorted(report.versions().items())),
        "",
        *table(results),
    ]
    if missing:
        shown = "; ".join(
            f"{factor} on {dataset}, seed {seed}" for dataset, factor, seed in missing
        )
        lines += ["", f"Not run: {shown}."]
    return "\n".join([*lines, ""])


def wanted(args):
    """Return [(dataset, factor, seed), …], seeds outermost: an early stop leaves whole columns."""
    runs = itertools.product(args.seeds, args.datasets, args.factors)
    return [(d, f, s) for s, d, f in runs if (d, f) not in SENSELESS]


def read_results(path):
    """Return what an earlier call of this benchmark has kept, {} if nothing."""
    if not path.is_file():
        return {}
    return {tuple(key): run for key, run in json.loads(path.read_text(encoding="utf-8"))}


def parse_args(words=None):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--factors", nargs="+", default=list(FACTORS), choices=FACTORS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--steps", type=int, default=300, help="of 8 pictures")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS), choices=DATASETS)
    data = os.environ.get("RETINANET_TEST_DATA", DATA)
    parser.add_argument("--data", type=Path, default=data, help="folder of the real pictures")
    parser.add_argument("--output", type=Path, default=Path("one_factor.md"))
    parser.add_argument("--tiny", action="store_true", help="toy sizes: does it run?")
    args = parser.parse_args(words)
    if not args.data.is_dir():
        parser.error(f"no real pictures at {args.data}; name their folder by --data")
    return args


def runs_of(keys, args, folder):
    """Yield (key, what its run found) of each (dataset, factor, seed), `--jobs` at a time."""
    datasets = {name: DATASETS[name](args.data, folder) for name in args.datasets}
    if args.jobs == 1:
        for dataset, factor, seed in keys:
            run = train_once(datasets[dataset], factor, seed, args, folder)
            yield (dataset, factor, seed), run
        return
    # spawn: a forked process would share the parent's threads' locks and its GPU
    pool = ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn"))
    with pool:
        begun = {
            pool.submit(train_once, datasets[dataset], factor, seed, args, folder): (
                dataset,
                factor,
                seed,
            )
            for dataset, factor, seed in keys
        }
        for future in as_completed(begun):
            yield begun[future], future.result()


def main(words=None):
    """Run every combination that has not run yet, and write the table after each."""
    args = parse_args(words)
    kept = args.output.with_suffix(f".{'tiny.' * args.tiny}{args.steps}.json")
    results = read_results(kept)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "anchors.ini").write_text(ANCHORS, encoding="utf-8")
        missing = [key for key in wanted(args) if key not in results]
        for (dataset, factor, seed), run in runs_of(missing, args, folder):
            results[dataset, factor, seed] = run
            print(f"{dataset}, {factor}, seed {seed}: {run}", flush=True)
            kept.write_text(json.dumps(list(results.items())), encoding="utf-8")
            args.output.write_text(page(results, args), encoding="utf-8")
    print("\n".join(table(results)))


if __name__ == "__main__":
    main()
