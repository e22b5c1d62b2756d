"""Compare the classification losses on drawn pictures, with and without the prior bias.

Every loss starts from the same random weights for a seed, sees the same batches, and is measured
once, after the last step. Writes a Markdown table: mean and standard deviation of mAP@0.5 over
the seeds. docs/method.md shows it.

    python benchmarks/losses.py --steps 300 --seeds 1 2 3 --output losses.md
"""

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

PRIORS = {"prior 0.01": 0.01, "no prior": 0.5}
ANCHORS = """\
[anchor_parameters]
sizes = 20 40 80
strides = 8 16 32
ratios = 0.5 1 2
scales = 1 1.26 1.59
[pyramid_levels]
levels = 3 4 5
"""


def train_once(folder, loss, prior, seed, steps):
    """Return mAP@0.5 after `steps` steps of 8 pictures, and the last mean loss."""
    import keras

    from keras_retinanet.bin.train import main

    keras.utils.clear_session()
    words = ["csv", folder / "train.csv", folder / "classes.csv"]
    words += ["--val-annotations", folder / "val.csv", "--config", folder / "anchors.ini"]
    words += ["--no-weights", "--backbone", "mobilenet128_0.25", "--no-snapshots"]
    words += ["--pyramid-features", 64, "--head-features", 64, "--head-layers", 1]
    words += ["--image-min-side", 192, "--image-max-side", 240, "--batch-size", 8]
    words += ["--epochs", 1, "--steps", steps, "--lr", 4e-3, "--seed", seed]
    words += ["--classification-loss", loss, "--prior-probability", prior]
    history = main([str(word) for word in words]).history
    return history["mAP"][-1], history["loss"][-1]


def table(results):
    """Return the Markdown table of {(loss, prior name): [mAP, …]}."""
    losses = dict.fromkeys(loss for loss, _ in results)
    lines = ["| loss | " + " | ".join(PRIORS) + " |", "| --- |" + " --- |" * len(PRIORS)]
    for loss in losses:
        cells = []
        for name in PRIORS:
            values = results.get((loss, name), [])
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} ± {spread:.3f}" if values else "")
        lines.append(f"| {loss} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    """Run every combination and write the table after each."""
    from draw_shapes import draw_dataset

    from keras_retinanet.bin.train_objective import LOSSES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="of 8 pictures")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--losses", nargs="+", default=LOSSES, choices=LOSSES)
    parser.add_argument("--train", type=int, default=800, help="pictures to train on")
    parser.add_argument("--val", type=int, default=100, help="pictures to measure on")
    parser.add_argument("--output", type=Path, default=Path("losses.md"))
    args = parser.parse_args()
    results, started = {}, time.time()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_dataset(folder / "shapes", args.train, args.val, test=1, seed=0)
        (folder / "shapes" / "anchors.ini").write_text(ANCHORS, encoding="utf-8")
        for seed, loss, prior in itertools.product(args.seeds, args.losses, PRIORS):
            mean_ap, last = train_once(folder / "shapes", loss, PRIORS[prior], seed, args.steps)
            results.setdefault((loss, prior), []).append(mean_ap)
            print(f"{loss}, {prior}, seed {seed}: mAP {mean_ap:.4f}, loss {last:.4f}", flush=True)
            args.output.write_text(
                f"{args.steps} steps of 8 pictures, {len(args.seeds)} seeds, "
                f"{time.time() - started:.0f} s\n\n{table(results)}\n",
                encoding="utf-8",
            )
    print(table(results))


if __name__ == "__main__":
    main()
