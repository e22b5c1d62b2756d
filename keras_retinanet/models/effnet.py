"""Old names of keras-retinanet 1.0; `models.backbone_families` has the table."""

from keras_retinanet.models.backbones import Backbone


class EfficientNetBackbone(Backbone):
    """EfficientNet B0 to B7."""


def effnet_retinanet(num_classes, backbone="EfficientNetB0", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on EfficientNet; see `Backbone.retinanet`."""
    return EfficientNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )


def _named(backbone):
    def build(num_classes, inputs=None, **kwargs):
        return effnet_retinanet(num_classes, backbone, inputs=inputs, **kwargs)

    build.__name__ = build.__qualname__ = f"{backbone}_retinanet"
    build.__doc__ = f"Return a RetinaNet on {backbone}."
    return build


EfficientNetB0_retinanet = _named("EfficientNetB0")
EfficientNetB1_retinanet = _named("EfficientNetB1")
EfficientNetB2_retinanet = _named("EfficientNetB2")
EfficientNetB3_retinanet = _named("EfficientNetB3")
EfficientNetB4_retinanet = _named("EfficientNetB4")
EfficientNetB5_retinanet = _named("EfficientNetB5")
EfficientNetB6_retinanet = _named("EfficientNetB6")
EfficientNetB7_retinanet = _named("EfficientNetB7")
