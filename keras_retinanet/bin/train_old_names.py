"""Functions of 1.0's bin.train that scripts import and the command needs no more."""

from pathlib import Path


def makedirs(path):
    """Make the folder `path`, with its parents, unless it is there."""
    Path(path).mkdir(parents=True, exist_ok=True)


def model_with_weights(model, weights, skip_mismatch):
    """Return `model` with the weights of a file that fit by layer name; None loads nothing.

    Raises:
        ValueError: a layer has another shape, and `skip_mismatch` is False.
    """
    from keras_retinanet.models.by_name import load_by_name

    if weights is not None:
        load_by_name(model, weights, skip_mismatch=skip_mismatch)
    return model


def create_models(
    backbone_retinanet,
    num_classes,
    weights,
    multi_gpu=0,
    freeze_backbone=False,
    lr=1e-5,
    optimizer_clipnorm=0.001,
    config=None,
):
    """Return (network, the same compiled for dense targets, detector), as 1.0's scripts use.

    Args:
        backbone_retinanet: `Backbone.retinanet` of some backbone.
        num_classes, weights, freeze_backbone, lr, optimizer_clipnorm: as on the command line.
        multi_gpu: must be 0 or 1.
        config: what `read_config_file` gives.
    """
    import keras

    from keras_retinanet import losses, models
    from keras_retinanet.utils.config import parse_grid
    from keras_retinanet.utils.model import freeze

    if multi_gpu > 1:
        raise ValueError(f"multi_gpu {multi_gpu}: its Keras function is gone; use one device")
    options = parse_grid(config, "config") if config else {}
    network = backbone_retinanet(
        num_classes, modifier=freeze if freeze_backbone else None, **options
    )
    model_with_weights(network, weights, skip_mismatch=True)
    network.compile(
        loss={"regression": losses.smooth_l1(), "classification": losses.focal()},
        optimizer=keras.optimizers.Adam(learning_rate=lr, clipnorm=optimizer_clipnorm),
    )
    return network, network, models.convert_model(network)
