"""The training model: raw pictures and true boxes in, losses out.

Wraps a network: normalises uint8 pictures on the device, assigns targets there, and applies the
losses to the logits. Only `compute_loss` is ours; `fit` is Keras' own on every backend. A step
whose loss is not finite counts in the metric "skipped" alone (`models/guard`).
"""

import keras
from keras import ops

from keras_retinanet.models import guard
from keras_retinanet.models.folding import with_folded_batch_norm
from keras_retinanet.models.objective import Objective
from keras_retinanet.models.retinanet import anchor_tensors, class_logits
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.utils import replicas
from keras_retinanet.utils.normalisation import normalised
from keras_retinanet.utils.targets import Layout


def normalise(images, sizes, preprocessing):
    """Return float32 network input of uint8 canvases.

    What lies beyond the true picture becomes 0, as on keras-retinanet 1.0's canvas.

    Args:
        images: uint8 [B, H, W, 3], BGR.
        sizes: [B, 2], (height, width) of each picture on its canvas.
        preprocessing: `Preprocessing`, or the name of one.
    """
    pixels = normalised(images, preprocessing)
    shape = ops.shape(images)
    rows = ops.cast(ops.arange(shape[1]), "float32")[None, :, None]  # [1, H, 1]
    columns = ops.cast(ops.arange(shape[2]), "float32")[None, None, :]  # [1, 1, W]
    height, width = sizes[:, 0, None, None], sizes[:, 1, None, None]  # [B, 1, 1]
    inside = ops.logical_and(rows < height, columns < width)
    return ops.where(inside[..., None], pixels, 0.0)


class TrainingModel(keras.Model):
    """A network with its losses.

    Inputs: {"images": uint8 [B, H, W, 3], "sizes": [B, 2]}; targets: {"boxes": [B, M, 4],
    "labels": int [B, M]}, padded with label -1, in canvas pixels.

    Args:
        network: what `Backbone.retinanet` gives.
        objective: the assignment and the losses.
    """

    def __init__(self, network, objective=None, **kwargs):
        # float32: a lower policy would round the sizes; the network keeps its own
        super().__init__(dtype="float32", **kwargs)
        profile = profile_of(network)
        logits = class_logits(network, profile.levels)
        if logits is None:
            raise ValueError(
                "the class head has no pyramid_classification_reshape layer to take logits from; "
                "compile the network itself with losses.focal() and losses.smooth_l1()"
            )
        anchors = anchor_tensors(network, profile.levels, profile.anchors)
        self.network = network
        self.profile = profile
        self.core = with_folded_batch_norm(
            keras.Model(
                network.input,
                {"deltas": network.outputs[0], "logits": logits, "anchors": anchors},
                name="core",
            )
        )
        self.objective = objective or Objective()
        self.objective.check_classes(logits.shape[-1])
        self.classification_tracker = guard.FiniteMean(name="classification_loss")
        self.regression_tracker = guard.FiniteMean(name="regression_loss")
        self.total_tracker = guard.FiniteMean(name="finite_loss")
        self.skipped_tracker = keras.metrics.Sum(name="skipped")

    def call(self, inputs, training=None):
        """Return {"deltas" [B, N, 4], "logits" [B, N, K], "anchors" [[B, n, 4] of each level]}.

        In training also "statistics", those of batch norm before this step.
        """
        before = {"statistics": guard.copies(self._statistics())} if training else {}
        images = normalise(inputs["images"], inputs["sizes"], self.profile.preprocessing)
        return self.core(images, training=training) | before

    def _statistics(self):
        return guard.moving_statistics(self.network)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the sum of class and box loss; both are tracked as metrics.

        Where it is not finite, it is nan, and the statistics of batch norm go back. A replica
        returns its share, since the gradients of all are summed.
        """
        levels = [level[0] for level in y_pred["anchors"]]  # [n, 4], alike for the whole batch
        counts = tuple(ops.shape(level)[0] for level in levels)
        layout = Layout(counts, self.profile.anchors.num_anchors())
        anchors = ops.concatenate(levels)  # [N, 4]
        assigned = self.objective.assigned(anchors, layout, y["boxes"], y["labels"], x["sizes"])
        classification, regression = self.objective.class_and_box_loss(
            y_pred, anchors, assigned, self.profile.coder
        )
        self.classification_tracker.update_state(classification)
        self.regression_tracker.update_state(regression)
        total = classification + regression
        total = total + sum(self.losses) if self.losses else total
        if "statistics" in y_pred:
            total = guard.keep_finite(total, self._statistics(), y_pred["statistics"])
        self.total_tracker.update_state(total)
        share = 1.0 / replicas.number()
        self.skipped_tracker.update_state(share * (1.0 - ops.cast(ops.isfinite(total), "float32")))
        return share * total

    def get_metrics_result(self):
        """Return the metrics; the loss is the mean of the finite ones."""
        results = super().get_metrics_result()
        return results | {"loss": results.pop("finite_loss")}
