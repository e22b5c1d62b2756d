"""What was found in one picture, and its forms in other libraries."""

import importlib
from dataclasses import dataclass

import numpy as np

from keras_retinanet.evaluation.results import coco_results

EXTRAS = {"supervision": "supervision", "fiftyone": "fiftyone"}  # library: our extra


@dataclass(frozen=True)
class Result:
    """The detections of one picture, best first.

    Attributes:
        boxes: float32 [D, 4], (x1, y1, x2, y2) in pixels of the picture as it was given; of a
            file, as it is read: upright, unless EXIF tags are ignored.
        scores: float32 [D].
        labels: int32 [D].
        classes: names by label.
        size: (height, width) of the picture.
        path: of its file; None for an array.
        name: of files written about it, without suffix; may lie in folders.
        image: its pixels [H, W, C], blue first, where they are at hand.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple
    size: tuple
    path: str | None = None
    name: str = "picture"
    image: np.ndarray | None = None

    def __len__(self):
        return len(self.scores)

    @property
    def names(self):
        """Return the class name of each detection."""
        return [self.classes[label] for label in self.labels]

    def rows(self):
        """Return [(box as four floats, score, label, class name), …]."""
        return list(
            zip(
                np.asarray(self.boxes, float).tolist(),
                np.asarray(self.scores, float).tolist(),
                np.asarray(self.labels).tolist(),
                self.names,
                strict=True,
            )
        )

    def to_coco(self, image_id=0):
        """Return the rows of a COCO results file; category ids are labels + 1."""
        return coco_results([self], [image_id], lambda label: int(label) + 1)

    def to_supervision(self):
        """Return `supervision.Detections`.

        Raises:
            ImportError: supervision is not installed; the message names the extra.
        """
        return _library("supervision").Detections(
            xyxy=np.asarray(self.boxes, np.float32).reshape(-1, 4),
            confidence=np.asarray(self.scores, np.float32),
            class_id=np.asarray(self.labels, int),
            data={"class_name": np.array(self.names, dtype=str)},
        )

    def to_fiftyone(self):
        """Return `fiftyone.Detections`: boxes as (left, top, width, height) in shares of the sides.

        Raises:
            ImportError: fiftyone is not installed; the message names the extra.
        """
        fiftyone = _library("fiftyone")
        height, width = self.size
        return fiftyone.Detections(
            detections=[
                fiftyone.Detection(
                    label=name,
                    confidence=score,
                    bounding_box=[
                        x1 / width,
                        y1 / height,
                        (x2 - x1) / width,
                        (y2 - y1) / height,
                    ],
                )
                for (x1, y1, x2, y2), score, _, name in self.rows()
            ]
        )


def _library(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed; install it, or the extra of that name in a checkout: "
            f'pip install -e ".[{EXTRAS[name]}]"'
        ) from error
