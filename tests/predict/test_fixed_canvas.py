"""Pictures fit into a file of one size, and their boxes come back, by hand."""

import numpy as np

from keras_retinanet.predict.fixed_canvas import detect_in_fixed


def test_pictures_are_shrunk_and_their_boxes_come_back():
    """Three pictures through a file of two of 40 x 60; the second is 80 high, the last alone."""
    levels = np.full((3, 80, 60, 3), 7, np.uint8)
    sizes, seen = [(40, 60), (80, 60), (20, 30)], []

    def detect(canvases):
        """Find the picture, from its levels, and pad."""
        seen.append(canvases.shape)
        boxes = np.full((len(canvases), 2, 4), -1.0, np.float32)
        labels = np.full((len(canvases), 2), -1, np.int32)
        for place, canvas in enumerate(canvases):
            rows, columns = np.nonzero(canvas[..., 0])
            if len(rows):
                boxes[place, 0] = 0, 0, columns.max() + 1, rows.max() + 1
                labels[place, 0] = place
        return boxes, np.where(labels >= 0, 0.5, -1.0), labels

    boxes, scores, labels = detect_in_fixed(detect, levels, np.array(sizes), (40, 60), 2)
    assert seen == [(2, 40, 60, 3)] * 2
    np.testing.assert_allclose(boxes[:, 0], [(0, 0, 60, 40), (0, 0, 60, 80), (0, 0, 30, 20)])
    assert (boxes[:, 1] == -1).all()
    assert labels.tolist() == [[0, -1], [1, -1], [0, -1]]
    assert scores.tolist() == [[0.5, -1.0]] * 3
