"""A dataset of two CSV files: annotations `path,x1,y1,x2,y2,class` and classes `name,id`."""

import warnings
from collections import OrderedDict
from functools import cached_property
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing.csv_reader import (
    _parse,
    _read_classes,
    parse_annotations,
    read_classes,
    read_samples,
)
from keras_retinanet.preprocessing.generator import Generator
from keras_retinanet.preprocessing.samples import AnnotationError, AnnotationWarning, Samples
from keras_retinanet.preprocessing.table import Table

__all__ = [
    "AnnotationError",
    "AnnotationWarning",
    "CSVGenerator",
    "_open_for_csv",
    "_parse",
    "_read_annotations",
    "_read_classes",
]


class CSVGenerator(Generator):
    """Pictures and boxes of CSV files.

    Args:
        csv_data_file: annotations; see `csv_reader` for what is accepted.
        csv_class_file: classes.
        base_dir: folder of the pictures; the annotation file's by default.
        as_found: see `table.TableGenerator`.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file, line and remedy.
        ImageError: names the pictures that cannot be used.
    """

    def __init__(self, csv_data_file, csv_class_file, base_dir=None, as_found=False, **kwargs):
        self.base_dir = str(Path(csv_data_file).parent if base_dir is None else base_dir)
        self.classes = read_classes(csv_class_file)
        self.labels = {label: name for name, label in self.classes.items()}
        self.source, self.as_found = str(csv_data_file), as_found
        left_out = [] if as_found else None
        self.samples = read_samples(csv_data_file, self.classes, left_out)
        *flat, repeated = left_out if as_found else (None,)
        nothing = Samples.from_rows(self.samples.paths, [], [], [])
        self.found = Table(self.samples, nothing, (), repeated, tuple(flat))
        super().__init__(**kwargs)
        if self.image_sizes is not None and not as_found:
            self._keep_boxes_inside(csv_data_file)

    def _keep_boxes_inside(self, source):
        self.samples, clipped, dropped = self.samples.inside(self.image_sizes)
        for count, fate in (
            (clipped, "reach outside their pictures and are clipped"),
            (dropped, "lie wholly outside their pictures and are left out"),
        ):
            if count:
                warnings.warn(f"{source}: {count} boxes {fate}", AnnotationWarning, stacklevel=3)

    def leave_out(self, broken):
        """Forget pictures that are broken before the first batch; later ones keep their place."""
        super().leave_out(broken)
        if not hasattr(self, "groups"):
            self.samples, self.found = self.samples.without_pictures(broken), None
            self.image_sizes = np.delete(self.image_sizes, list(broken), axis=0)
            self.broken = {}

    def in_pixels(self, samples):
        """Return Samples of this dataset with their boxes in pixels, as they are here."""
        return samples

    @property
    def image_names(self):
        """The pictures as the file names them, in order of first appearance."""
        return self.samples.paths

    @cached_property
    def image_data(self):
        """1.0's form of the annotations: {name: [{"x1", "y1", "x2", "y2", "class"}, …]}."""
        return annotation_dicts(self.samples, self.labels)

    def size(self):
        """Return the number of pictures."""
        return len(self.samples.paths)

    def num_classes(self):
        """Return the largest class id + 1; ids may have gaps."""
        return max(self.classes.values()) + 1

    def has_label(self, label):
        """Return whether a class has this id."""
        return label in self.labels

    def has_name(self, name):
        """Return whether there is a class of this name."""
        return name in self.classes

    def name_to_label(self, name):
        """Return the id of a class."""
        return self.classes[name]

    def label_to_name(self, label):
        """Return the name of a class id; a gap in the ids is called by its number."""
        return self.labels.get(label, f"unnamed {label}")

    def image_path(self, image_index):
        """Return the picture's file."""
        return str(Path(self.base_dir) / self.image_names[image_index])

    def load_annotations(self, image_index):
        """Return {"labels": [M] int32, "bboxes": [M, 4] float64} of a picture."""
        return self.samples.annotations(image_index)


def annotation_dicts(samples, names):
    """Return Samples in 1.0's form; `names` gives the class name of each label."""
    data = OrderedDict()
    for index, path in enumerate(samples.paths):
        found = samples.annotations(index)
        data[path] = [
            {**dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)), "class": names[label]}
            for box, label in zip(found["bboxes"].tolist(), found["labels"].tolist(), strict=True)
        ]
    return data


def _read_annotations(csv_reader, classes):
    """Return 1.0's form of the rows of a csv reader; errors start with the line."""
    samples, _ = parse_annotations(csv_reader, classes)
    return annotation_dicts(samples, {label: name for name, label in classes.items()})


def _open_for_csv(path):
    """Return the file opened as the csv module wants it; a BOM is not part of the text."""
    return Path(path).open(newline="", encoding="utf-8-sig")
