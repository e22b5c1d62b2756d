"""A dataset in the format of Open Images: releases 3 to 7 and the challenges."""

import difflib
import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.open_images_boxes import read_boxes
from keras_retinanet.preprocessing.open_images_cache import cached_boxes
from keras_retinanet.preprocessing.open_images_classes import (
    ancestors,
    find_hierarchy_parent,
    get_labels,
    load_hierarchy,
    load_hierarchy_children,
    release_of,
)
from keras_retinanet.preprocessing.samples import AnnotationError, FlatBox, Samples
from keras_retinanet.preprocessing.shares import ShareTableGenerator
from keras_retinanet.preprocessing.table import ANY_CLASS, ignored_labels, make_table
from keras_retinanet.utils.image import read_image_size

__all__ = [
    "OpenImagesGenerator",
    "find_hierarchy_parent",
    "generate_images_annotations_json",
    "get_labels",
    "load_hierarchy",
    "load_hierarchy_children",
]

EXTENSION = ".jpg"
NOT_CHOSEN = -1  # label of boxes that are left out altogether


class OpenImagesGenerator(ShareTableGenerator):
    """Pictures and boxes of a subset of Open Images; pictures that are not there are left out.

    Args:
        main_dir: has the release's folder (`open_images_classes.RELEASES`) and `images/<subset>/`.
        subset: "train", "validation" or "test".
        version: name of the release.
        labels_filter: names of the classes to keep, numbered in this order.
        annotation_cache_dir: where the index of the boxes is kept; remade when files change.
        parent_label: name of the class to keep with all below it in the hierarchy. Pictures
            without a box of the kept classes are left out.
        skip_group_of: make boxes around groups of objects regions to ignore.
        ignore_classes: names of classes whose boxes are regions to ignore; they have no label.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and line.
        ImageError: names the pictures that cannot be used.
    """

    box_form = box_forms.OPEN_IMAGES

    def __init__(
        self,
        main_dir,
        subset,
        version="v4",
        labels_filter=None,
        annotation_cache_dir=".",
        parent_label=None,
        skip_group_of=True,
        ignore_classes=(),
        **kwargs,
    ):
        self.main_dir = main_dir
        self.subset = subset
        self.version = version
        self.metadata_dir = Path(main_dir) / release_of(version).folder
        self.base_dir = _image_folder(Path(main_dir), subset, version)
        names, cls_index = get_labels(self.metadata_dir, version)
        boxes = cached_boxes(annotation_cache_dir, self.metadata_dir, subset, cls_index, version)
        kept = self._kept(names, cls_index, labels_filter, parent_label)
        ignored = ignored_labels(ignore_classes)
        kept = [label for label in kept if names[label] not in ignored]
        self.id_to_labels = {label: names[old] for label, old in enumerate(kept)}
        keys = {label: key for key, label in cls_index.items()}
        self._class_ids = {keys[old]: label for label, old in enumerate(kept)}
        chosen = np.array([ignored.get(names[old], NOT_CHOSEN) for old in range(len(names))])
        chosen[kept] = np.arange(len(kept))
        table = _table(boxes, chosen, self.base_dir, skip_group_of, ignore_classes)
        classes = [(name, label) for label, name in self.id_to_labels.items()]
        super().__init__(table, classes, self.base_dir, main_dir, **kwargs)

    @cached_property
    def hierarchy(self):
        """The tree of classes, as `load_hierarchy` gives it."""
        return load_hierarchy(self.metadata_dir, self.version)

    @cached_property
    def label_ancestors(self):
        """{label: labels of the dataset's classes above it in the hierarchy}, of those with any.

        Raises:
            AnnotationError: the hierarchy's file is not there, or not one.
        """
        known = self._class_ids
        above = {key: [known[one] for one in ids if one in known] for key, ids in self._above()}
        return {known[key]: sorted(labels) for key, labels in above.items() if labels}

    def _above(self):
        return [
            (key, ids) for key, ids in ancestors(self.hierarchy).items() if key in self._class_ids
        ]

    def _kept(self, names, cls_index, labels_filter, parent_label):
        """Return the labels of the classes to keep, in the order of their new numbers."""
        if labels_filter and parent_label:
            raise ValueError("labels_filter and parent_label exclude each other. Give one of them")
        if labels_filter:
            return list(dict.fromkeys(_label_of(name, names) for name in labels_filter))
        if parent_label:
            return self._labels_below(parent_label, names, cls_index)
        return list(names)

    def _labels_below(self, parent_label, names, cls_index):
        """Return the labels of a class and all below it, that have boxes of their own."""
        keys = {label: key for key, label in cls_index.items()}
        tree = find_hierarchy_parent(self.hierarchy, keys[_label_of(parent_label, names)])
        if tree is None:
            raise AnnotationError(
                f"{self.metadata_dir}: class {parent_label!r} is not in the hierarchy. Name its "
                "classes one by one in labels_filter"
            )
        return [cls_index[key] for key in load_hierarchy_children(tree) if key in cls_index]

    def fit_boxes(self):
        """Leave out the boxes that are less than half a pixel wide or high, as 1.0 does."""
        self.samples, flat = _without_flat(self.samples, self.image_sizes)
        self.ignored, _ = _without_flat(self.ignored, self.image_sizes)
        super().fit_boxes()
        if flat:
            self.notify(f"boxes that round to no pixel at all are left out: {flat}")


def generate_images_annotations_json(main_dir, metadata_dir, subset, cls_index, version="v4"):
    """Return 1.0's form of a subset, of the pictures that are there.

    Returns:
        {image id: {"w", "h", "boxes": [{"cls_id", "x1", "y1", "x2", "y2"}]}}, coordinates as
        shares of width and height.
    """
    folder = _image_folder(Path(main_dir), subset, version)
    boxes = read_boxes(metadata_dir, subset, cls_index, version)
    samples = _table(boxes, np.arange(len(cls_index)), folder).samples
    data = {}
    for index, path in enumerate(samples.paths):
        found = samples.annotations(index)
        height, width = read_image_size(folder / path)
        boxes = [
            {"cls_id": label, **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))}
            for box, label in zip(found["bboxes"].tolist(), found["labels"].tolist(), strict=True)
        ]
        data[path.removesuffix(EXTENSION)] = {"w": width, "h": height, "boxes": boxes}
    return data


def _image_folder(main_dir, subset, version):
    """Return the folder of the pictures; those held out of train may lie among train's."""
    images = main_dir / "images"
    if release_of(version).held_out and not (images / subset).is_dir():
        return images / "train"
    return images / subset


def _label_of(name, names):
    """Return the label of a class name, or raise ValueError that tells the nearest ones."""
    for label, known in names.items():
        if known == name:
            return label
    near = difflib.get_close_matches(str(name)[:60], names.values(), n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "Names are as in the files"
    raise AnnotationError(f"unknown class name {shown(str(name))} among {len(names)}. {hint}")


def _table(boxes, chosen, folder, skip_group_of=False, ignore_classes=()):
    """Return the Table of a BoxTable, less pictures that are not there or have nothing chosen.

    Args:
        chosen: [K] new label of each label; `NOT_CHOSEN`, or of `ignored_labels`.
    """
    labels, flat = chosen[boxes.labels], boxes.flat()
    wanted = _are_there(boxes.image_ids, folder)
    missing = int((~wanted).sum())
    if (chosen == NOT_CHOSEN).any():
        wanted &= np.bincount(boxes.pictures[(labels >= 0) & ~flat], minlength=wanted.size) > 0
    places = np.cumsum(wanted) - 1
    paths = [f"{key}{EXTENSION}" for key, keep in zip(boxes.image_ids, wanted, strict=True) if keep]
    if not paths:
        raise AnnotationError(f"{folder}: no picture has a box of the chosen classes")
    notices = (f"pictures that are not in {folder} are left out: {missing} of {wanted.size}",)
    kept = (labels != NOT_CHOSEN) & wanted[boxes.pictures]
    rows = np.flatnonzero(kept & ~flat)
    ignored = boxes.group & skip_group_of
    columns = (places[boxes.pictures[rows]], boxes.boxes[rows], labels[rows], ignored[rows])
    table = make_table(paths, *columns, notices if missing else (), ignore_classes)
    labels = np.where(ignored, ANY_CLASS, labels)
    return replace(table, flat=_flat_boxes(boxes, flat & kept, places, labels))


def _are_there(image_ids, folder):
    """Return which pictures lie in a folder, [P] bool, or raise AnnotationError if none does."""
    try:
        there = {entry.name for entry in os.scandir(folder)}
    except OSError as error:
        raise AnnotationError(
            f"{folder}: the pictures' folder cannot be read ({error.strerror})"
        ) from None
    found = np.array([f"{key}{EXTENSION}" in there for key in image_ids], bool)
    if not found.any():
        raise AnnotationError(
            f"{folder}: none of the {len(found)} pictures of the annotations is there. Put them "
            f"there as <image id>{EXTENSION}"
        )
    return found


def _flat_boxes(boxes, chosen, places, labels):
    """Return FlatBoxes of the chosen [T] of a BoxTable's boxes, all of them without an area."""
    lines = dict(zip(np.flatnonzero(boxes.flat()), boxes.flat_lines, strict=True))
    return tuple(
        FlatBox(
            int(places[boxes.pictures[row]]),
            tuple(boxes.boxes[row].tolist()),
            int(labels[row]),
            f"{boxes.source}, line {lines[row]}",
        )
        for row in np.flatnonzero(chosen)
    )


def _without_flat(samples, sizes):
    """Return (Samples less boxes whose sides round to equal pixels, number of those)."""
    pixels = np.rint(samples.boxes * np.asarray(sizes, float)[samples.pictures][:, [1, 0, 1, 0]])
    kept = (pixels[:, 2:] > pixels[:, :2]).all(axis=1)
    columns = (samples.pictures, samples.boxes, samples.labels)
    return Samples.from_rows(samples.paths, *(c[kept] for c in columns)), int((~kept).sum())
