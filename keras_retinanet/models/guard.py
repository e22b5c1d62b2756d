"""Steps whose loss or gradient is not finite leave a training as it was.

Nothing overrides `train_step`: a loss that is not finite makes all gradients nan, a guarded
optimizer applies no such gradients, and the statistics of batch norm, which the forward pass has
changed by then, go back to what they were.
"""

import keras
from keras import ops

from keras_retinanet.utils import replicas


def all_finite(tensors):
    """Return whether every number of `tensors` (None is passed over) is finite, as a tensor."""
    finite = [ops.all(ops.isfinite(tensor)) for tensor in tensors if tensor is not None]
    return ops.all(ops.stack(finite))


def of_summed(base):
    """Return a subclass of the optimizer class `base` whose gradients are sums over the replicas.

    Keras would sum them after each replica had clipped its own, and clipped sums differ.
    """

    class OfSummed(base):
        def _all_reduce_sum_gradients(self, grads_and_vars):  # of Keras on TensorFlow
            return grads_and_vars

    OfSummed.__name__ = base.__name__
    return OfSummed


def guarded(base):
    """Return a subclass of the optimizer class `base` that applies no gradients but finite ones.

    A step left out changes none of its variables: iterations, moments, averages, rate.
    """

    class Guarded(of_summed(base)):
        def apply(self, grads, trainable_variables=None):
            step, grads = super().apply, replicas.summed(grads)
            if keras.backend.backend() == "jax":  # in `stateless_apply`, which looks at gradients
                step(grads, trainable_variables)
                return
            replicas.applied_if(all_finite, step, grads, trainable_variables)

        def stateless_apply(self, optimizer_variables, grads, trainable_variables):
            before = list(trainable_variables), list(optimizer_variables)
            after = super().stateless_apply(optimizer_variables, grads, trainable_variables)
            finite = all_finite(grads)
            return tuple(
                [ops.where(finite, new, old) for new, old in zip(news, olds, strict=True)]
                for news, olds in zip(after, before, strict=True)
            )

    Guarded.__name__ = base.__name__
    return Guarded


class LossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Keras' own; the gradients of all replicas count, not those of the first, in what is finite.

    Its inner optimizer must be `of_summed`.
    """

    def apply(self, grads, trainable_variables=None):
        """Sum the gradients over the replicas, and apply them where they are finite."""
        super().apply(replicas.summed(grads), trainable_variables)


def moving_statistics(model):
    """Return the variables that the batch norm of `model` changes in a training step."""
    return [
        variable
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        for variable in (layer.moving_mean, layer.moving_variance)
    ]


def copies(variables):
    """Return the values of `variables` as tensors that later changes do not reach."""
    return [ops.copy(ops.convert_to_tensor(variable)) for variable in variables]


def keep_finite(loss, variables, before):
    """Return `loss`; where it or a variable is not finite, nan, and the variables go back.

    A nan in the pictures may reach the statistics alone: TensorFlow's relu makes 0 of nan.

    Args:
        loss: scalar tensor. All gradients of what is returned as nan are nan; on all replicas,
            if it is on one.
        variables: of `moving_statistics`.
        before: their values, of `copies`.
    """
    finite = all_finite([loss, *(ops.convert_to_tensor(variable) for variable in variables)])
    finite = replicas.all_of(finite)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(ops.where(finite, ops.convert_to_tensor(variable), value))
    return loss * ops.where(finite, 1.0, float("nan"))


class FiniteMean(keras.metrics.Mean):
    """The mean of the finite values alone; nan without any."""

    def update_state(self, value, sample_weight=None):
        """Count a scalar, if it is finite."""
        finite = ops.isfinite(value)
        super().update_state(
            ops.where(finite, value, ops.zeros_like(value)), ops.cast(finite, self.dtype)
        )

    def result(self):
        """Return the mean."""
        mean = self.total / ops.maximum(self.count, 1.0)
        return ops.where(self.count > 0, mean, float("nan"))
