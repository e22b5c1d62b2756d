"""Two detectors on one dataset as a page: which is better, where, and pictures of what changed."""

from dataclasses import dataclass

from keras_retinanet.evaluation import examples, page_numbers, page_parts
from keras_retinanet.evaluation.analysis import Analysis
from keras_retinanet.evaluation.changes import changes
from keras_retinanet.evaluation.operating_points import curve, of_all_classes
from keras_retinanet.evaluation.page_galleries import Galleries, facts_of
from keras_retinanet.evaluation.page_parts import share
from keras_retinanet.report import pictures
from keras_retinanet.report.controls import CONTROLS_SCRIPT, CONTROLS_STYLE
from keras_retinanet.report.lines import Line, chart
from keras_retinanet.report.markup import element
from keras_retinanet.report.page import page, section, side_by_side, table, tiles

HEAD = ("class", "objects", "AP of A", "AP of B", "B less A", "from", "to")
ERRORS = ("error", "of A", "of B", "costs A", "costs B")
GALLERIES = {
    "Lost": "Objects that A finds and B does not, the largest first, with the reason.",
    "Gained": "Objects that B finds and A does not, the largest first.",
    "New false alarms": "Errors of B without their like in A, the surest first.",
    "False alarms that are gone": "Errors of A without their like in B, the surest first.",
}


@dataclass(frozen=True)
class Side:
    """One of two detectors.

    Attributes:
        subject: what it is, in words.
        analysis: `analysis.Analysis`, of the same true boxes as the other's.
        numbers: what `measures.measure_analysis` gives, nan as None: "coco", "errors".
        classes: what it gives of each class: "coco".
    """

    subject: str
    analysis: Analysis
    numbers: dict
    classes: list


def comparison_page(sides, comparison, names, load):
    """Return the comparison of two detectors, A and B, as one HTML page.

    Args:
        sides: (`Side`, `Side`).
        comparison: what `measures.compare` gives.
        names: of the classes.
        load: see `page.evaluation_page`.
    """
    first, second = (side.analysis for side in sides)
    a, b = (side.subject for side in sides)
    found = changes(first, second)
    made, facts = _figures(first, second, found, names, load)
    return page(
        f"Comparison: {a} and {b}",
        _headline(sides, comparison),
        _classes(sides, comparison["classes"], names),
        _curves(sides),
        _counts(sides, found),
        _pictures(names, made),
        page_parts.viewer(),
        facts,
        subtitle=f"A is {a}, B is {b}; {first.columns.pictures:,} pictures, "
        f"{len(first.columns.true.labels):,} objects; a detection is right from an IoU of "
        f"{first.iou_threshold:g} on",
        style=CONTROLS_STYLE,
        script=CONTROLS_SCRIPT,
    )


def verdict(numbers):
    """Return (words, tone of a tile) about an entry of `measures.compare`."""
    if numbers["difference"] is None or numbers["interval"][0] is None:
        return "cannot be told", ""
    low, high = numbers["interval"]
    if low <= 0 <= high:
        return "not shown to differ", ""
    return ("B is better", "good") if numbers["difference"] > 0 else ("B is worse", "bad")


def _signed(value):
    return "none" if value is None else f"{value:+z.3f}".replace("-", "\N{MINUS SIGN}")


def _headline(sides, comparison):
    shown = []
    for key in ("AP", "AP50", "AP75"):
        entry = comparison[key]
        words, tone = verdict(entry)
        values = " → ".join(share(side.numbers["coco"][key]) for side in sides)
        margin = "" if entry["plus_minus"] is None else f"± {entry['plus_minus']:.3f} (95 %), "
        shown.append((_signed(entry["difference"]), f"{margin}{key}: {words}, {values}", tone))
    best = [side.analysis.points[0]["best"] for side in sides]
    for key in ("F1", "precision", "recall"):
        what = "best F1" if key == "F1" else f"{key} there"
        shown.append((share(best[1][key]), f"{what}, of B; {share(best[0][key])} of A", ""))
    return tiles(shown)


def _classes(sides, differences, names):
    rows = []
    objects = sides[0].analysis.outcomes.objects
    for label, (name, entry) in enumerate(zip(names, differences, strict=True)):
        values = [side.classes[label]["coco"]["AP"] for side in sides]
        cells = [*values, entry["difference"], *entry["interval"]]
        rows.append([name, int(objects[label]), *(cells if objects[label] else [None] * 5)])
    note = (
        "COCO's AP of each, and the difference with its interval of 95 %, the same pictures drawn "
        "for both. Where it holds 0, the difference may be chance."
    )
    return section("Classes", page_numbers.sorted_table(HEAD, rows), note=note)


def _curves(sides):
    every = [of_all_classes(side.analysis.outcomes) for side in sides]
    recall = [
        Line(name, page_numbers.precision_recall(hits, count))
        for name, (_, hits, count) in zip("AB", every, strict=True)
        if count
    ]
    f1 = [
        Line(name, tuple((p["threshold"], p["F1"]) for p in curve(*each, page_numbers.SCORES)))
        for name, each in zip("AB", every, strict=True)
        if each[2]
    ]
    charts = chart(recall, "recall", "precision"), chart(f1, "score threshold", "F1")
    return section("Curves", side_by_side(*charts), note="Of all classes together.")


def _counts(sides, found):
    objects = [
        ("found by both", found.both),
        ("by A alone: lost", len(found.lost)),
        ("by B alone: gained", len(found.gained)),
        ("by none of the two", found.neither),
    ]
    errors = [side.numbers["errors"] for side in sides]
    kinds = [
        [kind, *(each["counts"][kind] for each in errors), *(_cost(each, kind) for each in errors)]
        for kind in errors[0]["counts"]
    ]
    scores = " and ".join(
        f"{side.analysis.sure_score:.2f} ({name})" for name, side in zip("AB", sides, strict=True)
    )
    return section(
        "What changed",
        side_by_side(
            element("div", element("h3", "Objects"), table(("objects", "how many"), objects)),
            element("div", element("h3", "Errors"), table(ERRORS, kinds)),
        ),
        note=f"Objects count as found above the score of the best F1: {scores}. Errors are those "
        "of all scores, and what each kind costs in hundredths of AP.",
    )


def _cost(errors, kind):
    value = errors["costs"][kind]
    return "" if value is None else f"{100 * value:.1f}"


def _figures(first, second, found, names, load):
    """Return the figures of each gallery, and the element of facts that the script reads."""
    wanted = [
        examples.missed_objects(second, found.lost),
        examples.found_objects(second, found.gained),
        examples.of_rows(second, found.new),
    ]
    of_a, of_b = (
        Galleries(each, names, each.sure_score, load, prefix, part)
        for each, prefix, part in ((first, "a", 0.25), (second, "b", 0.75))
    )
    made = of_b.figures(wanted) + of_a.figures([examples.of_rows(first, found.gone)])
    return made, facts_of(names, of_a, of_b)


def _pictures(names, made):
    parts = []
    for (heading, note), figures in zip(GALLERIES.items(), made, strict=True):
        shown = [each for each in figures if each]
        parts += [element("h3", heading), element("p", note, class_="note")]
        parts += [element("p", "None.") if not shown else None, pictures.gallery(shown)]
    note = "Whole pictures show what B found; those of false alarms that are gone, what A did."
    return section("Pictures", page_parts.colours(), page_parts.filters(names), *parts, note=note)
