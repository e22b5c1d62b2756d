"""Datasets of pictures that are not 8 bits of colour: read, changed and laid out as they are."""

import cv2
import numpy as np
import pytest
import tifffile

from keras_retinanet.preprocessing.augmentation import AUGMENTATIONS, Augmentation
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.utils.image import VisualEffect, resize_image


@pytest.fixture
def dataset(tmp_path):
    """Return f(channels, **options) -> generator of three 16-bit TIFF files of many channels."""

    def make(channels, **options):
        rng = np.random.default_rng(0)
        rows = []
        for index, size in enumerate([(40, 60), (60, 40), (50, 50)]):
            image = rng.integers(0, 4096, (*size, channels), np.uint16)
            bands = {"planarconfig": "contig"} if channels > 1 else {}
            path = tmp_path / f"{index}.tif"
            tifffile.imwrite(path, image.squeeze(), photometric="minisblack", **bands)
            rows.append(f"{index}.tif,5,6,35,30,thing")
        (tmp_path / "a.csv").write_text("\n".join(rows))
        (tmp_path / "c.csv").write_text("thing,0")
        options = {"group_method": "none", "shuffle_groups": False, "seed": 1, **options}
        return CSVGenerator(tmp_path / "a.csv", tmp_path / "c.csv", channels=channels, **options)

    return make


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pictures_reach_the_canvas_as_their_files_have_them(channels, dataset):
    generator = dataset(channels, no_resize=True)
    canvas, truth = generator.raw_batch(1)
    assert canvas.dtype == np.uint16
    np.testing.assert_array_equal(canvas[0], generator.load_image(1))
    written = tifffile.imread(generator.image_path(1)).reshape(60, 40, -1)
    np.testing.assert_array_equal(canvas[0], written)
    assert truth["boxes"][0, 0].tolist() == [5, 6, 35, 30]
    assert generator.image_size(1) == (60, 40)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_each_channel_is_resized_as_if_it_were_alone(channels, dataset):
    generator = dataset(channels, image_min_side=64, image_max_side=96, batch_size=2)
    canvas, truth = generator.raw_batch(0)
    assert canvas.shape == (2, 96, 96, channels)
    assert truth["sizes"].tolist() == [[64, 96], [96, 64]]
    for channel in range(channels):
        alone, _ = resize_image(generator.load_image(0)[..., channel], 64, 96)
        np.testing.assert_array_equal(canvas[0, :64, :, channel], alone)
    resized, scale = generator.resize_image(generator.load_image(0))
    assert resized.shape == (64, 96, channels) and scale == 1.6


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 6])
def test_every_augmentation_takes_any_channels_of_16_bits(name, channels, dataset):
    changed = dataset(channels, augmentation=AUGMENTATIONS[name], image_min_side=50)
    plain = dataset(channels, image_min_side=50)
    for index in range(3):
        canvas, truth = changed.raw_batch(index)
        assert canvas.dtype == np.uint16 and canvas.shape == plain.raw_batch(index)[0].shape
        assert canvas.max() <= 4095
    assert truth["boxes"].shape[2] == 4


def test_a_flip_is_exact_for_any_channels(dataset):
    generator = dataset(5, augmentation=Augmentation(flip_x=1.0), no_resize=True)
    canvas, truth = generator.raw_batch(0)
    np.testing.assert_array_equal(canvas[0], generator.load_image(0)[:, ::-1])
    assert truth["boxes"][0, 0].tolist() == [25, 6, 55, 30]


def test_contrast_and_brightness_are_those_of_arithmetic_on_each_channel():
    image = np.random.default_rng(0).integers(0, 4096, (9, 8, 5), np.uint16)
    image[0, 0, 0] = 4095  # 12 bits, hence full brightness is 4095
    changed = VisualEffect(1.2, -0.1, 0.3, 1.5)(image)
    mean = image.astype(float).mean(axis=(0, 1))
    expected = np.clip((image - mean) * 1.2 + mean - 409.5, 0, 4095)
    np.testing.assert_allclose(changed, expected, atol=1)
    assert changed.dtype == np.uint16
    grey = np.uint8([[[100], [200]]])
    assert VisualEffect(None, 0.2, None, None)(grey).ravel().tolist() == [151, 251]
    assert VisualEffect(None, None, 0.1, 1.1)(grey) is grey


def test_the_dense_view_asks_for_a_preprocessing_of_its_own(dataset):
    with pytest.raises(ValueError, match="pictures of 5 channels need preprocess_image"):
        dataset(5)[0]
    images, _ = dataset(5, preprocess_image=lambda image: image / 4095)[0]
    assert images.shape[3] == 5 and images.dtype == np.float32 and 0.9 < images.max() <= 1


def test_other_channels_or_bits_are_refused(dataset, tmp_path):
    generator = dataset(4, batch_size=2)
    cv2.imwrite(str(tmp_path / "1.tif"), np.zeros((60, 40, 3), np.uint8))
    with pytest.raises(ValueError, match="1.tif: it has 3 channels, not 4"):
        generator.raw_batch(0)
    cv2.imwrite(str(tmp_path / "1.tif"), np.zeros((60, 40, 4), np.uint8))
    with pytest.raises(ValueError, match="4 channels of uint16 and 4 channels of uint8"):
        generator.raw_batch(0)


def test_no_channels_are_refused(old_style):
    with pytest.raises(ValueError, match="channels must be a whole number from 1. Received: 0"):
        old_style([(8, 8)], channels=0)
