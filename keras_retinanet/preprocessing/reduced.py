"""Large JPEG files decoded at a half, a quarter or an eighth of their sides.

JPEG stores blocks of 8 x 8 frequencies, of which a smaller picture needs but the lowest. Where a
training picture will be shrunk at least that much, all steps up to the resize so work on a
fraction of the pixels, and nothing that the network sees is lost. Only sides that divide evenly
are divided: halving is exact in floating point, so that boxes come out the same to the last bit.
"""

from contextlib import contextmanager
from contextvars import ContextVar

from keras_retinanet.preprocessing.augmentation import Augmentation
from keras_retinanet.preprocessing.hooks import DatasetHooks
from keras_retinanet.preprocessing.pictures import Pictures
from keras_retinanet.utils.image import read_image_bgr
from keras_retinanet.utils.resizing import resize_rule

FACTORS = (8, 4, 2)  # by which the sides are divided

_HOOKS = (  # what a subclass may override to work on whole pictures
    "load_image_group",
    "load_usable_group",
    "load_annotations_group",
    "filter_annotations",
    "random_visual_effect_group",
    "random_visual_effect_group_entry",
    "random_transform_group",
    "random_transform_group_entry",
    "resize_image",
    "resize_group_entry",
    "resize_onto_canvas",
)
_wanted = ContextVar("reduced", default=False)


@contextmanager
def reduced_reading():
    """Let pictures be read reduced in this thread."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def reduction(size, scale):
    """Return the largest of `FACTORS` that divides a picture and leaves it no smaller than wanted.

    Args:
        size: (height, width).
        scale: factor from the picture's sides to those that are wanted.
    """
    fitting = (f for f in FACTORS if scale * f <= 1 and not any(side % f for side in size))
    return next(fitting, 1)


class ReducedPictures(Pictures):
    """Loads groups of pictures with their annotations, reduced where that loses nothing."""

    def loaded_group(self, group):
        """Return (group, pictures, annotations), boxes in pixels of the pictures as loaded."""
        most = self._largest_zoom() if _wanted.get() else None
        if most is None:
            group, images = self.load_usable_group(group)
            return group, images, self.load_annotations_group(group)
        factors = {}

        def load(group):
            images = []
            for index in group:
                image, factors[index] = self._load_reduced(index, most)
                images.append(image)
            return images

        group, images = self.load_usable_group(group, load)
        annotations = [
            {**found, "bboxes": found["bboxes"] / factors[index]}
            for index, found in zip(group, self.load_annotations_group(group), strict=True)
        ]
        return group, images, annotations

    def _load_reduced(self, index, zoom):
        """Return (picture, by what its sides are divided)."""
        height, width = self.image_size(index)
        sides = (self.image_min_side, self.image_max_side)
        scale = resize_rule(self.resize_rule).factor((height, width), *sides)
        factor = reduction((height, width), scale * zoom)
        if factor == 1:
            return self.load_named(index), 1
        image = self.load_named(index, self._read_reduced(factor))
        is_reduced = image.shape[:2] == (height // factor, width // factor)  # JPEG files alone are
        return image, factor if is_reduced else 1

    def _read_reduced(self, factor):
        return lambda index: read_image_bgr(self.image_path(index), self.exif, factor)

    def _largest_zoom(self):
        """Return the most that a transform enlarges, None where whole pictures must be read."""
        policy = self.transform_generator
        plain = policy is None or type(policy) is Augmentation
        reads_files = self._is_ours("load_image", DatasetHooks) and self.image_sizes is not None
        # pictures of other channels, and a user's own function, want what is in the file
        special = getattr(self, "channels", None) or getattr(self, "augment", None)
        # a margin is whole pixels: half of one on a reduced picture would move the boxes
        special = special or resize_rule(self.resize_rule).moves
        if self.no_resize or special or not plain or not reads_files:
            return None
        if not all(self._is_ours(name, type(self)) for name in _HOOKS):
            return None
        return policy.zoom[1] * policy.scaling[1] if policy else 1.0

    def _is_ours(self, name, owner):
        """Return whether a hook is `owner`'s, and defined in this package."""
        hook = getattr(self, name)
        own = getattr(hook, "__func__", hook)
        return own is getattr(owner, name) and own.__module__.startswith(__package__)
