"""Batches whose loss is not finite: named, left out, and too many of them an error."""

import keras

IN_A_ROW = 3  # one bad picture gives one such batch an epoch; weights that are lost give all
MOST_NAMES = 8


class BadBatches(keras.callbacks.Callback):
    """Name the pictures of each batch that a `TrainingModel` left out; stop after three in a row.

    Args:
        names_of: f(step of the run, counted from 0) -> names of the pictures of its batch.
        first_step: steps of the run that are done.
        report: gets each line of text.
        advice: what to change, for the error.

    Attributes:
        in_a_row: batches left out since the last that was not.
        seen: batches left out in this epoch.

    Raises:
        ValueError: three batches in a row were left out.
    """

    def __init__(self, names_of, first_step=0, report=print, advice="a lower learning rate"):
        super().__init__()
        self.names_of = names_of
        self.report = report
        self.advice = advice
        self.in_a_row = self.seen = 0
        self._step = first_step

    def begin_again(self, step):
        """Count the steps of the run from `step` on."""
        self._step, self.in_a_row = step, 0

    def on_epoch_begin(self, epoch, logs=None):
        """Count anew, as the metric does."""
        self._epoch, self.seen = epoch, 0

    def on_train_batch_end(self, batch, logs=None):
        """Look whether the batch was left out."""
        skipped, step = int((logs or {}).get("skipped", 0)), self._step
        self._step += 1
        if skipped <= self.seen:
            self.in_a_row = 0
            return
        self.seen = skipped
        self.in_a_row += 1
        self.report(
            f"epoch {self._epoch + 1}: the loss of step {step + 1} of the run is not finite, so "
            f"the step is left out; its pictures: {self._names(step)}"
        )
        if self.in_a_row == IN_A_ROW:
            raise ValueError(
                f"the losses of {IN_A_ROW} steps in a row are not finite, so leaving them out does "
                f"not help. The weights are as before them. Try {self.advice}"
            )

    def _names(self, step):
        names = list(dict.fromkeys(self.names_of(step)))
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return ", ".join(names[:MOST_NAMES]) + more
