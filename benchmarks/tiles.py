"""Count objects and detections in large pictures, seen whole and in tiles.

Accuracy, not speed: with a real network, whose boxes waver and which sees pieces of objects at the
borders of tiles, does merging leave one detection an object? The mark is the same network on the
whole picture. Pictures are drawn as the demo draws them, hence its trained model:

    python examples/demo.py --size full
    python benchmarks/tiles.py demo/snapshots/shapes/best.keras

Every row is `retinanet-evaluate` with the options of its first column. `--save-path` keeps the
pictures of each row, with truth and detections.
"""

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import report

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

WAYS = (  # (side, overlap); shapes are up to 128 pixels, a quarter of 512
    None,
    (640, 0.2),
    (512, 0.25),
    (320, 0.4),
    (320, 0.2),
    (320, 0.0),
)
SHOWN_SCORE = 0.5  # as in the demo
TAKEN = 0.5  # IoU of a detection and its object
PIECE = 0.7  # share of a detection inside an object of its class that makes it a piece of that
PATCH = 160  # pixels around one shape, drawn by itself: a canvas as large as the picture takes 1 s
APART = 0.05  # IoU of two shapes, at most


@dataclass(frozen=True)
class Counts:
    """Detections that score above SHOWN_SCORE: of an object, again of one, of none."""

    found: int = 0
    again: int = 0
    wrong: int = 0

    def __add__(self, other):
        return Counts(self.found + other.found, self.again + other.again, self.wrong + other.wrong)


def draw_large(rng, size, count):
    """Return a picture uint8 [H, W, 3] of `size` and its rows (x1, y1, x2, y2, class)."""
    import draw_shapes

    from keras_retinanet.utils.boxes import overlaps

    image = draw_shapes._texture(rng, *size, contrast=60)
    image = draw_shapes._with_strokes(rng, image, 8)
    boxes, names = np.zeros((0, 4)), []
    while len(boxes) < count:
        corner = np.array([rng.integers(0, side - PATCH + 1) for side in size[::-1]])
        shape = draw_shapes.random_shape(rng, (PATCH, PATCH))
        box = np.array(shape.box) + np.tile(corner, 2)
        if overlaps(box[None], boxes).max(initial=0) > APART:
            continue
        place = np.s_[corner[1] : corner[1] + PATCH, corner[0] : corner[0] + PATCH]
        image[place] = draw_shapes.paint(rng, image[place], shape)
        boxes, names = np.concatenate([boxes, box[None]]), [*names, shape.name]
    grain = rng.standard_normal(image.shape, dtype=np.float32) * 5
    rows = [(*box, name) for box, name in zip(boxes.astype(int).tolist(), names, strict=True)]
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8), rows


def draw_dataset(folder, size, pictures, objects, seed):
    """Write pictures and both CSV files of a dataset."""
    import cv2
    import draw_shapes

    rows = []
    for number in range(pictures):
        image, drawn = draw_large(np.random.default_rng((seed, number)), size, objects)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        rows += [(f"{number}.png", *row) for row in drawn]
    classes = [(name, label) for label, name in enumerate(draw_shapes.CLASSES)]
    for name, of_file in (("large.csv", rows), ("classes.csv", classes)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(of_file)


def count(truth, found):
    """Return the Counts of the detections of one picture."""
    from keras_retinanet.utils.boxes import covered_shares, overlaps

    counts, taken = Counts(), set()
    for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
        own = np.flatnonzero(truth.labels == label)
        if score <= SHOWN_SCORE:
            continue
        ious = overlaps(box[None], truth.boxes[own])[0]
        inside = covered_shares(box[None], truth.boxes[own])[0].max(initial=0)
        best = int(own[ious.argmax()]) if ious.max(initial=0) >= TAKEN else None
        if best is not None and best not in taken:
            taken.add(best)
            counts += Counts(found=1)
        else:
            is_piece = best is not None or inside >= PIECE
            counts += Counts(again=1) if is_piece else Counts(wrong=1)
    return counts


def options(way):
    """Return the words of the command line for a row."""
    if way is None:
        return ["--tile", "0", "--no-resize"]
    return ["--tile", str(way[0]), "--tile-overlap", str(way[1])]


def measure(folder, model, way, save_path):
    """Return (mAP, Counts, objects) of `retinanet-evaluate` with a row's options."""
    from keras_retinanet import evaluation
    from keras_retinanet.bin import evaluate, evaluate_detect
    from keras_retinanet.bin.model_files import load_network
    from keras_retinanet.models.snapshot import profile_of

    words = [*options(way), "--max-detections", "1000"]
    words += ["csv", str(folder / "large.csv"), str(folder / "classes.csv"), str(model)]
    args = evaluate.parse_args(words)
    network = load_network(args.model, args.backbone, args.config)
    generator = evaluate_detect.create_generator(args, profile_of(network))
    runner, threshold = evaluate_detect.make_runner(args, network, generator.size())
    place = None if save_path is None else str(save_path / "_".join(options(way)).strip("-"))
    detections, _ = evaluation.detect_dataset(
        generator, runner, threshold, args.max_detections, place
    )
    truths = evaluation.truths_of(generator)
    by_class = evaluation.average_precisions(truths, detections, range(generator.num_classes()))
    counts = sum(map(count, truths, detections), Counts())
    return evaluation.mean_ap(by_class), counts, sum(len(truth.boxes) for truth in truths)


def main():
    """Draw, measure every row, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="best.keras of the demo")
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(1500, 2000), help="height and width")
    parser.add_argument("--objects", type=int, default=60, help="in a picture")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-path", type=Path, help="folder for the pictures of each row")
    args = parser.parse_args()
    print(f"{report.machine()}\n\n| options | mAP@0.5 | objects | found | again | wrong |")
    print("| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        draw_dataset(Path(name), args.size, args.pictures, args.objects, args.seed)
        for way in WAYS:
            mean, counts, objects = measure(Path(name), args.model, way, args.save_path)
            cells = (f"{mean:.4f}", objects, counts.found, counts.again, counts.wrong)
            print(f"| `{' '.join(options(way))}` | {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
