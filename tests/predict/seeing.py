"""A runtime that sees: a bright rectangle in each channel is an object of that label."""

from dataclasses import dataclass, field

import numpy as np

from keras_retinanet.utils.profile import Profile

NAMES = ("blue", "green", "red")
SCORES = (0.9, 0.8, 0.7)


@dataclass
class Seeing:
    """Find, in each channel, the rectangle around what is brighter than 128."""

    profile: Profile
    canvas_multiple: int = 32
    batches: list = field(default_factory=list)  # shapes that came
    shift: float = 0.0  # pixels added to boxes of a batch after the first

    def detect(self, levels, sizes):
        self.batches.append(levels.shape)
        return [self._rows(image, size) for image, size in zip(levels, sizes, strict=True)]

    def _rows(self, image, size):
        assert not image[size[0] :].any() and not image[:, size[1] :].any()
        boxes, scores, labels = np.full((5, 4), -1.0), np.full(5, -1.0), np.full(5, -1)
        for label in range(3):
            ys, xs = np.nonzero(image[..., label] > 128)
            if len(ys):
                boxes[label] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
                scores[label], labels[label] = SCORES[label], label
        return boxes.astype(np.float32), scores.astype(np.float32), labels


def picture(height, width, **boxes):
    """Return a dark picture with a rectangle in each named channel."""
    image = np.zeros((height, width, 3), np.uint8)
    for name, (x1, y1, x2, y2) in boxes.items():
        image[y1:y2, x1:x2, NAMES.index(name)] = 255
    return image
