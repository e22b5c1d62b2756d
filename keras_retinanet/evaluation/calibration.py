"""How often detections of a score are right, and the temperature that makes scores say so.

For detection, the share of a score's detections that found an object at one IoU stands beside the
score (Kueppers et al. 2020, arXiv:2004.13546, without the place of the box). The temperature is
that of Guo et al. 2017 (arXiv:1706.04599): it makes the likelihood of what came out largest.
"""

import math
import sys

import numpy as np

from keras_retinanet.utils.temperature import tempered

BINS = 10  # of equal width
COLDEST, HOTTEST = 0.05, 20.0  # temperatures looked among
STEPS, CLOSE = 60, 1e-12  # at most, and the relative step that ends them
LEAST = 1e-7  # scores are taken from so far inside 0 and 1


def reliability(scores, hits, bins=BINS):
    """Return what the scores say beside what came out, a dict for each bin with detections.

    Args:
        scores: [D], 0 to 1.
        hits: bool [D], whether each found an object.
        bins: of equal width.

    Returns:
        [{"low", "high", "count", "score" (their mean), "precision" (the share of hits)}, …].
    """
    places = np.minimum((np.asarray(scores) * bins).astype(int), bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=scores, minlength=bins)
    right = np.bincount(places, weights=hits, minlength=bins)
    return [
        {
            "low": place / bins,
            "high": (place + 1) / bins,
            "count": int(counts[place]),
            "score": float(sums[place] / counts[place]),
            "precision": float(right[place] / counts[place]),
        }
        for place in np.flatnonzero(counts).tolist()
    ]


def calibration_error(table):
    """Return the expected calibration error of a `reliability` table; nan where it is empty.

    The distance of mean score and precision, averaged over detections (Guo 2017, equation 3).
    """
    total = sum(row["count"] for row in table)
    if not total:
        return math.nan
    return sum(row["count"] * abs(row["score"] - row["precision"]) for row in table) / total


def best_temperature(scores, hits):
    """Return the temperature under which what came out is likeliest; nan where nothing tells.

    The likelihood is concave in 1 / temperature: Newton's steps find where its slope is 0, and
    halves of what is left where they lead out of it. Where all or none are right, no temperature is
    the best.
    """
    hits = np.asarray(hits, bool)
    if not len(hits) or hits.all() or not hits.any():
        return math.nan
    inside = np.clip(np.asarray(scores, np.float64), LEAST, 1 - LEAST)
    logits = np.log(inside) - np.log1p(-inside)
    low, high = 1 / HOTTEST, 1 / COLDEST
    inverse = math.sqrt(low * high)
    for _ in range(STEPS):
        chances = 1 / (1 + np.exp(-inverse * logits))
        slope = float((logits * (hits - chances)).sum())
        curvature = float((logits**2 * chances * (1 - chances)).sum())
        low, high = (inverse, high) if slope > 0 else (low, inverse)
        before, inverse = inverse, inverse + slope / max(curvature, sys.float_info.min)
        if not low < inverse < high:
            inverse = math.sqrt(low * high)
        if abs(inverse - before) <= CLOSE * inverse:
            break
    return 1 / inverse


def calibration(outcomes, pictures, seed=0):
    """Return how well scores are calibrated, for JSON.

    Args:
        outcomes: Outcomes.
        pictures: how many there are.
        seed: of the halves below.

    Returns:
        {"bins": of `reliability`, "ECE", "temperature": of all detections, "held_out": {"before",
        "after"}: the ECE of each half of the pictures with its own scores and with the
        temperature of the other half, averaged over detections; nan where a half tells none}.
    """
    kept = outcomes.counts
    scores, hits = outcomes.scores[kept].astype(np.float64), outcomes.hits[kept]
    table = reliability(scores, hits)
    order = np.random.default_rng(seed).permutation(pictures)
    is_first = np.isin(outcomes.pictures[kept], order[: pictures // 2])
    return {
        "bins": table,
        "ECE": calibration_error(table),
        "temperature": best_temperature(scores, hits),
        "held_out": _held_out(scores, hits, is_first),
    }


def _held_out(scores, hits, is_first):
    before = after = 0.0
    for measured in (is_first, ~is_first):
        temperature = best_temperature(scores[~measured], hits[~measured])
        if math.isnan(temperature) or not measured.any():
            return {"before": math.nan, "after": math.nan}
        own, right = scores[measured], hits[measured]
        before += len(own) * calibration_error(reliability(own, right))
        changed = tempered(own, temperature)
        after += len(own) * calibration_error(reliability(changed, right))
    return {"before": before / len(scores), "after": after / len(scores)}
