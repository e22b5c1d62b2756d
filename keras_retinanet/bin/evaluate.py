"""retinanet-evaluate: average precision of a model on an annotated dataset."""

import argparse
import math
import sys

from keras_retinanet.bin.console import Parser, add_everywhere, number, run
from keras_retinanet.bin.datasets import add_datasets, class_names, make_generator, some_names
from keras_retinanet.bin.model_files import (
    add_model_options,
    given_family,
    load_network,
    start_keras,
)
from keras_retinanet.bin.output_files import check_new_file, check_new_folder
from keras_retinanet.bin.picture_options import (
    add_picture_options,
    check_sides,
    generator_options,
)
from keras_retinanet.bin.tile_options import add_tiles, check_tiles, settle_tiles, tiled

__all__ = ["create_generator", "main", "parse_args"]

PROG = "retinanet-evaluate"
# Freezing takes 2 to 3 s of CPU once. MobileNetV2 at 480 x 640 then needs 0.1 of 0.84 s less for a
# picture, ResNet more, the smallest networks 1 ms: worth it from some 30 pictures on, or never
FREEZE_FROM = 200  # pictures
GONE = {
    "convert_model": "--convert-model is not needed any more: a network is converted by itself",
    "group_method": "--group-method does nothing here: pictures are measured one by one",
}


def _add_measure(parser):
    share = number(float, low=0, high=1)
    parser.add_argument("--score-threshold", type=share, help="least score; the model's own (0.05)")
    parser.add_argument(
        "--iou-threshold",
        type=number(float, above=0, high=1),
        default=0.5,
        help="IoU from which a detection is right, for mAP; COCO's numbers have their own",
    )
    parser.add_argument(
        "--max-detections", type=number(int, low=1), default=100, help="kept in a picture"
    )
    parser.add_argument("--save-path", help="folder for pictures with truth and detections")
    parser.add_argument("--json", help="file for the numbers")
    parser.add_argument("--gpu", help='ids of the GPUs to use, "0" or "0,1"; "cpu" for none')


def _add_pictures(parser):
    add_picture_options(parser, min_side=None, max_side=None, note="; the model's own")
    add_tiles(parser, "the model's own")


def _add_gone(parser):
    parser.add_argument("--convert-model", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--group-method", choices=("none", "random", "ratio"), help=argparse.SUPPRESS
    )


def _add_options(parser):
    for add in (_add_measure, _add_pictures, add_model_options, _add_gone):
        add(parser)


def make_parser():
    """Return the parser of retinanet-evaluate."""
    parser = Parser(prog=PROG, description="Measure a model on annotated pictures.")
    datasets = add_datasets(parser, "evaluate", Parser)
    for dataset in datasets:
        dataset.add_argument(
            "model", help="model file or another project's weights: .keras, .h5, .pth, …"
        )
    add_everywhere([parser, *datasets], _add_options)
    return parser


def parse_args(args=None):
    """Return the checked options of the command line `args` (sys.argv[1:] by default).

    `notices` has one line for each option that does nothing any more.
    """
    parser = make_parser()
    parsed = parser.parse_args(args)
    try:
        check_sides(parsed)
        check_tiles(parsed)
    except ValueError as error:
        parser.error(str(error))
    if parsed.no_resize and (parsed.image_min_side or parsed.image_max_side):
        parser.error("--no-resize and --image-min-side or --image-max-side exclude each other")
    parsed.notices = [text for name, text in GONE.items() if getattr(parsed, name)]
    return parsed


def create_generator(args, profile):
    """Return the dataset, its pictures made as `profile` and the options say."""
    from argparse import Namespace
    from functools import partial

    from keras_retinanet.utils.image import preprocess_image

    smaller = args.image_min_side or profile.image_min_side
    larger = args.image_max_side or profile.image_max_side
    if smaller > larger:
        raise ValueError(
            f"{args.model}: sides {profile.image_min_side} and {profile.image_max_side} with the "
            f"options given make {smaller} and {larger}; give --image-min-side and --image-max-side"
        )
    given = args.image_min_side or args.image_max_side
    options = {
        "preprocess_image": partial(preprocess_image, mode=profile.preprocessing),
        "resize_rule": profile.resize_rule,
        "channels": profile.picture_channels,
        **generator_options(args, smaller, larger),
    }
    args = Namespace(**vars(args))
    settle_tiles(args, profile)
    no_resize = args.no_resize or not (profile.resize or given)
    generator = make_generator(args, "evaluate", no_resize=no_resize, **options)
    if args.tile:
        generator.tiled = tiled(generator, args, **options)
    return generator


def labels_for(profile, classes, path, report=print):
    """Return the dataset's label of each class of a model, None where they are the same.

    Args:
        profile: of the model.
        classes: names by label of the dataset.
        path: of the model, for messages.
        report: gets a line where the model knows more classes.

    Raises:
        ValueError: the dataset has classes that the model does not know.
    """
    from keras_retinanet.bin.train_network import check_classes
    from keras_retinanet.evaluation.relabelled import new_labels

    if profile.classes == classes or not any(profile.classes):
        check_classes(profile, classes, path)
        return None
    try:
        labels = new_labels(classes, profile.classes)
    except KeyError as error:
        raise ValueError(
            f"{path}: its {len(profile.classes)} classes ({some_names(profile.classes)}) are not "
            f"the dataset's {len(classes)} ({some_names(classes)}): it lacks "
            f"{some_names(error.args)}; train a new model with --weights"
        ) from error
    if other := int((labels < 0).sum()):
        report(
            f"{path}: detections of {other} of its classes, which the dataset lacks, are left out"
        )
    return labels


def make_runner(args, network, pictures, labels=None):
    """Return the detector of `network` as the options want it, and its score threshold.

    Args:
        pictures: number of pictures, by which its variables are frozen or not.
        labels: of `labels_for`.
    """
    from keras_retinanet.evaluation.relabelled import Relabelled
    from keras_retinanet.models import convert_model
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.predict.runner import Runner

    profile = profile_of(network)
    given = args.score_threshold
    threshold = profile.score_threshold if given is None else given
    detector = convert_model(
        network,
        nms=profile.nms,
        class_specific_filter=profile.class_specific_filter,
        score_threshold=threshold,
        max_detections=max(args.max_detections, profile.max_detections),
    )
    runner = Runner(detector, freeze=pictures >= FREEZE_FROM)
    return runner if labels is None else Relabelled(runner, labels), threshold


def warm_up(runner, generator):
    """Run the first picture once, so that building graphs does not count as inference."""
    generator = generator.tiled or generator
    image, _ = generator.resize_image(generator.load_image(0))
    runner.predict_on_batch(generator.preprocess_image(image)[None])


def measure(args, runner, generator, threshold):
    """Return (results, {label: (AP, objects)}) of one pass over the dataset."""
    from keras_retinanet import evaluation

    warm_up(runner, generator)
    detections, seconds = evaluation.detect_dataset(
        generator, runner, threshold, args.max_detections, args.save_path
    )
    truths = evaluation.truths_with_ignored(generator)
    labels = evaluation.labels_of(generator, truths)
    by_class = evaluation.average_precisions(truths, detections, labels, args.iou_threshold)
    return {
        "mAP": evaluation.mean_ap(by_class),
        "weighted_mAP": evaluation.weighted_mean_ap(by_class),
        "classes": {
            generator.label_to_name(label): {"AP": ap, "instances": instances}
            for label, (ap, instances) in by_class.items()
        },
        "coco": evaluation.coco_metrics_of(generator, detections),
        "inference_seconds": seconds,
        "images": generator.size(),
        "options": {
            "model": str(args.model),
            "iou_threshold": args.iou_threshold,
            "score_threshold": threshold,
            "max_detections": args.max_detections,
            "image_min_side": generator.image_min_side,
            "image_max_side": generator.image_max_side,
            "no_resize": generator.no_resize,
            "resize_rule": generator.resize_rule,
            "tile": generator.tiled.tiling.side if generator.tiled else None,
        },
    }, by_class


def result_lines(results, by_class, label_to_name):
    """Yield what the command prints: 1.0's lines, then COCO's table."""
    from keras_retinanet.evaluation.average_precision import class_lines
    from keras_retinanet.evaluation.coco import summary_lines

    if not any(instances for _, instances in by_class.values()):
        yield "No test instances found."
        return
    yield from class_lines(by_class, label_to_name)
    yield f"Inference time for {results['images']} images: {results['inference_seconds']:.4f}"
    yield (
        f"mAP using the weighted average of precisions among classes: {results['weighted_mAP']:.4f}"
    )
    yield f"mAP: {results['mAP']:.4f}"
    yield from summary_lines(results["coco"])


def with_nulls(values):
    """Return nested results with None in place of nan, which JSON lacks."""
    if isinstance(values, dict):
        return {key: with_nulls(value) for key, value in values.items()}
    return None if isinstance(values, float) and math.isnan(values) else values


def main(args=None):
    """Run the command with the words `args`; return the numbers, a nested dictionary.

    Its keys are mAP, weighted_mAP (nan without objects), classes {name: {"AP", "instances"}},
    coco (the twelve numbers, -1 where there is nothing to measure), inference_seconds (of a
    picture, on average), images, and options.
    """
    args = parse_args(args)
    for notice in args.notices:
        print(notice)
    if args.json:
        check_new_file(args.json, "--json")
    if args.save_path:
        check_new_folder(args.save_path, "--save-path")
    start_keras(args.gpu)
    from keras_retinanet.evaluation.results import write_results_json
    from keras_retinanet.models.snapshot import profile_of

    network = load_network(args.model, args.backbone, args.config, given_family(args))
    generator = create_generator(args, profile_of(network))
    labels = labels_for(profile_of(network), class_names(generator), args.model)
    seen = generator.tiled or generator
    runner, threshold = make_runner(args, network, seen.size(), labels)
    results, by_class = measure(args, runner, generator, threshold)
    for line in result_lines(results, by_class, generator.label_to_name):
        print(line)
    if args.json:
        write_results_json(args.json, with_nulls(results), indent=1)
    return results


def console():
    """Run the command as a program."""
    sys.exit(run(main, PROG))


if __name__ == "__main__":
    console()
