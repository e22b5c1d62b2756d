"""--measure-on: the average precision of a detector and of the file made of it.

--calibrate-on: pictures of a dataset.
"""

import argparse
import shlex

# of AP, by precision: a tenth of a point, a whole one
ALLOWED_LOSS = {"float32": 0.001, "half": 0.001, "int8": 0.01}


def dataset_words(option, text, model):
    """Return the checked options of retinanet-evaluate for the dataset that `text` names.

    Args:
        option: without dashes, whose value it is.
        text: such as "csv val.csv classes.csv".
        model: path of the model.

    Raises:
        ValueError: they name none.
    """
    from keras_retinanet.bin import evaluate_options

    words = [*shlex.split(text), str(model)]
    parser = evaluate_options.make_parser()

    def refuse(message):
        raise ValueError(f'--{option} "{text}": {message}')

    for one in (parser, *_inner_parsers(parser)):
        one.error = refuse
    parsed = parser.parse_args(words)
    parsed.model = str(model)
    return parsed


def _inner_parsers(parser):
    """Yield the parsers of the dataset words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _precision(options, profile, runner, preprocess=None):
    from keras_retinanet.bin.datasets import class_names
    from keras_retinanet.bin.evaluate_detect import create_generator, labels_for
    from keras_retinanet.bin.evaluate_options import MAX_DETECTIONS
    from keras_retinanet.evaluation import detect_dataset
    from keras_retinanet.evaluation.coco_files import coco_metrics_of
    from keras_retinanet.evaluation.relabelled import in_labels_of

    generator = create_generator(options, profile, preprocess)
    labels = labels_for(profile, class_names(generator), options.model, lambda line: None)
    runner = in_labels_of(labels, runner)
    found, _ = detect_dataset(generator, runner, profile.score_threshold, MAX_DETECTIONS)
    return coco_metrics_of(generator, found)["AP"]


def precision_of_detector(options, detector):
    """Return COCO's AP of a detector on the dataset of `dataset_words`."""
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.predict.runner import Runner

    return _precision(options, profile_of(detector), Runner(detector))


def precision_of_file(options, path):
    """Return COCO's AP of an exported file, in its own runtime, on the dataset."""
    from keras_retinanet.bin.evaluate_exported import LevelsRunner, unchanged
    from keras_retinanet.predict.runtimes import ExportedRuntime, Wanted

    runtime = ExportedRuntime(path, Wanted(score_threshold=0.0))
    return _precision(options, runtime.profile, LevelsRunner(runtime), unchanged)


def dataset_pictures(options, profile, most):
    """Return pictures of the dataset of `dataset_words` as a network sees them, blue first.

    Args:
        options: of `dataset_words`.
        profile: of the network.
        most: how many are drawn, always the same ones.

    Raises:
        ValueError: there are none.
    """
    import numpy as np

    from keras_retinanet.bin.evaluate_detect import create_generator
    from keras_retinanet.bin.evaluate_exported import unchanged
    from keras_retinanet.evaluation.loading import load_prepared

    generator = create_generator(options, profile, unchanged)
    generator = generator.tiled or generator
    order = np.random.default_rng(0).permutation(generator.size())[:most]
    loaded = (load_prepared(generator, int(index)) for index in order)
    found = [one.prepared for one in filter(None, loaded)]
    if not found:
        raise ValueError("--calibrate-on: the dataset has no pictures")
    return found


def judged(options, detector, loss):
    """Return f(path of a file) -> {"before", "after", "allowed_loss", "passed", "line"}.

    Args:
        options: of `dataset_words`.
        detector: that the file is made of.
        loss: of AP that the file may have.
    """
    before = precision_of_detector(options, detector)

    def judge(path):
        after = precision_of_file(options, path)
        line = f"AP {before:.4f} of the detector, {after:.4f} of the file"
        passed = bool(before < 0 or before - after <= loss)
        return {
            "before": float(before),
            "after": float(after),
            "allowed_loss": loss,
            "passed": passed,
            "line": line,
        }

    return judge
