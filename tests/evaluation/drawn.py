"""Datasets and results drawn at random, in COCO's form, with everything that makes them hard.

Few scores and a coarse grid of coordinates make ties of scores and of overlaps; there are crowds,
pictures and classes without boxes, areas of masks, and more than a hundred detections.
"""

import numpy as np

from keras_retinanet.evaluation.columns import columns_of_coco

SIDE = 300  # pixels


def _box(rng, grid):
    corner = rng.integers(0, SIDE, 2) // grid * grid
    sides = (rng.integers(1, SIDE, 2) // grid + 1) * grid
    return [float(value) for value in (*corner, *sides)]


def _moved(rng, box):
    """Return `box` moved by nothing, or by up to some pixels."""
    moved = [value + float(rng.integers(-2, 3)) * rng.choice([0, 1, 5]) for value in box]
    return [float(moved[0]), float(moved[1]), max(moved[2], 1.0), max(moved[3], 1.0)]


def _score(rng):
    return float(rng.choice([rng.random(), rng.integers(0, 4) / 4]))


def _annotations(rng, image_id, categories, grid, crowds):
    for _ in range(rng.choice([0, 1, 3, 12])):
        box = _box(rng, grid)
        yield {
            "image_id": image_id,
            "category_id": int(rng.choice(categories)),
            "bbox": box,
            "area": float(box[2] * box[3] * rng.choice([1, 0.5])),
            "iscrowd": int(rng.random() < crowds),
        }


def _results(rng, image_id, own, categories, grid, counts):
    for _ in range(rng.choice(counts)):
        box, category = _box(rng, grid), int(rng.choice(categories))
        if own and rng.random() < 0.6:
            near = own[rng.integers(len(own))]
            box = _moved(rng, near["bbox"])
            category = near["category_id"] if rng.random() < 0.9 else category
        yield {"image_id": image_id, "category_id": category, "bbox": box, "score": _score(rng)}


def drawn(seed, crowds=0.2, counts=(0, 2, 10, 250)):
    """Return (content of an annotation file, content of a results file).

    Args:
        crowds: share of the objects that are crowds.
        counts: detections of a picture, one of them.
    """
    rng = np.random.default_rng(seed)
    images = [int(i) for i in rng.choice(1000, rng.integers(1, 8), replace=False)]
    categories = [int(k) for k in rng.choice(np.arange(1, 92), rng.integers(1, 5), replace=False)]
    grid = rng.choice([1, 4, 16])
    annotations, results = [], []
    for image_id in images:
        own = list(_annotations(rng, image_id, categories, grid, crowds))
        annotations += own
        results += _results(rng, image_id, own, categories, grid, counts)
    dataset = {
        "images": [{"id": image_id} for image_id in images],
        "categories": [{"id": category} for category in categories],
        "annotations": annotations,
    }
    return dataset, [results[place] for place in rng.permutation(len(results))]


def drawn_columns(seed, **options):
    """Return the Columns of `drawn`."""
    return columns_of_coco(*drawn(seed, **options))
