"""Draw pictures, train a detector on them, evaluate it, convert it, and detect with it.

Every step but the last runs the command that a user would type, and prints it first. The last is
the Python that a user would write. What it makes lies in one folder, `demo/` by default.

    python examples/demo.py --size smallest
"""

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from draw_shapes import draw_dataset

# What to train with. Shapes are 28 to 128 pixels, so that levels 6 and 7 would only cost time.
SMALL_ANCHORS = """\
[anchor_parameters]
sizes = 32 64 128
strides = 8 16 32
ratios = 0.5 1 2
scales = 0.8 1 1.26
[pyramid_levels]
levels = 3 4 5
"""
TRAINING = {
    "--recipe": "standard",  # flips are enough for shapes
    "--no-weights": None,  # from random weights: nothing is downloaded
    "--backbone": "mobilenet128_0.25",
    "--pyramid-features": 64,
    "--head-features": 64,
    "--head-layers": 2,
    "--image-min-side": 256,
    "--image-max-side": 320,
    "--batch-size": 8,
    "--optimizer": "adam",
    "--lr": 4e-3,  # four times the default: nothing pretrained can be spoilt
    "--seed": 1,
}


@dataclass(frozen=True)
class Size:
    """How much a demo draws and trains; `bar` is the mAP@0.5 under which it fails."""

    train: int
    val: int
    unseen: int
    epochs: int
    bar: float


SIZES = {
    "smallest": Size(train=400, val=24, unseen=4, epochs=6, bar=0.05),
    "small": Size(train=800, val=60, unseen=8, epochs=6, bar=0.4),
    "full": Size(train=800, val=100, unseen=12, epochs=16, bar=0.8),
}
MARKER = ".made-by-the-demo"  # a folder with this file in it may be replaced
SHOWN_SCORE = 0.5  # detections that are drawn
SHEET_COLUMNS = 4
GAP = 8  # pixels between the pictures of the sheet


class DemoError(Exception):
    """A step failed; the message says which and why, in one line."""


def fresh_folder(folder):
    """Make the folder empty, or raise DemoError if it holds anything but an earlier demo."""
    if folder.exists():
        if not folder.is_dir():
            raise DemoError(f"{folder} is not a folder. Name another with --output")
        if any(folder.iterdir()) and not (folder / MARKER).exists():
            raise DemoError(f"{folder} has files that are not the demo's. Name another --output")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def run(command, *arguments):
    """Run one of the package's commands, printed first; raise DemoError if it fails."""
    scripts = Path(sys.executable).parent
    program = shutil.which(command, path=str(scripts))
    if program is None:
        raise DemoError(
            f"{command} is not in {scripts}. Install the project first: pip install -e ."
        )
    line = shlex.join([command, *map(str, arguments)])
    print(f"\n$ {line}", flush=True)
    status = subprocess.run([program, *map(str, arguments)], check=False).returncode
    if status != 0:
        raise DemoError(f"exit code {status} from: {line}")


def options(table):
    """Return a table of options as the words of a command line; None marks a switch."""
    pairs = [(name,) if value is None else (name, str(value)) for name, value in table.items()]
    return [word for pair in pairs for word in pair]


def train(folder, size):
    """Train on the drawn pictures; return the path of the best snapshot."""
    config = folder / "anchors.ini"
    config.write_text(SMALL_ANCHORS, encoding="utf-8")
    where = {"--config": config, "--snapshot-path": folder / "snapshots", "--run-name": "shapes"}
    shapes = folder / "shapes"
    dataset = ["csv", shapes / "train.csv", shapes / "classes.csv"]
    validation = ["--val-annotations", shapes / "val.csv"]
    chosen = options(TRAINING | {"--epochs": size.epochs} | where)
    run("retinanet-train", *dataset, *validation, *chosen)
    return folder / "snapshots" / "shapes" / "best.keras"


def evaluate(folder, model):
    """Evaluate a model on the held-out pictures; return what `--json` wrote."""
    shapes, results = folder / "shapes", folder / "evaluation.json"
    written = ["--save-path", folder / "evaluation", "--json", results]
    dataset = ["csv", shapes / "val.csv", shapes / "classes.csv"]
    run("retinanet-evaluate", *written, *dataset, model)
    return json.loads(results.read_text(encoding="utf-8"))


def convert(folder, model):
    """Convert a snapshot to a detector; return its path."""
    detector = folder / "detector.keras"
    run("retinanet-convert-model", model, detector)
    return detector


def detect(detector, pictures, output):
    """Detect on pictures with a converted model and write them with what was found.

    Returns:
        How many detections are drawn, over all pictures.
    """
    from keras_retinanet.bin.console import import_keras

    import_keras()
    from keras_retinanet import models
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.utils.image import preprocess_image, read_image_bgr, resize_image
    from keras_retinanet.utils.visualization import draw_detections

    print(f"\nDetecting with {detector} on {len(pictures)} pictures", flush=True)
    output.mkdir()
    model = models.load_model(str(detector))
    profile = profile_of(model)
    drawn = []
    found = 0
    for path in pictures:
        image = read_image_bgr(path)
        resized, scale = resize_image(image, profile.image_min_side, profile.image_max_side)
        inputs = preprocess_image(resized, mode=profile.preprocessing)
        boxes, scores, labels = model.predict_on_batch(inputs[None])
        draw_detections(
            image,
            boxes[0] / scale,
            scores[0],
            labels[0],
            label_to_name=profile.classes.__getitem__,
            score_threshold=SHOWN_SCORE,
        )
        found += int((scores[0] > SHOWN_SCORE).sum())
        drawn.append((path.name, image))
    write_pictures(output, drawn)
    return found


def write_pictures(output, drawn):
    """Write each (name, picture) and a sheet of them all."""
    for name, image in drawn:
        cv2.imwrite(str(output / name), image)
    cv2.imwrite(str(output / "sheet.jpg"), contact_sheet([image for _, image in drawn]))


def contact_sheet(images):
    """Return pictures, uint8 [H, W, 3] of any sizes, side by side in rows on white."""
    height = max(image.shape[0] for image in images) + GAP
    width = max(image.shape[1] for image in images) + GAP
    columns = min(SHEET_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * height + GAP, place % columns * width + GAP
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def demo(folder, size, seed=1):
    """Run the whole demo; raise DemoError if a step fails or the mAP is under the bar."""
    start = time.monotonic()
    fresh_folder(folder)
    shapes = folder / "shapes"
    print(f"Drawing {size.train} + {size.val} + {size.unseen} pictures into {shapes}", flush=True)
    draw_dataset(shapes, size.train, size.val, size.unseen, seed)
    snapshot = train(folder, size)
    results = evaluate(folder, snapshot)
    detector = convert(folder, snapshot)
    found = detect(detector, sorted((shapes / "unseen").iterdir()), folder / "detections")
    print(f"\nDone in {time.monotonic() - start:.0f} s.")
    print(f"  {folder / 'detections' / 'sheet.jpg'}: {found} objects on {size.unseen} new pictures")
    print(f"  {folder / 'evaluation'}: {size.val} held-out pictures, true and found boxes")
    print(f"  {snapshot}: the trained model; {detector}: the same as a detector")
    print(f"  mAP@0.5 {results['mAP']:.4f} on the held-out pictures (at least {size.bar} wanted)")
    if results["mAP"] < size.bar:
        raise DemoError(f"mAP@0.5 {results['mAP']:.4f} is under the bar of {size.bar}")


def parse_args(args=None):
    parser = argparse.ArgumentParser(description="Draw, train, evaluate, convert and detect.")
    parser.add_argument("--size", choices=SIZES, default="full", help="how much (default: full)")
    parser.add_argument("--output", type=Path, default=Path("demo"), help="default: ./demo")
    parser.add_argument("--seed", type=int, default=1, help="of the drawing")
    return parser.parse_args(args)


def main(args=None):
    chosen = parse_args(args)
    try:
        demo(chosen.output, SIZES[chosen.size], chosen.seed)
    except (DemoError, OSError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted")


if __name__ == "__main__":
    main()
