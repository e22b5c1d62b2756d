"""Draw a small detection dataset: shapes on textured backgrounds, as JPEG and CSV files.

A shape's box is (x1, y1, x2, y2) in pixels, the tight bounds of the whole shape, also of what a
later shape hides: x1 and y1 are its first column and row, x2 and y2 one past its last. Every
picture has its own random state, made of (seed, split, number), so that asking for more pictures
leaves the others as they were.

    python examples/draw_shapes.py shapes --train 300 --val 60 --test 12 --seed 1
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

PICTURE_SIZES = ((256, 256), (256, 320), (320, 256), (224, 320))  # height, width
SHAPE_SIZES = (28, 128)  # longer side of a shape's box, pixels; small ones are as many as large
MAX_SHAPES = 6
EMPTY_EVERY = 12  # every 12th picture has no object
MIN_VISIBLE = 0.5  # of a shape's area; a shape that would hide more of another is not drawn
MIN_CONTRAST = 90  # distance between the colours of a shape and of what it covers, 0 to 441
FINENESS = 4  # a shape is drawn so many times larger, then averaged: LINE_AA adds half a pixel
SUBPIXEL_BITS = 4  # OpenCV takes coordinates as integers of 1/16 pixel
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Shape:
    """One drawn object: its class, its coverage uint8 [H, W] (255 inside) and its box."""

    name: str
    coverage: np.ndarray
    box: tuple


def _regular(count):
    angles = 2 * np.pi * np.arange(count) / count
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


# Corners around (0, 0), [P, 2] each.
OUTLINES = {"circle": _regular(60), "square": _regular(4), "triangle": _regular(3)}
# Rotation that sets a shape upright, radians; outlines begin at the right.
UPRIGHT = {"square": np.pi / 4, "triangle": -np.pi / 2}
MOST_TILT = np.pi / 9  # to either side: as in photographs, things mostly stand upright
CLASSES = tuple(OUTLINES)  # the label of a class is its place here


def coverage_of(name, picture_size, centre, size, angle=0.0, squash=1.0):
    """Return how far a shape covers each pixel, uint8 [H, W], 0 to 255.

    Args:
        name: one of CLASSES.
        picture_size: (height, width) in pixels.
        centre: (x, y) of the middle of the shape's box, pixels.
        size: longer side of the box, pixels.
        angle: rotation in radians.
        squash: height / width before the rotation, as of a shape seen from the side.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    outline = OUTLINES[name] * (1.0, squash) @ turn
    low, high = outline.min(axis=0), outline.max(axis=0)
    scale = size / (high - low).max()
    # OpenCV counts from the middle of the first pixel, boxes from its edge: hence the half.
    middle = np.asarray(centre) - scale * (low + high) / 2
    fine = ((outline * scale + middle) * FINENESS - 0.5) * 2**SUBPIXEL_BITS
    height, width = picture_size
    canvas = np.zeros((height * FINENESS, width * FINENESS), np.uint8)
    cv2.fillPoly(canvas, [np.rint(fine).astype(np.int32)], 255, shift=SUBPIXEL_BITS)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def bounds(coverage):
    """Return the box (x1, y1, x2, y2) of the pixels that are covered by at least a half."""
    covered = coverage >= 128
    columns = np.flatnonzero(covered.any(axis=0))
    rows = np.flatnonzero(covered.any(axis=1))
    return tuple(int(v) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


# Textures: fields [H, W] of 0 to 1, mixed between two colours.


def _smooth_noise(rng, height, width, cells):
    grid = rng.random((cells, cells), dtype=np.float32)
    field = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1)


def _noise(rng, height, width):
    octaves = [_smooth_noise(rng, height, width, cells) for cells in (6, 24, 96)]
    return np.tensordot(np.float32([0.5, 0.3, 0.2]), np.stack(octaves), axes=1)


def _along(rng, height, width):
    """Return the distance along a random direction, 0 to 1 over the picture."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[0:height, 0:width]
    distance = (columns * np.cos(angle) + rows * np.sin(angle)).astype(np.float32)
    return (distance - distance.min()) / np.ptp(distance)


def _stripes(rng, height, width):
    return 0.5 + 0.5 * np.sin(_along(rng, height, width) * rng.uniform(30, 150))


def _blobs(rng, height, width):
    return np.clip((_smooth_noise(rng, height, width, 9) - 0.5) * 6 + 0.5, 0, 1)


TEXTURES = (_noise, _along, _stripes, _blobs)


def _texture(rng, height, width, contrast):
    """Return a textured surface in two colours, float32 [H, W, 3], 0 to 255."""
    colour = rng.uniform(20, 235, 3)
    other = np.clip(colour + rng.normal(0, contrast, 3), 0, 255)
    field = TEXTURES[rng.integers(len(TEXTURES))](rng, height, width)[..., None]
    return (colour + field * (other - colour)).astype(np.float32)


def _with_strokes(rng, image, count):
    """Return the picture with open curves drawn over it, which belong to no class."""
    height, width = image.shape[:2]
    drawn = image.copy()
    for _ in range(count):
        ends = rng.uniform(-0.1, 1.1, (3, 2)) * (width, height)
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * ends[1] + t**2 * ends[2]
        points = np.rint(curve * 2**SUBPIXEL_BITS).astype(np.int32)
        colour = rng.uniform(0, 255, 3).tolist()
        thickness = int(rng.integers(1, 4))
        cv2.polylines(drawn, [points], False, colour, thickness, cv2.LINE_AA, SUBPIXEL_BITS)
    return drawn


def _surface(rng, image, coverage):
    """Return a shape's own texture, drawn until it stands out from what the shape covers."""
    height, width = image.shape[:2]
    behind = np.array(cv2.mean(image, (coverage >= 128).astype(np.uint8))[:3])
    while True:
        surface = _texture(rng, height, width, contrast=25)
        if np.linalg.norm(surface.mean(axis=(0, 1)) - behind) >= MIN_CONTRAST:
            return surface


def paint(rng, image, shape):
    """Return the picture, float32 [H, W, 3], with a shape over it, sometimes with a dark rim."""
    x1, y1, x2, y2 = shape.box
    # One pixel more on every side: the soft edge reaches that far.
    window = np.s_[max(y1 - 1, 0) : y2 + 1, max(x1 - 1, 0) : x2 + 1]
    coverage = shape.coverage[window]
    painted = image.copy()
    surface = _surface(rng, painted[window], coverage)
    if rng.random() < 0.4:
        rim = coverage - cv2.erode(coverage, np.ones((3, 3), np.uint8))
        surface = surface * (1 - 0.6 * rim[..., None] / 255)
    share = coverage[..., None].astype(np.float32) / 255
    painted[window] += share * (surface - painted[window])
    return painted


def random_shape(rng, picture_size):
    """Return a shape of random class, size, rotation and place, wholly inside the picture."""
    height, width = picture_size
    size = float(np.exp(rng.uniform(*np.log(SHAPE_SIZES))))
    margin = size / 2 + 1
    centre = rng.uniform(margin, (width - margin, height - margin))
    name = CLASSES[rng.integers(len(CLASSES))]
    angle = UPRIGHT.get(name, 0.0) + rng.uniform(-MOST_TILT, MOST_TILT)
    squash = rng.uniform(0.85, 1.18)
    coverage = coverage_of(name, picture_size, centre, size, angle, squash)
    return Shape(name, coverage, bounds(coverage))


def arrange(rng, picture_size, count):
    """Return up to `count` shapes, later ones over earlier ones, each visible by MIN_VISIBLE."""
    shapes, visible = [], []
    for _ in range(count):
        shape = random_shape(rng, picture_size)
        covered = shape.coverage >= 128
        left = [seen & ~covered for seen in visible]
        needed = [MIN_VISIBLE * np.sum(other.coverage >= 128) for other in shapes]
        if all(seen.sum() >= least for seen, least in zip(left, needed, strict=True)):
            shapes, visible = [*shapes, shape], [*left, covered]
    return shapes


def draw_picture(rng, count):
    """Return a picture, uint8 BGR [H, W, 3], and its shapes, at most `count`."""
    picture_size = PICTURE_SIZES[rng.integers(len(PICTURE_SIZES))]
    shapes = arrange(rng, picture_size, count)
    image = _texture(rng, *picture_size, contrast=60)
    image = _with_strokes(rng, image, rng.integers(0, 5))
    for shape in shapes:
        image = paint(rng, image, shape)
    image = _with_strokes(rng, image, rng.integers(0, 2))
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.0))
    grain = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0, 10)
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8), shapes


def _rows(path, shapes):
    if not shapes:
        return [(path, "", "", "", "", "")]
    return [(path, *shape.box, shape.name) for shape in shapes]


def _write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def draw_split(folder, split, count, seed):
    """Draw one split's pictures and, but for "test", its CSV file; return the CSV's rows."""
    pictures = folder / ("unseen" if split == "test" else "images")
    pictures.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        rng = np.random.default_rng((seed, SPLITS.index(split), number))
        empty = number % EMPTY_EVERY == EMPTY_EVERY - 1
        image, shapes = draw_picture(rng, 0 if empty else rng.integers(1, MAX_SHAPES + 1))
        path = pictures / f"{split}_{number:04d}.jpg"
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 96))]
        path.write_bytes(cv2.imencode(".jpg", image, quality)[1].tobytes())
        rows += _rows(path.relative_to(folder).as_posix(), shapes)
    if split != "test":
        _write_csv(folder / f"{split}.csv", rows)
    return rows


def draw_dataset(folder, train=300, val=60, test=12, seed=1):
    """Draw a whole dataset into a folder.

    Args:
        folder: where to write `images/`, `unseen/`, `train.csv`, `val.csv` and `classes.csv`;
            paths in the CSV files are relative to it.
        train, val, test: how many pictures; those of `test` go to `unseen/` without a CSV file.
        seed: equal seeds give equal files.

    Returns:
        How many objects each split has, a dict.
    """
    folder = Path(folder)
    rows = {
        split: draw_split(folder, split, count, seed)
        for split, count in zip(SPLITS, (train, val, test), strict=True)
    }
    _write_csv(folder / "classes.csv", [(name, label) for label, name in enumerate(CLASSES)])
    return {split: sum(row[5] != "" for row in of_split) for split, of_split in rows.items()}


def _count(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def parse_args(args=None):
    parser = argparse.ArgumentParser(description="Draw a small detection dataset of shapes.")
    parser.add_argument("folder", type=Path, help="where to write it")
    parser.add_argument("--train", type=_count, default=300, help="pictures in train.csv")
    parser.add_argument("--val", type=_count, default=60, help="pictures in val.csv")
    parser.add_argument("--test", type=_count, default=12, help="pictures without annotations")
    parser.add_argument("--seed", type=_count, default=1)
    return parser.parse_args(args)


def main(args=None):
    options = parse_args(args)
    counts = draw_dataset(**vars(options))
    for split, objects in counts.items():
        print(f"{split}: {getattr(options, split)} pictures, {objects} objects")
    print(f"classes: {', '.join(CLASSES)}; written to {options.folder}")


if __name__ == "__main__":
    main()
