"""Old names of keras-retinanet 1.0; `models.backbone_families` has the table."""

from keras_retinanet.models.backbones import Backbone, for_backbone


class EfficientNetBackbone(Backbone):
    """EfficientNet B0 to B7."""


def effnet_retinanet(num_classes, backbone="EfficientNetB0", inputs=None, modifier=None, **kwargs):
    """Return a RetinaNet on EfficientNet; see `Backbone.retinanet`."""
    return EfficientNetBackbone(backbone).retinanet(
        num_classes, inputs=inputs, modifier=modifier, **kwargs
    )


EfficientNetB0_retinanet = for_backbone(effnet_retinanet, "EfficientNetB0")
EfficientNetB1_retinanet = for_backbone(effnet_retinanet, "EfficientNetB1")
EfficientNetB2_retinanet = for_backbone(effnet_retinanet, "EfficientNetB2")
EfficientNetB3_retinanet = for_backbone(effnet_retinanet, "EfficientNetB3")
EfficientNetB4_retinanet = for_backbone(effnet_retinanet, "EfficientNetB4")
EfficientNetB5_retinanet = for_backbone(effnet_retinanet, "EfficientNetB5")
EfficientNetB6_retinanet = for_backbone(effnet_retinanet, "EfficientNetB6")
EfficientNetB7_retinanet = for_backbone(effnet_retinanet, "EfficientNetB7")
