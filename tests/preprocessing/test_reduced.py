"""JPEG files decoded at reduced size: when, and that boxes stay where the objects are."""

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing import reduced
from keras_retinanet.preprocessing.augmentation import RANDOM_TRANSFORM, SCALE_JITTER, Augmentation
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.utils.image import ImageError, read_image_bgr

SIZES = [(320, 480), (480, 320), (400, 400), (322, 482), (321, 480), (640, 960)]


def smooth(height, width, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def save(path, image, orientation=1):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(image[..., ::-1]).save(path, exif=exif, quality=95)


@pytest.fixture
def dataset(tmp_path):
    """Return f(extension=".jpg", orientation=1, kind=CSVGenerator, **options) -> generator."""

    def make(extension=".jpg", orientation=1, kind=CSVGenerator, **options):
        rows, rng = [], np.random.default_rng(7)
        for index, (height, width) in enumerate(SIZES):
            save(tmp_path / f"{index}{extension}", smooth(height, width, index), orientation)
            across, down = (height, width) if orientation >= 5 else (width, height)
            for _ in range(6):
                x, y = rng.uniform(0, 0.6, 2) * (across, down)
                box = (x, y, x + rng.uniform(30, across - x), y + rng.uniform(30, down - y))
                rows.append(f"{index}{extension},{','.join(map(repr, map(float, box)))},cat")
        (tmp_path / "rows.csv").write_text("\n".join(rows))
        (tmp_path / "classes.csv").write_text("cat,0\n")
        options = {"image_min_side": 100, "image_max_side": 150, "seed": 3, **options}
        return kind(tmp_path / "rows.csv", tmp_path / "classes.csv", batch_size=2, **options)

    return make


@pytest.fixture
def shrinks(monkeypatch):
    """Return the list of the factors by which pictures are divided while reading."""
    found, read = [], reduced.read_image_bgr
    monkeypatch.setattr(
        reduced, "read_image_bgr", lambda p, e, shrink: found.append(shrink) or read(p, e, shrink)
    )
    return found


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((480, 640), 1.0, 1),
        ((480, 640), 0.51, 1),
        ((480, 640), 0.5, 2),
        ((480, 640), 0.26, 2),
        ((480, 640), 0.25, 4),
        ((480, 640), 0.1, 8),
        ((1080, 1920), 0.12, 8),
        ((1084, 1920), 0.12, 4),
        ((1082, 1920), 0.12, 2),
        ((1081, 1920), 0.12, 1),
    ],
)
def test_sides_are_divided_evenly_and_no_further_than_wanted(size, scale, expected):
    assert reduced.reduction(size, scale) == expected


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("policy", [None, Augmentation(), RANDOM_TRANSFORM, SCALE_JITTER])
def test_boxes_and_sizes_are_those_of_whole_pictures_to_the_last_bit(
    dataset, monkeypatch, shrinks, policy, orientation
):
    generator = dataset(orientation=orientation, augmentation=policy)
    steps = [(index, epoch) for epoch in range(2) for index in range(len(generator))]
    small = [generator.raw_batch(*step) for step in steps]
    assert 2 in shrinks
    monkeypatch.setattr(reduced, "FACTORS", ())
    for (images, truth), step in zip(small, steps, strict=True):
        whole_images, whole = generator.raw_batch(*step)
        for key in ("boxes", "labels", "sizes"):
            assert truth[key].tobytes() == whole[key].tobytes()
        assert np.abs(images.astype(int) - whole_images).mean() < 2  # levels


@pytest.mark.parametrize("side", [160, 80, 40])
def test_edges_lie_where_the_boxes_say(tmp_path, side, shrinks):
    image = np.zeros((320, 480, 3), np.uint8)
    image[96:224, 128:352] = 255
    save(tmp_path / "a.jpg", image)
    (tmp_path / "rows.csv").write_text("a.jpg,128,96,352,224,cat")
    (tmp_path / "classes.csv").write_text("cat,0")
    generator = CSVGenerator(
        tmp_path / "rows.csv", tmp_path / "classes.csv", image_min_side=side, image_max_side=999
    )
    images, truth = generator.raw_batch(0)
    assert shrinks == [320 // side]
    x1, y1, x2, y2 = truth["boxes"][0, 0]
    levels = images[0, ..., 0] / 255
    row, column = levels[side // 2], levels[:, side * 3 // 4]
    assert row.sum() == pytest.approx(x2 - x1, abs=0.05)  # grey pixels of an edge count in part
    assert column.sum() == pytest.approx(y2 - y1, abs=0.05)
    places = np.arange(len(row)) + 0.5
    assert (row * places).sum() / row.sum() == pytest.approx((x1 + x2) / 2, abs=0.05)


class OwnTransform(CSVGenerator):
    def random_transform_group_entry(self, image, annotations, transform=None):
        assert image.shape[:2] in SIZES
        return image, annotations


class OwnImages(CSVGenerator):
    def load_image(self, image_index):
        return super().load_image(image_index)


WHOLE = {
    "png": {"extension": ".png"},
    "a subclass's transform": {"kind": OwnTransform},
    "a subclass's pictures": {"kind": OwnImages},
    "no resize": {"no_resize": True},
    "a large target": {"image_min_side": 330, "image_max_side": 500},
    "a zoom": {"augmentation": Augmentation(zoom=(1.0, 4.0))},
    "a scaling": {"augmentation": Augmentation(scaling=(1.0, 4.0))},
    "a Python generator": {"transform_generator": iter(np.repeat(np.eye(3)[None], 99, axis=0))},
}


@pytest.mark.parametrize("options", WHOLE.values(), ids=WHOLE)
def test_pictures_come_whole_where_less_would_be_seen(dataset, options):
    generator = dataset(**options)
    groups = [generator.epoch_groups(0)[index] for index in range(len(generator))]
    with reduced.reduced_reading():
        loaded = [generator.loaded_group(group) for group in groups]
    shapes = {image.shape[:2] for _, images, _ in loaded for image in images}
    assert shapes == set(SIZES)
    for _, _, annotations in loaded:
        assert max(found["bboxes"].max() for found in annotations) > 150  # not divided


def test_hooks_of_one_object_count_as_a_subclass(dataset, shrinks):
    generator = dataset()
    generator.resize_image = lambda image: (image[:50, :60], 1)
    assert generator.raw_batch(0)[0].shape == (2, 50, 60, 3)
    assert shrinks == []


def test_the_dense_view_reads_whole_pictures(dataset, shrinks):
    generator = dataset()
    generator[0]
    assert shrinks == []


def test_a_broken_picture_is_named_and_left_out(dataset, tmp_path, shrinks):
    generator = dataset(group_method="none", shuffle_groups=False, skip_broken=True)
    (tmp_path / "1.jpg").write_bytes(b"\xff\xd8\xff")
    images, _ = generator.raw_batch(0)
    assert len(images) == 2
    assert [name[-5:] for name in generator.skipped] == ["1.jpg"]
    generator.skip_broken = False
    (tmp_path / "2.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(ImageError, match=r"2.jpg: the JPEG picture is cut off"):
        generator.raw_batch(1)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
@pytest.mark.parametrize("orientation", [1, 8])
def test_shrunk_jpegs_are_upright_and_rounded_up(tmp_path, shrink, orientation, mode):
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (101, 75), (200, 100, 50)).convert(mode).save(tmp_path / "a.jpg", exif=exif)
    size = (-(-75 // shrink), -(-101 // shrink))
    image = read_image_bgr(tmp_path / "a.jpg", shrink=shrink)
    assert image.shape == (*(size[::-1] if orientation == 8 else size), 3)
    plain = read_image_bgr(tmp_path / "a.jpg", exif=False, shrink=shrink)
    assert plain.shape == (*size, 3)
    whole = read_image_bgr(tmp_path / "a.jpg")
    assert np.abs(image.reshape(-1, 3).mean(0) - whole.reshape(-1, 3).mean(0)).max() < 1.5


def test_pictures_that_are_no_jpegs_come_whole(tmp_path):
    for name in ("a.png", "a.bmp", "a.webp", "a.tga"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
        assert read_image_bgr(tmp_path / name, shrink=4).shape == (30, 40, 3)
