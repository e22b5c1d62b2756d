"""The twelve COCO numbers at the end of each epoch."""

import keras

from keras_retinanet.callbacks.common import ScalarWriter
from keras_retinanet.evaluation.coco import LOG_NAMES, summary_lines
from keras_retinanet.evaluation.coco_files import measure_coco
from keras_retinanet.evaluation.detect import check_detector


class CocoEval(keras.callbacks.Callback):
    """Put the twelve COCO numbers into the logs of each epoch, and AP as 'mAP', too.

    They stand under the names of keras-retinanet 1.0, 'AP @[ IoU=0.50:0.95 | …' and so on, and
    are -1 (mAP: nan) where there are no such objects. `measure_coco` says which files are written.

    Args:
        generator: the dataset to measure on, COCO or any other.
        tensorboard: a `keras.callbacks.TensorBoard` in whose folder to write them, or None.
        threshold: only detections that score above it count.
        folder: where the results of a dataset with a `set_name` are written.
        report: gets each line of text.

    Raises:
        ValueError: at the start of training, where the model is no detector.
    """

    def __init__(self, generator, tensorboard=None, threshold=0.05, *, folder=".", report=print):
        super().__init__()
        self.generator = generator
        self.tensorboard = tensorboard
        self.threshold = threshold
        self.folder = folder
        self.report = report
        self._writer = ScalarWriter(tensorboard)

    def on_train_begin(self, logs=None):
        """Refuse a bare network before an epoch is spent on it."""
        check_detector(self.model)

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and put the numbers into `logs`."""
        metrics, _ = measure_coco(self.generator, self.model, self.threshold, self.folder)
        scalars = {name: metrics[key] for key, name in LOG_NAMES.items()}
        scalars["mAP"] = metrics["AP"] if metrics["AP"] >= 0 else float("nan")
        if logs is not None:
            logs.update(scalars)
        self._writer.write(scalars, epoch)
        for line in summary_lines(metrics):
            self.report(line)
