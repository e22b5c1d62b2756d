"""Made-up inputs, the same for every contender: pictures, boxes, head outputs."""

import numpy as np

SCORE_THRESHOLD = 0.05
LOGIT_THRESHOLD = float(np.log(SCORE_THRESHOLD / (1 - SCORE_THRESHOLD)))


def parse_size(text):
    """Return (height, width) of text such as 800x1344."""
    height, width = text.split("x")
    return int(height), int(width)


def size_cases(options):
    """Return {size: size}, the cases of a benchmark over image sizes."""
    return {size: size for size in options["size"]}


def picture(height, width, seed=0):
    """Return uint8 [height, width, 3]: patches of colour with noise, as pictures are."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3))
    pixels = patches.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return np.clip(pixels + rng.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)


def boxes_and_labels(height, width, count, classes, seed=0):
    """Return boxes float32 [count, 4] inside the picture and labels int32 [count]."""
    rng = np.random.default_rng(seed)
    longest = min(height, width)
    sides = rng.uniform(longest / 16, longest / 2, (count, 2))
    start = rng.uniform(0, 1, (count, 2)) * ([width, height] - sides)
    boxes = np.concatenate([start, start + sides], axis=1).astype(np.float32)
    return boxes, rng.integers(0, classes, count).astype(np.int32)


def head_outputs(anchors, classes, above, seed=0):
    """Return deltas [N, 4] and logits [N, classes] of which `above` pairs score over 0.05."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(LOGIT_THRESHOLD - 4, 0.5, (anchors, classes)).astype(np.float32)
    logits = np.minimum(logits, LOGIT_THRESHOLD - 0.1)
    chosen = rng.choice(logits.size, above, replace=False)
    logits.reshape(-1)[chosen] = rng.uniform(LOGIT_THRESHOLD + 0.01, 3.0, above)
    deltas = rng.normal(0, 0.5, (anchors, 4)).astype(np.float32)
    return deltas, logits


def calibration(logits, deltas, above):
    """Return how to change a random head so that `above` pairs of a picture score over 0.05.

    Random weights give every pair the same score, which no detector does. Scaling the logits to
    standard deviation 1, the deltas to 0.5, and moving the class bias makes the outputs lifelike.

    Args:
        logits: of the random head, less its bias.
        deltas: of the random head.
        above: pairs.

    Returns:
        (factor of the class kernel, class bias, factor of the box kernel).
    """
    logits = np.asarray(logits, np.float64).reshape(-1)
    factor = 1.0 / max(float(logits.std()), 1e-12)
    place = max(0, logits.size - above - 1)
    bias = LOGIT_THRESHOLD - float(np.partition(logits, place)[place]) * factor
    spread = float(np.asarray(deltas, np.float64).std())
    return factor, bias, 0.5 / max(spread, 1e-12)
