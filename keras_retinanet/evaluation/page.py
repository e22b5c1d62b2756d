"""An evaluation as one page: what is good, what goes wrong, and pictures of both."""

from keras_retinanet.evaluation import examples, page_numbers, page_parts
from keras_retinanet.evaluation.confusion import confusion_matrix
from keras_retinanet.evaluation.page_galleries import Galleries, facts_of
from keras_retinanet.evaluation.page_parts import share
from keras_retinanet.report import charts, pictures
from keras_retinanet.report.controls import CONTROLS_SCRIPT, CONTROLS_STYLE
from keras_retinanet.report.markup import element
from keras_retinanet.report.page import page, section, side_by_side, table, tiles

NOTES = {
    "Worst misses": "Objects that nothing found, the largest first, with the reason.",
    "Worst false alarms": "Detections that are errors, the surest first.",
    "Suspect labels": "Sure detections that contradict a label. Look at them; not all are faults.",
    "Best pictures": "Whole pictures with the highest F1, those with more objects first.",
}


def evaluation_page(analysis, results, names, load, others=(), parts=(), reasons=None):
    """Return the evaluation as one HTML page.

    Args:
        analysis: `analysis.Analysis`.
        results: what `retinanet-evaluate` returns.
        names: of the classes of `analysis`.
        load: a function from the place of a picture to (uint8 [H, W, 3] BGR, its name).
        others: [(words, address)] of pages beside it.
        parts: sections that stand behind its own.
        reasons: {row of `TrueBoxes`: why it was missed, in words}, as far as known.
    """
    score = analysis.sure_score
    galleries = Galleries(analysis, names, score, load)
    made = galleries.figures(
        [
            examples.misses(analysis, score, reasons=reasons),
            examples.false_alarms(analysis),
            examples.suspects(analysis, score),
            examples.best_pictures(analysis, score),
            examples.of_cells(analysis, score),
        ]
    )
    return page(
        f"Evaluation: {subject_of(results)}",
        page_parts.links(others),
        _headline(results, analysis),
        _classes(results, names),
        _curves(analysis, names),
        _calibration(results["calibration"]),
        _errors(results, analysis, score),
        _confusion(analysis, names, score, made[-1]),
        _galleries(names, made),
        *parts,
        page_parts.viewer(),
        facts_of(names, galleries),
        subtitle=f"{results['images']:,} pictures, {len(analysis.columns.true.labels):,} objects; "
        f"a detection is right from an IoU of {analysis.iou_threshold:g} on",
        style=CONTROLS_STYLE,
        script=CONTROLS_SCRIPT,
    )


def subject_of(results):
    """Return what results of `retinanet-evaluate` are of: the model or the results file."""
    return results["options"].get("model") or results["options"].get("results")


def _headline(results, analysis):
    coco, best, interval = results["coco"], results["F1"]["best"], results["intervals"]
    low, high = interval["AP"] if interval else (None, None)
    between = "" if low is None else f", 95 % between {low:.3f} and {high:.3f}"
    return tiles(
        [
            (share(coco["AP"]), f"AP (COCO){between}", ""),
            (share(results["mAP"]), f"mAP at IoU {analysis.iou_threshold:g}", ""),
            (share(coco["AP75"]), "AP at IoU 0.75", ""),
            (
                share(best["F1"]),
                f"best F1, above score {share(best['threshold'])}",
                "",
            ),
            (share(best["precision"]), "precision there", ""),
            (share(best["recall"]), "recall there", ""),
        ]
    )


def _classes(results, names):
    interval = " with its interval of 95 %" if results["intervals"] else ""
    note = (
        f"AP{interval}; precision, recall and F1 at the class's own best score. A click on a "
        "column's name sorts."
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
        [name, row["objects"], *(share(row[key]) for key in ("AP", "AP50", "AR100"))]
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
    parts = []
    for (heading, note), figures in zip(NOTES.items(), made[:-1], strict=True):
        shown = [each for each in figures if each]
        empty = element("p", "None.") if not shown else None
        parts += [element("h3", heading), element("p", note, class_="note")]
        parts += [empty, pictures.gallery(shown)]
    return section("Pictures", page_parts.colours(), page_parts.filters(names), *parts)
