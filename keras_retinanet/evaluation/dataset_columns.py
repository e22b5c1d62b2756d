"""The columns of any dataset: which truths count, under which ids, in which order.

A generator of a COCO dataset has `image_ids`, `label_to_coco_label` and perhaps `coco`, the
pycocotools object of its annotation file, whose crowds and areas then count; others are measured
with their own labels and boxes, and their regions to ignore as crowds.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_retinanet.evaluation.columns import columns_of, columns_of_coco, of_classes
from keras_retinanet.evaluation.results_file import Places
from keras_retinanet.evaluation.truths import labels_of, truths_of, truths_with_ignored


def image_ids_of(generator):
    """Return the id of each picture; their places from 0 where the dataset has none."""
    return list(getattr(generator, "image_ids", range(generator.size())))


def columns_of_dataset(generator, found):
    """Return the Columns of what was found in the pictures of `generator`.

    Classes are its category ids, or its labels where it has none.

    Args:
        found: FoundBoxes whose pictures are places in `generator`, with its labels.
    """
    image_ids = image_ids_of(generator)
    ranks = _ranks(image_ids)
    found = replace(found, pictures=ranks[found.pictures])
    dataset = getattr(getattr(generator, "coco", None), "dataset", None)
    if dataset:
        columns = columns_of_coco(dataset, (), image_ids)
        return replace(columns, found=_in_categories(found, generator, columns.classes))
    truths = truths_with_ignored(generator)
    columns = columns_of(truths, (), labels_of(generator, truths))
    true = replace(columns.true, pictures=ranks[columns.true.pictures])
    return replace(columns, true=true, found=of_classes(found, columns.classes))


def _in_categories(found, generator, classes):
    """Return FoundBoxes with labels as FoundBoxes with places in `classes`, category ids."""
    labels = np.unique(found.labels)
    categories = [generator.label_to_coco_label(label) for label in labels.tolist()]
    places = {key: place for place, key in enumerate(classes)}
    known = [label for label, key in zip(labels, categories, strict=True) if key in places]
    found = of_classes(found, known)
    of_known = [places[key] for key in categories if key in places]
    return replace(found, labels=np.array(of_known, np.int64)[found.labels])


def class_names_of(generator, columns):
    """Return the name of each class of `columns_of_dataset`."""
    category_ids = getattr(generator, "label_to_coco_label", int)
    labels = labels_of(generator, truths_of(generator))
    names = {category_ids(label): generator.label_to_name(label) for label in labels}
    return [names.get(key, str(key)) for key in columns.classes]


def places_of(generator):
    """Return the Places of results on a dataset.

    Pictures go by their id (place from 0 where there is none), file, file name or its stem;
    classes by category id (label where there is none) or name. A name that two have is no name.
    """
    category_ids = getattr(generator, "label_to_coco_label", int)
    labels = labels_of(generator)
    files = [_names(generator, index) for index in range(generator.size())]
    images = _unique((name, place) for place, names in enumerate(files) for name in names)
    classes = _unique((generator.label_to_name(label), label) for label in labels)
    return Places(
        images | {_plain(key): place for place, key in enumerate(image_ids_of(generator))},
        classes | {_plain(category_ids(label)): label for label in labels},
        np.array([generator.image_size(i) for i in range(len(files))], np.int64).reshape(-1, 2),
    )


def _names(generator, index):
    """Return what a results file may call a picture, besides its id."""
    try:
        path = Path(generator.image_path(index))
    except (NotImplementedError, AttributeError):
        return ()
    return {str(path), path.name, path.stem}


def _unique(pairs):
    """Return {name: place} of the names that stand for one place only."""
    found, twice = {}, set()
    for name, place in pairs:
        if found.setdefault(name, place) != place:
            twice.add(name)
    return {name: place for name, place in found.items() if name not in twice}


def _plain(key):
    """Return an id as JSON has it; datasets may keep NumPy's numbers."""
    return key.item() if isinstance(key, np.generic) else key


def _ranks(image_ids):
    """Return the place of each id among the sorted ones: pycocotools' order of pictures."""
    places = {key: place for place, key in enumerate(sorted(set(image_ids)))}
    return np.array([places[key] for key in image_ids], np.int64)
