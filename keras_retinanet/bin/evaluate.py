"""retinanet-evaluate: average precision of a model on an annotated dataset."""

from keras_retinanet.bin import process_options
from keras_retinanet.bin.console import run
from keras_retinanet.bin.datasets import class_names, make_generator, some_names
from keras_retinanet.bin.evaluate_lines import result_lines
from keras_retinanet.bin.evaluate_misses import check_traceable, find_misses, miss_lines
from keras_retinanet.bin.evaluate_options import MAX_DETECTIONS, PROG, make_parser, parse_args
from keras_retinanet.bin.evaluate_report import write_report
from keras_retinanet.bin.evaluate_results import comparison, read_given, selected, write_results
from keras_retinanet.bin.evaluate_thresholds import store_temperature
from keras_retinanet.bin.model_files import given_family, load_network, start_keras
from keras_retinanet.bin.output_files import check_new_file, check_new_folder
from keras_retinanet.bin.picture_options import MAX_SIDE, MIN_SIDE, generator_options
from keras_retinanet.bin.tile_options import settle_tiles, tiled
from keras_retinanet.utils import processes

__all__ = ["create_generator", "main", "make_parser", "parse_args"]

# Freezing takes 2 to 3 s of CPU once. MobileNetV2 at 480 x 640 then needs 0.1 of 0.84 s less for a
# picture, ResNet more, the smallest networks 1 ms: worth it from some 30 pictures on, or never
FREEZE_FROM = 200  # pictures


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
        max_detections=max(args.max_detections or MAX_DETECTIONS, profile.max_detections),
    )
    runner = Runner(detector, freeze=pictures >= FREEZE_FROM)
    return runner if labels is None else Relabelled(runner, labels), threshold


def warm_up(runner, generator):
    """Run the first picture once, so that building graphs does not count as inference."""
    generator = generator.tiled or generator
    image, _ = generator.resize_image(generator.load_image(0))
    runner.predict_on_batch(generator.preprocess_image(image)[None])


def report(text):
    """Print a line, in the first of several processes."""
    if processes.is_first():
        print(text)


def detect(args):
    """Return (generator, detections, FoundBoxes, what else results say) of the model of `args`."""
    from keras_retinanet.evaluation import detect_dataset
    from keras_retinanet.evaluation.columns import found_boxes_of
    from keras_retinanet.models.snapshot import profile_of

    network = load_network(args.model, args.backbone, args.config, given_family(args))
    generator = create_generator(args, profile_of(network))
    check_traceable(args, generator)
    labels = labels_for(profile_of(network), class_names(generator), args.model, report)
    seen = generator.tiled or generator
    runner, threshold = make_runner(args, network, seen.size(), labels)
    warm_up(runner, generator)
    most = args.max_detections or MAX_DETECTIONS
    detections, seconds = detect_dataset(generator, runner, threshold, most, args.save_path)
    options = {
        "model": str(args.model),
        "score_threshold": threshold,
        "max_detections": most,
        "image_min_side": generator.image_min_side,
        "image_max_side": generator.image_max_side,
        "no_resize": generator.no_resize,
        "resize_rule": generator.resize_rule,
        "tile": generator.tiled.tiling.side if generator.tiled else None,
    }
    about = {"inference_seconds": seconds, "options": options}
    if args.misses:
        about["misses"] = find_misses(args, network, labels, generator, detections, options)
    return generator, detections, found_boxes_of(detections), about


def read(args):
    """Return (generator, detections, FoundBoxes, what else results say) of the results file."""
    options = generator_options(args, MIN_SIDE, MAX_SIDE)  # nothing is resized
    generator = make_generator(args, "evaluate", **options)
    given = read_given(args.results, generator)
    results = selected(given, args.score_threshold, args.max_detections)
    options = {
        "results": str(args.results),
        "score_threshold": args.score_threshold,
        "max_detections": args.max_detections,
    }
    about = {"inference_seconds": None, "options": options, "left_out": results.left_out}
    return generator, results.detections, results.found, about


def measure(args, generator, detections, found):
    """Return (numbers, {label: (AP, objects)}, Analysis) of `detections`, also as FoundBoxes."""
    from keras_retinanet import evaluation
    from keras_retinanet.evaluation.analysis import analyse
    from keras_retinanet.evaluation.dataset_columns import class_names_of, columns_of_dataset
    from keras_retinanet.evaluation.measures import measure_analysis

    truths = evaluation.truths_with_ignored(generator)
    labels = evaluation.labels_of(generator, truths)
    by_class = evaluation.average_precisions(truths, detections, labels, args.iou_threshold)
    columns = columns_of_dataset(generator, found)
    analysis = analyse(columns, args.iou_threshold)
    numbers, of_classes = measure_analysis(analysis, args.draws, args.seed)
    names = class_names_of(generator, columns)
    classes = dict(zip(names, of_classes, strict=True))
    for label, (ap, instances) in by_class.items():
        name = generator.label_to_name(label)
        classes[name] = {"AP": ap, "instances": instances, **classes.get(name, {})}
    whole = {
        "mAP": evaluation.mean_ap(by_class),
        "weighted_mAP": evaluation.weighted_mean_ap(by_class),
        "classes": classes,
        **numbers,
        "confusion": {"classes": names, **numbers["confusion"]},
        "comparison": comparison(args, generator, columns) if args.compare else None,
        "images": generator.size(),
    }
    return whole, by_class, analysis


def store(args, generator, analysis):
    """Write the threshold of each class into the snapshot; return the line about them."""
    from keras_retinanet.bin import evaluate_thresholds as thresholds
    from keras_retinanet.models.snapshot import read_facts

    profile, classes = read_facts(args.model)["profile"], class_names(generator)
    labels = labels_for(profile, classes, args.model, report=lambda line: None)
    places = range(profile.num_classes) if labels is None else labels.tolist()
    names = [classes[place] if place >= 0 else None for place in places]
    points = thresholds.points_by_name(generator, analysis, args.store_thresholds)
    advised = thresholds.store_thresholds(args.model, points, names)
    return thresholds.stored_line(args.model, profile.classes, points, names, advised)


def find_suspects(args, generator, analysis):
    """Write the suspect labels; return the line about them."""
    from keras_retinanet.bin.evaluate_suspects import suspect_rows, suspects_line, write_suspects

    rows, threshold = suspect_rows(generator, analysis, args.score_threshold)
    write_suspects(args.suspects, rows)
    return suspects_line(args.suspects, rows, threshold)


def main(args=None):
    """Run the command with the words `args`; return the numbers, a nested dictionary.

    Its keys are mAP, weighted_mAP (nan without objects), classes {name: {"AP", "instances", …}},
    coco (the twelve numbers, -1 where there is nothing to measure), inference_seconds (of a
    picture, on average), images, options, and those that docs/evaluation.md explains.
    """
    args = parse_args(args)
    for notice in args.notices:
        print(notice)
    if process_options.starts_others(args):
        process_options.supervise_once("evaluate", args)
    for option in ("json", "save_results", "suspects", "misses"):
        if getattr(args, option):
            check_new_file(getattr(args, option), f"--{option.replace('_', '-')}")
    for option in ("save_path", "report"):
        if getattr(args, option):
            check_new_folder(getattr(args, option), f"--{option.replace('_', '-')}")
    process_options.join(args)
    start_keras(args.gpu)
    with process_options.together(PROG, "start them all again"):
        return evaluate(args)


def evaluate(args):
    """Do what the checked options say; return the numbers, None but in the first process."""
    from keras_retinanet.evaluation.measures import with_nulls
    from keras_retinanet.evaluation.results import write_results_json

    generator, detections, found, about = read(args) if args.results else detect(args)
    if not processes.is_first():
        return processes.told(None)  # once the first one is done, which they must not leave
    if args.save_results:
        write_results(args.save_results, generator, detections)
    numbers, by_class, analysis = measure(args, generator, detections, found)
    about["options"] = {**about["options"], "iou_threshold": args.iou_threshold}
    results = {**numbers, **about}
    for line in result_lines(results, by_class, generator.label_to_name):
        print(line)
    for line in miss_lines(results.get("misses")):
        print(line)
    if args.suspects:
        print(find_suspects(args, generator, analysis))
    if args.store_thresholds:
        print(store(args, generator, analysis))
    if args.store_temperature:
        print(store_temperature(args.model, results["calibration"]))
    if args.report:
        print(write_report(args.report, generator, analysis, results))
    if args.json:
        write_results_json(args.json, with_nulls(results), indent=1)
    processes.told(None)
    return results


def console():
    """Run the command as a program."""
    process_options.end(run(main, PROG))


if __name__ == "__main__":
    console()
