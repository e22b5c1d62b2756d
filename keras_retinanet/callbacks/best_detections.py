"""What was found at the epoch whose snapshot is kept as the best."""

import keras


class BestDetections(keras.callbacks.Callback):
    """Keep the detections of the best epoch. Put it behind `Evaluate` and `KeepBest`.

    Of a run that goes on, the best epoch may lie before; until there is a better one, those of the
    last epoch are kept.

    Args:
        evaluate: `Evaluate`.
        best: `KeepBest`.

    Attributes:
        detections: [`Detections` of each held out picture], None before the first epoch.
        epoch: counted from 1, in which they were found.
    """

    def __init__(self, evaluate, best):
        super().__init__()
        self.evaluate, self.best = evaluate, best
        self.detections, self.epoch = None, None

    @property
    def generator(self):
        """The held out pictures."""
        return self.evaluate.generator

    def on_epoch_end(self, epoch, logs=None):
        """Take this epoch's where it is the best, or the best is not at hand."""
        best = self.best.best and self.best.best[1]
        if self.detections is None or best == epoch + 1 or self.epoch != best:
            self.detections, self.epoch = self.evaluate.detections, epoch + 1
