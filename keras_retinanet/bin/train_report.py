"""The page at the end of a training: its best epoch, its curves, augmented pictures."""

import argparse
from itertools import islice
from pathlib import Path

FOLDER = "report"  # in the run's folder
MOST_PICTURES = 8  # of the training
GREEN = (115, 158, 0)  # blue first, as labels on the rest of the page
IOU_THRESHOLD = 0.5  # of mAP


def best_of(callbacks):
    """Return the `BestDetections` among the callbacks of a run, or None."""
    from keras_retinanet.callbacks.best_detections import BestDetections

    return next((item for item in callbacks if isinstance(item, BestDetections)), None)


def write_page(args, callbacks, train, report):
    """Write the page of a run, as far as something was measured in it.

    A run is done without it: what stands in the way is a line.

    Args:
        args: of the command, with `folder`.
        callbacks: of the run.
        train: `Generator` of the training pictures.
        report: gets a line.
    """
    kept = best_of(callbacks)
    wanted = getattr(args, "report", True)  # runs of before went without the option
    if not wanted or kept is None or kept.detections is None:
        return
    try:
        report(_write(args, kept, train))
    except (OSError, ValueError) as error:  # a full disk; a picture that has gone by now
        reason = getattr(error, "strerror", None) or error
        report(f"{args.folder / FOLDER}: not written: {reason}")


def _write(args, kept, train):
    from keras_retinanet.bin.evaluate import measure
    from keras_retinanet.bin.evaluate_report import write_report
    from keras_retinanet.evaluation.bootstrap import DRAWS
    from keras_retinanet.evaluation.columns import found_boxes_of

    validation = kept.generator
    wanted = argparse.Namespace(iou_threshold=IOU_THRESHOLD, draws=DRAWS, seed=0)
    found = found_boxes_of(kept.detections)
    numbers, _, analysis = measure(wanted, validation, kept.detections, found)
    subject = f"{args.folder.name}, epoch {kept.epoch}"
    results = {**numbers, "options": {"model": subject}}
    parts = [_training(args.folder, train)]
    return write_report(args.folder / FOLDER, validation, analysis, results, parts=parts)


def _training(folder, train):
    """Return the section with the curves of a run and pictures as the network saw them."""
    from keras_retinanet.report.markup import element
    from keras_retinanet.report.page import section
    from keras_retinanet.report.pictures import gallery, picture_element

    curves, figures = folder / "curves.png", _augmented(train)
    return section(
        "Training",
        picture_element(curves, "losses and precision by epoch") if curves.is_file() else None,
        element("h3", "Pictures as the network saw them"),
        element("p", "The first ones: augmented, resized, with their boxes.", class_="note"),
        gallery(figures),
    )


def _augmented(train):
    """Return figures of the first pictures of a run."""
    from keras_retinanet.report.pictures import drawn_view, figure

    figures = []
    for name, image, boxes in islice(_first_pictures(train), MOST_PICTURES):
        view = drawn_view(image, boxes[:0], [(boxes, GREEN, 2)])
        figures.append(figure(view, f"{name}: {len(boxes)} boxes"))
    return figures


def _first_pictures(train):
    """Yield (name, picture as shown, its boxes) of the first epoch."""
    import numpy as np

    from keras_retinanet.utils.image_channels import as_shown

    for batch, group in enumerate(train.epoch_groups(0)):
        pictures, truths = train.raw_batch(batch)
        parts = (truths[key] for key in ("boxes", "labels", "sizes"))
        for index, picture, boxes, labels, (height, width) in zip(
            group, pictures, *parts, strict=True
        ):
            levels = picture[: int(height), : int(width)]
            image = levels if getattr(train, "channels", None) is None else as_shown(levels)
            name = Path(train.image_name(index)).name
            yield name, np.ascontiguousarray(image), boxes[labels >= 0]
