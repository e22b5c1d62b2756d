"""history.csv: a line of numbers an epoch, readable while training goes on."""

import csv
from pathlib import Path

import keras

from keras_retinanet.models.snapshot import written_aside


def read_history(path):
    """Return (columns, rows) of a history file, the rows as {column: text}; none without a file.

    A last line that was cut short, by a full disk or a kill, is left out.
    """
    if not Path(path).is_file():
        return [], []
    with Path(path).open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        rows = [row for row in reader if None not in row.values() and None not in row]
        return list(reader.fieldnames or ()), rows


class History(keras.callbacks.Callback):
    """Append the logs of each epoch to a CSV file.

    Unlike Keras' CSVLogger it keeps no file open, and invents no columns for what is not measured.

    Args:
        path: of the file; its folder exists.
        done: epochs that a file already there may know; rows of later ones are made anew.
    """

    def __init__(self, path, done=0):
        super().__init__()
        self.path = Path(path)
        self.done = done
        self._columns = None

    def on_train_begin(self, logs=None):
        """Keep the rows of the epochs that are done."""
        columns, rows = read_history(self.path)
        if not columns:
            return
        self._columns = columns
        with written_aside(self.path) as aside, aside.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns)
            writer.writeheader()
            writer.writerows(row for row in rows if int(row["epoch"]) <= self.done)

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
