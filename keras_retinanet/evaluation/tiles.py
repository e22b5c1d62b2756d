"""Detection in large pictures by their tiles."""

import numpy as np

from keras_retinanet.evaluation.detect import detect_dataset
from keras_retinanet.utils.detections import NOTHING
from keras_retinanet.utils.tiles import merge_detections


def detect_tiles(generator, model, score_threshold=0.05, max_detections=100, batch_size=1):
    """Detect in the tiles of every picture; an object is one detection, however it is cut.

    Args:
        generator: dataset whose `tiled` is a `TiledGenerator` of it.
        model, score_threshold, max_detections, batch_size: as of `detect_dataset`, of tiles.

    Returns:
        One `Detections` for each picture of `generator`, and the mean seconds for a picture.
    """
    tiled = generator.tiled
    of_tiles, seconds = detect_dataset(tiled, model, score_threshold, None, batch_size=batch_size)
    pictures = generator.size()
    found = [
        _picture(
            [of_tiles[tile] for tile in np.flatnonzero(tiled.owners == index)],
            tiled.windows[tiled.owners == index],
            max_detections,
        )
        for index in range(pictures)
    ]
    return found, seconds * tiled.size() / max(1, pictures)


def _picture(of_tiles, windows, max_detections):
    """Return the `Detections` of a picture from those of its tiles."""
    if not of_tiles:  # a broken picture has none
        return NOTHING
    size = tuple(windows[:, [3, 2]].max(axis=0).tolist())
    return merge_detections(of_tiles, windows, size).take(slice(max_detections))
