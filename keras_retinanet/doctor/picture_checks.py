"""Checks of pictures and classes: unreadable, mismatching, without objects, seen twice."""

import numpy as np

from keras_retinanet.doctor.findings import FAULT, NOTE, Example, Finding, counted
from keras_retinanet.doctor.same_pictures import (
    MOST_THUMBNAILS,
    look_alikes,
    same_bytes,
    thumbnails,
)
from keras_retinanet.preprocessing.csv_text import shown

SHOWN = 6  # examples of a finding
MOST_NAMES = 20  # in a line


def check_pictures(subject):
    """Return the Findings on single pictures and on classes."""
    checks = (_unreadable, _mismatching, _without_objects, _only_regions)
    checks += (_unknown_classes, _classes_without_boxes)
    return [finding for check in checks if (finding := check(subject)) is not None]


def _unreadable(subject):
    if not subject.broken:
        return None
    count = len(subject.broken)
    return Finding(
        "unreadable pictures",
        FAULT,
        count,
        f"{counted(count, 'picture', 'pictures')} cannot be read",
        "Replace the files, or train with --skip-broken",
        tuple(subject.broken.values()),
    )


def _mismatching(subject):
    if subject.declared is None:
        return None
    stated, found = np.asarray(subject.declared), np.asarray(subject.sizes)
    wrong = ((stated > 0) & (found > 0) & (stated != found)).any(axis=1)
    indices = np.flatnonzero(wrong)
    if not len(indices):
        return None
    turned = (stated[indices] == found[indices][:, ::-1]).all(axis=1)
    remedy = "Annotate the pictures at the size they have, or scale the boxes"
    if turned.any():
        remedy = (
            f"{counted(int(turned.sum()), 'picture is', 'pictures are')} turned by a quarter: if "
            "the boxes were drawn on the stored pixels, add --ignore-exif"
        )
    return Finding(
        "mismatching pictures",
        FAULT,
        len(indices),
        f"{counted(len(indices), 'picture has', 'pictures have')} another size than the "
        "annotations say",
        remedy,
        tuple(
            f"{subject.names[i]}: {found[i][1]} x {found[i][0]}, annotated as "
            f"{stated[i][1]} x {stated[i][0]}"
            for i in indices
        ),
        tuple(Example(int(i), _boxes_of(subject, i), subject.names[i]) for i in indices[:SHOWN]),
    )


def _boxes_of(subject, picture):
    return tuple(map(tuple, subject.samples.annotations(picture)["bboxes"].tolist()))


def _without_objects(subject):
    return _empty_pictures(
        subject,
        subject.regions == 0,
        "pictures without objects",
        "no object",
        "They train as pure background; make sure that they are",
    )


def _only_regions(subject):
    return _empty_pictures(
        subject,
        subject.regions > 0,
        "pictures with regions to ignore alone",
        "no object, but regions to ignore",
        "They train as background outside of the regions",
    )


def _empty_pictures(subject, chosen, kind, what, remedy):
    """Return the Finding about the chosen [P] of the pictures without objects, None for none."""
    empty = np.flatnonzero((np.diff(subject.samples.starts) == 0) & chosen)
    if not len(empty):
        return None
    return Finding(
        kind,
        NOTE,
        len(empty),
        f"{counted(len(empty), 'picture has', 'pictures have')} {what}",
        remedy,
        tuple(subject.names[index] for index in empty),
        tuple(Example(int(i), (), subject.names[i]) for i in empty if i not in subject.broken)[:3],
    )


def _unknown_classes(subject):
    if not subject.unknown:
        return None
    rows = sorted(subject.unknown.items(), key=lambda row: -row[1][0])
    boxes = sum(count for _, (count, _) in rows)
    names = [f"{shown(name)} ({count:,})" for name, (count, _) in rows]
    more = ", …" if len(names) > MOST_NAMES else ""
    return Finding(
        "unknown classes",
        FAULT,
        boxes,
        f"{counted(boxes, 'box has a name', 'boxes have names')} that no class has: "
        f"{', '.join(names[:MOST_NAMES])}{more}",
        "Training stops at them. Mend the names, or add them to the classes",
        tuple(f"{shown(name)} in {place}" for name, (_, place) in rows),
    )


def _classes_without_boxes(subject):
    present = set(np.unique(subject.samples.labels).tolist())
    absent = [name for label, name in subject.classes.items() if label not in present]
    if not absent:
        return None
    return Finding(
        "classes without boxes",
        NOTE,
        len(absent),
        f"{counted(len(absent), 'class has', 'classes have')} no box",
        "The network gets an output for each; leave them out, or mend their names",
        tuple(absent),
    )


def check_same(subject, other=None, exif=True, alike=True):
    """Return the Findings on pictures that occur twice.

    Args:
        subject: the dataset.
        other: the Subject of the validation pictures, None where there are none.
        exif: whether pictures are turned upright before thumbnails are compared.
        alike: whether to compare thumbnails, too; every picture is decoded for that.
    """
    own = len(subject.names)
    files = subject.files + (other.files if other else ())
    names = subject.names + (other.names if other else ())
    exact = {
        (group[i], later)
        for group in same_bytes(files)
        for i in range(len(group))
        for later in group[i + 1 :]
    }
    saved_again = set()
    if alike and len(files) <= MOST_THUMBNAILS:
        sizes = np.concatenate([subject.sizes, other.sizes]) if other else subject.sizes
        saved_again = set(look_alikes(thumbnails(files, sizes, exif))) - exact
    findings = []
    for pairs, how in ((exact, "byte for byte"), (saved_again, "saved again")):
        within = sorted(pair for pair in pairs if pair[1] < own)
        across = sorted(pair for pair in pairs if pair[0] < own <= pair[1])
        findings += [_same(within, names, how, WITHIN), _same(across, names, how, ACROSS)]
    return [finding for finding in findings if finding is not None]


WITHIN = (
    "same picture twice",
    "",
    "Keep one of each; it counts twice otherwise, or with other boxes",
)
ACROSS = (
    "same picture in both sets",
    ", one to train and one to measure on",
    "Take them out of one set: the measured precision is too high otherwise",
)


def _same(pairs, names, how, words):
    kind, text, remedy = words
    if not pairs:
        return None
    return Finding(
        f"{kind}, {how}",
        FAULT,
        len(pairs),
        f"{counted(len(pairs), 'pair of pictures is', 'pairs of pictures are')} the same{text} "
        f"({how})",
        remedy,
        tuple(f"{names[first]} = {names[second]}" for first, second in pairs),
        tuple(
            Example(first, (), f"{names[first]} = {names[second]}") for first, second in pairs[:3]
        ),
    )
