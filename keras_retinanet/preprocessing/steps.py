"""The steps from loaded pictures to augmented, resized ones. A subclass may override each."""

import warnings

import numpy as np

from keras_retinanet.preprocessing.annotations import (
    check_annotations,
    fit_boxes,
    select,
    with_regions,
)
from keras_retinanet.preprocessing.augmentation import clip_visible
from keras_retinanet.preprocessing.batches import draw
from keras_retinanet.preprocessing.canvas import as_uint8, lay_out_resized
from keras_retinanet.preprocessing.reduced import ReducedPictures
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.utils.image import (
    adjust_transform_for_image,
    apply_transform,
    compute_resize_scale,
    resize_image,
)
from keras_retinanet.utils.transform import transform_aabb


class Steps(ReducedPictures):
    """1.0's hooks on groups and on entries; none changes its arguments."""

    mended_boxes = 0  # boxes clipped or left out while loading, repeated ones included

    def load_annotations_group(self, group):
        """Return the checked annotations of a group, regions to ignore behind the objects."""
        return [
            with_regions(
                check_annotations(self.load_annotations(index), index),
                self.load_ignored(index)["bboxes"],
            )
            for index in group
        ]

    def filter_annotations(self, image_group, annotations_group, group):
        """Clip boxes to their pictures and leave out those without an area inside.

        The first picture with such boxes is named in an AnnotationWarning, later ones are
        counted in `mended_boxes`.
        """
        filtered = []
        for index, image, annotations in zip(group, image_group, annotations_group, strict=True):
            height, width = image.shape[:2]
            boxes, kept, faulty = fit_boxes(annotations["bboxes"], height, width)
            if faulty.any():
                self._report_boxes(index, image.shape, annotations["bboxes"][faulty])
                annotations = select(annotations, kept, boxes)
            filtered.append(annotations)
        return image_group, filtered

    def _report_boxes(self, index, shape, boxes):
        first, self.mended_boxes = not self.mended_boxes, self.mended_boxes + len(boxes)
        if first:
            shown = "; ".join(str(box) for box in boxes[:3].tolist())
            warnings.warn(
                f"Image {self.image_name(index)} (id {index}) (shape {shape}) contains the "
                f"following invalid boxes: {shown} ({len(boxes)} in all). Boxes are clipped to the "
                "picture, or left out if nothing remains; later ones are counted in mended_boxes",
                AnnotationWarning,
                stacklevel=3,
            )

    def random_visual_effect_group_entry(self, image, annotations):
        """Return the picture with a drawn effect, and its annotations."""
        effect = draw(self.visual_effect_generator, "effect", self.seed)
        return (effect(image) if effect else image), annotations

    def random_visual_effect_group(self, image_group, annotations_group):
        """Apply an effect to each picture."""
        if self.visual_effect_generator is None:
            return image_group, annotations_group
        return self._for_each(self.random_visual_effect_group_entry, image_group, annotations_group)

    def random_transform_group_entry(self, image, annotations, transform=None):
        """Return picture and annotations moved by a drawn transform; lost boxes are dropped.

        Args:
            transform: [3, 3] matrix in pixels in place of a drawn one.
        """
        if transform is None:
            drawn = draw(self.transform_generator, "transform", self.seed)
            if drawn is None or np.array_equal(drawn, np.identity(3)):
                return image, annotations
            relative = self.transform_parameters.relative_translation
            transform = adjust_transform_for_image(drawn, image, relative)
        image = apply_transform(transform, image, self.transform_parameters)
        moved = transform_aabb(transform, annotations["bboxes"])
        boxes, kept = clip_visible(moved, *image.shape[:2])
        return image, select(annotations, kept, boxes)

    def random_transform_group(self, image_group, annotations_group):
        """Apply a transform to each picture and its boxes."""
        return self._for_each(self.random_transform_group_entry, image_group, annotations_group)

    def resize_image(self, image):
        """Return (resized picture, scale)."""
        if self.no_resize:
            return image, 1
        return resize_image(image, min_side=self.image_min_side, max_side=self.image_max_side)

    def resize_group_entry(self, image, annotations):
        """Return the picture resized and its boxes scaled."""
        image, scale = self.resize_image(image)
        return image, {**annotations, "bboxes": annotations["bboxes"] * scale}

    def preprocess_group_entry(self, image, annotations):
        """Return the picture resized, preprocessed, float32, and its boxes scaled."""
        image, annotations = self.resize_group_entry(image, annotations)
        return np.asarray(self.preprocess_image(image), np.float32), annotations

    def preprocess_group(self, image_group, annotations_group):
        """Resize and preprocess each picture."""
        return self._for_each(self.preprocess_group_entry, image_group, annotations_group)

    def resize_onto_canvas(self, image_group, annotations_group):
        """Return (canvas uint8 [B, H, W, 3], shapes of the pictures on it, annotations)."""
        images = [as_uint8(image) for image in image_group]
        own = (self.resize_image, self.resize_group_entry)
        if self.no_resize or [getattr(hook, "__func__", None) for hook in own] != OWN_RESIZE:
            images, annotations_group = self._for_each(
                self.resize_group_entry, images, annotations_group
            )
            images, scales = [as_uint8(image) for image in images], [1] * len(images)
        else:
            sides = (self.image_min_side, self.image_max_side)
            scales = [compute_resize_scale(image.shape, *sides) for image in images]
            annotations_group = [
                {**annotations, "bboxes": annotations["bboxes"] * scale}
                for annotations, scale in zip(annotations_group, scales, strict=True)
            ]
        return *lay_out_resized(images, scales, self.canvas_multiple), annotations_group

    def augmented_group(self, group):
        """Return (pictures, annotations) of a group: loaded, filtered, augmented."""
        group, images, annotations = self.loaded_group(group)
        images, annotations = self.filter_annotations(images, annotations, group)
        images, annotations = self.random_visual_effect_group(images, annotations)
        return self.random_transform_group(images, annotations)

    @staticmethod
    def _for_each(step, image_group, annotations_group):
        pairs = [step(*pair) for pair in zip(image_group, annotations_group, strict=True)]
        images, annotations = zip(*pairs, strict=True)
        return list(images), list(annotations)


OWN_RESIZE = [Steps.resize_image, Steps.resize_group_entry]  # not overridden: resize in one go
