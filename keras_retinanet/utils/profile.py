"""The profile: how a network's input is made, how it computes, and how its output is read.

A snapshot carries one, so that no option has to be repeated at evaluation, conversion or
prediction. Its fields are all the switches that set families of published RetinaNets apart; the
default is keras-retinanet 1.0, and `utils/families.py` has the others.
"""

from dataclasses import asdict, dataclass, field, fields

from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters
from keras_retinanet.utils.box_coder import BoxCoder
from keras_retinanet.utils.boxes import DELTA_MEAN, DELTA_STD
from keras_retinanet.utils.normalisation import PREPROCESSINGS, Preprocessing, preprocessing_of
from keras_retinanet.utils.tiles import OVERLAP

CHOICES = {
    "resize_rule": ("opencv", "torchvision", "pillow", "mmdetection", "odtk", "letterbox"),
    "p6_from": ("C5", "P5"),
    "p6_padding": ("same", 1),
    "head_norm": ("none", "group"),
    "nms_within": ("class", "all"),
    "clip_to": ("canvas", "image", "nothing"),
}


@dataclass(frozen=True)
class Profile:
    """Everything but the weights that is needed to make and use a network.

    Attributes:
        family: key of `utils.families.FAMILIES` that the network came from.
        backbone: name that `models.backbone` takes.
        backbone_options: {option of the backbone's builder: value}, such as ResNet's stride_in.
        classes: names by label; "" for a label that no class has.
        preprocessing: `Preprocessing`; the name of one, or a dict of its fields, will do.
        resize_rule: key of `utils.resizing.RESIZE_RULES`: rounding of sides, interpolation.
        image_min_side, image_max_side: pixels; `resize` False leaves sizes alone.
        tile, tile_overlap: side of the tiles, pixels, that pictures are cut into, and the share
            of it that neighbours have in common; `tile` None for whole pictures.
        pad_multiple: the network itself pads its input with zeros, right and below, to sides
            that are multiples of it.
        pyramid_features, head_features, head_layers: width and depth of the network.
        p6_from, p6_padding, p7_relu: P6's source, the padding of P6 and P7 ("same" as TensorFlow
            pads, or pixels on every side), whether P7 is made of relu(P6).
        head_norm, head_norm_groups, head_norm_epsilon: "group" for group norm behind each hidden
            layer of the heads.
        anchors, levels: the grid; one size and stride in `anchors` for each level.
        box_coding, box_mean, box_std, box_pixel, box_clamp: see `BoxCoder`.
        score_threshold, nms_threshold, max_detections: of the detector.
        advised_thresholds: score of each label above which a detection is worth telling, None
            where nobody knows; empty where none was looked for. Of scores before `temperature`.
        temperature: by which logits are divided for the scores that people are told; see
            `utils.temperature`.
        candidates: how many (anchor, class) pairs reach NMS; None for all, as in 1.0.
        level_candidates: how many of each pyramid level; None for all.
        nms, class_specific_filter, nms_within: switches of `layers.FilterDetections`.
        clip_to: boxes are clipped to the padded "canvas", the true "image", or "nothing".
        clip_margin: pixels that the right and bottom limit lie inside that edge.
    """

    family: str = "fizyr"
    backbone: str = "resnet50"
    backbone_options: dict = field(default_factory=dict)
    classes: tuple = ()
    preprocessing: Preprocessing = PREPROCESSINGS["caffe"]
    resize_rule: str = "opencv"
    image_min_side: int = 800
    image_max_side: int = 1333
    resize: bool = True
    tile: int | None = None
    tile_overlap: float = OVERLAP
    pad_multiple: int = 1
    pyramid_features: int = 256
    head_features: int = 256
    head_layers: int = 4
    p6_from: str = "C5"
    p6_padding: str | int = "same"
    p7_relu: bool = True
    head_norm: str = "none"
    head_norm_groups: int = 32
    head_norm_epsilon: float = 1e-5
    anchors: AnchorParameters = AnchorParameters.default
    levels: tuple = DEFAULT_LEVELS
    box_coding: str = "corners"
    box_mean: tuple = DELTA_MEAN
    box_std: tuple = DELTA_STD
    box_pixel: float = 0.0
    box_clamp: float | None = None
    score_threshold: float = 0.05
    nms_threshold: float = 0.5
    max_detections: int = 300
    advised_thresholds: tuple = ()
    temperature: float = 1.0
    candidates: int | None = None
    level_candidates: int | None = None
    nms: bool = True
    class_specific_filter: bool = True
    nms_within: str = "class"
    clip_to: str = "canvas"
    clip_margin: float = 1.0

    def __post_init__(self):
        for name in ("classes", "levels", "box_mean", "box_std", "advised_thresholds"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "preprocessing", preprocessing_of(self.preprocessing))
        if isinstance(self.anchors, dict):
            object.__setattr__(self, "anchors", AnchorParameters(**self.anchors))
        if len(self.levels) != len(self.anchors.sizes):
            raise ValueError(
                f"levels {self.levels} need {len(self.levels)} anchor sizes and strides. "
                f"Received: sizes {self.anchors.sizes}"
            )
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                choices = ", ".join(map(str, known))
                raise ValueError(f"{name} must be one of {choices}. Received: {value!r}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be above 0. Received: {self.temperature!r}")
        _ = self.coder  # a wrong coding ends here

    @property
    def num_classes(self):
        """Return K, one more than the highest label."""
        return len(self.classes)

    @property
    def picture_channels(self):
        """Return how many channels pictures are read with as they are; None for 8-bit colour."""
        usual = self.preprocessing.channels == 3 and self.preprocessing.bits == 8
        return None if usual else self.preprocessing.channels

    @property
    def coder(self):
        """Return the `BoxCoder` of the box_… fields."""
        return BoxCoder(
            self.box_coding, self.box_mean, self.box_std, self.box_pixel, self.box_clamp
        )

    def to_dict(self):
        """Return the profile as a dictionary that JSON can hold."""
        return asdict(self) | {"anchors": self.anchors.to_dict()}

    @classmethod
    def from_dict(cls, values):
        """Return the profile of `to_dict`; keys of later versions are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
