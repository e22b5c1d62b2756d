"""The numbers of an evaluation as parts of a page: table of classes, curves, matrix, bars."""

import numpy as np

from keras_retinanet.evaluation.breakdown import SIDES
from keras_retinanet.evaluation.coco_numbers import RECALLS
from keras_retinanet.evaluation.examples import size_bin
from keras_retinanet.evaluation.operating_points import curve, of_all_classes
from keras_retinanet.report import charts
from keras_retinanet.report.lines import Line, chart
from keras_retinanet.report.markup import element
from keras_retinanet.report.page import table

MOST_LINES = 14  # classes with a curve of their own
MOST_IN_MATRIX = 40  # classes
SCORES = tuple(step / 100 for step in range(100))
INTERVAL = ("from", "to")
HEAD = ("class", "objects", "AP", *INTERVAL, "AP50", "precision", "recall", "F1", "score")


def sorted_table(head, rows):
    """Return a table whose columns a click sorts.

    Args:
        head: names of the columns; the first is of text, the others of numbers.
        rows: [text, number or None, …].
    """
    kinds = ["text", *["number"] * (len(head) - 1)]
    names = element(
        "tr",
        *(
            element(
                "th",
                element("button", name, type="button"),
                scope="col",
                data_kind=kind,
                class_="number" if kind == "number" else None,
            )
            for name, kind in zip(head, kinds, strict=True)
        ),
    )
    body = element("tbody", *(element("tr", *_cells(row)) for row in rows))
    return element("div", element("table", element("thead", names), body), class_="scroll")


def class_table(names, classes):
    """Return the table of classes.

    Args:
        names: of the classes.
        classes: {name: numbers}, as `--json` has them; without intervals they have no columns.
    """
    rows = [dict(zip(HEAD, _class_row(name, classes[name]), strict=True)) for name in names]
    known = any(classes[name]["interval"] for name in names)
    head = [column for column in HEAD if known or column not in INTERVAL]
    return sorted_table(head, [[row[column] for column in head] for row in rows])


def _class_row(name, numbers):
    best, coco = numbers["F1"]["best"], numbers["coco"]
    low, high = numbers["interval"] or (None, None)
    known = coco["objects"] > 0
    ap = [coco["AP"], low, high, coco["AP50"]] if known else [None] * 4
    return [name, coco["objects"], *ap, *(best[k] for k in ("precision", "recall", "F1")),
            best["threshold"]]  # fmt: skip


def _cells(row):
    yield element("td", row[0])
    for value in row[1:]:
        shown = "" if value is None else value if isinstance(value, int) else f"{value:z.3f}"
        yield element("td", shown, data_value="" if value is None else value, class_="number")


def precision_recall(hits, objects):
    """Return the points (recall, best precision at it or above) at COCO's 101 recalls.

    Args:
        hits: bool [n], of the detections, the surest first.
        objects: how many there are, at least one.
    """
    right = np.cumsum(hits)
    precision = right / np.arange(1, len(right) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(right / objects, RECALLS, side="left")
    reached = int((places < len(right)).sum())
    values = zip(RECALLS[:reached], precision[places[:reached]], strict=True)
    return tuple((float(recall), float(value)) for recall, value in values)


def curves(analysis, names):
    """Return the charts of precision by recall, and of F1 by score, of all classes and of each."""
    outcomes = analysis.outcomes
    order = np.argsort(-outcomes.objects, kind="stable")[:MOST_LINES]
    classes = [
        (names[label], *outcomes.of_class(label)[:2], int(outcomes.objects[label]))
        for label in order.tolist()
        if outcomes.objects[label]
    ]
    every = [("all classes", *of_all_classes(outcomes)), *classes] if classes else []
    recall = [Line(name, precision_recall(hits, count)) for name, _, hits, count in every]
    f1 = [
        Line(name, tuple((p["threshold"], p["F1"]) for p in curve(scores, hits, count, SCORES)))
        for name, scores, hits, count in every
    ]
    return chart(recall, "recall", "precision"), chart(f1, "score threshold", "F1")


def calibration_chart(calibration):
    """Return the chart of how often detections of a score are right, beside what scores say."""
    points = tuple((row["score"], row["precision"]) for row in calibration["bins"])
    exact = Line("as often as the score says", ((0.0, 0.0), (1.0, 1.0)))
    return chart([Line("detections", points), exact], "score", "share that is right")


def calibration_table(calibration):
    """Return the table behind the chart."""
    head = ("scores", "detections", "mean score", "share that is right")
    rows = [
        (
            f"{row['low']:.1f} to {row['high']:.1f}",
            row["count"],
            f"{row['score']:.3f}",
            f"{row['precision']:.3f}",
        )
        for row in calibration["bins"]
    ]
    return table(head, rows)


def matrix(counts, names):
    """Return the confusion matrix; an entry is a button that shows its pictures.

    Args:
        counts: [K + 1, K + 1], of `confusion_matrix`.
        names: [K].
    """
    mistakes = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    classes = np.sort(np.argsort(-mistakes[:-1], kind="stable")[:MOST_IN_MATRIX])
    places = [*classes.tolist(), len(names)]
    named = [*names, "background"]
    head = element("tr", element("td"), *(element("th", named[p], scope="col") for p in places))
    rows = []
    for true in places:
        total = max(int(counts[true].sum()), 1)
        cells = [_entry(true, found, counts, total, named) for found in places]
        rows.append(element("tr", element("th", named[true], scope="row"), *cells))
    whole = element("table", element("thead", head), element("tbody", *rows), class_="matrix")
    return element("div", whole, class_="scroll")


def _entry(true, found, counts, total, named):
    count = int(counts[true, found])
    if not count:
        return element("td", "·", class_="soft")
    share = round(100 * min(1.0, count / total))
    color = "var(--c0)" if true == found else "var(--c1)"
    what = f"labelled {named[true]}, found {named[found]}: {count:,}"
    style = f"background:color-mix(in srgb,{color} {10 + share * 45 // 100}%,transparent)"
    button = element(
        "button",
        f"{count:,}",
        type="button",
        title=what,
        aria_label=what,
        aria_pressed="false",
        data_cell=f"{true}-{found}",
        style=style,
    )
    return element("td", button)


def error_bars(errors):
    """Return the bars of what each kind of error costs, and the table of how many there are."""
    costs = {kind: errors["costs"][kind] for kind in errors["counts"]}
    known = sorted((kind for kind in costs if costs[kind] is not None), key=lambda k: -costs[k])
    bars = [charts.Bar(kind, round(100 * costs[kind], 1)) for kind in known]
    return charts.rows(bars), table(("error", "how many"), list(errors["counts"].items()))


def size_bars(analysis, score_threshold):
    """Return the columns of how many objects of each size were found and missed."""
    true, outcomes = analysis.columns.true, analysis.outcomes
    found = np.zeros(len(true.labels), bool)
    found[outcomes.owners[outcomes.hits & (outcomes.scores > score_threshold)]] = True
    bins = np.array([size_bin(area) for area in true.areas], np.int64)
    counted = ~true.crowd
    every = np.bincount(bins[counted], minlength=len(SIDES))
    missed = np.bincount(bins[counted & ~found], minlength=len(SIDES))
    return [
        charts.Bar(name, int(count), int(bad))
        for name, count, bad in zip(SIDES, every, missed, strict=True)
    ]
