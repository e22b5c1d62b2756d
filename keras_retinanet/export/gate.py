"""The gate: a file is run in its own runtime and compared with the detector it was made of.

Rows are matched by label; a row of the one without its like in the other fails the file. Rows
whose score lies within the tolerance of the threshold, or of the worst row that the limit of
detections left in, may be in the one and not in the other.
"""

from dataclasses import asdict, dataclass

import numpy as np

SCORE_TOLERANCE = 1e-3
BOX_TOLERANCE = 0.1  # pixels
WANTED_ROWS = 60  # of a network that finds nothing at its own threshold


@dataclass(frozen=True)
class Case:
    """A batch that was compared.

    Attributes:
        size: (height, width).
        batch: pictures.
        rows: detections of the detector that count: all but those on the edge without their like.
        missing: of them, without their like in the file's.
        surplus: rows of the file without their like.
        score_difference, box_difference: largest, of rows and their like.
    """

    size: tuple
    batch: int
    rows: int
    missing: int
    surplus: int
    score_difference: float
    box_difference: float


@dataclass(frozen=True)
class Report:
    """What the gate found.

    Attributes:
        cases: `Case` of each batch.
        score_threshold: that rows were above.
        note: how rows were made of what the file gives, behind a sentence.
    """

    cases: tuple
    score_threshold: float
    note: str = ""

    @property
    def rows(self):
        """Return how many detections were compared."""
        return sum(case.rows for case in self.cases)

    @property
    def passed(self):
        """Return whether there was something to compare, and all of it agreed."""
        return self.rows > 0 and not any(case.missing or case.surplus for case in self.cases)

    def to_dict(self):
        """Return it as JSON values."""
        tolerances = {"score_tolerance": SCORE_TOLERANCE, "box_tolerance": BOX_TOLERANCE}
        own = {"passed": self.passed, "rows": self.rows, "score_threshold": self.score_threshold}
        return own | tolerances | {"cases": [asdict(case) for case in self.cases]}

    def line(self):
        """Return it in a sentence."""
        if not self.rows:
            return "nothing was detected, so nothing is proven"
        worst = max(case.box_difference for case in self.cases)
        score = max(case.score_difference for case in self.cases)
        lost = sum(case.missing + case.surplus for case in self.cases)
        ending = f"; {lost} have no like" if lost else ""
        within = f"boxes within {worst:.2g} px, scores within {score:.2g}"
        return f"{self.rows} detections compared, {within}{ending}{self.note}"


def match_rows(ours, theirs):
    """Return (pairs [n, 2], missing, surplus): places of rows and their like, and of those without.

    Args:
        ours, theirs: (boxes [D, 4], scores [D], labels [D]) of one picture without padding.
    """
    boxes, scores, labels = ours
    other_boxes, other_scores, other_labels = theirs
    free, pairs, missing = np.ones(len(other_scores), bool), [], []
    for row in range(len(scores)):
        boxes_off = np.abs(other_boxes - boxes[row]).max(axis=1, initial=0)
        scores_off = np.abs(other_scores - scores[row])
        like = free & (other_labels == labels[row]) & (boxes_off <= BOX_TOLERANCE)
        like &= scores_off <= SCORE_TOLERANCE
        if not like.any():
            missing.append(row)
            continue
        place = int(np.flatnonzero(like)[np.argmin(boxes_off[like])])
        free[place] = False
        pairs.append((row, place))
    return np.array(pairs, int).reshape(-1, 2), missing, np.flatnonzero(free).tolist()


def _without_padding(rows):
    kept = rows[2] >= 0
    return tuple(values[kept] for values in rows)


def _on_the_edge(scores, threshold, limit):
    """Return which rows a rounding may take in or leave out."""
    edge = np.abs(scores - threshold) <= SCORE_TOLERANCE
    if len(scores) >= limit:
        edge |= scores <= scores.min() + SCORE_TOLERANCE
    return edge


def compare_batch(size, ours, theirs, threshold):
    """Return the `Case` of a batch.

    Args:
        size: (height, width).
        ours, theirs: (boxes [B, D, 4], scores [B, D], labels [B, D]), padded.
        threshold: that scores are above.
    """
    rows = missing = surplus = 0
    score_off = box_off = 0.0
    for mine, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
        limit = len(mine[1])
        mine, other = _without_padding(mine), _without_padding(other)
        pairs, lost, new = match_rows(mine, other)
        without = int((~_on_the_edge(mine[1], threshold, limit))[lost].sum())
        rows, missing = rows + len(pairs) + without, missing + without
        surplus += int((~_on_the_edge(other[1], threshold, limit))[new].sum())
        first, second = pairs.T
        score_off = max(score_off, np.abs(mine[1][first] - other[1][second]).max(initial=0))
        box_off = max(box_off, np.abs(mine[0][first] - other[0][second]).max(initial=0))
    shape = tuple(int(side) for side in size)
    return Case(shape, len(ours[1]), rows, missing, surplus, float(score_off), float(box_off))


def examine(detect, run, batches, threshold, note=""):
    """Return the `Report` of a file.

    Args:
        detect, run: f(levels [B, H, W, C]) -> boxes, scores, labels; of the detector, of the file.
        batches: of levels.
        threshold: of both.
        note: of the report.
    """
    cases = []
    for levels in batches:
        ours = [np.asarray(values) for values in detect(levels)]
        theirs = [np.asarray(values) for values in run(levels)]
        cases.append(compare_batch(levels.shape[1:3], ours, theirs, threshold))
    return Report(tuple(cases), float(threshold), note)
