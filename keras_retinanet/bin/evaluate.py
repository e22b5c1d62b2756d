"""retinanet-evaluate: average precision of a model on an annotated dataset."""

from keras_retinanet.bin import process_options
from keras_retinanet.bin.console import run
from keras_retinanet.bin.datasets import class_names
from keras_retinanet.bin.evaluate_detect import create_generator, detect, labels_for, read
from keras_retinanet.bin.evaluate_lines import result_lines
from keras_retinanet.bin.evaluate_misses import miss_lines
from keras_retinanet.bin.evaluate_options import PROG, make_parser, parse_args
from keras_retinanet.bin.evaluate_report import write_report
from keras_retinanet.bin.evaluate_results import compared, comparison, write_results
from keras_retinanet.bin.evaluate_suspects import check_suspects, write_suspects
from keras_retinanet.bin.evaluate_thresholds import store_temperature
from keras_retinanet.bin.model_files import notice_of_bfloat16, start_keras
from keras_retinanet.bin.output_files import check_new_file, check_new_folder
from keras_retinanet.utils import processes

__all__ = ["create_generator", "main", "make_parser", "parse_args"]


def measure(args, generator, detections, found, others=None):
    """Return (numbers, {label: (AP, objects)}, Analysis) of `detections`, also as FoundBoxes.

    `others` is what `compared` gives, to compare with.
    """
    from keras_retinanet import evaluation
    from keras_retinanet.evaluation.analysis import analyse
    from keras_retinanet.evaluation.dataset_columns import class_names_of, columns_of_dataset
    from keras_retinanet.evaluation.measures import measure_analysis

    truths = evaluation.truths_with_ignored(generator)
    labels = evaluation.labels_of(generator, truths)
    by_class = evaluation.average_precisions(truths, detections, labels, args.iou_threshold)
    columns = columns_of_dataset(generator, found)
    analysis = analyse(columns, args.iou_threshold)
    ancestors = ancestors_of(generator)
    numbers, of_classes = measure_analysis(analysis, args.draws, args.seed, ancestors)
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
        "comparison": comparison(args, columns, names, *others) if others else None,
        "images": generator.size(),
    }
    return whole, by_class, analysis


def ancestors_of(generator):
    """Return {label: labels of the classes above it} of a dataset with a tree of classes.

    Where the tree's file is of no use, a line says so: everything else can still be measured.
    """
    from keras_retinanet.preprocessing.samples import AnnotationError

    try:
        return getattr(generator, "label_ancestors", {})
    except AnnotationError as error:
        print(f"{error}. Open Images' AP with parent classes is left out")
        return {}


def store(args, generator, analysis):
    """Write the threshold of each class into the snapshot; return (line, {class: point})."""
    from keras_retinanet.bin import evaluate_thresholds as thresholds
    from keras_retinanet.models.snapshot import read_facts

    profile, classes = read_facts(args.model)["profile"], class_names(generator)
    labels = labels_for(profile, classes, args.model, report=lambda line: None)
    places = range(profile.num_classes) if labels is None else labels.tolist()
    names = [classes[place] if place >= 0 else None for place in places]
    rule = args.store_thresholds
    points = thresholds.points_by_name(generator, analysis, rule, args.draws, args.seed)
    advised = thresholds.store_thresholds(args.model, points, names)
    return thresholds.stored_line(args.model, profile.classes, points, names, advised), points


def main(args=None):
    """Run the command with the words `args`; return the numbers, a nested dictionary.

    Its keys are mAP, weighted_mAP (nan without objects), classes {name: {"AP", "instances", …}},
    coco (the twelve numbers, -1 where there is nothing to measure), inference_seconds (of a
    picture, on average), images, options, and those that docs/evaluation.md explains.
    """
    args = parse_args(args)
    for notice in [*args.notices, notice_of_bfloat16(args)]:
        if notice:
            print(notice)
    if process_options.starts_others(args):
        process_options.supervise_once("evaluate", args)
    if args.suspects:
        check_suspects(args)
    for option in ("json", "save_results", "misses"):
        if getattr(args, option):
            check_new_file(getattr(args, option), f"--{option.replace('_', '-')}")
    for option in ("save_path", "report"):
        if getattr(args, option):
            check_new_folder(getattr(args, option), f"--{option.replace('_', '-')}")
    process_options.join(args)
    start_keras(args.gpu, None if args.results else args.model)
    with process_options.together(PROG, "start them all again"):
        return evaluate(args)


def evaluate(args):
    """Do what the checked options say; return the numbers, None but in the first process."""
    from keras_retinanet.evaluation.measures import with_nulls
    from keras_retinanet.evaluation.results import write_results_json
    from keras_retinanet.evaluation.results_file import check_results

    if args.compare:
        check_results(args.compare)  # before the work
    generator, detections, found, about = read(args) if args.results else detect(args)
    if not processes.is_first():
        return processes.told(None)  # once the first one is done, which they must not leave
    if args.save_results:
        write_results(args.save_results, generator, detections)
    reasons = about.pop("reasons", {})
    others = compared(args, generator) if args.compare else None
    numbers, by_class, analysis = measure(args, generator, detections, found, others)
    about["options"] = {**about["options"], "iou_threshold": args.iou_threshold}
    results = {**numbers, **about}
    for line in result_lines(results, by_class, generator.label_to_name):
        print(line)
    for line in miss_lines(results.get("misses")):
        print(line)
    if args.suspects:
        lines, results["suspects"] = write_suspects(args, generator, analysis)
        print("\n".join(lines))
    if args.store_thresholds:
        line, points = store(args, generator, analysis)
        results["thresholds"] = with_nulls(points)
        print(line)
    if args.store_temperature:
        print(store_temperature(args.model, results["calibration"]))
    if args.report:
        beside = {"others": others and others[0], "reasons": reasons}
        print(write_report(args.report, generator, analysis, results, **beside))
    if args.json:
        write_results_json(args.json, with_nulls(results), indent=1)
    processes.told(None)
    return results


def console():
    """Run the command as a program."""
    process_options.end(run(main, PROG))


if __name__ == "__main__":
    console()
