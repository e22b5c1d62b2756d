"""The profile: how a network's input is made and how its output is read.

A snapshot carries one, so that no option has to be repeated at evaluation, conversion or
prediction. The default is keras-retinanet 1.0.
"""

from dataclasses import asdict, dataclass, fields

from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters
from keras_retinanet.utils.boxes import DELTA_MEAN, DELTA_STD
from keras_retinanet.utils.tiles import OVERLAP


@dataclass(frozen=True)
class Profile:
    """Everything but the weights that is needed to use a network.

    Attributes:
        backbone: name that `models.backbone` takes.
        classes: names by label; "" for a label that no class has.
        preprocessing: mode of `utils.image.preprocess_image`.
        image_min_side, image_max_side: resize rule, pixels; `resize` False leaves sizes alone.
        tile, tile_overlap: side of the tiles, pixels, that pictures are cut into, and the share
            of it that neighbours have in common; `tile` None for whole pictures.
        anchors, levels: the grid; one size and stride in `anchors` for each level.
        box_mean, box_std: standardisation of deltas.
        score_threshold, nms_threshold, max_detections: of the detector.
        candidates: how many (anchor, class) pairs reach NMS; None for all, as in 1.0.
        nms, class_specific_filter: switches of `layers.FilterDetections`.
        pyramid_features, head_features, head_layers: width and depth of the network.
    """

    backbone: str = "resnet50"
    classes: tuple = ()
    preprocessing: str = "caffe"
    image_min_side: int = 800
    image_max_side: int = 1333
    resize: bool = True
    tile: int | None = None
    tile_overlap: float = OVERLAP
    anchors: AnchorParameters = AnchorParameters.default
    levels: tuple = DEFAULT_LEVELS
    box_mean: tuple = DELTA_MEAN
    box_std: tuple = DELTA_STD
    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    max_detections: int = 300
    candidates: int | None = None
    nms: bool = True
    class_specific_filter: bool = True
    pyramid_features: int = 256
    head_features: int = 256
    head_layers: int = 4

    def __post_init__(self):
        for name in ("classes", "levels", "box_mean", "box_std"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if isinstance(self.anchors, dict):
            object.__setattr__(self, "anchors", AnchorParameters(**self.anchors))
        if len(self.levels) != len(self.anchors.sizes):
            raise ValueError(
                f"levels {self.levels} need {len(self.levels)} anchor sizes and strides. "
                f"Received: sizes {self.anchors.sizes}"
            )

    @property
    def num_classes(self):
        """Return K, one more than the highest label."""
        return len(self.classes)

    def to_dict(self):
        """Return the profile as a dictionary that JSON can hold."""
        return asdict(self) | {"anchors": self.anchors.to_dict()}

    @classmethod
    def from_dict(cls, values):
        """Return the profile of `to_dict`; keys of later versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
