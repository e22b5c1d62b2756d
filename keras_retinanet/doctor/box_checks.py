"""Checks of boxes: outside, empty, repeated, nearly repeated."""

import numpy as np

from keras_retinanet.doctor.findings import FAULT, Example, Finding, counted
from keras_retinanet.doctor.pairs import overlapping_pairs

SLACK = 1.0  # pixels by which a box may reach outside: tools round, and count from 0 or 1
NEARLY = 0.9  # IoU from which two boxes of a class are one object
SHOWN = 6  # examples of a finding
_PAIRS = "pairs of boxes of one class overlap"


def check_boxes(subject):
    """Return the Findings on the boxes of a Subject."""
    checks = (_empty, _wholly_outside, _reaching_outside, _repeated, _nearly_repeated)
    return [finding for check in checks if (finding := check(subject)) is not None]


def _empty(subject):
    if not subject.flat:
        return None
    places = tuple(f"{subject.place(f.picture, f.box)} ({f.place})" for f in subject.flat)
    return Finding(
        "empty boxes",
        FAULT,
        len(places),
        f"{counted(len(places), 'box has', 'boxes have')} no area: {_flat_sides(subject.form)}",
        f"Draw them again or delete them; {subject.form.flat}",
        places,
        tuple(
            Example(f.picture, (f.box,), f"{subject.class_name(f.label)}: no area")
            for f in subject.flat[:SHOWN]
        ),
    )


def _flat_sides(form):
    if form.kind != "corners":
        return "width or height is not above 0"
    x1, y1, x2, y2 = form.fields
    return f"{x2} is not right of {x1}, or {y2} not below {y1}"


def _overhang(subject):
    """Return by how many pixels each box reaches outside, [T]; negative for those inside."""
    boxes = subject.samples.boxes
    over = np.concatenate([-boxes[:, :2], boxes[:, 2:] - subject.limits[:, 2:]], axis=1)
    return np.where(subject.readable, over.max(axis=1, initial=-np.inf), -np.inf)


def _is_outside(subject):
    """Return [T] whether a box has no part inside its picture."""
    clipped = np.clip(subject.samples.boxes, 0, subject.limits)
    sides = clipped[:, 2:] - clipped[:, :2]
    return (sides <= 0).any(axis=1) & subject.readable


def _wholly_outside(subject):
    rows = np.flatnonzero(_is_outside(subject))
    return _of_rows(
        subject,
        rows,
        "boxes outside",
        f"{counted(len(rows), 'box lies', 'boxes lie')} wholly outside the picture and "
        f"{'is' if len(rows) == 1 else 'are'} left out",
        "Check that boxes and pictures belong together and were not resized apart",
    )


def _reaching_outside(subject):
    over = _overhang(subject)
    rows = np.flatnonzero((over > SLACK) & ~_is_outside(subject))
    rows = rows[np.argsort(-over[rows], kind="stable")]
    worst = f", by {over[rows[0]]:.4g} pixels at most" if len(rows) else ""
    return _of_rows(
        subject,
        rows,
        "boxes reaching outside",
        f"{counted(len(rows), 'box reaches', 'boxes reach')} more than {SLACK:g} pixel outside "
        f"the picture{worst}",
        f"Training clips them; many of them mean other coordinates than {subject.form}",
    )


def _repeated(subject):
    rows = np.arange(len(subject.repeated.labels))
    return _of_rows(
        subject,
        rows,
        "repeated boxes",
        f"{counted(len(rows), 'box stands', 'boxes stand')} in the annotations more than once, "
        "equal in every number and class",
        "Training counts them once; delete the others",
        subject.repeated,
    )


def _nearly_repeated(subject):
    samples = subject.samples
    rows, others, overlap = overlapping_pairs(samples, NEARLY - 1e-9)
    same = samples.labels[rows] == samples.labels[others]
    order = np.argsort(-overlap[same], kind="stable")
    rows, others, overlap = (column[same][order] for column in (rows, others, overlap))
    if not len(rows):
        return None
    pairs = list(zip(rows.tolist(), others.tolist(), overlap.tolist(), strict=True))
    return Finding(
        "nearly repeated boxes",
        FAULT,
        len(pairs),
        f"{counted(len(pairs), 'pair of boxes of one class overlaps', _PAIRS)} at IoU {NEARLY} or "
        "more: one object, drawn twice",
        "Delete one of each",
        tuple(f"{_place(subject, samples, row)} (IoU {iou:.3f})" for row, _, iou in pairs),
        tuple(
            Example(
                int(samples.pictures[row]),
                (tuple(samples.boxes[row]), tuple(samples.boxes[other])),
                f"{subject.class_name(samples.labels[row])}, IoU {iou:.3f}",
            )
            for row, other, iou in pairs[:SHOWN]
        ),
    )


def _place(subject, samples, row):
    return subject.place(
        int(samples.pictures[row]), samples.boxes[row].tolist(), samples.labels[row]
    )


def _of_rows(subject, rows, kind, text, remedy, samples=None):
    """Return the Finding about rows of boxes, None where there are none."""
    samples = subject.samples if samples is None else samples
    if not len(rows):
        return None
    examples = tuple(
        Example(
            int(samples.pictures[row]),
            (tuple(samples.boxes[row]),),
            subject.class_name(samples.labels[row]),
        )
        for row in rows[:SHOWN]
    )
    places = tuple(_place(subject, samples, row) for row in rows)
    return Finding(kind, FAULT, len(rows), text, remedy, places, examples)
