"""Detection spread over processes: each takes some pictures, the first gets all that is found."""

import numpy as np

from keras_retinanet.utils import processes
from keras_retinanet.utils.detections import NOTHING, Detections


def own_pictures(count):
    """Return which of `count` pictures this process takes."""
    return range(processes.index(), count, processes.number())


def brought_together(found):
    """Return the detections of all pictures in the first process, elsewhere `found` itself.

    Args:
        found: one `Detections` for each picture; `NOTHING` for those of other processes.
    """
    if processes.number() == 1:
        return found
    own = [found[place] for place in own_pictures(len(found))]
    parts = processes.pieces(_packed(own))
    if parts is None:
        return found
    whole = [NOTHING] * len(found)
    for index, part in enumerate(parts):
        whole[index :: processes.number()] = _unpacked(part)
    return whole


def _packed(found):
    together = [NOTHING, *found]  # so that there is something to concatenate
    return {
        "counts": np.array([len(one) for one in found], np.int64),
        "boxes": np.concatenate([one.boxes for one in together]),
        "scores": np.concatenate([one.scores for one in together]),
        "labels": np.concatenate([one.labels for one in together]),
    }


def _unpacked(part):
    cuts = np.cumsum(part["counts"])[:-1]
    columns = [np.split(part[name], cuts) for name in ("boxes", "scores", "labels")]
    if not len(part["counts"]):  # np.split makes one piece of nothing
        return []
    return [Detections(*rows) for rows in zip(*columns, strict=True)]
