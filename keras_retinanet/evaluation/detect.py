"""Run a detector over a dataset: one pass, whose detections every metric shares.

Each image is resized first and then preprocessed, as in training.
"""

import time
from pathlib import Path

import numpy as np

from keras_retinanet.evaluation.loading import in_batches, loaded_images
from keras_retinanet.evaluation.shared import brought_together, own_pictures
from keras_retinanet.utils.detections import NOTHING, Detections, rows_by_image, select

SHOWN_SCORE = 0.3  # pictures with all that counts, from 0.05 on, cannot be read


def detect_dataset(
    generator, model, score_threshold=0.05, max_detections=100, save_path=None, batch_size=1
) -> tuple[list[Detections], float]:
    """Detect in every image of `generator`.

    Args:
        generator: a `preprocessing.generator.Generator`; where its `tiled` is set, the tiles of
            its pictures are what the model sees.
        model: has `predict_on_batch(images [B, H, W, 3])` -> boxes [B, D, 4], scores [B, D],
            labels [B, D], padded with -1.
        score_threshold: only scores above it are kept.
        max_detections: how many of an image are kept, over all classes; None for all.
        save_path: a folder for pictures `<index>.png` with truths and the detections that score
            above 0.3, or None.
        batch_size: how many images `model` gets at a time, at most: those of one size after they
            were resized, so that nothing is padded.

    A picture that cannot be read has no detections where the generator has `skip_broken`. Where
    there are several processes, all call this, each detects in some images, and the first alone
    returns what was found in all of them.

    Returns:
        One `Detections` for each image, and the mean seconds of an image in `predict_on_batch`
        (0.0 where there are no images).

    Raises:
        ValueError: `model` is not a detector, or `save_path` cannot be made.
    """
    check_detector(model)
    folder = None if save_path is None else _made_folder(save_path)
    if getattr(generator, "tiled", None) is not None:
        from keras_retinanet.evaluation.tiles import detect_tiles

        limits = (score_threshold, max_detections)
        found, mean_seconds = detect_tiles(generator, model, *limits, batch_size)
        for index, of_picture in enumerate(found if folder is not None else ()):
            image = generator.load_image(index)
            _save_picture(folder / f"{index}.png", image, generator, index, of_picture)
        return found, mean_seconds
    detections, seconds, seen = [NOTHING] * generator.size(), 0.0, 0
    own = own_pictures(generator.size())
    for batch in in_batches(loaded_images(generator, own), batch_size):
        start = time.perf_counter()
        outputs = model.predict_on_batch(np.stack([loaded.prepared for loaded in batch]))
        seconds, seen = seconds + time.perf_counter() - start, seen + len(batch)
        rows = rows_by_image(outputs, _not_a_detector)
        for loaded, (boxes, scores, labels) in zip(batch, rows, strict=True):
            boxes = loaded.placement.to_original(boxes)
            found = select(boxes, scores, labels, score_threshold, max_detections)
            detections[loaded.index] = found
            if folder is not None:
                path = folder / f"{loaded.index}.png"
                _save_picture(path, loaded.original, generator, loaded.index, found)
    return brought_together(detections), seconds / max(1, seen)


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
