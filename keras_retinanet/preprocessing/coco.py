"""A dataset in COCO's format: one JSON file, and a folder of pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_retinanet.preprocessing import box_forms
from keras_retinanet.preprocessing.coco_file import read_coco_file
from keras_retinanet.preprocessing.samples import AnnotationError, FlatBox
from keras_retinanet.preprocessing.table import TableGenerator, ignored_labels, make_table

MIN_SIDE = 1.0  # pixels; smaller boxes are slips of the pen, which 1.0 left out, too


class CocoGenerator(TableGenerator):
    """Pictures and boxes of a COCO set.

    Labels number the categories by ascending id. Crowds are not objects, but regions to ignore.
    `coco.dataset` is the file's content for pycocotools, untouched by what is left out here;
    boxes of classes to ignore are crowds of every other class in it.

    Args:
        data_dir: has `annotations/instances_<set_name>.json`, and the pictures in
            `images/<set_name>/` or `<set_name>/`.
        set_name: such as "train2017".
        annotation_file: the JSON file in place of that.
        image_dir: folder of the pictures in place of that; without `data_dir`, the file's by
            default.
        ignore_classes: names of categories whose boxes are regions to ignore; they have no label.
        allow_outside: whether file names may lead out of the folder of the pictures.
        kwargs: options of `Generator`.

    Raises:
        AnnotationError: one line with file and entry.
        ImageError: names the pictures that cannot be used.
    """

    box_form = box_forms.COCO

    def __init__(
        self,
        data_dir,
        set_name,
        annotation_file=None,
        image_dir=None,
        ignore_classes=(),
        allow_outside=False,
        **kwargs,
    ):
        self.data_dir = data_dir
        self.set_name = set_name
        path = annotation_file or Path(data_dir) / "annotations" / f"instances_{set_name}.json"
        if data_dir is None and image_dir is None:
            image_dir = Path(path).parent
        needed = kwargs.get("pictures_needed", True)
        folder = image_dir or _image_folder(Path(data_dir), set_name, needed)
        self.coco = read_coco_file(path, None if allow_outside else folder)
        self.image_ids = list(self.coco.image_ids)
        ignored = ignored_labels(ignore_classes)
        names = self.coco.categories
        kept = [key for key, name in names.items() if name not in ignored]
        self.coco_labels = dict(enumerate(kept))  # {label: category id}
        self.coco_labels_inverse = {key: label for label, key in self.coco_labels.items()}
        labels = {key: ignored.get(name) for key, name in names.items()} | self.coco_labels_inverse
        table = _table(self.coco, labels, ignore_classes)
        if len(kept) < len(names):
            self.coco = _with_crowds(self.coco, kept)
        classes = [(names[key], label) for label, key in self.coco_labels.items()]
        super().__init__(table, classes, folder, path, **kwargs)

    def forget(self, indices):
        """Take pictures out of the dataset."""
        super().forget(indices)
        gone = set(indices)
        self.image_ids = [key for place, key in enumerate(self.image_ids) if place not in gone]

    def coco_label_to_label(self, coco_label):
        """Return the label of a category id."""
        return self.coco_labels_inverse[coco_label]

    def coco_label_to_name(self, coco_label):
        """Return the name of a category id."""
        return self.coco.categories[coco_label]

    def label_to_coco_label(self, label):
        """Return the category id of a label."""
        return self.coco_labels[int(label)]


def _image_folder(data_dir, set_name, needed):
    places = [data_dir / "images" / set_name, data_dir / set_name]
    for place in places:
        if place.is_dir():
            return place
        if (shard := place.with_name(f"{place.name}.tar")).is_file():
            return shard
    if not needed:
        return places[0]
    raise AnnotationError(
        f"{data_dir}: no folder of pictures. Put them into {places[0]} or {places[1]}"
    )


def _with_crowds(coco, kept):
    """Return the CocoFile in which boxes of other categories are crowds of each `kept` one."""
    rest = ~np.isin(coco.category_ids, kept)
    rows = np.concatenate([np.flatnonzero(~rest), np.flatnonzero(rest).repeat(len(kept))])
    kinds = np.tile(np.array(kept, np.int64), rest.sum())
    return replace(
        coco,
        categories={key: coco.categories[key] for key in kept},
        category_ids=np.concatenate([coco.category_ids[~rest], kinds]),
        crowd=coco.crowd[rows] | rest[rows],
        **{name: getattr(coco, name)[rows] for name in ("numbers", "pictures", "boxes", "areas")},
    )


def _table(coco, labels, ignore_classes=()):
    sides = coco.boxes[:, 2:]
    kept = (sides >= MIN_SIDE).all(axis=1)
    notices = ()
    if coco.strays:
        notices = (f"annotations of pictures that the file does not list: {coco.strays}",)
    boxes = np.hstack([coco.boxes[:, :2], coco.boxes[:, :2] + sides])
    kinds = np.array([labels[kind] for kind in coco.category_ids.tolist()], np.int32)
    columns = (coco.pictures, boxes, kinds, coco.crowd)
    flat = tuple(
        FlatBox(
            int(coco.pictures[row]),
            tuple(boxes[row].tolist()),
            int(kinds[row]),
            f"annotations[{coco.numbers[row]}] (below {MIN_SIDE:g} pixel)",
        )
        for row in np.flatnonzero(~kept)
    )
    table = make_table(
        coco.file_names, *(column[kept] for column in columns), notices, ignore_classes
    )
    return replace(table, flat=flat, declared=coco.sizes)
