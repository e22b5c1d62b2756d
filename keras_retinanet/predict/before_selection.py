"""What a detector's network says of a picture before anything is selected, as arrays."""

import dataclasses

import keras
import numpy as np
from keras import ops

from keras_retinanet.evaluation.misses import Dense, Rules
from keras_retinanet.layers.candidates import FIXED_CANDIDATES
from keras_retinanet.layers.detect import frames_of
from keras_retinanet.predict.runner import Runner

LAST = "filtered_detections"


def rules_of(detector, score_threshold, iou_threshold, max_detections):
    """Return the `Rules` of a detector of `models.convert_model`.

    Args:
        score_threshold, iou_threshold: of the detections that count.
        max_detections: the least limit of a picture, the detector's or what is kept of it.
    """
    last = detector.get_layer(LAST)
    names = {field.name for field in dataclasses.fields(Rules)}
    shared = names & set(last.get_config())
    rules = Rules(
        **{name: getattr(last, name) for name in shared - {"score_threshold"}}
        | {
            "score_threshold": score_threshold,
            "iou_threshold": iou_threshold,
            "max_detections": max_detections,
        }
    )
    fixed = keras.backend.backend() == "jax" and rules.level_candidates is None
    if fixed and rules.candidates is None:
        return dataclasses.replace(rules, candidates=FIXED_CANDIDATES)
    return rules


def dense_function(detector):
    """Return f(image [H, W, C], placement, size) -> `Dense` in pixels of the original.

    The image is preprocessed, placement is the `Placement` of its resize, size is the original's
    (height, width). Some 100 MB at 800 x 1333 with 80 classes, a picture at a time.

    Args:
        detector: of `models.convert_model`, of images alone.
    """
    last = detector.get_layer(LAST)
    below = Runner(keras.Model(detector.input, last.input))  # one graph for all sizes

    def dense(image, placement, size):
        outputs = below.predict_on_batch(image[None])
        frame, *rest = (ops.convert_to_tensor(output) for output in outputs)
        per_level, (deltas, scores, *_) = rest[: last.levels], rest[last.levels :]
        counts = tuple(int(each.shape[1]) for each in per_level)
        anchors = ops.concatenate([each[0] for each in per_level], axis=0)
        boxes = last.coder.decode(ops.cast(deltas[0], "float32"), anchors)
        boxes = last.clipped(boxes, frames_of(frame, last.frame_multiple), None)
        scores = ops.sigmoid(scores[0]) if last.activation == "sigmoid" else scores[0]
        anchors, boxes = (
            placement.to_original(ops.convert_to_numpy(each)) for each in (anchors, boxes)
        )
        centres = (anchors[:, :2] + anchors[:, 2:]) / 2
        inside = (centres < np.asarray(size)[::-1]).all(axis=1)
        return Dense(anchors, boxes, ops.convert_to_numpy(scores), inside, counts)

    return dense
