"""Old names of keras-retinanet 1.0; `models.backbones` has the table."""

from keras_retinanet.models.backbones import Backbone


class DenseNetBackbone(Backbone):
    """DenseNet121, 169 and 201."""


def densenet_retinanet(num_classes, backbone="densenet121", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on DenseNet; see `Backbone.retinanet`."""
    return DenseNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )
