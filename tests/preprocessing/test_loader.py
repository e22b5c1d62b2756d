"""The loader: order, repeatability, errors, clean ends, and any canvas size through `fit`."""

import subprocess
import sys
import threading
import time

import keras
import numpy as np
import pytest
from PIL import Image

from keras_retinanet.preprocessing.augmentation import RANDOM_TRANSFORM
from keras_retinanet.preprocessing.csv_generator import CSVGenerator
from keras_retinanet.preprocessing.feed import fit_input
from keras_retinanet.preprocessing.loader import Loader
from keras_retinanet.utils.image import ImageError

SIZES = [(40, 60), (60, 40), (50, 50), (30, 90), (64, 64)]


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("loader")]


@pytest.fixture
def generator(old_style):
    return old_style(SIZES, batch_size=2, augmentation=RANDOM_TRANSFORM, seed=11)


def test_batches_are_the_same_for_any_number_of_workers(generator):
    def batches(workers):
        return list(Loader(generator, workers=workers, queue_size=4, steps=9))

    expected = [generator.raw_batch(step % 3, step // 3) for step in range(9)]
    for workers in (1, 2, 8):
        found = batches(workers)
        assert len(found) == 9
        for (inputs, targets), (images, truth) in zip(found, expected, strict=True):
            np.testing.assert_array_equal(inputs["images"], images)
            np.testing.assert_array_equal(inputs["sizes"], truth["sizes"])
            np.testing.assert_array_equal(targets["boxes"], truth["boxes"])
            np.testing.assert_array_equal(targets["labels"], truth["labels"])


def test_a_loader_starts_where_training_stopped(generator):
    all_steps = list(Loader(generator, steps=7))
    rest = list(Loader(generator, start_step=4, steps=3))
    for (inputs, _), (expected, _) in zip(rest, all_steps[4:], strict=True):
        np.testing.assert_array_equal(inputs["images"], expected["images"])


def same(found, expected):
    """Return whether batches (inputs, targets) are equal to the last bit."""
    return arrays_of(found) == arrays_of(expected)


def arrays_of(batches):
    return [
        (key, part[key].dtype.str, part[key].shape, part[key].tobytes())
        for batch in batches
        for part in batch
        for key in sorted(part)
    ]


@pytest.fixture
def fresh_generator(tmp_path):
    """Return f(seed) -> a new generator of JPEG files, some decoded reduced: 3 batches an epoch."""
    rows = []
    for index, (height, width) in enumerate([(80, 120), (120, 80), (64, 64), (40, 60), (96, 96)]):
        save_picture(tmp_path / f"{index}.jpg", height, width, index)
        rows += [f"{index}.jpg,3,4,{width - 5},{height - 6},cat", f"{index}.jpg,1,2,20,30,cat"]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    (tmp_path / "classes.csv").write_text("cat,0\n")

    def make(seed=5):
        return CSVGenerator(
            tmp_path / "rows.csv",
            tmp_path / "classes.csv",
            augmentation=RANDOM_TRANSFORM,
            batch_size=2,
            image_min_side=40,
            image_max_side=60,
            seed=seed,
        )

    return make


def save_picture(path, height, width, seed):
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(levels).save(path)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_a_new_process_with_the_same_seed_makes_the_same_batches(fresh_generator, workers):
    expected = list(Loader(fresh_generator(), workers=1, queue_size=1, steps=8))
    assert same(Loader(fresh_generator(), workers=workers, queue_size=8, steps=8), expected)
    assert not same(Loader(fresh_generator(seed=6), workers=workers, steps=8), expected)


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("start", [2, 4, 7])
def test_training_resumed_anywhere_in_an_epoch_sees_the_batches_it_would_have_seen(
    fresh_generator, start, workers
):
    assert len(fresh_generator()) == 3  # so that starts lie within three epochs
    expected = list(Loader(fresh_generator(), workers=2, steps=10))
    rest = Loader(fresh_generator(), workers=workers, start_step=start, steps=10 - start)
    assert same(rest, expected[start:])


def test_no_more_batches_are_made_ahead_than_the_queue_holds(generator):
    made = []
    make = generator.raw_batch
    generator.raw_batch = lambda index, epoch=0: made.append(index) or make(index, epoch)
    batches = iter(Loader(generator, workers=2, queue_size=3))
    next(batches)
    time.sleep(0.3)
    assert len(made) == 3
    next(batches)
    time.sleep(0.3)
    assert len(made) == 4
    batches.close()


def test_an_endless_loader_goes_on_over_epochs_until_closed(generator):
    with Loader(generator, workers=2) as loader:
        batches = iter(loader)
        for _ in range(10):
            next(batches)
        assert loader_threads()
    assert next(batches, None) is None
    assert not loader_threads()


def test_leaving_the_loop_ends_the_threads(generator):
    for _ in Loader(generator, workers=4):
        break
    deadline = time.monotonic() + 5
    while loader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not loader_threads()


@pytest.mark.parametrize("option", ["workers", "queue_size"])
def test_a_loader_without_workers_or_queue_is_refused(generator, option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1. Received: 0"):
        Loader(generator, **{option: 0})


def broken_from(generator, step):
    make = generator.raw_batch

    def raw_batch(index, epoch=0):
        if epoch * len(generator) + index >= step:
            raise ImageError("photo-7.jpg: cannot be read. Replace the file")
        return make(index, epoch)

    generator.raw_batch = raw_batch


def test_an_error_of_a_worker_comes_out_in_its_place(generator):
    broken_from(generator, 4)
    batches = iter(Loader(generator, workers=4))
    for _ in range(4):
        next(batches)
    with pytest.raises(ImageError, match="photo-7.jpg") as error:
        next(batches)
    assert error.value.__notes__ == [
        "while making batch 1 of epoch 1 from " + names(generator, 1, 1)
    ]


def names(generator, index, epoch):
    return ", ".join(f"picture {i}" for i in generator.epoch_groups(epoch)[index])


def tiny_model():
    """Return a model on the loader's batches whose loss depends on pictures and boxes."""

    class Tiny(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, inputs):
            images = keras.ops.cast(inputs["images"], "float32") / 255
            return self.dense(keras.ops.mean(images, axis=(1, 2)))

        def compute_loss(self, x, y, y_pred, sample_weight=None, **kwargs):
            known = keras.ops.cast(y["labels"] >= 0, "float32")[..., None]
            centre = keras.ops.sum(y["boxes"] / 64 * known, axis=1) / keras.ops.sum(known, axis=1)
            return keras.ops.mean(keras.ops.square(y_pred - centre))

    model = Tiny()
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    return model


@pytest.mark.numerics
def test_fit_takes_canvases_of_any_size_in_any_order(old_style):
    sizes = [(40, 40), (40, 40), (40, 60), (60, 40), (50, 50)]
    boxes = [np.tile([[2.0, 3, 30, 31]], (count, 1)) for count in (1, 1, 9, 1, 20)]
    generator = old_style(sizes, boxes, group_method="none", shuffle_groups=False)
    model = tiny_model()
    with Loader(generator, workers=2) as loader:
        history = model.fit(
            fit_input(loader), steps_per_epoch=5, epochs=4, verbose=0, shuffle=False
        )
    losses = history.history["loss"]
    assert losses[-1] < losses[0]
    assert not loader_threads()


def test_an_error_during_fit_comes_out_as_it_was_raised(generator):
    broken_from(generator, 4)
    with pytest.raises(ImageError, match="photo-7.jpg"), Loader(generator) as loader:
        tiny_model().fit(fit_input(loader), steps_per_epoch=3, epochs=4, verbose=0, shuffle=False)
    assert not loader_threads()


SCRIPT = """
import time, sys
from keras_retinanet.preprocessing.loader import Loader
class Slow:
    skipped = ()
    def __len__(self): return 3
    def epoch_groups(self, epoch): return [[0]] * 3
    def image_name(self, index): return "a.jpg"
    def raw_batch(self, index, epoch=0):
        time.sleep(0.05)
        return 0, {"sizes": 0, "boxes": 0, "labels": 0}
batches = iter(Loader(Slow(), workers=2, queue_size=4))
next(batches)
print("began", flush=True)
%s
"""


@pytest.mark.parametrize(
    "ending", ["", "raise KeyboardInterrupt", "raise ValueError('x')", "sys.exit(0)"]
)
def test_a_program_ends_at_once_with_a_loader_open(ending):
    program = subprocess.Popen(
        [sys.executable, "-c", SCRIPT % ending], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert program.stdout.readline() == b"began\n"
    program.communicate(timeout=20)
