"""What retinanet-evaluate measures: detections of a model, or of a results file."""

from keras_retinanet.bin import evaluate_exported
from keras_retinanet.bin.datasets import class_names, make_generator, some_names
from keras_retinanet.bin.evaluate_misses import check_traceable, find_misses
from keras_retinanet.bin.evaluate_options import MAX_DETECTIONS
from keras_retinanet.bin.evaluate_results import read_given, selected
from keras_retinanet.bin.model_files import given_family, load_network
from keras_retinanet.bin.picture_options import MAX_SIDE, MIN_SIDE, generator_options
from keras_retinanet.bin.tile_options import settle_tiles, tiled
from keras_retinanet.utils import processes

# Freezing takes 2 to 3 s of CPU once. MobileNetV2 at 480 x 640 then needs 0.1 of 0.84 s less for a
# picture, ResNet more, the smallest networks 1 ms: worth it from some 30 pictures on, or never
FREEZE_FROM = 200  # pictures


def create_generator(args, profile, preprocess=None):
    """Return the dataset, its pictures made as `profile` and the options say.

    Args:
        args: of the command.
        profile: of the model.
        preprocess: f(picture) -> what the model takes; None for the profile's preprocessing.
    """
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
        "preprocess_image": preprocess or partial(preprocess_image, mode=profile.preprocessing),
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
    from keras_retinanet.evaluation.relabelled import in_labels_of
    from keras_retinanet.models import convert_model
    from keras_retinanet.models.bfloat16 import computing_in_bfloat16
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.predict.runner import Runner

    profile = profile_of(network)
    if args.bfloat16:
        network = computing_in_bfloat16(network)  # what else is asked of it, of misses, is exact
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
    return in_labels_of(labels, runner), threshold


def make_exported_runner(args, runtime, labels=None):
    """Return the runner of an exported file and its score threshold, as `make_runner` does."""
    from keras_retinanet.evaluation.relabelled import in_labels_of

    given, runner = args.score_threshold, evaluate_exported.LevelsRunner(runtime)
    threshold = runtime.profile.score_threshold if given is None else given
    return in_labels_of(labels, runner), threshold


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
    """Return (generator, detections, FoundBoxes, what else results say) of the model of `args`.

    With `--misses`, "reasons" is for the page, not for results: see `find_misses`.
    """
    from keras_retinanet.evaluation import detect_dataset
    from keras_retinanet.evaluation.columns import found_boxes_of
    from keras_retinanet.models.snapshot import profile_of

    most = args.max_detections or MAX_DETECTIONS
    if evaluate_exported.is_exported(args.model):
        network, runtime = None, evaluate_exported.open_exported(args, most)
        generator = create_generator(args, runtime.profile, evaluate_exported.unchanged)
        labels = labels_for(runtime.profile, class_names(generator), args.model, report)
        runner, threshold = make_exported_runner(args, runtime, labels)
        name = runtime.name
    else:
        network = load_network(args.model, args.backbone, args.config, given_family(args))
        generator = create_generator(args, profile_of(network))
        check_traceable(args, generator)
        labels = labels_for(profile_of(network), class_names(generator), args.model, report)
        seen = generator.tiled or generator
        runner, threshold = make_runner(args, network, seen.size(), labels)
        name = "keras"
    warm_up(runner, generator)
    limits = (threshold, most, args.save_path, args.batch_size or 1)
    detections, seconds = detect_dataset(generator, runner, *limits)
    options = {
        "model": str(args.model),
        "runtime": name,
        "bfloat16": args.bfloat16,
        "score_threshold": threshold,
        "max_detections": most,
        "batch_size": args.batch_size or 1,
        "image_min_side": generator.image_min_side,
        "image_max_side": generator.image_max_side,
        "no_resize": generator.no_resize,
        "resize_rule": generator.resize_rule,
        "tile": generator.tiled.tiling.side if generator.tiled else None,
    }
    about = {"inference_seconds": seconds, "options": options}
    if args.misses and processes.is_first():  # which has the detections of all pictures
        found = find_misses(args, network, labels, generator, detections, options)
        about["misses"], about["reasons"] = found
    return generator, detections, found_boxes_of(detections), about


def read(args):
    """Return (generator, detections, FoundBoxes, what else results say) of the results file."""
    options = generator_options(args, MIN_SIDE, MAX_SIDE)  # nothing is resized
    generator = make_generator(args, "evaluate", pictures_needed=bool(args.report), **options)
    given = read_given(args.results, generator)
    results = selected(given, args.score_threshold, args.max_detections)
    options = {
        "results": str(args.results),
        "score_threshold": args.score_threshold,
        "max_detections": args.max_detections,
    }
    about = {"inference_seconds": None, "options": options, "left_out": results.left_out}
    return generator, results.detections, results.found, about
