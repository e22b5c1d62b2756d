"""Old names of keras-retinanet 1.0; `models.backbones` has the table."""

from keras_retinanet.models.backbones import Backbone


class VGGBackbone(Backbone):
    """VGG16 and 19."""


def vgg_retinanet(num_classes, backbone="vgg19", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on VGG; see `Backbone.retinanet`."""
    return VGGBackbone(backbone).retinanet(num_classes, inputs=inputs, modifier=modifier, **kwargs)
