"""The steps from loaded pictures to augmented, resized ones. A subclass may override each."""

import warnings

import numpy as np

from keras_retinanet.preprocessing.annotations import (
    check_annotations,
    fit_boxes,
    select,
    with_regions,
    without_regions,
)
from keras_retinanet.preprocessing.batches import (
    current_batch,
    current_policy,
    draw,
    for_each_picture,
)
from keras_retinanet.preprocessing.canvas import as_levels, as_uint8, lay_out_resized
from keras_retinanet.preprocessing.reduced import ReducedPictures
from keras_retinanet.preprocessing.samples import AnnotationWarning
from keras_retinanet.preprocessing.visibility import keep_visible
from keras_retinanet.utils.image import (
    adjust_transform_for_image,
    compute_resize_scale,
    preprocess_image,
)
from keras_retinanet.utils.resizing import NO_MARGIN, resize_rule
from keras_retinanet.utils.transform import transform_aabb
from keras_retinanet.utils.warp import warp


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
            transform = self._drawn_matrix(image, annotations)
        if transform is None:
            return image, annotations
        image = warp(image, transform, self.transform_parameters)
        moved = transform_aabb(transform, annotations["bboxes"])
        keep = getattr(current_policy(self.transform_generator), "keep", keep_visible)
        return image, keep(annotations, moved, image.shape[:2])

    def _drawn_matrix(self, image, annotations):
        """Return a drawn matrix [3, 3] in pixels, or None for one that moves nothing."""
        policy = current_policy(self.transform_generator)
        if hasattr(policy, "placement"):
            objects = without_regions(annotations)["bboxes"]
            drawn = policy.placement(current_batch(self.seed).rng, image.shape[:2], objects)
            return None if np.array_equal(drawn, np.identity(3)) else drawn
        drawn = draw(policy, "transform", self.seed)
        if drawn is None or np.array_equal(drawn, np.identity(3)):
            return None
        relative = self.transform_parameters.relative_translation
        return adjust_transform_for_image(drawn, image, relative)

    def random_transform_group(self, image_group, annotations_group):
        """Apply a transform to each picture and its boxes."""
        return self._for_each(self.random_transform_group_entry, image_group, annotations_group)

    def resize_image(self, image):
        """Return (resized picture, scale), as `resize_rule` says.

        The scale is a number, or [4] for (x, y, x, y) where sides are rounded by themselves.
        """
        if self.no_resize:
            return image, 1
        rule = resize_rule(self.resize_rule)
        resized, scale = rule(image, self.image_min_side, self.image_max_side)
        return resized.reshape(*resized.shape[:2], *image.shape[2:]), scale

    def resize_margin(self, shape):
        """Return the pixels [4] (x, y, x, y) that the resize adds left of and above a picture.

        Args:
            shape: of the picture, (height, width, ...); the margin is in its pixels.
        """
        if self.no_resize or not self._resizes_by_itself():
            return NO_MARGIN
        return resize_rule(self.resize_rule).margin(shape[:2])

    def resize_group_entry(self, image, annotations):
        """Return the picture resized and its boxes scaled."""
        margin = self.resize_margin(image.shape)
        image, scale = self.resize_image(image)
        return image, {**annotations, "bboxes": (annotations["bboxes"] + margin) * scale}

    def preprocess_group_entry(self, image, annotations):
        """Return the picture resized, preprocessed, float32, and its boxes scaled."""
        if self.channels is not None and self.preprocess_image is preprocess_image:
            raise ValueError(
                f"pictures of {self.channels} channels need preprocess_image=f(picture) -> floats, "
                "since the usual one is made for 8 bits of blue, green and red"
            )
        image, annotations = self.resize_group_entry(image, annotations)
        return np.asarray(self.preprocess_image(image), np.float32), annotations

    def preprocess_group(self, image_group, annotations_group):
        """Resize and preprocess each picture."""
        return self._for_each(self.preprocess_group_entry, image_group, annotations_group)

    def resize_onto_canvas(self, image_group, annotations_group):
        """Return (canvas [B, H, W, C], shapes of the pictures on it, annotations)."""
        as_read = as_uint8 if self.channels is None else np.asarray
        images = [as_read(image) for image in image_group]
        if self.no_resize or self.resize_rule != "opencv" or not self._resizes_by_itself():
            kinds = [image.dtype for image in images]
            images, annotations_group = self._for_each(
                self.resize_group_entry, images, annotations_group
            )
            if self._resizes_by_itself():  # some rules make floats of levels
                images = [as_levels(*pair) for pair in zip(images, kinds, strict=True)]
            images, scales = [as_read(image) for image in images], [1] * len(images)
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
        group, images, annotations = self._changed_group(group)
        if getattr(current_policy(self.transform_generator), "partners", 0):
            images, annotations = self._for_each(self._mosaic, images, annotations)
        if self.augment is None:
            return images, annotations
        names = [self.image_name(index) for index in group]
        batch, classes = current_batch(self.seed), self.num_classes()

        def change(image, own, name):
            return self.augment(image, own, batch.rng, classes, name)

        changed = for_each_picture(change, images, annotations, names)
        return [image for image, _ in changed], [own for _, own in changed]

    def _changed_group(self, group):
        """Return (group, pictures, annotations), each picture changed by itself."""
        group, images, annotations = self.loaded_group(group)
        images, annotations = self.filter_annotations(images, annotations, group)
        images, annotations = self.random_visual_effect_group(images, annotations)
        return group, *self.random_transform_group(images, annotations)

    def _mosaic(self, image, annotations):
        """Return a mosaic of the picture and others of the dataset, of its training size."""
        policy, rng = current_policy(self.transform_generator), current_batch(self.seed).rng
        others = rng.integers(self.size(), size=policy.partners).tolist()
        _, images, annotations_group = self._changed_group(others)
        images, annotations_group = [image, *images], [annotations, *annotations_group]
        factors = np.array([self._resize_scale(one) for one in images])
        size = tuple(max(1, round(side * factors[0])) for side in image.shape[:2])
        order = rng.permutation(len(images))
        return policy.compose(
            rng,
            [images[place] for place in order],
            [annotations_group[place] for place in order],
            factors[order],
            size,
        )

    def _resizes_by_itself(self):
        """Return whether pictures are resized by the methods of this class."""
        own = (self.resize_image, self.resize_group_entry)
        return [getattr(hook, "__func__", None) for hook in own] == OWN_RESIZE

    def _resize_scale(self, image):
        """Return the factor by which a picture is resized; 1 where a subclass does it, or none."""
        if self.no_resize or not self._resizes_by_itself():
            return 1.0
        sides = (self.image_min_side, self.image_max_side)
        return resize_rule(self.resize_rule).factor(image.shape, *sides)

    @staticmethod
    def _for_each(step, image_group, annotations_group):
        pairs = for_each_picture(step, image_group, annotations_group)
        images, annotations = zip(*pairs, strict=True)
        return list(images), list(annotations)


OWN_RESIZE = [Steps.resize_image, Steps.resize_group_entry]  # not overridden: resize in one go
