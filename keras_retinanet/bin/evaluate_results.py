"""Results files of retinanet-evaluate: measured in place of a model, compared with, written."""

from dataclasses import replace


def read_given(path, generator, report=print):
    """Return the `Results` of a file on `generator`; what is wrong in it goes to `report`."""
    from keras_retinanet.evaluation.dataset_columns import places_of
    from keras_retinanet.evaluation.results_file import read_results

    results = read_results(path, places_of(generator))
    for notice in results.notices:
        report(notice)
    return results


def selected(results, score_threshold, max_detections):
    """Return `Results` of scores above a threshold and so many of a picture; None for all."""
    import numpy as np

    from keras_retinanet.evaluation.matching import rank
    from keras_retinanet.evaluation.results_file import by_picture

    found = results.found
    if score_threshold is not None:
        found = found.rows(np.flatnonzero(found.scores > score_threshold))
    if max_detections is not None:
        one_class = replace(found, labels=np.zeros_like(found.labels))
        found = found.rows(np.sort(rank(one_class, max_detections).rows))
    return replace(results, found=found, detections=by_picture(found, len(results.detections)))


def write_results(path, generator, detections):
    """Write `detections` on `generator` as a COCO results file, with the dataset's ids."""
    from keras_retinanet.evaluation.coco_files import results_of
    from keras_retinanet.evaluation.results import write_results_json

    write_results_json(path, results_of(generator, detections))


def compared(args, generator):
    """Return (Columns, how many rows were left out) of the file `args.compare`."""
    from keras_retinanet.evaluation.dataset_columns import columns_of_dataset

    other = selected(read_given(args.compare, generator), args.score_threshold, args.max_detections)
    return columns_of_dataset(generator, other.found), other.left_out


def comparison(args, columns, names, others, left_out):
    """Return how the file `args.compare` differs from `columns`; see `measures.compare`.

    Args:
        names: of the classes of `columns`.
        others, left_out: of `compared`.
    """
    from keras_retinanet.evaluation.measures import compare

    found = compare(columns, others, args.draws, args.seed)
    classes = dict(zip(names, found["classes"], strict=True))
    return {"file": str(args.compare), "left_out": left_out, **found, "classes": classes}
