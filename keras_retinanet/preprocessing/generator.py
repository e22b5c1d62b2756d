"""The base of all datasets: from the hooks of a subclass to batches, in two views.

- `generator[i]`: 1.0's tuple, preprocessed float pictures and dense targets for every anchor;
- `generator.raw_batch(i, epoch)`: uint8 pictures and padded boxes, which training uses;
  `preprocess_image` and the target hooks have no part in it: the device does their work.

Steps: load, filter, visual effect, transform, resize, (preprocess,) canvas, (targets). A
picture's annotations are a dict of "bboxes" [M, 4] (x1, y1, x2, y2 in pixels) and "labels" [M];
further keys are carried along.
"""

import math

import keras
import numpy as np

from keras_retinanet.preprocessing.annotations import without_regions
from keras_retinanet.preprocessing.batches import (
    BATCH,
    ORDER,
    SHUFFLE,
    Batch,
    batch_context,
    current_batch,
    stream,
)
from keras_retinanet.preprocessing.canvas import (
    canvas_size,
    distinct_size,
    lay_out,
    pad_boxes,
)
from keras_retinanet.preprocessing.reduced import reduced_reading
from keras_retinanet.preprocessing.steps import Steps
from keras_retinanet.preprocessing.user_function import UserFunction
from keras_retinanet.utils.anchors import anchor_targets_bbox, anchors_for_shape, guess_shapes
from keras_retinanet.utils.image import DEFAULT_MAX_PIXELS, TransformParameters, preprocess_image
from keras_retinanet.utils.resizing import resize_rule as check_rule

GROUP_METHODS = ("none", "random", "ratio")
WHOLE_CELLS = 32  # pixels; the stride of C5
RATIO_STEPS = 16  # to an octave: ratios within 4 % of each other count as equal


class Generator(Steps, keras.utils.PyDataset):
    """Batches of pictures with their objects; subclasses fill `DatasetHooks`.

    A subclass sets its own fields, then calls `super().__init__(**kwargs)`.

    Args:
        transform_generator, visual_effect_generator: an `Augmentation`, whose draws depend on
            (seed, epoch, batch) alone, or a Python generator of matrices / effects.
        batch_size: pictures a batch; the last group is filled up from the start.
        group_method: order before grouping: "none", "random" (once) or "ratio" (width / height).
        shuffle_groups: whether each epoch shuffles the groups.
        image_min_side, image_max_side: target of the resize, pixels; `no_resize` switches it off.
        transform_parameters: how a transform fills and interpolates.
        compute_anchor_targets, compute_shapes, preprocess_image: functions of the dense view.
        config: {"anchor_parameters": …, "pyramid_levels": …} as `read_config_file` gives.
        augmentation: one `Augmentation` in place of both generators.
        channels: read pictures as they are, with so many channels of 8 or 16 bits
            (`utils/image_channels.py`); the dense view then needs a `preprocess_image`. None: 8
            bits, blue, green, red.
        augment: your own f(image, boxes, labels) -> the same, called after all other changes of
            a training picture, before the resize; `UserFunction` says more.
        resize_rule: key of `utils.resizing.RESIZE_RULES`, the library whose resize is followed.
        seed: makes order and augmentation repeatable; None draws a seed.
        canvas_multiple: sides of a batch are rounded up to it.
        exif: whether pictures are turned as their EXIF orientation says.
        skip_broken: leave broken pictures out, listed in `skipped`, instead of ImageError.
        max_pixels: larger pictures are refused.
        pictures_needed: whether files that do not exist are broken pictures; else their sizes are
            those that the annotations state, where they do: for what looks at no picture.
        workers, use_multiprocessing, max_queue_size: how `fit` reads the dense view.

    On TensorFlow, Keras takes the shapes it will accept from batches 0 and 1, and freezes what
    is equal in both. There `generator[1]` has a canvas some pixels larger where height, width or
    number of anchors would equal those of batch 0, so that `fit` accepts every later size.
    """

    def __init__(
        self,
        transform_generator=None,
        visual_effect_generator=None,
        batch_size=1,
        group_method="ratio",
        shuffle_groups=True,
        image_min_side=800,
        image_max_side=1333,
        no_resize=False,
        transform_parameters=None,
        compute_anchor_targets=anchor_targets_bbox,
        compute_shapes=guess_shapes,
        preprocess_image=preprocess_image,
        config=None,
        augmentation=None,
        augment=None,
        channels=None,
        resize_rule="opencv",
        seed=None,
        canvas_multiple=1,
        exif=True,
        skip_broken=False,
        max_pixels=DEFAULT_MAX_PIXELS,
        pictures_needed=True,
        workers=1,
        use_multiprocessing=False,
        max_queue_size=10,
    ):
        super().__init__(
            workers=workers,
            use_multiprocessing=use_multiprocessing,
            max_queue_size=max_queue_size,
        )
        _check_options(batch_size, group_method, canvas_multiple, seed)
        check_rule(resize_rule)
        if channels is not None and (int(channels) != channels or channels < 1):
            raise ValueError(f"channels must be a whole number from 1. Received: {channels!r}")
        self.transform_generator = augmentation or transform_generator
        self.visual_effect_generator = augmentation or visual_effect_generator
        self.batch_size = int(batch_size)
        self.group_method = group_method
        self.shuffle_groups = shuffle_groups
        self.image_min_side = image_min_side
        self.image_max_side = image_max_side
        self.no_resize = no_resize
        self.resize_rule = resize_rule
        self.augment = None if augment is None else UserFunction(augment)
        self.transform_parameters = (
            transform_parameters
            or getattr(self.transform_generator, "transform_parameters", None)
            or TransformParameters()
        )
        self.compute_anchor_targets = compute_anchor_targets
        self.compute_shapes = compute_shapes
        self.preprocess_image = preprocess_image
        self.config = config
        self.seed = np.random.SeedSequence().entropy if seed is None else seed
        self.canvas_multiple = canvas_multiple
        self.channels = channels
        self.exif = exif
        self.skip_broken = skip_broken
        self.max_pixels = max_pixels
        self.pictures_needed = pictures_needed
        self.check_pictures()
        self.begin()

    def begin(self):
        """Group the pictures there are, and go to the first epoch."""
        self._shuffled, self._first_canvas = {}, (None, None)
        self.group_images()
        self._ordered_groups = self.groups
        self._epoch = -1 if self.shuffle_groups else 0
        if self.shuffle_groups:
            self.on_epoch_end()

    def group_images(self):
        """Set `groups`: lists of `batch_size` pictures; the last wraps round to the start."""
        order = [index for index in range(self.size()) if index not in self.broken]
        if self.group_method == "random":
            order = stream(self.seed, ORDER).permutation(order).tolist()
        elif self.group_method == "ratio":
            order.sort(key=self.image_aspect_ratio)
        self.groups = self._cut(order)

    def _cut(self, order):
        """Return `order` cut into groups; the last wraps round to the start."""
        return [
            [order[place % len(order)] for place in range(start, start + self.batch_size)]
            for start in range(0, len(order), self.batch_size)
        ]

    def _shuffled_groups(self, rng):
        """Return new groups in new order.

        Unlike in 1.0, pictures of nearly equal aspect ratio meet others in each epoch: groups
        that never change give batch norm and Adam the same few gradients again and again.
        """
        redrawn = self.group_method != "none" and type(self).group_images is Generator.group_images
        groups = self._ordered_groups
        if redrawn:
            order = rng.permutation(sorted({i for group in groups for i in group})).tolist()
            if self.group_method == "ratio":
                order.sort(key=self._ratio_step)
            groups = self._cut(order)
        return [groups[place] for place in rng.permutation(len(groups))]

    def _ratio_step(self, index):
        return round(math.log2(self.image_aspect_ratio(index)) * RATIO_STEPS)

    def epoch_groups(self, epoch):
        """Return the groups in the order of an epoch, the same for equal seeds."""
        if not self.shuffle_groups:
            return self._ordered_groups
        groups = self._shuffled.get(epoch)
        if groups is None:
            groups = self._shuffled_groups(stream(self.seed, SHUFFLE, epoch))
            # two epochs are kept, since workers run ahead into the next; never changed in place
            self._shuffled = {**dict(list(self._shuffled.items())[-1:]), epoch: groups}
        return groups

    def on_epoch_end(self):
        """Go to the next epoch's groups (dense view)."""
        self._epoch += 1
        self.groups = self.epoch_groups(self._epoch)

    def __len__(self):
        """Return the number of batches of an epoch."""
        return len(self.groups)

    def __getitem__(self, index):
        """Return (pictures [B, H, W, 3], (regression [B, N, 5], labels [B, N, K+1]))."""
        index = range(len(self))[index]
        with batch_context(self._dense_batch(index)):
            inputs, targets = self.compute_input_output(self.groups[index])
        return inputs, tuple(targets) if isinstance(targets, list) else targets

    def raw_batch(self, index, epoch=0, part=None):
        """Return (pictures, boxes) of a batch; depends on (seed, epoch, index) alone.

        Args:
            index: of the batch in its epoch.
            epoch: counted from 0.
            part: `BatchPart`, to make some pictures of the batch alone, None for all.

        Returns:
            (uint8 [B, H, W, 3] BGR; with `channels` uint8 or uint16 [B, H, W, channels],
             {"boxes": float32 [B, M, 4] in pixels of the canvas, padded with 0,
              "labels": int32 [B, M] padded with -1; -2 marks a region to ignore,
              "sizes": float32 [B, 2], height and width of each resized picture}).
        """
        group = self.epoch_groups(epoch)[index]
        places = range(len(group)) if part is None else part.places(len(group))
        group = [group[place] for place in places]
        batch = Batch(self.seed, (BATCH, epoch, index), epoch=epoch, first=places[0])
        with batch_context(batch), reduced_reading():
            canvas, shapes, annotations = self.resize_onto_canvas(*self.augmented_group(group))
        boxes, labels = pad_boxes(annotations)
        if part is not None:
            canvas, boxes, labels = part.as_large_as_others(canvas, boxes, labels, epoch, index)
        sizes = np.array(shapes, np.float32)
        return canvas, {"boxes": boxes, "labels": labels, "sizes": sizes}

    def preprocessed_group(self, group):
        """Return (pictures, annotations) of a group, ready for canvas and targets."""
        return self.preprocess_group(*self.augmented_group(group))

    def compute_input_output(self, group):
        """Return (inputs, targets) of a group."""
        images, annotations = self.preprocessed_group(group)
        return self.compute_inputs(images), self.compute_targets(images, annotations)

    def compute_inputs(self, image_group):
        """Return the canvas float32 [B, H, W, 3]."""
        return lay_out(image_group, self._dense_canvas_size(image_group), np.float32)

    def generate_anchors(self, image_shape):
        """Return the anchors [N, 4] of a canvas, as `config` has them."""
        return anchors_for_shape(
            image_shape, shapes_callback=self.compute_shapes, **_anchor_options(self.config)
        )

    def compute_targets(self, image_group, annotations_group):
        """Return (regression [B, N, 5], labels [B, N, K+1])."""
        size = self._dense_canvas_size(image_group)
        anchors = self.generate_anchors((*size, image_group[0].shape[2]))
        if self.compute_anchor_targets is not anchor_targets_bbox:  # written for objects alone
            annotations_group = [without_regions(one) for one in annotations_group]
        return tuple(
            self.compute_anchor_targets(anchors, image_group, annotations_group, self.num_classes())
        )

    def _canvas_size(self, images):
        return canvas_size([image.shape for image in images], self.canvas_multiple)

    def _dense_canvas_size(self, images):
        size, unlike = self._canvas_size(images), current_batch(self.seed).unlike
        if unlike is None:
            return size
        # sides of whole cells stay so: there backbones that round down and up agree with
        # 1.0's formula, by which scripts made for it count the anchors
        whole = not any(side % WHOLE_CELLS for side in (*size, *unlike))
        step = max(self.canvas_multiple, WHOLE_CELLS if whole else 1)
        return distinct_size(
            size, unlike, lambda size: len(self.generate_anchors((*size, 3))), step
        )

    def _dense_batch(self, index):
        unlike = None
        if index == 1 and keras.backend.backend() == "tensorflow":
            unlike = self._size_of_first()
        epoch = max(self._epoch, 0)
        return Batch(self.seed, (BATCH, epoch, index), unlike, epoch)

    def _size_of_first(self):
        key = (self._epoch, tuple(self.groups[0]))
        if self._first_canvas[0] != key:
            with batch_context(self._dense_batch(0)):
                images, _ = self.preprocessed_group(self.groups[0])
            self._first_canvas = key, self._canvas_size(images)
        return self._first_canvas[1]


def _anchor_options(config):
    """Return the arguments of `anchors_for_shape` that a config sets."""
    from keras_retinanet.utils.config import parse_anchor_parameters, parse_pyramid_levels

    options = {}
    if config and "anchor_parameters" in config:
        options["anchor_params"] = parse_anchor_parameters(config)
    if config and "pyramid_levels" in config:
        options["pyramid_levels"] = parse_pyramid_levels(config)
    return options


def _check_options(batch_size, group_method, canvas_multiple, seed):
    for name, value in (("batch_size", batch_size), ("canvas_multiple", canvas_multiple)):
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be a whole number from 1. Received: {value!r}")
    if group_method not in GROUP_METHODS:
        raise ValueError(f"group_method must be one of {GROUP_METHODS}. Received: {group_method!r}")
    if seed is not None and seed < 0:
        raise ValueError(f"seed must not be negative. Received: {seed!r}")
