"""--store-thresholds and --store-temperature: what scores mean, into the snapshot."""

import argparse
from dataclasses import replace
from pathlib import Path

BEST = "best-f1"
GOALS = ("precision", "recall")


def parse_rule(text):
    """Return ("best-f1", None), ("precision", share) or ("recall", share)."""
    name, _, value = text.partition("=")
    if text == BEST:
        return BEST, None
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if name not in GOALS or not 0 < share <= 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {BEST}, precision=SHARE and recall=SHARE, such as precision=0.9"
        )
    return name, share


def check(args):
    """Raise ValueError where there is no snapshot to write to."""
    asked = [name for name in ("thresholds", "temperature") if getattr(args, f"store_{name}")]
    if asked and (args.results or Path(args.model).suffix != ".keras"):
        given = args.results or args.model
        raise ValueError(f"--store-{asked[0]} writes into a .keras snapshot, not for {given}")


def points_by_name(generator, analysis, rule, draws=0, seed=0):
    """Return {name of a class: its point}; see `evaluation.operating_points`.

    Args:
        generator: of the dataset.
        analysis: `Analysis` of the detections.
        rule: of `parse_rule`.
        draws: of pictures, for a point's "intervals"; 0 for none.
        seed: of the draws.
    """
    from functools import partial

    import numpy as np

    from keras_retinanet.evaluation import bootstrap
    from keras_retinanet.evaluation import operating_points as points
    from keras_retinanet.evaluation.dataset_columns import class_names_of
    from keras_retinanet.evaluation.threshold_intervals import threshold_intervals

    name, share = rule
    find = {
        BEST: points.best_point,
        "precision": partial(points.point_of_precision, least=share),
        "recall": partial(points.point_of_recall, least=share),
    }[name]
    found, true = analysis.outcomes, analysis.columns.true
    weights = bootstrap.draw(np.random.default_rng(seed), analysis.columns.pictures, draws)
    result = {}
    for label, kind in enumerate(class_names_of(generator, analysis.columns)):
        scores, hits, _ = found.of_class(label)
        result[kind] = one = find(scores, hits, int(found.objects[label]))
        if draws and one["threshold"] == one["threshold"]:  # nan is no threshold
            pictures = found.pictures[found.places_of(label)]
            owners = true.pictures[(true.labels == label) & ~true.crowd]
            one["intervals"] = threshold_intervals(
                find, (scores, hits, pictures), owners, one["threshold"], weights
            )
    return result


def store_thresholds(path, points, names):
    """Write thresholds into a snapshot.

    Args:
        path: of the snapshot.
        points: of `points_by_name`.
        names: of the dataset's class of each label of the model, None for none.

    Returns:
        the threshold of each label, None where there is none.
    """
    from keras_retinanet.models.snapshot import read_facts, rewrite_profile

    found = [points[name]["threshold"] if name in points else float("nan") for name in names]
    advised = tuple(round(value, 4) if 0 <= value <= 1 else None for value in found)
    profile = read_facts(path)["profile"]
    rewrite_profile(path, replace(profile, advised_thresholds=advised))
    return advised


def stored_line(path, classes, points, names, advised):
    """Return what was stored, in a sentence."""
    parts = []
    for kind, name, value in zip(classes, names, advised, strict=True):
        if value is None:
            parts.append(f"{kind} none")
            continue
        point = points[name]
        shares = ", ".join(f"{goal} {_between(point, goal)}" for goal in GOALS)
        parts.append(f"{kind} {_between(point, 'threshold')} ({shares})")
    return f"{path}: advised thresholds: {'; '.join(parts)}"


def _between(point, name):
    """Return a number of a point, and its interval where it has one."""
    known = point.get("intervals")
    return f"{point[name]:.2f}" + (" [{:.2f} to {:.2f}]".format(*known[name]) if known else "")


def store_temperature(path, calibration):
    """Write the temperature of a `calibration` into a snapshot; return the line about it.

    Raises:
        ValueError: the detections tell none.
    """
    from keras_retinanet.models.snapshot import read_facts, rewrite_profile

    temperature = calibration["temperature"]
    if temperature is None:
        raise ValueError(
            "--store-temperature: all detections are right, or all are wrong, which tells no "
            "temperature; measure on more pictures"
        )
    temperature = round(temperature, 4)
    profile = read_facts(path)["profile"]
    rewrite_profile(path, replace(profile, temperature=temperature))
    return f"{path}: temperature {temperature}, for scores of predictions"
