"""Which detections and objects are worth looking at: the worst, the suspect, the best."""

from dataclasses import dataclass, replace

import numpy as np

from keras_retinanet.evaluation.breakdown import SIDES
from keras_retinanet.evaluation.confusion import confusion_cells
from keras_retinanet.evaluation.errors import KINDS
from keras_retinanet.evaluation.suspects import DUPLICATE, find_suspects

MOST = 24  # pictures of a gallery
MOST_OF_CELL = 6  # of an entry of the confusion matrix
RIGHT, LOW, MISSED = "right", "low score", "missed"
REASONS = (*KINDS, LOW, MISSED, RIGHT)

# of suspect labels, by their reason
DOUBTS = {
    "missing": "label missing?",
    "class": "wrong class?",
    "box": "wrong box?",
    DUPLICATE: "labelled twice?",
}


@dataclass(frozen=True)
class Example:
    """What a picture of a gallery shows.

    Attributes:
        picture: place of the picture in `Columns`.
        kind: a value of `REASONS`.
        objects: rows of `TrueBoxes`.
        rows: rows of `Outcomes`.
        note: more on it, in words.
        cell: (true, found) of the confusion matrix, or None.
    """

    picture: int
    kind: str
    objects: tuple = ()
    rows: tuple = ()
    note: str = ""
    cell: tuple | None = None


def kind_of_row(analysis, row):
    """Return the value of `REASONS` of a row of `Outcomes`."""
    kind = analysis.errors.kinds[row]
    return KINDS[kind] if kind >= 0 else RIGHT


def false_alarms(analysis, most=MOST):
    """Return Examples of the detections that are errors, the surest first."""
    wrong = np.flatnonzero(analysis.errors.kinds >= 0)
    order = wrong[np.argsort(-analysis.outcomes.scores[wrong], kind="stable")]
    return of_rows(analysis, order, most)


def _of_row(analysis, row, cell=None):
    owner = int(analysis.errors.objects[row])
    return Example(
        int(analysis.outcomes.pictures[row]),
        kind_of_row(analysis, row),
        (owner,) if owner >= 0 else (),
        (row,),
        cell=cell,
    )


def of_rows(analysis, rows, most=MOST):
    """Return Examples of rows of `Outcomes`."""
    return [_of_row(analysis, row) for row in rows[:most].tolist()]


def missed_objects(analysis, rows, most=MOST):
    """Return Examples of rows of `TrueBoxes` that were missed, with the reason of each."""
    return [_missed(analysis, row) for row in rows[:most].tolist()]


def found_objects(analysis, rows, most=MOST):
    """Return Examples of rows of `TrueBoxes` that were found, with what found them."""
    outcomes, true = analysis.outcomes, analysis.columns.true
    hits = np.flatnonzero(outcomes.hits)
    finder = dict(zip(outcomes.owners[hits].tolist(), hits.tolist(), strict=True))
    return [
        Example(int(true.pictures[row]), RIGHT, (row,), (finder[row],))
        for row in rows[:most].tolist()
    ]


def misses(analysis, score_threshold, most=MOST, reasons=None):
    """Return Examples of the objects that nothing above a score has found, the largest first.

    Each has its reason: a detection of it that scores too little, one whose box or class is wrong,
    or nothing at all. `reasons`, {row of `TrueBoxes`: words}, say more about some.
    """
    true, outcomes = analysis.columns.true, analysis.outcomes
    left = ~true.crowd
    left[outcomes.owners[outcomes.hits & (outcomes.scores > score_threshold)]] = False
    rows = np.flatnonzero(left)
    order = rows[np.argsort(-true.areas[rows], kind="stable")]
    found = missed_objects(analysis, order, most)
    return [replace(each, note=(reasons or {}).get(each.objects[0], "")) for each in found]


def _missed(analysis, row, cell=None):
    outcomes, errors = analysis.outcomes, analysis.errors
    picture = int(analysis.columns.true.pictures[row])
    hits = np.flatnonzero(outcomes.hits & (outcomes.owners == row))
    if len(hits):
        return Example(picture, LOW, (row,), (int(hits[0]),), cell=cell)
    near = np.flatnonzero((errors.kinds >= 0) & (errors.objects == row))
    if len(near):
        best = int(near[np.argmax(outcomes.scores[near])])
        return Example(picture, kind_of_row(analysis, best), (row,), (best,), cell=cell)
    return Example(picture, MISSED, (row,), cell=cell)


def suspects(analysis, score_threshold, most=MOST):
    """Return Examples of the labels that sure detections contradict, the surest first."""
    found = find_suspects(analysis.matched, analysis.outcomes, analysis.errors, score_threshold)
    places = {int(place): row for row, place in enumerate(analysis.outcomes.rows)}
    examples = []
    for place in range(min(most, len(found.scores))):
        row = places[int(found.rows[place])]
        owner = int(found.objects[place])
        reason = str(found.reasons[place])
        examples.append(
            Example(
                int(found.pictures[place]),
                MISSED if reason == DUPLICATE else kind_of_row(analysis, row),
                (owner,) if owner >= 0 else (),
                (row,),
                DOUBTS[reason],
            )
        )
    return examples


def best_pictures(analysis, score_threshold, most=MOST):
    """Return Examples of whole pictures by falling F1, the ones with more objects first."""
    true, outcomes = analysis.columns.true, analysis.outcomes
    pictures = analysis.columns.pictures
    objects = np.bincount(true.pictures[~true.crowd], minlength=pictures)
    shown = outcomes.counts & (outcomes.scores > score_threshold)
    found = np.bincount(outcomes.pictures[shown], minlength=pictures)
    right = np.bincount(outcomes.pictures[shown & outcomes.hits], minlength=pictures)
    f1 = 2 * right / np.maximum(found + objects, 1)
    order = np.lexsort((-objects, -f1))
    chosen = [place for place in order[:most].tolist() if right[place]]
    return [
        Example(
            place,
            RIGHT,
            tuple(np.flatnonzero(~true.crowd & (true.pictures == place)).tolist()),
            tuple(np.flatnonzero(shown & (outcomes.pictures == place)).tolist()),
            f"F1 {f1[place]:.2f}: {right[place]} of {objects[place]} objects found, "
            f"{found[place] - right[place]} false",
        )
        for place in chosen
    ]


def of_cells(analysis, score_threshold, most=MOST_OF_CELL):
    """Return Examples of each entry of the confusion matrix, mistakes first, the rarer ones last.

    Of an entry, the surest detections and the largest missed objects come first.
    """
    outcomes, true = analysis.outcomes, analysis.columns.true
    cells = confusion_cells(analysis.matched, outcomes, analysis.iou_threshold, score_threshold)
    entries = {}
    for place, key in enumerate(zip(cells.true.tolist(), cells.found.tolist(), strict=True)):
        entries.setdefault(key, []).append(place)
    examples = []
    for key in sorted(entries, key=lambda key: (key[0] == key[1], -len(entries[key]))):
        places = np.array(entries[key])
        rows, objects = cells.rows[places], cells.objects[places]
        worth = true.areas[objects] if rows[0] < 0 else outcomes.scores[rows]
        for one in places[np.argsort(-worth, kind="stable")][:most].tolist():
            row, owner = int(cells.rows[one]), int(cells.objects[one])
            if row < 0:
                examples.append(_missed(analysis, owner, key))
                continue
            objects = (owner,) if owner >= 0 else ()
            kind = kind_of_row(analysis, row)
            examples.append(Example(int(outcomes.pictures[row]), kind, objects, (row,), cell=key))
    return examples


def size_bin(area):
    """Return the place in `SIDES` of an object of an area in square pixels."""
    side = float(np.sqrt(max(area, 0)))
    return next(place for place, (_, end) in enumerate(SIDES.values()) if side < end)
