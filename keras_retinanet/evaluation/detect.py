"""Run a detector over a dataset: one pass, whose detections every metric shares.

Each image is resized first and then preprocessed, as in training.
"""

import collections
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from keras_retinanet.evaluation.shared import brought_together, own_pictures
from keras_retinanet.utils.detections import (
    NOTHING,
    Detections,
    Placement,
    rows_by_image,
    select,
)
from keras_retinanet.utils.image import ImageError

SHOWN_SCORE = 0.3  # pictures with all that counts, from 0.05 on, cannot be read
IMAGES_AHEAD = 2  # read while the detector works: one would do, two smooth uneven sizes


def detect_dataset(
    generator, model, score_threshold=0.05, max_detections=100, save_path=None
) -> tuple[list[Detections], float]:
    """Detect in every image of `generator`.

    Args:
        generator: a `preprocessing.generator.Generator`; where its `tiled` is set, the tiles of
            its pictures are what the model sees.
        model: has `predict_on_batch(images [1, H, W, 3])` -> boxes [1, D, 4], scores [1, D],
            labels [1, D], padded with -1.
        score_threshold: only scores above it are kept.
        max_detections: how many of an image are kept, over all classes; None for all.
        save_path: a folder for pictures `<index>.png` with truths and the detections that score
            above 0.3, or None.

    A picture that cannot be read has no detections where the generator has `skip_broken`. Where
    there are several processes, all call this, each detects in some images, and the first alone
    returns what was found in all of them.

    Returns:
        One `Detections` for each image, and the mean seconds of `predict_on_batch` (0.0 where
        there are no images).

    Raises:
        ValueError: `model` is not a detector, or `save_path` cannot be made.
    """
    check_detector(model)
    folder = None if save_path is None else _made_folder(save_path)
    if getattr(generator, "tiled", None) is not None:
        from keras_retinanet.evaluation.tiles import detect_tiles

        found, mean_seconds = detect_tiles(generator, model, score_threshold, max_detections)
        for index, of_picture in enumerate(found if folder is not None else ()):
            image = generator.load_image(index)
            _save_picture(folder / f"{index}.png", image, generator, index, of_picture)
        return found, mean_seconds
    detections, seconds = [NOTHING] * generator.size(), []
    own = own_pictures(generator.size())
    for index, loaded in zip(own, _images(generator, own), strict=True):
        if loaded is None:
            continue
        raw_image, image, placement = loaded
        start = time.perf_counter()
        outputs = model.predict_on_batch(image[np.newaxis])
        seconds.append(time.perf_counter() - start)
        ((boxes, scores, labels),) = rows_by_image(outputs, _not_a_detector)
        boxes = placement.to_original(boxes)
        found = select(boxes, scores, labels, score_threshold, max_detections)
        detections[index] = found
        if folder is not None:
            _save_picture(folder / f"{index}.png", raw_image, generator, index, found)
    return brought_together(detections), float(np.mean(seconds)) if seconds else 0.0


def check_detector(model):
    """Raise ValueError where `model` is seen to be a network, not a detector.

    What cannot be told from the model itself is checked on its first outputs.
    """
    names = getattr(model, "output_names", None) or ()
    if {"regression", "classification"} <= set(names):
        raise ValueError(_not_a_detector(f"a model with outputs {', '.join(names)}"))
    if hasattr(model, "compute_loss") and hasattr(model, "network"):
        raise ValueError(_not_a_detector(f"a {type(model).__name__}, which is only for fit"))


def _not_a_detector(what):
    return (
        f"Evaluation needs a detector, which returns boxes, scores and labels; received {what}. "
        "Wrap the network with models.convert_model(model) or "
        "models.retinanet.retinanet_bbox(model=model); in fit, give the callback that detector "
        "by RedirectModel(callback, detector)."
    )


def _images(generator, indices):
    """Yield what `load_prepared` gives for each index, reading a few ahead in one thread."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting = collections.deque()
        try:
            for index in indices:
                waiting.append(reader.submit(load_prepared, generator, index))
                if len(waiting) > IMAGES_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def load_prepared(generator, index):
    """Return (original, prepared, `Placement`) of an image, None for one left out as broken.

    A generator that is none of ours has no margin.
    """
    try:
        raw_image = generator.load_image(index)
    except ImageError as error:
        if not getattr(generator, "skip_broken", False):
            raise
        generator.leave_out({index: str(error)})
        return None
    # A copy, because subclasses may resize or preprocess in place.
    image, scale = generator.resize_image(raw_image.copy())
    margin = getattr(generator, "resize_margin", lambda shape: 0.0)(raw_image.shape)
    prepared = np.asarray(generator.preprocess_image(image))
    return raw_image, prepared, Placement(scale, margin)


def _made_folder(save_path):
    folder = Path(save_path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"cannot make the folder {folder} for pictures ({error.strerror}). "
            "Give a folder that can be written to as save_path."
        ) from error
    return folder


def _save_picture(path, raw_image, generator, index, found):
    from PIL import Image

    image = with_boxes(raw_image, generator, index, found)
    Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(path)


def with_boxes(raw_image, generator, index, found):
    """Return a copy of a picture, uint8 BGR, with its true boxes and those found.

    Args:
        raw_image: as `generator.load_image(index)` gives it.
        generator: of the picture.
        index: of the picture in it.
        found: `Detections`; those that score above 0.3 are drawn.
    """
    from keras_retinanet.utils.image_channels import as_shown
    from keras_retinanet.utils.visualization import draw_annotations, draw_detections

    shown = raw_image if getattr(generator, "channels", None) is None else as_shown(raw_image)
    image = np.array(shown, order="C")  # a writable copy, whatever the loader gave
    names = generator.label_to_name
    draw_annotations(image, generator.load_annotations(index), label_to_name=names)
    draw_detections(
        image,
        found.boxes,
        found.scores,
        found.labels,
        label_to_name=names,
        score_threshold=SHOWN_SCORE,
    )
    return image
