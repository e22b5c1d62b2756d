"""What `fit` is given: the one place that knows how each backend takes batches of any size."""

import keras

PREFETCH = 2  # batches handed to TensorFlow ahead; the loader's own queue does the real work


def fit_input(loader, channels=3, dtype="uint8"):
    """Return the loader's batches in a form that `fit` accepts, whatever their sizes.

    Keras would freeze the sizes that the first two batches share, so TensorFlow gets a dataset
    whose signature leaves them open. Call `fit` with `steps_per_epoch`,
    since the batches are endless, and `shuffle=False`, since their order is the loader's.

    Args:
        loader: of batches as `Generator.raw_batch` has them.
        channels, dtype: of the pictures.
    """
    if keras.backend.backend() != "tensorflow":
        return iter(loader)
    import tensorflow as tf

    signature = (
        {
            "images": tf.TensorSpec((None, None, None, channels), dtype),
            "sizes": tf.TensorSpec((None, 2), tf.float32),
        },
        {
            "boxes": tf.TensorSpec((None, None, 4), tf.float32),
            "labels": tf.TensorSpec((None, None), tf.int32),
        },
    )
    batches = tf.data.Dataset.from_generator(lambda: iter(loader), output_signature=signature)
    return batches.prefetch(PREFETCH)
