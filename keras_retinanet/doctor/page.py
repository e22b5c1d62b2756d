"""The examination as a page, with pictures of the worst cases."""

import numpy as np

from keras_retinanet.doctor.examination import Examination, summary
from keras_retinanet.doctor.findings import FAULT
from keras_retinanet.report import charts, pictures
from keras_retinanet.report.markup import element
from keras_retinanet.report.page import badge, folded, page, section, side_by_side, table, tiles
from keras_retinanet.utils.image import ImageError, read_image_bgr

MOST_CLASSES = 30  # bars; a table has the rest
RATIO_EDGES = (0, 0.125, 0.25, 0.5, 0.8, 1.25, 2, 4, 8, np.inf)  # height / width
COUNT_EDGES = (0, 1, 2, 3, 5, 9, 17, 33, 65, np.inf)  # objects of a picture
RED, GREEN = (40, 40, 235), (60, 190, 60)  # blue first


def doctor_page(examination: Examination, exif=True):
    """Return the examination as one HTML page.

    Args:
        examination: of `examine`.
        exif: whether pictures are turned upright.
    """
    return page(
        f"Dataset check: {examination.subject.source}",
        _numbers(examination),
        _findings(examination, exif),
        _anchors(examination),
        _boxes(examination),
        subtitle=summary(examination),
    )


def _numbers(examination):
    subject, coverage = examination.subject, examination.coverage
    faults = sum(finding.count for finding in examination.faults())
    empty = int((np.diff(subject.samples.starts) == 0).sum())
    reached, mood = f"{coverage.share():.1%}", "good" if coverage.share() > 0.95 else "bad"
    if not len(coverage.trained):
        reached, mood = "none", ""  # nothing to measure by
    return tiles(
        [
            (f"{len(subject.names):,}", "pictures", ""),
            (f"{len(subject.samples.labels):,}", "boxes", ""),
            (f"{len(np.unique(subject.samples.labels)):,}", "classes with boxes", ""),
            (f"{empty:,}", "pictures without objects", ""),
            (reached, "of the boxes have an anchor", mood),
            (f"{faults:,}", "faults", "bad" if faults else "good"),
        ]
    )


def _findings(examination, exif):
    if not examination.findings:
        return section("Findings", element("p", "Nothing was found."))
    note = (
        "Faults first. In the pictures, the boxes that a finding is about are red, others of the "
        "same picture green; grey lies outside the picture."
    )
    found = [_finding(examination.subject, each, exif) for each in examination.findings]
    return section("Findings", *found, note=note)


def _finding(subject, finding, exif):
    tone = "bad" if finding.severity == FAULT else "note"
    return element(
        "div",
        element("p", badge(finding.severity, tone), element("b", f"{finding.text}.")),
        element("p", f"{finding.remedy}.", class_="remedy") if finding.remedy else None,
        pictures.gallery([_example(subject, each, exif) for each in finding.examples]),
        _where(finding.places),
        class_="finding",
    )


def _where(places):
    if len(places) < 2:
        return element("p", places[0], class_="where") if places else None
    return folded(f"where ({len(places):,})", places)


def _example(subject, example, exif):
    """Return the figure of an Example, or of grey where its picture cannot be read."""
    name = subject.names[example.picture]
    try:
        image = read_image_bgr(subject.files[example.picture], exif=exif)
    except ImageError:
        return pictures.figure(np.full((60, 160, 3), 128, np.uint8), f"{name} cannot be read")
    others = subject.samples.annotations(example.picture)["bboxes"]
    shown = pictures.view(image, example.boxes, RED, others, GREEN)
    caption = example.caption if name in example.caption else f"{name}: {example.caption}"
    return pictures.figure(shown, caption)


def _anchors(examination):
    coverage = examination.coverage
    params, sides = coverage.grid.anchors, coverage.resize
    by_size = [
        charts.Bar(_between(low, high), count, count - reached)
        for low, high, count, reached in coverage.by_size()
    ]
    by_class = [
        [name, count, reached, f"{reached / count:.1%}"]
        for name, count, reached in sorted(
            (
                (examination.subject.class_name(label), count, reached)
                for label, (count, reached) in coverage.by_class().items()
            ),
            key=lambda row: row[2] / row[1],
        )
    ]
    resized = "at their own size"
    if sides.min_side is not None:
        resized = (
            f"resized so that the shorter side is {sides.min_side} pixels and the longer at "
            f"most {sides.max_side}"
        )
    note = (
        f"Measured by training's own assignment on pictures {resized}. An object is learnt if an "
        f"anchor overlaps it with an IoU of 0.5 or more. Levels {_list(coverage.grid.levels)}; "
        f"strides {_list(params.strides)}; sizes {_list(params.sizes)}; ratios "
        f"{_list(params.ratios)}; scales {_list(params.scales)}."
    )
    return section(
        "Anchors",
        side_by_side(
            _by_size(by_size),
            element("div", element("h3", "By class"), table(_CLASS_HEAD, by_class)),
        ),
        _remedies(examination),
        note=note,
    )


_CLASS_HEAD = ("class", "boxes", "with an anchor", "share")


def _by_size(bars):
    return element(
        "div",
        element("h3", "By size"),
        charts.columns(bars, "√(width × height) after resizing, pixels"),
        charts.key("with an anchor", "without"),
    )


def _remedies(examination):
    if len(examination.remedies) < 2:
        return None
    rows = [(what, f"{share:.1%}") for what, share in examination.remedies]
    fit = ("fitted ratios and scales: --fit-anchors anchors.ini", "")
    return element(
        "div", element("h3", "What would help"), table(("setting", "with an anchor"), [*rows, fit])
    )


def _boxes(examination):
    subject = examination.subject
    samples = subject.samples
    labels, counts = np.unique(samples.labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    classes = [charts.Bar(subject.class_name(labels[place]), int(counts[place])) for place in order]
    fitted = subject.fitted.boxes
    ratios = (fitted[:, 3] - fitted[:, 1]) / (fitted[:, 2] - fitted[:, 0])
    shown = classes[:MOST_CLASSES]
    return section(
        "Boxes",
        side_by_side(
            element(
                "div",
                element("h3", "Boxes of each class"),
                charts.rows(shown) if shown else element("p", "There is no box."),
                element("p", f"and {len(classes) - len(shown)} more classes", class_="note")
                if len(shown) < len(classes)
                else None,
            ),
            element(
                "div",
                element("h3", "Height / width"),
                charts.columns(_histogram(ratios, RATIO_EDGES, _between), "height / width"),
                element("h3", "Objects of a picture"),
                charts.columns(_histogram(np.diff(samples.starts), COUNT_EDGES, _whole), "objects"),
            ),
        ),
    )


def _histogram(values, edges, name):
    """Return a Bar for each pair of `edges`, from the first to the last that is used."""
    places = np.digitize(values, edges) - 1
    pairs = list(zip(edges, edges[1:], strict=False))
    counts = np.bincount(places, minlength=len(pairs))
    used = np.flatnonzero(counts)
    span = range(used[0], used[-1] + 1) if len(used) else ()
    return [charts.Bar(name(*pairs[place]), int(counts[place])) for place in span]


def _between(low, high):
    if low == 0:
        return f"< {high:g}"
    return f"≥ {low:g}" if high == np.inf else f"{low:g}–{high:g}"


def _whole(low, high):
    if high == np.inf:
        return f"≥ {low}"
    return str(low) if high == low + 1 else f"{low}–{high - 1}"


def _list(values):
    return " ".join(f"{value:.4g}" for value in values)
