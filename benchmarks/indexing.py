"""Start of a training: annotation files to tables of boxes, and the headers of pictures.

Ten boxes a picture, 80 classes. The peak is that of the whole process, Python and NumPy included.
The slow ways, which faulty files still go, masks and headers are measured up to 100,000 pictures.

    python benchmarks/indexing.py --images 1000000 --repeat 1
"""

import atexit
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

import scenes
import timing

BOXES = 10  # a picture
CLASSES = 80
STEP = 10_000  # pictures drawn at a time
MOST_SLOWLY = 100_000  # pictures
MASK = ", ".join(["123.25"] * 40)  # 20 corners of a polygon, as COCO's masks have on average


def _folder():
    folder = Path(tempfile.mkdtemp(prefix="indexing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _drawn(images):
    """Yield (picture, [(x1, y1, x2, y2) with a decimal, …], [class, …])."""
    import numpy as np

    rng = np.random.default_rng(0)
    for start in range(0, images, STEP):
        count = min(STEP, images - start)
        low = rng.integers(0, 5000, (count, BOXES, 2)) / 10
        boxes = np.concatenate([low, low + rng.integers(10, 3000, low.shape) / 10], axis=2)
        labels = rng.integers(0, CLASSES, (count, BOXES))
        for place in range(count):
            yield start + place, boxes[place].tolist(), labels[place].tolist()


def _write_csv(path, images):
    with path.open("w") as file:
        for picture, boxes, labels in _drawn(images):
            for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
                box = f"{x1:.1f},{y1:.1f},{x2:.1f},{y2:.1f}"
                file.write(f"images/train/{picture:012d}.jpg,{box},class_{label}\n")


def _write_json(path, images, mask):
    more = f'"segmentation": [[{mask}]], ' if mask else ""
    kinds = [f'{{"id": {k}, "name": "class_{k}", "supercategory": "a"}}' for k in range(CLASSES)]
    with path.open("w") as file:
        file.write(f'{{"categories": [{", ".join(kinds)}], "images": [')
        for picture in range(images):
            file.write(
                f'{", " * (picture > 0)}{{"license": 3, "file_name": "{picture:012d}.jpg", '
                f'"height": 900, "width": 900, "id": {picture}}}'
            )
        file.write('], "annotations": [')
        for picture, boxes, labels in _drawn(images):
            for place, ((x1, y1, x2, y2), label) in enumerate(zip(boxes, labels, strict=True)):
                file.write(
                    f'{", " * (picture + place > 0)}{{{more}"iscrowd": 0, "image_id": {picture}, '
                    f'"area": {(x2 - x1) * (y2 - y1):.4f}, "bbox": [{x1:.1f}, {y1:.1f}, '
                    f'{x2 - x1:.1f}, {y2 - y1:.1f}], "category_id": {label}, '
                    f'"id": {picture * BOXES + place}}}'
                )
        file.write("]}")


def _peak():
    """Return the most memory that the process has held so far, in MB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit:.0f} MB"


def _reading(write, read, slowly):
    """Return run(images): write a file of so many pictures once, then read it."""
    folder = _folder()

    def run(images):
        if slowly and images > MOST_SLOWLY:
            return {"skipped": f"not tried with more than {MOST_SLOWLY} pictures"}
        path = folder / f"{images}"
        if not path.exists():
            write(path, images)  # during the warm-up, which does not count
        found = read(path)
        size = f"{path.stat().st_size / 1e6:.0f} MB"
        return {"boxes": len(found.boxes), "file": size, "peak": _peak()}

    return run


def csv_fast(options):
    """Return our reading of a CSV file."""
    from keras_retinanet.preprocessing.csv_reader import read_samples

    classes = {f"class_{label}": label for label in range(CLASSES)}
    slowly = options.get("slowly", False)
    return _reading(_write_csv, lambda path: read_samples(path, classes), slowly)


def csv_slow(options):
    """Return the same, row by row."""
    from keras_retinanet.preprocessing import csv_reader

    csv_reader.plain_rows = lambda *args: None
    return csv_fast({**options, "slowly": True})


def coco_fast(options):
    """Return our reading of a COCO file, with masks where the options say so."""
    from keras_retinanet.preprocessing.coco_file import read_coco_file

    mask = MASK if options.get("masks") else ""
    return _reading(
        lambda path, images: _write_json(path, images, mask),
        lambda path: read_coco_file(path, path.parent),
        options.get("slowly", False),
    )


def coco_slow(options):
    """Return the same by Python's json."""
    from keras_retinanet.preprocessing import coco_file

    coco_file.stream = lambda content: None
    return coco_fast({**options, "slowly": True})


def headers(options):
    """Return the reading of all headers, `again` or for the first time."""
    import cv2

    from keras_retinanet.preprocessing import header_cache, pictures

    folder = _folder()
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")

    def drawn(images):
        place = folder / str(images)
        if not place.exists():
            place.mkdir()
            cv2.imwrite(str(folder / "one.jpg"), scenes.picture(480, 640))
            os.utime(folder / "one.jpg", (1e9, 1e9))
            for picture in range(images):
                if picture % 10_000 == 0:  # file systems limit the names of one file
                    one = shutil.copy2(folder / "one.jpg", place / f"{picture:07d}.jpg")
                else:
                    (place / f"{picture:07d}.jpg").hardlink_to(one)
        return place

    def run(images):
        if images > MOST_SLOWLY:
            return {"skipped": f"not tried with more than {MOST_SLOWLY} pictures"}
        place = drawn(images)
        if not options.get("again"):
            (place / header_cache.NAMES[True]).unlink(missing_ok=True)
        paths = [f"{place}/{picture:07d}.jpg" for picture in range(images)]
        sizes, broken = pictures.check_files_once(paths, 10**6)
        return {"sound": len(sizes) - len(broken)}

    return run


BENCHMARK = timing.Benchmark(
    title="Start of a training",
    script=__file__,
    contenders={
        "CSV": timing.Contender(csv_fast, group="CSV"),
        "CSV, row by row": timing.Contender(csv_slow, group="CSV"),
        "JSON": timing.Contender(coco_fast, group="COCO"),
        "JSON, Python's json": timing.Contender(coco_slow, group="COCO"),
        "JSON with masks": timing.Contender(
            coco_fast, group="masks", options={"masks": True, "slowly": True}
        ),
        "JSON with masks, Python's json": timing.Contender(
            coco_slow, group="masks", options={"masks": True}
        ),
        "headers, first start": timing.Contender(headers, group="headers"),
        "headers, later start": timing.Contender(headers, group="headers", options={"again": True}),
    },
    cases=lambda options: {f"{images} pictures": images for images in options["images"]},
    defaults={"images": [1_000, 100_000]},
    tiny={"images": [600]},
    repeat=3,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
