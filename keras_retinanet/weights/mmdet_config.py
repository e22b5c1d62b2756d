"""What the configuration that a file of MMDetection carries says of its network.

It is Python's text, `name = value` lines whose values are literals and `dict(...)`. It is taken
apart by `ast`, never run: whatever is neither a literal nor a dict counts as not said.
"""

import ast
from dataclasses import replace

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.utils.normalisation import Preprocessing

FIRST_VERSION = 2  # before it, boxes ended on pixels, and anchors were rounded
MOST_SCALES = 100  # an octave has 3
MOST_TEXT = 4_000_000  # characters; configurations have some 10,000


def _dict(node):
    """Return {key: value} of a dict or a call of dict, as far as both are literals."""
    if isinstance(node, ast.Call):
        return {pair.arg: _value(pair.value) for pair in node.keywords if pair.arg}
    keys = [_value(key) if key is not None else None for key in node.keys]
    pairs = zip(keys, node.values, strict=True)
    return {key: _value(value) for key, value in pairs if isinstance(key, str)}


def _value(node):
    """Return the value of an expression, None for what is no literal."""
    if isinstance(node, ast.Dict) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    ):
        return _dict(node)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return None


def parse_config(text):
    """Return {name: value} of a configuration's text.

    Raises:
        ValueError: it is no Python, or too long or nested too deeply to be one.
    """
    if len(text) > MOST_TEXT:
        raise ValueError(f"its text has {len(text)} characters")
    try:
        body = ast.parse(text).body
        return {
            line.targets[0].id: _value(line.value)
            for line in body
            if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
        }
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno} is no Python") from error
    except (MemoryError, RecursionError) as error:
        raise ValueError("its text is nested too deeply") from error


def _under(tree, *keys):
    """Return the dict under `keys`, {} where there is none."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if isinstance(tree, dict) else {}


def _steps(tree):
    """Yield every dict inside lists and dicts, outermost first."""
    waiting = [tree]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, dict):
            yield found
        waiting += found.values() if isinstance(found, dict) else found
        waiting = [item for item in waiting if isinstance(item, (dict, list))]


def _step(config, kind):
    """Return the first step of a pipeline that is of a kind, {} where there is none."""
    return next((step for step in _steps(config) if step.get("type") == kind), {})


def _normalisation(config):
    """Return (mean, std, whether red is first, multiple of padded sides), None for what is unsaid.

    Version 3 has them in `data_preprocessor`, version 2 in the pipelines and `img_norm_cfg`.
    """
    model = _under(config, "model", "data_preprocessor") or _under(config, "data_preprocessor")
    if "mean" in model:
        turned = model.get("bgr_to_rgb", False)
        return model["mean"], model.get("std"), turned, model.get("pad_size_divisor", 1)
    step = _under(config, "img_norm_cfg") or _step(config, "Normalize")
    padding = _step(config, "Pad").get("size_divisor")
    return step.get("mean"), step.get("std"), step.get("to_rgb", True), padding


def _input_fields(config, profile):
    mean, std, turned, multiple = _normalisation(config)
    found = {} if multiple is None else {"pad_multiple": int(multiple)}
    if mean is not None and std is not None:
        order = "rgb" if turned else "bgr"
        found["preprocessing"] = Preprocessing(order, 1.0, tuple(mean), tuple(std))
    return found


def _anchors(stated, usual):
    """Return the AnchorParameters of an `anchor_generator`."""
    strides = stated.get("strides", usual.strides)
    scales = stated.get("scales")
    if scales is None:
        number = int(stated.get("scales_per_octave", 3))
        if not 0 < number <= MOST_SCALES:
            raise ValueError(f"scales_per_octave is {number}, expected 1 to {MOST_SCALES}")
        base = stated.get("octave_base_scale", 4)
        sizes = [base * stride for stride in strides]
        scales = [2 ** (step / number) for step in range(number)]
    else:
        sizes = strides
    return replace(
        usual,
        sizes=sizes,
        strides=strides,
        scales=scales,
        ratios=stated.get("ratios", usual.ratios),
        centre=float(stated.get("center_offset", usual.centre)),
        order="ratio" if stated.get("scale_major", True) else "scale",
    )


def _head_fields(config, profile):
    head = _under(config, "model", "bbox_head")
    generator, coder = _under(head, "anchor_generator"), _under(head, "bbox_coder")
    for part, known in ((generator, "AnchorGenerator"), (coder, "DeltaXYWHBBoxCoder")):
        if part.get("type", known) != known:
            raise ValueError(f"its head has a {part['type']}, where only {known} is read")
    if generator.get("base_sizes") is not None or generator.get("centers") is not None:
        raise ValueError("its anchors have base_sizes or centers, which are not read")
    names = {"target_means": "box_mean", "target_stds": "box_std"}
    found = {ours: tuple(coder[theirs]) for theirs, ours in names.items() if theirs in coder}
    return found | ({"anchors": _anchors(generator, profile.anchors)} if generator else {})


def _neck_fields(config, profile):
    neck = _under(config, "model", "neck")
    if neck.get("add_extra_convs") == "on_lateral":
        raise ValueError(
            "its neck makes P6 of a lateral layer (add_extra_convs), which is not read"
        )
    stated = neck.get("relu_before_extra_convs")
    return {} if stated is None else {"p7_relu": bool(stated)}


def _test_fields(config, profile):
    stated = _under(config, "model", "test_cfg") or _under(config, "test_cfg")
    nms = _under(stated, "nms")
    found = {
        "score_threshold": stated.get("score_thr"),
        "level_candidates": stated.get("nms_pre"),
        "max_detections": stated.get("max_per_img"),
        "nms_threshold": nms.get("iou_threshold", nms.get("iou_thr")),
    }
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}


FIELDS = (_input_fields, _head_fields, _neck_fields, _test_fields)


def _text(meta):
    """Return the configuration's text in a file's `meta`, "" where there is none."""
    text = meta.get("cfg", meta.get("config", ""))
    return text if isinstance(text, str) else ""


def _check_version(path, meta):
    version = str(meta.get("mmdet_version", FIRST_VERSION)).partition(".")[0]
    if version.isdecimal() and int(version) < FIRST_VERSION:
        raise WeightsError(
            f"{path}: written by MMDetection {meta['mmdet_version']}, whose anchors and boxes "
            f"ended on pixels; only files of version {FIRST_VERSION} and later are read."
        )


def read_config(path, meta):
    """Return {name: value} of the configuration in a file's `meta`, {} where there is none.

    Raises:
        WeightsError: it cannot be read, or is of a version that computed otherwise.
    """
    _check_version(path, meta)
    try:
        return parse_config(_text(meta))
    except ValueError as error:
        raise WeightsError(
            f"{path}: its configuration cannot be read: {error}. Save its state_dict alone, and "
            "name the --family."
        ) from error


def is_caffe_style(config):
    """Return whether a configuration says that the backbone is Caffe's."""
    return _under(config, "model", "backbone").get("style") == "caffe"


def with_config(path, profile, config):
    """Return `profile` with what a configuration says otherwise.

    Raises:
        WeightsError: it says what cannot be, or what is not read here.
    """
    try:
        fields = [read(config, profile) for read in FIELDS]
        return replace(profile, **{key: value for found in fields for key, value in found.items()})
    except (ValueError, TypeError, AttributeError, OverflowError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise WeightsError(f"{path}: its configuration: {reason}.") from error
