"""What retinanet-train trains towards: options of the losses and of the assignment."""

import argparse

from keras_retinanet.bin.console import number
from keras_retinanet.bin.datasets import class_names

# as in losses and utils.assignments, whose import would load Keras; a test holds them equal
LOSSES = (
    *("focal", "cross-entropy", "balanced-cross-entropy", "focal-star", "ohem"),
    "quality-focal",
)
BOX_LOSSES = ("smooth-l1", "l1", "giou", "diou", "ciou")
ASSIGNMENTS = ("max-iou", "atss")
NO_WEIGHTS, BALANCED = "none", "balanced"
# what a run trains towards unless the command line or its snapshot says so
NEW_OBJECTIVE = {
    "classification_loss": "focal",
    "box_loss": "smooth-l1",
    "box_loss_weight": None,  # that of the loss
    "assignment": "max-iou",
    "match_all": False,
    "class_weights": NO_WEIGHTS,
    "label_smoothing": 0.0,
}
MOST_SHOWN = 8  # class weights


def add_objective(parser):
    """Add the options."""
    parser.add_argument("--classification-loss", choices=LOSSES, help="method (focal)")
    parser.add_argument("--box-loss", choices=BOX_LOSSES, help="method (smooth-l1)")
    parser.add_argument(
        "--box-loss-weight",
        type=number(float, above=0),
        help="factor on the box loss (1; 2 for giou, diou and ciou)",
    )
    parser.add_argument(
        "--assignment", choices=ASSIGNMENTS, help="which anchors hold a box (max-iou)"
    )
    parser.add_argument(
        "--match-all",
        action=argparse.BooleanOptionalAction,
        help="an anchor for every box, whatever their overlap",
    )
    parser.add_argument(
        "--class-weights",
        help="CSV file name,weight; balanced: by the square root of how rare a class is; none",
    )
    parser.add_argument(
        "--label-smoothing",
        type=number(float, low=0, high=0.49),
        help="E: object anchors aim at 1 - E for their class and E / (K - 1) for each other (0)",
    )


def settle_class_weights(args, train, report):
    """Replace what --class-weights names by {class name: weight}, and say what they are.

    Args:
        args: of the command. A snapshot's weights are there already.
        train: the training generator.
        report: gets lines of text.
    """
    names = class_names(train)
    if args.class_weights == NO_WEIGHTS or isinstance(args.class_weights, dict):
        return
    from keras_retinanet.preprocessing import class_weights

    if args.class_weights == BALANCED:
        counts = class_weights.count_objects(train)
        weights = class_weights.balanced_weights(counts).tolist()
        args.class_weights = {n: w for n, w in zip(names, weights, strict=True) if n}
    else:
        args.class_weights = class_weights.read_class_weights(args.class_weights, names)
    report(f"class weights: {_shown(args.class_weights)}")


def _shown(weights):
    """Return the weights as text, of many classes the lightest and the heaviest."""
    ordered = sorted(weights.items(), key=lambda item: item[1])
    if len(ordered) <= MOST_SHOWN:
        return ", ".join(f"{name} {weight:.3g}" for name, weight in ordered)
    (light, low), (heavy, high) = ordered[0], ordered[-1]
    return f"from {light} {low:.3g} to {heavy} {high:.3g}"


def make_objective(args, classes):
    """Return the `Objective` of a run.

    Args:
        args: of the command, its class weights settled.
        classes: names by label.
    """
    from keras_retinanet.models.objective import Objective

    options = {name: getattr(args, name) for name in NEW_OBJECTIVE}
    weights = options.pop("class_weights")
    if weights != NO_WEIGHTS:
        options["class_weights"] = tuple(weights.get(name, 1.0) for name in classes)
    return Objective(**options)
