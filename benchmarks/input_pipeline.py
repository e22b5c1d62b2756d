"""Training input: JPEG files to augmented uint8 canvases with boxes, per picture.

Random affine transform and colour (keras-retinanet 1.0's --random-transform), then resizing; and
large pictures shrunk to a quarter, their JPEG decoded reduced and whole. With more workers than
one, pictures a second should grow with them up to the number of cores:

    python benchmarks/input_pipeline.py --workers 1 2 4 8 16 --steps 128 --images 64
"""

import atexit
import shutil
import tempfile
import time
from pathlib import Path

import scenes
import timing


def _draw_dataset(folder, options):
    """Write JPEG files and their CSV; return (annotations, classes)."""
    import cv2

    height, width = scenes.parse_size(options["size"])
    lines = []
    for index in range(options["images"]):
        path = folder / f"{index}.jpg"
        cv2.imwrite(str(path), scenes.picture(height, width, index))
        boxes, _ = scenes.boxes_and_labels(height, width, options["boxes"], 1, index)
        lines += [f"{path},{','.join(f'{side:.1f}' for side in box)},object" for box in boxes]
    annotations, classes = folder / "train.csv", folder / "classes.csv"
    annotations.write_text("\n".join(lines) + "\n")
    classes.write_text("object,0\n")
    return annotations, classes


def make_generator(folder, options):
    """Return a CSVGenerator of pictures drawn into a folder."""
    from keras_retinanet.preprocessing.augmentation import RANDOM_TRANSFORM
    from keras_retinanet.preprocessing.csv_generator import CSVGenerator

    annotations, classes = _draw_dataset(folder, options)
    return CSVGenerator(
        str(annotations),
        str(classes),
        augmentation=RANDOM_TRANSFORM,
        image_min_side=options["side"],
        image_max_side=options["longest"],
        batch_size=options["batch"],
        seed=1,
    )


def ours(options):
    """Return our Loader on a CSVGenerator."""
    from keras_retinanet.preprocessing.loader import Loader

    folder = Path(tempfile.mkdtemp(prefix="input-pipeline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    generator = make_generator(folder, options)

    def run(workers):
        steps, start = options["steps"], time.perf_counter()
        with Loader(generator, workers=workers, steps=steps) as loader:
            shapes = [inputs["images"].shape for inputs, _ in loader]
        count, (height, width) = sum(shape[0] for shape in shapes), shapes[0][1:3]
        speed = f"{count / (time.perf_counter() - start):.0f}"
        return {"count": count, "canvas": f"{height}x{width}", "pictures a second": speed}

    return run


def whole(options):
    """Return the same, every JPEG decoded at its own size."""
    from keras_retinanet.preprocessing import reduced

    reduced.FACTORS = ()
    return ours(options)


def _cases(options):
    return {f"{count} worker{'s' * (count > 1)}": count for count in options["workers"]}


LARGE = {"size": "1536x2048", "side": 384, "longest": 512, "images": 8}

BENCHMARK = timing.Benchmark(
    title="Training input, per picture",
    script=__file__,
    contenders={
        "ours": timing.Contender(ours),
        "JPEG reduced": timing.Contender(ours, group="large", options=LARGE),
        "JPEG whole": timing.Contender(whole, group="large", options=LARGE),
    },
    cases=_cases,
    defaults={
        "size": "480x640",
        "side": 800,
        "longest": 1333,
        "images": 32,
        "boxes": 7,
        "batch": 2,
        "steps": 32,
        "workers": [1, 2],
    },
    tiny={"size": "48x64", "side": 64, "longest": 96, "images": 2, "steps": 2},
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
