"""Suspect labels as a file: annotation rows of what the detector saw, with the reason."""

import csv
from pathlib import Path

HEADER = ("path", "x1", "y1", "x2", "y2", "class", "score", "reason")
GIVEN = ("given_class", "given_x1", "given_y1", "given_x2", "given_y2")


def suspect_rows(generator, analysis, score_threshold):
    """Return the rows of the file, the surest first, and the score above which detections are sure.

    Args:
        generator: of the dataset.
        analysis: `evaluation.analysis.Analysis` of it.
        score_threshold: None for that of the best F1.
    """
    import numpy as np

    from keras_retinanet.evaluation.dataset_columns import class_names_of, image_ids_of
    from keras_retinanet.evaluation.suspects import find_suspects

    if score_threshold is None:
        score_threshold = analysis.sure_score
    columns = analysis.columns
    suspects = find_suspects(analysis.matched, analysis.outcomes, analysis.errors, score_threshold)
    names = class_names_of(generator, columns)
    order = np.argsort(image_ids_of(generator), kind="stable")  # columns go by ascending id
    rows = []
    for place, reason in enumerate(suspects.reasons.tolist()):
        path = generator.image_path(int(order[suspects.pictures[place]]))
        row = [path, *_corners(suspects.boxes[place]), names[suspects.labels[place]]]
        row += [f"{suspects.scores[place]:.4f}", reason]
        if (given := suspects.objects[place]) >= 0:
            row += [names[columns.true.labels[given]], *_corners(columns.true.boxes[given])]
        rows.append(row)
    return rows, score_threshold


def _corners(box):
    x, y, width, height = box.tolist()
    return [f"{value:.1f}" for value in (x, y, x + width, y + height)]


def write_suspects(path, rows):
    """Write the rows as CSV with a header, atomically."""
    from keras_retinanet.models.snapshot import written_aside

    empty = [""] * len(GIVEN)
    with (
        written_aside(path) as aside,
        Path(aside).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(HEADER + GIVEN)
        writer.writerows(row if len(row) > len(HEADER) else row + empty for row in rows)


def suspects_line(path, rows, score_threshold):
    """Return what was written, in a sentence."""
    from collections import Counter

    counts = Counter(row[len(HEADER) - 1] for row in rows)
    parts = ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"
    return f"{path}: suspect labels at scores above {score_threshold:.2f}: {parts}"
