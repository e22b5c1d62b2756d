"""What the replicas of a step know together, where TensorFlow runs one on each device.

JAX sees the whole batch on all its devices, and torch has one device here: they need nothing.
"""

import keras


def _context():
    """Return TensorFlow's context of one replica among several, or None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return None
    return context


def number():
    """Return how many replicas share the step that is being traced."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def summed(values):
    """Return the sums over all replicas of a tensor, or of several (None stays None).

    No gradient goes through them.
    """
    context = _context()
    if context is None:
        return values
    if not isinstance(values, (list, tuple)):
        return keras.ops.stop_gradient(context.all_reduce("SUM", values))
    sums = iter(context.all_reduce("SUM", [value for value in values if value is not None]))
    return [None if value is None else next(sums) for value in values]


def all_of(truth):
    """Return whether a boolean scalar is true on all replicas."""
    if _context() is None:
        return truth
    return summed(keras.ops.cast(truth, "float32")) > number() - 0.5


def applied_if(finite, apply, gradients, variables):
    """Call `apply(gradients, variables)` where all replicas' gradients are finite, else nothing.

    Updates are merged over the replicas, which TensorFlow allows in no branch of one of them: the
    branch lies outside, and each replica is called again within it, as in Keras'
    `LossScaleOptimizer`.

    Args:
        finite: f(gradients) -> boolean scalar.
        apply: f(gradients, variables).
        gradients, variables: lists, of this replica.
    """
    context = _context()
    if context is None:
        keras.ops.cond(
            finite(gradients), lambda: apply(gradients, variables) and None, lambda: None
        )
        return

    def merged(strategy, gradients, variables):
        each = strategy.extended.call_for_each_replica(finite, args=(gradients,))
        flags = strategy.experimental_local_results(each)

        def on_all():
            strategy.extended.call_for_each_replica(apply, args=(gradients, variables))

        keras.ops.cond(keras.ops.all(keras.ops.stack(flags)), on_all, lambda: None)

    context.merge_call(merged, args=(gradients, variables))
