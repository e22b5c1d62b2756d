"""Tiles as pictures: what of each object they have, and how much is read for them."""

import threading
import time

import numpy as np
import pytest
import tifffile

from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.loader import Loader
from keras_retinanet.preprocessing.tiles import Cache, TiledGenerator
from keras_retinanet.utils.image import ImageError
from keras_retinanet.utils.tiles import Tiling

ORDERED = {"group_method": "none", "shuffle_groups": False}
# A picture of 100 x 180 in tiles of 100 that have 20 columns in common: x from 0 and from 80.
BOXES = {  # box: where it is an object, where a region to ignore (tile: box in the tile)
    "in the first alone": ((10, 10, 30, 40), {0: (10, 10, 30, 40)}, {}),
    "in both": ((82, 10, 98, 40), {0: (82, 10, 98, 40), 1: (2, 10, 18, 40)}, {}),
    "half in the first": ((60, 0, 140, 9), {0: (60, 0, 100, 9), 1: (0, 0, 60, 9)}, {}),
    "less than half in the first": ((61, 0, 141, 9), {1: (0, 0, 61, 9)}, {0: (61, 0, 100, 9)}),
    "half in none": ((10, 0, 178, 9), {0: (10, 0, 100, 9), 1: (0, 0, 98, 9)}, {}),
    "touching the border of the second": ((40, 0, 80, 9), {0: (40, 0, 80, 9)}, {}),
}


@pytest.mark.parametrize(("box", "objects", "regions"), BOXES.values(), ids=BOXES)
def test_an_object_counts_where_half_of_it_is(box, objects, regions, old_style):
    dataset = old_style([(100, 180)], [np.array([box], float)])
    tiled = TiledGenerator(dataset, Tiling(100), **ORDERED)
    assert tiled.size() == 2
    for tile in range(2):
        for rows, expected in (
            (tiled.load_annotations(tile), objects),
            (tiled.load_ignored(tile), regions),
        ):
            assert rows["bboxes"].tolist() == ([list(expected[tile])] if tile in expected else [])
            assert len(rows["labels"]) == (tile in expected)
        _, truth = tiled.raw_batch(tile)
        labels = truth["labels"][0, : (tile in objects) + (tile in regions) + 1].tolist()
        assert labels == [0] * (tile in objects) + [-2] * (tile in regions) + [-1]


def test_another_share_may_be_asked_for(old_style):
    dataset = old_style([(100, 180)], [np.array([[70.0, 0, 110, 9]])])
    assert len(TiledGenerator(dataset, Tiling(100), keep=0.75).load_annotations(0)["labels"]) == 1
    assert len(TiledGenerator(dataset, Tiling(100), keep=0.76).load_annotations(0)["labels"]) == 0


def test_regions_to_ignore_of_the_dataset_are_cut_along(old_style):
    dataset = old_style([(100, 180)])
    regions = {"labels": np.array([-1]), "bboxes": np.array([[10.0, 20, 90, 30]])}
    dataset.load_ignored = lambda index: regions
    tiled = TiledGenerator(dataset, Tiling(100), **ORDERED)
    assert tiled.load_ignored(0)["bboxes"].tolist() == [[10, 20, 90, 30]]
    assert tiled.load_ignored(1)["bboxes"].tolist() == [[0, 20, 10, 30]]


def test_tiles_are_parts_of_their_pictures_and_are_named_so(old_style):
    dataset = old_style([(100, 180), (60, 50)])
    tiled = TiledGenerator(dataset, Tiling(100), batch_size=3, image_min_side=20, **ORDERED)
    assert tiled.owners.tolist() == [0, 0, 1]
    assert [tiled.image_size(tile) for tile in range(3)] == [(100, 100), (100, 100), (60, 50)]
    np.testing.assert_array_equal(tiled.load_image(1), dataset.images[0][:, 80:])
    tiled.load_image(1)[:] = 0  # a copy
    canvas, truth = tiled.raw_batch(0)
    assert truth["sizes"].tolist() == [[100, 100], [100, 100], [60, 50]]  # not resized
    np.testing.assert_array_equal(canvas[1], dataset.images[0][:, 80:])
    assert tiled.image_name(1) == "picture 0, tile at (80, 0)"
    assert tiled.num_classes() == 3


@pytest.fixture
def files(tmp_path):
    """Return a dataset of a TIFF file in tiles and a PNG file, both 300 x 200."""
    from PIL import Image

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (200, 300, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64))
    Image.fromarray(image).save(tmp_path / "b.png")
    rows = [f"{name},5,6,35,30,thing" for name in ("a.tif", "b.png")]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    (tmp_path / "c.csv").write_text("thing,0")
    return CSVGenerator(tmp_path / "a.csv", tmp_path / "c.csv", **ORDERED)


def test_a_tile_is_read_by_itself_where_the_format_allows_and_others_are_decoded_once(
    files, monkeypatch
):
    read = []
    load = files.load_image
    monkeypatch.setattr(files, "load_image", lambda index: read.append(index) or load(index))
    tiled = TiledGenerator(files, Tiling(100), batch_size=2, augmentation=None, seed=1)
    images = [tiled.load_image(tile) for tile in range(tiled.size())]
    assert read == [1] and tiled.size() == 24
    assert (tiled.has_name("thing"), tiled.has_label(0), tiled.has_label(1)) == (True, True, False)
    assert (tiled.name_to_label("thing"), tiled.label_to_name(0)) == (0, "thing")
    for one, other in zip(images[:12], images[12:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_are_the_same_for_any_number_of_workers(files):
    def batches(workers):
        tiled = TiledGenerator(files, Tiling(90), batch_size=4, seed=5)
        return list(Loader(tiled, workers, steps=9))

    for (one, truth), (other, same) in zip(batches(1), batches(4), strict=True):
        np.testing.assert_array_equal(one["images"], other["images"])
        np.testing.assert_array_equal(truth["boxes"], same["boxes"])


def test_each_epoch_has_every_tile_in_another_order_few_pictures_at_a_time(old_style):
    dataset = old_style([(100, 340)] * 6)
    picture = 100 * 340 * 3
    tiled = TiledGenerator(dataset, Tiling(100, 0.2), cache=4 * picture, seed=2)
    orders = [[tile for (tile,) in tiled.epoch_groups(epoch)] for epoch in range(3)]
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    for order in orders:
        blocks = [set(tiled.owners[order[start : start + 8]]) for start in (0, 8, 16)]
        assert [len(block) for block in blocks] == [2, 2, 2]  # half of what fits
        assert orders[0][:8] != sorted(orders[0][:8])


def test_a_picture_is_loaded_once_however_many_threads_ask():
    loads = []

    def load(number):
        loads.append(number)
        time.sleep(0.05)
        return np.zeros(10, np.uint8)

    cache = Cache(load, 100)
    threads = [threading.Thread(target=cache.get, args=(3,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [3]


def test_the_cache_lets_the_oldest_go_and_tries_again_what_failed():
    loads = []

    def load(number):
        loads.append(number)
        if number < 0:
            raise ImageError("broken")
        return np.zeros(40, np.uint8)

    cache = Cache(load, 100)
    for number in (1, 2, 1, 3, 1, 2):  # 2 goes for 3
        cache.get(number)
    assert loads == [1, 2, 3, 2]
    for _ in range(2):
        with pytest.raises(ImageError, match="broken"):
            cache.get(-1)
    assert loads[-2:] == [-1, -1]
    large = Cache(load, 10)
    assert large.get(5).size == 40  # too large to keep, yet given
