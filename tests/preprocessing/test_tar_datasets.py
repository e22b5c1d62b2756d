"""Datasets whose pictures lie in tar files: the same batches, sizes kept, one line for a fault."""

import json
import os
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from keras_retinanet.doctor.same_pictures import same_bytes
from keras_retinanet.preprocessing import pictures
from keras_retinanet.preprocessing.augmentation import AUGMENTATIONS
from keras_retinanet.preprocessing.coco import CocoGenerator
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.loader import Loader
from keras_retinanet.utils.image import ImageError

COUNT = 12


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with pictures/*.jpg and the same in shards/0.tar and 1.tar."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "shards").mkdir()
    for place in range(COUNT):
        levels = rng.integers(0, 256, (60 + place, 90 - 2 * place, 3), np.uint8)
        Image.fromarray(levels).save(tmp_path / "pictures" / f"{place}.jpg")
    for shard in range(2):
        with tarfile.open(tmp_path / "shards" / f"{shard}.tar", "w") as file:
            for place in range(shard, COUNT, 2):
                file.add(tmp_path / "pictures" / f"{place}.jpg", f"own/{place}.jpg")
        os.utime(
            tmp_path / "shards" / f"{shard}.tar", (1e9, 1e9)
        )  # sizes of new files are not kept
    (tmp_path / "classes.csv").write_text("thing,0\n")
    return tmp_path


def written(folder, name, path_of):
    rows = [f"{path_of(place)},5,6,{30 + place},40,thing" for place in range(COUNT)]
    (folder / name).write_text("\n".join(rows))
    return folder / name


def generator(folder, path, **options):
    return CSVGenerator(
        str(path),
        str(folder / "classes.csv"),
        batch_size=4,
        image_min_side=64,
        image_max_side=96,
        augmentation=AUGMENTATIONS["scale-jitter"],
        seed=7,
        **options,
    )


def test_batches_are_those_of_plain_files(folder, monkeypatch):
    monkeypatch.setattr(pictures, "CACHED_FROM", 1)
    plain = written(folder, "plain.csv", lambda place: f"pictures/{place}.jpg")
    packed = written(folder, "packed.csv", lambda place: f"shards/{place % 2}.tar/own/{place}.jpg")
    one, two = (
        list(Loader(generator(folder, path), workers=2, steps=6)) for path in (plain, packed)
    )
    for (inputs, targets), (packed_inputs, packed_targets) in zip(one, two, strict=True):
        for name, array in {**inputs, **targets}.items():
            np.testing.assert_array_equal({**packed_inputs, **packed_targets}[name], array)
    kept = list((folder / "shards").glob(".*"))
    assert sorted(path.name for path in kept) == [
        ".0.tar.places.npy",
        ".1.tar.places.npy",
        ".retinanet-headers",
    ]
    monkeypatch.setattr(pictures, "check_files", lambda *args: pytest.fail("looked again"))
    generator(folder, packed)


def test_a_coco_set_may_be_one_tar_file(folder):
    images = [
        {"id": place, "file_name": f"{place}.jpg", "height": 60 + place, "width": 90 - 2 * place}
        for place in range(COUNT)
    ]
    boxes = [
        {
            "id": p,
            "image_id": p,
            "category_id": 1,
            "bbox": [5, 6, 20, 30],
            "area": 600,
            "iscrowd": 0,
        }
        for p in range(COUNT)
    ]
    content = {
        "images": images,
        "annotations": boxes,
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
    (folder / "images").mkdir()
    shutil.copytree(folder / "pictures", folder / "images" / "train2017")
    plain = CocoGenerator(str(folder), "train2017", seed=1).raw_batch(0)
    shutil.rmtree(folder / "images" / "train2017")
    with tarfile.open(folder / "images" / "train2017.tar", "w") as file:
        for place in range(COUNT):
            file.add(folder / "pictures" / f"{place}.jpg", f"{place}.jpg")
    packed = CocoGenerator(str(folder), "train2017", seed=1).raw_batch(0)
    np.testing.assert_array_equal(packed[0], plain[0])


def test_a_picture_that_is_not_in_its_tar_file_is_named(folder):
    path = written(folder, "a.csv", lambda place: f"shards/0.tar/own/{place}.jpg")
    with pytest.raises(
        ImageError, match=r"6 of 12 pictures cannot be used: .*own/1\.jpg: there is"
    ):
        generator(folder, path)


def test_the_doctor_finds_equal_pictures_in_tar_files(folder):
    paths = [
        f"{folder}/pictures/2.jpg",
        f"{folder}/shards/0.tar/own/2.jpg",
        f"{folder}/shards/0.tar",
    ]
    assert same_bytes(paths) == [[0, 1]]
