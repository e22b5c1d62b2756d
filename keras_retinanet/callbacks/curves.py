"""curves.png: losses and precision over the epochs, drawn from history.csv."""

import math
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_retinanet.callbacks.history import read_history
from keras_retinanet.models.snapshot import written_aside
from keras_retinanet.utils.curves import Panel, draw_panels

LOSSES = {
    "loss": "loss",
    "val_loss": "held out",
    "classification_loss": "class",
    "regression_loss": "box",
}
PRECISIONS = {"mAP": "mAP", "AP": "AP", "AP50": "AP50"}


class Curves(keras.callbacks.Callback):
    """Draw curves.png beside a history file after each epoch. Put it behind `History`.

    Args:
        history: path of history.csv.
    """

    def __init__(self, history):
        super().__init__()
        self.history = Path(history)

    def on_epoch_end(self, epoch, logs=None):
        """Draw all epochs so far."""
        columns, rows = read_history(self.history)
        panels = [
            Panel("training", _lines(rows, columns, LOSSES)),
            Panel("average precision on held out pictures", _lines(rows, columns, PRECISIONS), 1.0),
        ]
        panels = [panel for panel in panels if panel.lines]
        if not rows or not panels:
            return
        picture = draw_panels(panels, [int(row["epoch"]) for row in rows])
        with written_aside(self.history.with_name("curves.png")) as aside:
            Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(aside)


def _lines(rows, columns, names):
    """Return {shown name: values}; -1, which COCO has for no objects, becomes nan."""
    lines = {
        shown: [_number(row[name]) for row in rows]
        for name, shown in names.items()
        if name in columns
    }
    return {
        name: [math.nan if value == -1 else value for value in line] for name, line in lines.items()
    }


def _number(text):
    try:
        return float(text)
    except ValueError:
        return math.nan
