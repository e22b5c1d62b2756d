"""An evaluation as one page: what is good, what goes wrong, and pictures of both."""

from keras_retinanet.evaluation import examples, page_numbers
from keras_retinanet.evaluation.breakdown import SIDES
from keras_retinanet.evaluation.confusion import confusion_matrix
from keras_retinanet.evaluation.page_galleries import Galleries
from keras_retinanet.report import charts, pictures
from keras_retinanet.report.controls import CONTROLS_SCRIPT, CONTROLS_STYLE
from keras_retinanet.report.markup import Html, element
from keras_retinanet.report.page import page, section, side_by_side, table, tiles

NOTES = {
    "Worst misses": "Objects that nothing found, the largest first, with the reason.",
    "Worst false alarms": "Detections that are errors, the surest first.",
    "Suspect labels": "Sure detections that contradict a label. Look at them; not all are faults.",
    "Best pictures": "Whole pictures with the highest F1, those with more objects first.",
}


def evaluation_page(analysis, results, names, load):
    """Return the evaluation as one HTML page.

    Args:
        analysis: `analysis.Analysis`.
        results: what `retinanet-evaluate` returns.
        names: of the classes of `analysis`.
        load: a function from the place of a picture to (uint8 [H, W, 3] BGR, its name).
    """
    score = analysis.sure_score
    galleries = Galleries(analysis, names, score, load)
    made = galleries.figures(
        [
            examples.misses(analysis, score),
            examples.false_alarms(analysis),
            examples.suspects(analysis, score),
            examples.best_pictures(analysis, score),
            examples.of_cells(analysis, score),
        ]
    )
    subject = results["options"].get("model") or results["options"].get("results")
    return page(
        f"Evaluation: {subject}",
        _headline(results, analysis),
        _classes(results, names),
        _curves(analysis, names),
        _calibration(results["calibration"]),
        _errors(results, analysis, score),
        _confusion(analysis, names, score, made[-1]),
        _galleries(names, made),
        _viewer(),
        galleries.facts(),
        subtitle=f"{results['images']:,} pictures, {len(analysis.columns.true.labels):,} objects; "
        f"a detection is right from an IoU of {analysis.iou_threshold:g} on",
        style=CONTROLS_STYLE,
        script=CONTROLS_SCRIPT,
    )


def _headline(results, analysis):
    coco, best, interval = results["coco"], results["F1"]["best"], results["intervals"]
    low, high = interval["AP"] if interval else (None, None)
    between = "" if low is None else f", 95 % between {low:.3f} and {high:.3f}"
    return tiles(
        [
            (_share(coco["AP"]), f"AP (COCO){between}", ""),
            (_share(results["mAP"]), f"mAP at IoU {analysis.iou_threshold:g}", ""),
            (_share(coco["AP75"]), "AP at IoU 0.75", ""),
            (_share(best["F1"]), f"best F1, above score {_share(best['threshold'])}", ""),
            (_share(best["precision"]), "precision there", ""),
            (_share(best["recall"]), "recall there", ""),
        ]
    )


def _share(value):
    return "none" if value is None or value != value or value < 0 else f"{value:.3f}"


def _classes(results, names):
    note = (
        "AP with its interval of 95 %; precision, recall and F1 at the class's own best score. A "
        "click on a column's name sorts."
    )
    return section("Classes", page_numbers.class_table(names, results["classes"]), note=note)


def _curves(analysis, names):
    recall, f1 = page_numbers.curves(analysis, names)
    most = page_numbers.MOST_LINES
    cut = f"; the {most} commonest classes" if len(names) > most else ""
    note = f"At an IoU of {analysis.iou_threshold:g}{cut}."
    return section("Curves", side_by_side(recall, f1), note=note)


def _calibration(calibration):
    if calibration["ECE"] is None:
        return None
    note = (
        "How often detections of a score are right. Below the diagonal they are surer than they "
        f"should be, above it less sure. The mean distance is {calibration['ECE']:.3f}"
    )
    held_out = calibration["held_out"]
    if held_out["after"] is not None:
        note += (
            f"; with the logits divided by {calibration['temperature']:.2f} (--store-temperature) "
            f"it would be {held_out['after']:.3f} in place of {held_out['before']:.3f} on pictures "
            "that the number was not found on"
        )
    return section(
        "Calibration",
        side_by_side(
            page_numbers.calibration_chart(calibration), page_numbers.calibration_table(calibration)
        ),
        note=note + ".",
    )


def _errors(results, analysis, score):
    bars, counts = page_numbers.error_bars(results["errors"])
    sizes = page_numbers.size_bars(analysis, score)
    by_size = [
        [name, row["objects"], *(_share(row[key]) for key in ("AP", "AP50", "AR100"))]
        for name, row in results["by_size"].items()
        if row["objects"]
    ]
    return section(
        "Errors",
        side_by_side(
            element(
                "div", element("h3", "What each kind costs, in hundredths of AP"), bars, counts
            ),
            element(
                "div",
                element("h3", f"Objects by size, found or missed above score {score:.2f}"),
                charts.columns(sizes, "√area, pixels"),
                charts.key("found", "missed"),
                table(("size", "objects", "AP", "AP50", "AR100"), by_size),
            ),
        ),
    )


def _confusion(analysis, names, score, figures):
    counts = confusion_matrix(analysis.matched, analysis.outcomes, analysis.iou_threshold, score)
    cell = element(
        "div",
        element("h3", "", id="cell-name"),
        pictures.gallery([each for each in figures if each]),
        id="cell",
        hidden="hidden",
        aria_live="polite",
    )
    note = (
        f"Rows are labels, columns what was found above score {score:.2f}. The last row has false "
        "alarms, the last column missed objects. A click on an entry shows pictures of it."
    )
    return section("Confusion", page_numbers.matrix(counts, names), cell, note=note)


def _galleries(names, made):
    key = element(
        "p",
        "In pictures: label ",
        Html('<b style="color:#009e73">green</b>, right detection '),
        Html('<b style="color:#56b4e9">sky blue</b>, wrong one '),
        Html('<b style="color:#d55e00">vermillion</b>. A click opens the whole picture.'),
        class_="note",
    )
    parts = []
    for (heading, note), figures in zip(NOTES.items(), made[:-1], strict=True):
        shown = [each for each in figures if each]
        empty = element("p", "None.") if not shown else None
        parts += [element("h3", heading), element("p", note, class_="note")]
        parts += [empty, pictures.gallery(shown)]
    return section("Pictures", key, _filters(names), *parts)


def _filters(names):
    kinds = [(kind.replace(" ", "-"), kind) for kind in examples.REASONS]
    score = {"type": "number", "min": 0, "max": 1, "step": 0.05}
    return element(
        "div",
        _select("label", "class", list(enumerate(names))),
        _select("size", "size", list(enumerate(SIDES))),
        _select("kind", "error", kinds),
        element("label", "score from", _number("low", 0, score)),
        element("label", "score to", _number("high", 1, score)),
        element("button", "show all", id="clear", type="button"),
        element("span", "", id="count", role="status"),
        class_="filters",
    )


def _select(name, what, pairs):
    options = [element("option", text, value=value) for value, text in [("", "all"), *pairs]]
    return element("label", what, element("select", *options, id=name))


def _number(name, value, attributes):
    given = "".join(f' {key}="{each}"' for key, each in attributes.items())
    return Html(f'<input id="{name}" value="{value}"{given}>')


def _viewer():
    buttons = [
        element("button", text, id=name, type="button")
        for name, text in (("before", "← before"), ("after", "next →"), ("close", "close"))
    ]
    return element(
        "dialog",
        element("nav", *buttons),
        element("div", id="large"),
        element("p", "", id="large-name"),
        id="viewer",
        aria_labelledby="large-name",
    )
