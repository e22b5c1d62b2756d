"""Boxes as a parser meets them, one by one; in the end they are a Table."""

from array import array
from dataclasses import dataclass, field, replace

import numpy as np

from keras_retinanet.preprocessing.samples import FlatBox, UnknownNames
from keras_retinanet.preprocessing.table import make_table


@dataclass
class Rows:
    """The boxes, in arrays: a list of a million takes 20 times as much.

    Attributes:
        flat: FlatBoxes, which are left out.
        declared: {picture: (height, width)} as the annotations state them.
        unknown: UnknownNames, whose boxes are left out; None to refuse them.
    """

    pictures: array = field(default_factory=lambda: array("q"))
    boxes: array = field(default_factory=lambda: array("d"))
    labels: array = field(default_factory=lambda: array("i"))
    ignored: array = field(default_factory=lambda: array("b"))
    flat: list = field(default_factory=list)
    declared: dict = field(default_factory=dict)
    unknown: UnknownNames | None = None

    @classmethod
    def of_options(cls, options):
        """Return empty Rows for a generator with these options: `as_found` refuses no name."""
        return cls(unknown=UnknownNames() if options.get("as_found") else None)

    def add_unknown(self, name, place, error):
        """Count a box whose class there is none of, or raise `error`."""
        if self.unknown is None:
            raise error
        self.unknown.add(name, place)

    def add(self, picture, box, label, ignored, place):
        """Add a box (x1, y1, x2, y2) of a picture; `place` is file and place of it."""
        if box[2] <= box[0] or box[3] <= box[1]:
            self.flat.append(FlatBox(picture, tuple(box), label, place))
            return
        self.pictures.append(picture)
        self.boxes.extend(box)
        self.labels.append(label)
        self.ignored.append(ignored)

    def table(self, paths, notices=(), ignore_classes=()):
        """Return the Table of all boxes on the pictures `paths`."""
        columns = (self.pictures, np.reshape(self.boxes, (-1, 4)), self.labels)
        sizes = [self.declared.get(index, (0, 0)) for index in range(len(paths))]
        return replace(
            make_table(paths, *columns, self.ignored, notices, ignore_classes),
            flat=tuple(self.flat),
            declared=np.array(sizes, np.int64).reshape(-1, 2) if self.declared else None,
            unknown=self.unknown or UnknownNames(),
        )
