"""A dataset of two CSV files: annotations `path,x1,y1,x2,y2,class` and classes `name,id`."""

from collections import OrderedDict
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from keras_retinanet.preprocessing.csv_reader import (
    _parse,
    _read_classes,
    parse_annotations,
    read_classes,
    read_samples,
)
from keras_retinanet.preprocessing.samples import (
    AnnotationError,
    AnnotationWarning,
    LeftOut,
    Samples,
)
from keras_retinanet.preprocessing.table import Table, TableGenerator, ignored_labels, make_table

__all__ = [
    "AnnotationError",
    "AnnotationWarning",
    "CSVGenerator",
    "_open_for_csv",
    "_parse",
    "_read_annotations",
    "_read_classes",
]


class CSVGenerator(TableGenerator):
    """Pictures and boxes of CSV files.

    A picture's path may be absolute or lead anywhere: who trains on a CSV file wrote it.

    Args:
        csv_data_file: annotations; see `csv_reader` for what is accepted.
        csv_class_file: classes.
        base_dir: folder of the pictures; the annotation file's by default.
        ignore_classes: names of classes, of the class file or not, whose boxes are regions to
            ignore; they have no label.
        as_found: see `table.TableGenerator`.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file, line and remedy.
        ImageError: names the pictures that cannot be used.
    """

    def __init__(
        self,
        csv_data_file,
        csv_class_file,
        base_dir=None,
        ignore_classes=(),
        as_found=False,
        **kwargs,
    ):
        self.base_dir = str(Path(csv_data_file).parent if base_dir is None else base_dir)
        known = {**read_classes(csv_class_file), **ignored_labels(ignore_classes)}
        left_out, sizes = LeftOut() if as_found else None, []
        samples = read_samples(csv_data_file, known, left_out, sizes)
        table = _table(samples, left_out, ignore_classes)
        table = replace(table, declared=sizes[0] if sizes else None)
        classes = {name: label for name, label in known.items() if label >= 0}
        super().__init__(table, classes, self.base_dir, csv_data_file, as_found, **kwargs)

    def place_of(self, image_index):
        """Return the file and line that first name a picture, as the beginning of a message."""
        name = self.image_names[image_index]
        with _open_for_csv(self.source) as stream:
            for number, text in enumerate(stream, start=1):
                if name in text:
                    return f"{self.source}, line {number}: "
        return ""

    @cached_property
    def image_data(self):
        """1.0's form of the annotations: {name: [{"x1", "y1", "x2", "y2", "class"}, …]}."""
        return annotation_dicts(self.samples, self.labels)

    def label_to_name(self, label):
        """Return the name of a class id; a gap in the ids is called by its number."""
        return self.labels.get(label, f"unnamed {label}")


def _table(samples, left_out, ignore_classes):
    """Return the Table of Samples and of what `csv_reader.read_samples` left out, if it says."""
    columns = (samples.pictures, samples.boxes, samples.labels)
    if ignore_classes:
        ignored = samples.labels < 0
        table = make_table(samples.paths, *columns, ignored, ignore_classes=ignore_classes)
    else:
        table = Table(samples, Samples.from_rows(samples.paths, (), (), ()))
    if left_out is None:
        return table
    repeated = left_out.repeated
    columns = (repeated.pictures, repeated.boxes, repeated.labels)
    objects = [column[repeated.labels >= 0] for column in columns]
    repeated = Samples.from_rows(samples.paths, *objects)
    return replace(table, repeated=repeated, flat=tuple(left_out.flat), unknown=left_out.unknown)


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
