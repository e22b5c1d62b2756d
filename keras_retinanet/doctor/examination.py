"""The whole examination of a dataset, and the short one before a training."""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.doctor.box_checks import check_boxes
from keras_retinanet.doctor.coordinates import check_coordinates
from keras_retinanet.doctor.coverage import Coverage, check_coverage, measure, remedies
from keras_retinanet.doctor.findings import FAULT, NOTE, Finding, counted
from keras_retinanet.doctor.picture_checks import check_pictures, check_same
from keras_retinanet.doctor.subject import Subject, part_of

SHOWN = 3  # remedies in the terminal
BRIEF_BOXES = 20_000  # boxes that the short form looks at: one second
BRIEF_PICTURES = 20_000  # pictures whose files it compares


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes:
        subject: the dataset.
        coverage: what the anchors reach.
        findings: Findings, faults first.
        remedies: [(what, share of boxes with an anchor)]; the first is as it is.
    """

    subject: Subject
    coverage: Coverage
    findings: tuple
    remedies: tuple = ()

    def faults(self):
        """Return the Findings that are faults."""
        return [finding for finding in self.findings if finding.severity == FAULT]


def examine(subject, grid, resize, other=None, exif=True):
    """Return the Examination of a dataset.

    Args:
        subject: Subject.
        grid: Grid of the network.
        resize: Resize of the training.
        other: the Subject of the validation pictures, None where there are none.
        exif: whether pictures are turned upright.
    """
    coverage = measure(subject.fitted, subject.sizes, grid, resize)
    findings = [
        *check_coordinates(subject),
        *check_pictures(subject),
        *check_boxes(subject),
        *check_same(subject, other, exif),
        *check_coverage(subject, coverage),
        *(Finding("annotations", NOTE, 1, notice) for notice in subject.notices),
    ]
    helping = ()
    if not coverage.trained.all():
        helping = tuple(remedies(subject.fitted, subject.sizes, grid, resize))
    return Examination(subject, coverage, _faults_first(findings), helping)


def examine_briefly(subject, grid, resize, other=None, left_out=()):
    """Return the Examination of an even part of a dataset: no picture is opened.

    What training says by itself when it reads the annotations is left out, and the kinds of
    findings that are named in `left_out`.
    """
    part = part_of(subject, BRIEF_BOXES)
    coverage = measure(part.fitted, part.sizes, grid, resize)
    few = len(subject.names) + (len(other.names) if other else 0) <= BRIEF_PICTURES
    findings = [
        *check_coordinates(part),
        *(f for f in check_boxes(part) if f.kind == "nearly repeated boxes"),
        *check_pictures(subject),
        *(check_same(subject, other, alike=False) if few else ()),
        *check_coverage(part, coverage),
    ]
    kept = [finding for finding in findings if finding.kind not in left_out]
    return Examination(subject, coverage, _faults_first(kept))


def _faults_first(findings):
    return tuple(sorted(findings, key=lambda finding: finding.severity != FAULT))


def summary(examination):
    """Return one line: how much there is, and what the anchors reach."""
    subject, coverage = examination.subject, examination.coverage
    present = len(np.unique(subject.samples.labels))
    amounts = (
        f"{counted(len(subject.names), 'picture', 'pictures')}, "
        f"{counted(len(subject.samples.labels), 'box', 'boxes')} of "
        f"{counted(present, 'class', 'classes')}"
    )
    sides = coverage.resize
    if not len(coverage.trained):
        return f"{amounts}; no box in a readable picture to measure anchors by"
    at = "own size" if sides.min_side is None else f"{sides.min_side} to {sides.max_side} pixels"
    return f"{amounts}; {coverage.share():.1%} of the boxes have an anchor at {at}"


def lines(examination):
    """Return the examination as lines of text: the summary, then one for each finding."""
    found = [f"{finding.severity}: {finding.line()}" for finding in examination.findings]
    helping = [
        f"would help: {what}: {share:.1%} of the boxes have an anchor"
        for what, share in sorted(examination.remedies[1:], key=lambda row: -row[1])[:SHOWN]
    ]
    return [summary(examination), *found, *helping]
