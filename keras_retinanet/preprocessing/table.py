"""The base of the datasets whose annotations are read into a table when they are opened."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.generator import Generator
from keras_retinanet.preprocessing.samples import (
    AnnotationError,
    AnnotationWarning,
    Samples,
    UnknownNames,
)

ANY_CLASS = -1  # label of a region to ignore that belongs to no class


@dataclass(frozen=True)
class Table:
    """What a parser found.

    Attributes:
        samples: the pictures and their objects.
        ignored: the same pictures and the regions in which nothing counts, neither as an object
            nor as background: crowds and boxes left out on request; label `ANY_CLASS` or a class.
        notices: a line each on what was accepted but should be known.
        repeated: boxes left out, since `samples` has equal ones; None for none.
        flat: FlatBoxes left out, since they have no area.
        declared: [pictures, 2] height and width that the annotations state, 0 where they do not;
            None where the format has none.
        unknown: UnknownNames, whose boxes are left out.
    """

    samples: Samples
    ignored: Samples
    notices: tuple = ()
    repeated: Samples | None = None
    flat: tuple = ()
    declared: np.ndarray | None = None
    unknown: UnknownNames = field(default_factory=UnknownNames)

    def all_notices(self):
        """Return the notices and those on what was left out."""
        flat = flat_notice(len(self.flat), self.flat[0].place) if self.flat else ()
        count = 0 if self.repeated is None else len(self.repeated.labels)
        repeated = (f"repeated boxes are left out: {count}",) if count else ()
        return (*flat, *self.notices, *repeated)


def flat_notice(count, first):
    """Return the notices about `count` boxes without an area, the first at a place."""
    return (f"boxes without an area are left out: {count}, the first in {first}",) if count else ()


def ignored_labels(names):
    """Return {name: label} of classes whose boxes are regions to ignore.

    Each has a label of its own below `ANY_CLASS`, which `make_table` takes for what it is.
    """
    names = [names] if isinstance(names, str) else names
    return {name: ANY_CLASS - 1 - place for place, name in enumerate(dict.fromkeys(names))}


def make_table(paths, pictures, boxes, labels, ignored, notices=(), ignore_classes=()):
    """Return the Table of columns of one length [T], which may be in any order of pictures.

    Args:
        ignored: [T] whether the box is a region to ignore; those whose label `ignored_labels`
            gave are, too.
        ignore_classes: the names that it gave them for.
    """
    labels = np.asarray(labels, np.int32)
    notices = (*notices, *_absent(ignore_classes, labels))
    ignored = np.asarray(ignored, bool) | (labels < 0)
    labels = np.maximum(labels, ANY_CLASS)
    columns = [np.asarray(pictures), np.asarray(boxes).reshape(-1, 4), labels]
    objects = Samples.from_rows(paths, *(column[~ignored] for column in columns))
    objects, repeated = objects.split_duplicates()
    regions = Samples.from_rows(paths, *(column[ignored] for column in columns))
    return Table(objects, regions, tuple(notices), repeated)


def _absent(names, labels):
    """Yield a notice for each class to ignore that no box has: its name may be misspelt."""
    for name, label in ignored_labels(names).items():
        if not (labels == label).any():
            yield f"no box is of the class {shown(name)}, which was to be ignored"


class TableGenerator(Generator):
    """A dataset of a Table.

    Args:
        table: Table; the names of its pictures are relative to `image_folder`.
        classes: {name: label} or, where names repeat, [(name, label)]: the first then has it.
        image_folder: folder of the pictures.
        source: what messages call the dataset.
        as_found: mend nothing, warn of nothing, and keep broken pictures, listed in `broken`:
            for the doctor, who reads `found`.
        kwargs: options of `Generator`.
    """

    box_form = box_forms.CSV  # how the annotations write boxes

    def __init__(self, table, classes, image_folder, source, as_found=False, **kwargs):
        pairs = list(classes.items() if hasattr(classes, "items") else classes)
        if not pairs:
            raise AnnotationError(f"{source}: no class is left to find. Ignore fewer classes")
        self.labels = {label: name for name, label in pairs}
        self.classes = {name: label for name, label in reversed(pairs)}
        self.classes = {name: self.classes[name] for name, _ in pairs}  # in the given order
        self.samples, self.ignored = table.samples, table.ignored
        self.image_folder = str(image_folder)
        self.source = str(source)
        self.found, self.as_found = table, as_found  # the first None once pictures are forgotten
        for notice in () if as_found else table.all_notices():
            self.notify(notice)
        super().__init__(**kwargs)
        if self.image_sizes is not None and not as_found:
            self.fit_boxes()

    def notify(self, notice):
        """Warn of what was mended or left out."""
        warnings.warn(f"{self.source}: {notice}", AnnotationWarning, stacklevel=4)

    def fit_boxes(self):
        """Clip the boxes to their pictures, whose sizes are known now."""
        self.samples, clipped, dropped = self.samples.inside(self.image_sizes)
        self.ignored, _, _ = self.ignored.inside(self.image_sizes)
        if clipped:
            self.notify(f"{clipped} boxes reach outside their pictures and are clipped")
        if dropped:
            self.notify(f"{dropped} boxes lie wholly outside their pictures and are left out")

    def stated_sizes(self):
        """Return the sizes of the pictures that the annotations state, see `Table.declared`."""
        return self.found.declared

    def in_pixels(self, samples):
        """Return Samples of `found` with their boxes in pixels, as they are here."""
        return samples

    def leave_out(self, broken):
        """Forget pictures that are broken before the first batch; later ones keep their place."""
        super().leave_out(broken)
        if not hasattr(self, "groups"):
            self.forget(list(broken))
            self.broken = {}

    def forget(self, indices):
        """Take pictures out of the dataset."""
        self.found = None
        self.samples = self.samples.without_pictures(indices)
        self.ignored = self.ignored.without_pictures(indices)
        self.image_sizes = np.delete(self.image_sizes, indices, axis=0)

    @property
    def image_names(self):
        """The pictures as the annotations name them."""
        return self.samples.paths

    @image_names.setter
    def image_names(self, names):
        """Keep the pictures of these names alone, in the dataset's order, as scripts of 1.0 do."""
        names = set(names)
        self.forget([i for i, path in enumerate(self.samples.paths) if path not in names])
        self.begin()

    def size(self):
        """Return the number of pictures."""
        return len(self.samples.paths)

    def without_objects(self):
        """Return how many pictures have no object; they train as background."""
        return int(np.count_nonzero(np.diff(self.samples.starts) == 0))

    def num_classes(self):
        """Return the largest label + 1."""
        return max(self.labels) + 1

    def has_label(self, label):
        """Return whether a class has this label."""
        return label in self.labels

    def has_name(self, name):
        """Return whether there is a class of this name."""
        return name in self.classes

    def name_to_label(self, name):
        """Return the label of a class."""
        return self.classes[name]

    def label_to_name(self, label):
        """Return the name of a label's class."""
        return self.labels[label]

    def image_path(self, image_index):
        """Return the picture's file."""
        return str(Path(self.image_folder) / self.samples.paths[image_index])

    def load_annotations(self, image_index):
        """Return {"labels": [M] int32, "bboxes": [M, 4] float64} of a picture."""
        return self.samples.annotations(image_index)

    def load_ignored(self, image_index):
        """Return the regions of a picture in which nothing counts, in the same form.

        They are not among `load_annotations`; a label is a class's or `ANY_CLASS`.
        """
        return self.ignored.annotations(image_index)
