"""Boxes told as those of their parent classes, too: a cat is an animal, and found as one."""

from dataclasses import replace

import numpy as np


def spread(columns, ancestors):
    """Return Columns in which each object and each detection stands for its ancestors, too.

    So the Open Images Challenge treats objects (Kuznetsova et al. 2020, 6.3.1), and so its
    participants were to treat detections. Copies of a box follow it, so that ties of scores go by
    the box they come from.

    Args:
        columns: Columns.
        ancestors: {id of a class: ids of the classes above it}.
    """
    above = [set(ancestors.get(key, ())) - {key} for key in columns.classes]
    classes = sorted(set(columns.classes).union(*above))
    places = {key: place for place, key in enumerate(classes)}
    lists = [
        [places[key], *sorted(places[parent] for parent in parents)]
        for key, parents in zip(columns.classes, above, strict=True)
    ]
    return replace(
        columns,
        true=_copied(columns.true, lists),
        found=_copied(columns.found, lists),
        classes=tuple(classes),
    )


def _copied(boxes, lists):
    """Return boxes with each repeated for every label of the list that its own label names."""
    lengths = np.array([len(each) for each in lists], np.int64)
    starts = np.cumsum(lengths) - lengths
    labels = np.array([label for each in lists for label in each], np.int64)
    counts = lengths[boxes.labels]
    rows = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return replace(boxes.rows(rows), labels=labels[starts[boxes.labels[rows]] + within])
