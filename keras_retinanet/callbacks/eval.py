"""Average precision at the end of each epoch."""

import keras

from keras_retinanet.callbacks.common import ScalarWriter
from keras_retinanet.evaluation import (
    average_precisions,
    coco_metrics_of,
    detect_dataset,
    labels_of,
    mean_ap,
    truths_with_ignored,
    weighted_mean_ap,
)
from keras_retinanet.evaluation.average_precision import class_lines
from keras_retinanet.evaluation.detect import check_detector
from keras_retinanet.utils import processes


class Evaluate(keras.callbacks.Callback):
    """Put the mean average precision of the detector into the logs of each epoch, as 'mAP'.

    Callbacks that follow in the list (EarlyStopping, ModelCheckpoint, history) see it. It is nan
    where the dataset has no objects.

    Args:
        generator: the dataset to measure on.
        iou_threshold: the IoU from which a detection counts.
        score_threshold: only detections that score above it count.
        max_detections: how many detections of an image count.
        save_path: a folder for pictures with truths and detections, or None.
        tensorboard: a `keras.callbacks.TensorBoard` in whose folder to write 'mAP', or None.
        weighted_average: weight each class in 'mAP' by its objects.
        verbose: 1 reports each class and the mean, 0 nothing.
        coco: also put COCO's 'AP' and 'AP50' into the logs; -1 where there are no objects.
        report: gets each line of text.

    Attributes:
        mean_ap: the last 'mAP', None before the first.
        average_precisions: the last {label: (AP, objects)}, None before the first.
        detections: the last `Detections` of each picture, None before the first.

    Raises:
        ValueError: at the start of training, where the model is no detector.
    """

    def __init__(
        self,
        generator,
        iou_threshold=0.5,
        score_threshold=0.05,
        max_detections=100,
        save_path=None,
        tensorboard=None,
        weighted_average=False,
        verbose=1,
        *,
        coco=False,
        report=print,
    ):
        super().__init__()
        self.generator = generator
        self.iou_threshold = iou_threshold
        self.score_threshold = score_threshold
        self.max_detections = max_detections
        self.save_path = save_path
        self.tensorboard = tensorboard
        self.weighted_average = weighted_average
        self.verbose = verbose
        self.coco = coco
        self.report = report
        self.mean_ap = None
        self.average_precisions = None
        self.detections = None
        self._writer = ScalarWriter(tensorboard)

    def on_train_begin(self, logs=None):
        """Refuse a bare network before an epoch is spent on it."""
        check_detector(self.model)

    def on_epoch_end(self, epoch, logs=None):
        """Measure, and put the numbers into `logs`."""
        scalars = self._measure()
        if logs is not None:
            logs.update(scalars)
        self._writer.write(scalars, epoch)
        if self.verbose and processes.is_first():
            self._report()

    def _measure(self):
        detections, _ = detect_dataset(
            self.generator, self.model, self.score_threshold, self.max_detections, self.save_path
        )
        scalars = processes.from_first(lambda: self._scalars(detections))
        self.mean_ap = scalars["mAP"]
        return scalars

    def _scalars(self, detections):
        self.detections = detections
        truths = truths_with_ignored(self.generator)
        labels = labels_of(self.generator, truths)
        self.average_precisions = average_precisions(truths, detections, labels, self.iou_threshold)
        mean = weighted_mean_ap if self.weighted_average else mean_ap
        scalars = {"mAP": float(mean(self.average_precisions))}
        if self.coco:
            metrics = coco_metrics_of(self.generator, detections)
            scalars |= {"AP": metrics["AP"], "AP50": metrics["AP50"]}
        return scalars

    def _report(self):
        for line in class_lines(self.average_precisions, self.generator.label_to_name):
            self.report(line)
        if any(instances for _, instances in self.average_precisions.values()):
            self.report(f"mAP: {self.mean_ap:.4f}")
        else:
            self.report("No test instances found.")
