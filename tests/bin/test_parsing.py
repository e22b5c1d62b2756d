"""Command lines: every option of 1.0, on either side of the dataset word, and what is refused."""

import subprocess
import sys

import pytest

from keras_retinanet.bin import convert_model, debug, evaluate, train
from keras_retinanet.bin.model_files import FAMILIES
from keras_retinanet.bin.picture_options import AUGMENTATIONS, MAX_PIXELS, MAX_SIDE, MIN_SIDE

CSV = {
    train: ["csv", "a.csv", "c.csv"],
    evaluate: ["csv", "a.csv", "c.csv", "m.keras"],
    debug: ["csv", "a.csv", "c.csv"],
}
COMMANDS = {"train": train, "evaluate": evaluate, "debug": debug}

# command, words, attribute, value: every option of 1.0
OPTIONS_OF_1_0 = [
    ("train", "--snapshot x.keras", "snapshot", "x.keras"),
    ("train", "--imagenet-weights", "imagenet_weights", True),
    ("train", "--weights x.h5", "weights", "x.h5"),
    ("train", "--no-weights", "imagenet_weights", False),
    ("train", "--backbone vgg16", "backbone", "vgg16"),
    ("train", "--batch-size 3", "batch_size", 3),
    ("train", "--gpu 0,1", "gpu", "0,1"),
    ("train", "--multi-gpu 2", "multi_gpu", 2),
    ("train", "--multi-gpu-force", "multi_gpu_force", True),
    ("train", "--initial-epoch 3", "initial_epoch", 3),
    ("train", "--epochs 7", "epochs", 7),
    ("train", "--steps 9", "steps", 9),
    ("train", "--lr 1e-4", "lr", 1e-4),
    ("train", "--optimizer-clipnorm 0.5", "optimizer_clipnorm", 0.5),
    ("train", "--snapshot-path s", "snapshot_path", "s"),
    ("train", "--tensorboard-freq batch", "tensorboard_freq", "batch"),
    ("train", "--no-snapshots", "snapshots", False),
    ("train", "--no-evaluation", "evaluation", False),
    ("train", "--freeze-backbone", "freeze_backbone", 5),
    ("train", "--random-transform", "random_transform", True),
    ("train", "--random-transform", "augmentation", "random-transform"),
    ("train", "--augmentation overhead", "augmentation", "overhead"),
    ("train", "", "augmentation", "flips"),
    ("train", "--augmentation mosaic", "mosaic_off", 5),
    ("train", "--augmentation mosaic --mosaic-off 0", "mosaic_off", 0),
    ("train", "--augment-with own.changes:blur", "augment_with", "own.changes:blur"),
    ("train", "--image-min-side 400", "image_min_side", 400),
    ("train", "--image-max-side 900", "image_max_side", 900),
    ("train", "--no-resize", "no_resize", True),
    ("train", "--config x.ini", "config", "x.ini"),
    ("train", "--weighted-average", "weighted_average", True),
    ("train", "--compute-val-loss --val-annotations v.csv", "compute_val_loss", True),
    ("train", "--reduce-lr-patience 3", "reduce_lr_patience", 3),
    ("train", "--reduce-lr-factor 0.2", "reduce_lr_factor", 0.2),
    ("train", "--group-method none", "group_method", "none"),
    ("train", "--multiprocessing", "multiprocessing", True),
    ("train", "--workers 4", "workers", 4),
    ("train", "--max-queue-size 5", "max_queue_size", 5),
    ("evaluate", "--convert-model", "convert_model", True),
    ("evaluate", "--backbone vgg16", "backbone", "vgg16"),
    ("evaluate", "--gpu 0", "gpu", "0"),
    ("evaluate", "--score-threshold 0.1", "score_threshold", 0.1),
    ("evaluate", "--iou-threshold 0.6", "iou_threshold", 0.6),
    ("evaluate", "--max-detections 7", "max_detections", 7),
    ("evaluate", "--save-path s", "save_path", "s"),
    ("evaluate", "--image-min-side 400", "image_min_side", 400),
    ("evaluate", "--image-max-side 900", "image_max_side", 900),
    ("evaluate", "--no-resize", "no_resize", True),
    ("evaluate", "--config x.ini", "config", "x.ini"),
    ("evaluate", "--group-method ratio", "group_method", "ratio"),
    ("debug", "--no-resize", "no_resize", True),
    ("debug", "--anchors", "anchors", True),
    ("debug", "--display-name", "display_name", True),
    ("debug", "--show-annotations", "show_annotations", True),
    ("debug", "--random-transform", "random_transform", True),
    ("debug", "--augmentation scale-jitter", "augmentation", "scale-jitter"),
    ("debug", "", "augmentation", None),
    ("debug", "--image-min-side 400", "image_min_side", 400),
    ("debug", "--image-max-side 900", "image_max_side", 900),
    ("debug", "--config x.ini", "config", "x.ini"),
    ("debug", "--no-gui", "no_gui", True),
    ("debug", "--output-dir o", "output_dir", "o"),
    ("debug", "--flatten-output", "flatten_output", True),
    ("debug", "--group-method ratio", "group_method", "ratio"),
]


def with_val(words):
    """Return (words that go anywhere, words of the dataset) of a row of the table."""
    where = words.index("--val-annotations") if "--val-annotations" in words else len(words)
    return words[:where], words[where:]


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("command", "words", "name", "value"), OPTIONS_OF_1_0)
def test_an_option_counts_on_either_side_of_the_dataset_word(command, words, name, value, side):
    module = COMMANDS[command]
    anywhere, own = with_val(words.split())
    around = [[*anywhere, *CSV[module]], [*CSV[module], *anywhere]]
    args = module.parse_args([*around[side == "after"], *own])
    assert getattr(args, name) == value
    assert args.dataset_type == "csv" and args.annotations == "a.csv" and args.classes == "c.csv"


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ("--backbone vgg16", "backbone", "vgg16"),
        ("--no-nms", "nms", False),
        ("--no-class-specific-filter", "class_specific_filter", False),
        ("--config x.ini", "config", "x.ini"),
        ("--nms-threshold 0.4", "nms_threshold", 0.4),
        ("--score-threshold 0.1", "score_threshold", 0.1),
        ("--max-detections 7", "max_detections", 7),
        ("--parallel-iterations 16", "parallel_iterations", 16),
    ],
)
def test_conversion_takes_the_options_of_1_0(words, name, value):
    args = convert_model.parse_args(["in.keras", "out.keras", *words.split()])
    assert getattr(args, name) == value
    assert (args.model_in, args.model_out) == ("in.keras", "out.keras")


@pytest.mark.parametrize(
    ("module", "words", "start"),
    [
        (train, ["--multi-gpu", "2", *CSV[train]], "--multi-gpu is gone"),
        (train, ["--multiprocessing", *CSV[train]], "--multiprocessing is now threads"),
        (evaluate, ["--convert-model", *CSV[evaluate]], "--convert-model is not needed"),
        (evaluate, ["--group-method", "ratio", *CSV[evaluate]], "--group-method does nothing"),
        (
            convert_model,
            ["a.keras", "b.keras", "--parallel-iterations", "8"],
            "--parallel-iterations does nothing",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_an_option_without_sense_today_says_what_replaces_it(module, words, start):
    (notice,) = module.parse_args(words).notices
    assert notice.startswith(start)


@pytest.mark.parametrize(
    ("module", "words"),
    [(evaluate, CSV[evaluate]), (convert_model, ["a.keras", "b.keras"]), (train, CSV[train])],
    ids=["evaluate", "convert", "train"],
)
def test_no_notice_without_such_an_option(module, words):
    assert module.parse_args(words).notices == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("d.keras", ".keras"),
        ("d.H5", ".h5"),
        ("model", "folder"),
        ("model.savedmodel", "folder"),
        ("v1.2/", "folder"),
    ],
)
def test_the_name_of_the_output_tells_its_kind(name, kind):
    assert convert_model.output_kind(name) == kind


# words, and what the one line of the message has in it
REFUSED = {
    "an unknown option before the dataset word": (
        evaluate,
        ["--save-pth", "p", *CSV[evaluate]],
        "unrecognised argument '--save-pth'; did you mean --save-path",
    ),
    "an unknown option after it": (
        debug,
        [*CSV[debug], "--anchor"],
        "unrecognised argument '--anchor'; did you mean --anchors",
    ),
    "an unknown option of training": (
        train,
        [*CSV[train], "--bach-size", "2"],
        "unrecognised argument '--bach-size'; did you mean --batch-size",
    ),
    "another program's option": (
        train,
        [*CSV[train], "--learning-rate", "1"],
        "unrecognised argument '--learning-rate'; did you mean --lr",
    ),
    "an unknown option of conversion": (
        convert_model,
        ["a.keras", "b.keras", "--no-nsm"],
        "unrecognised argument '--no-nsm'; did you mean --no-nms",
    ),
    "no dataset": (evaluate, [], "required: DATASET"),
    "an unknown dataset": (debug, ["cvs", "a", "b"], "invalid choice: 'cvs'"),
    "no model": (evaluate, ["csv", "a", "c"], "required: model"),
    "sides the wrong way round": (
        evaluate,
        [*CSV[evaluate], "--image-min-side", "900", "--image-max-side", "300"],
        "--image-min-side 900 is larger than --image-max-side 300",
    ),
    "a side above the other's default": (
        debug,
        [*CSV[debug], "--image-min-side", "1334"],
        "--image-min-side 1334 is larger than --image-max-side 1333",
    ),
    "sides without resizing": (
        evaluate,
        [*CSV[evaluate], "--no-resize", "--image-min-side", "9"],
        "exclude each other",
    ),
    "a threshold that is none": (
        evaluate,
        [*CSV[evaluate], "--iou-threshold", "nan"],
        "--iou-threshold: nan must be more than 0 and at most 1",
    ),
    "a threshold above 1": (
        convert_model,
        ["a.keras", "b.keras", "--nms-threshold", "1.5"],
        "--nms-threshold: 1.5 must be at least 0 and at most 1",
    ),
    "no detections": (
        convert_model,
        ["a.keras", "b.keras", "--max-detections", "0"],
        "--max-detections: 0 must be at least 1",
    ),
    "an unknown kind of file": (
        convert_model,
        ["a.keras", "b.pb"],
        "unknown kind of file '.pb'",
    ),
    "two places to start from": (
        train,
        [*CSV[train], "--snapshot", "s", "--weights", "w"],
        "not allowed with argument",
    ),
    "two places to start from, around the dataset word": (
        train,
        ["--snapshot", "s", *CSV[train], "--weights", "w"],
        "--snapshot and --weights exclude each other",
    ),
    "two augmentations": (
        train,
        ["--random-transform", *CSV[train], "--augmentation", "flips"],
        "--random-transform contradicts --augmentation flips",
    ),
    "no mosaic to switch off": (
        train,
        [*CSV[train], "--mosaic-off", "3"],
        "--mosaic-off goes with --augmentation mosaic",
    ),
    "mosaic off longer than all": (
        train,
        [*CSV[train], "--augmentation", "mosaic", "--mosaic-off", "3", "--epochs", "2"],
        "--mosaic-off 3 is more than --epochs 2",
    ),
    "statistics of nothing": (
        train,
        [*CSV[train], "--no-weights", "--batch-norm", "frozen"],
        "--batch-norm frozen with --no-weights would keep statistics of nothing",
    ),
    "more stages than there are": (
        train,
        ["--freeze-backbone", "6", *CSV[train]],
        "6 must be at least 0 and at most 5",
    ),
    "a file for a function": (
        debug,
        [*CSV[debug], "--augment-with", "changes.py"],
        "'changes.py' must be module:function, as my_changes:blur",
    ),
    "two augmentations to look at": (
        debug,
        ["--random-transform", *CSV[debug], "--augmentation", "overhead"],
        "--random-transform contradicts --augmentation overhead",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(case, outcome):
    module, words, part = REFUSED[case]
    code, message = outcome(module, words)
    assert code == 2
    assert message.startswith(module.PROG) and part in message
    assert message.count("\n") == 1 and message.endswith("\n")


def test_a_missing_tensorboard_is_told_at_once(outcome, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, message = outcome(train, ["--tensorboard-dir", "t", *CSV[train]])
    assert code == 2
    assert "--tensorboard-dir needs TensorBoard: pip install tensorboard" in message


HELP = """
import sys
from keras_retinanet.bin import {name}
try:
    {name}.parse_args(["--help"])
except SystemExit as stopped:
    assert stopped.code == 0
heavy = sorted({{"keras", "tensorflow", "numpy", "cv2", "PIL", "h5py"}} & set(sys.modules))
assert not heavy, heavy
"""


@pytest.mark.parametrize("name", ["train", "evaluate", "convert_model", "debug"])
def test_help_imports_nothing_heavy(name):
    done = subprocess.run(
        [sys.executable, "-c", HELP.format(name=name)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: retinanet-")


def test_defaults_are_those_of_the_library():
    from keras_retinanet.preprocessing import augmentation
    from keras_retinanet.utils import families, image

    assert tuple(families.FAMILIES) == FAMILIES
    assert tuple(augmentation.AUGMENTATIONS) == AUGMENTATIONS
    defaults = (image.DEFAULT_MIN_SIDE, image.DEFAULT_MAX_SIDE, image.DEFAULT_MAX_PIXELS)
    assert defaults == (MIN_SIDE, MAX_SIDE, MAX_PIXELS)
