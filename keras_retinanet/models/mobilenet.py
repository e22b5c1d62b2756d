"""Old names of keras-retinanet 1.0; `models.backbones` has the table."""

from keras_retinanet.models.backbones import Backbone


class MobileNetBackbone(Backbone):
    """MobileNet {128, 160, 192, 224}_{alpha}."""


def mobilenet_retinanet(
    num_classes, backbone="mobilenet224_1.0", inputs=None, modifier=None, **kwargs
):
    """Return a RetinaNet on MobileNet; see `Backbone.retinanet`."""
    return MobileNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )
