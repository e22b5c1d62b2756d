"""Which switches of a profile another project's network does not have."""

from dataclasses import fields, replace

from keras_retinanet.models.resnet import RESNETS
from keras_retinanet.models.weight_files import WeightsError

# what every project takes as an argument, and what is compared elsewhere
FREE = {
    *("family", "backbone", "backbone_options", "classes"),
    *("pyramid_features", "head_features", "head_layers"),
    *("image_min_side", "image_max_side", "resize", "tile", "tile_overlap"),
    *("score_threshold", "nms_threshold", "max_detections"),
}


def _differing(ours, theirs, prefix=""):
    """Yield (switch, our value, theirs) of the fields of two dataclasses that differ."""
    for name in (field.name for field in fields(ours)):
        pair = getattr(ours, name), getattr(theirs, name)
        if pair[0] != pair[1]:
            yield f"{prefix}{name}", *pair


def misfits(profile, row, free=()):
    """Return [(switch, value of the profile, value of the row), …] of those that differ.

    Args:
        profile: of a network.
        row: of `utils.families.FAMILIES`.
        free: further switches, and fields of the anchors as "anchors.ratios", that may differ.
    """
    found = [*_differing(replace(profile, anchors=row.anchors), row)]
    found += _differing(profile.anchors, row.anchors, "anchors.")
    return [item for item in found if item[0] not in FREE and item[0] not in free]


def style_misfits(profile, style, free=()):
    """Return the like of a ResNet's style.

    Args:
        profile: of a network on ResNet.
        style: the `ResNetStyle` of the other project's.
        free: fields that may differ.
    """
    ours = replace(RESNETS[profile.backbone].style, **profile.backbone_options)
    return [
        (f"{name} of the backbone", *pair)
        for name, *pair in _differing(ours, style)
        if name not in free
    ]


def check_fits(path, project, found):
    """Raise WeightsError where `misfits` found something.

    Args:
        path: of the file that is to be written.
        project: whose layout it is.
        found: what `misfits` gave.
    """
    if not found:
        return
    switch, ours, theirs = found[0]
    more = f" (and {len(found) - 1} more: {', '.join(row[0] for row in found[1:])})"
    raise WeightsError(
        f"{path}: {project} computes otherwise: {switch} of this network is {ours}, there "
        f"{theirs}{more if len(found) > 1 else ''}. Nothing was written."
    )
