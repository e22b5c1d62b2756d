"""history.csv: a line of numbers an epoch, readable while training goes on."""

import csv
from pathlib import Path

import keras


class History(keras.callbacks.Callback):
    """Append the logs of each epoch to a CSV file.

    Unlike Keras' CSVLogger it keeps no file open, and invents no columns for what is not measured.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path):
        super().__init__()
        self.path = Path(path)
        self._columns = None

    def on_epoch_end(self, epoch, logs=None):
        """Write the epoch's number from 1 and its logs."""
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        begun = self._columns is not None
        self._columns = self._columns or list(row)
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self._columns, extrasaction="ignore")
            if not begun:
                writer.writeheader()
            writer.writerow(row)
