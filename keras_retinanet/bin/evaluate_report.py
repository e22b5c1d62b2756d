"""--report: the evaluation as one page in a folder."""

from pathlib import Path

PAGE, COMPARISON = "index.html", "comparison.html"


def write_report(folder, generator, analysis, results, others=None, parts=(), reasons=None):
    """Write the page, and one that compares two detectors; return the line about them.

    Each is written atomically.

    Args:
        folder: where `index.html` goes, and `comparison.html`; made where it is not there.
        generator: of the dataset.
        analysis: `evaluation.analysis.Analysis` of it.
        results: what `evaluate.main` returns.
        others: Columns of the detections that these are compared with, or None.
        parts: sections that end the page.
        reasons: {row of `TrueBoxes`: why it was missed}, of `--misses`.
    """
    from keras_retinanet.evaluation.dataset_columns import class_names_of
    from keras_retinanet.evaluation.measures import with_nulls
    from keras_retinanet.evaluation.page import evaluation_page

    names, load = class_names_of(generator, analysis.columns), _loader(generator)
    results = with_nulls(results)
    pages = {}
    if others is not None:
        pages[COMPARISON] = _comparison(analysis, results, others, names, load)
    links = [(f"Comparison with {results['comparison']['file']}", COMPARISON)] if pages else []
    pages[PAGE] = evaluation_page(analysis, results, names, load, links, parts, reasons)
    written = [_write(Path(folder) / name, text) for name, text in pages.items()]
    return f"written: {', '.join(reversed(written))}"


def _write(path, text):
    from keras_retinanet.models.snapshot import written_aside

    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return str(path)


def _comparison(analysis, results, others, names, load):
    """Return the page that compares detections with `others`."""
    from keras_retinanet.evaluation.analysis import analyse
    from keras_retinanet.evaluation.measures import measure_analysis, with_nulls
    from keras_retinanet.evaluation.page import subject_of
    from keras_retinanet.evaluation.page_comparison import Side, comparison_page

    other = analyse(others, analysis.iou_threshold)
    numbers, of_classes = measure_analysis(other, draws=0)
    comparison = results["comparison"]
    sides = (
        Side(subject_of(results), analysis, results, [results["classes"][n] for n in names]),
        Side(comparison["file"], other, with_nulls(numbers), with_nulls(of_classes)),
    )
    by_place = {**comparison, "classes": [comparison["classes"][name] for name in names]}
    return comparison_page(sides, by_place, names, load)


def _loader(generator):
    """Return the function from a place in the columns to (picture as shown, its name)."""
    import numpy as np

    from keras_retinanet.evaluation.dataset_columns import image_ids_of
    from keras_retinanet.utils.image_channels import as_shown

    order = np.argsort(image_ids_of(generator), kind="stable")  # columns go by ascending id

    def load(place):
        index = int(order[place])
        image = generator.load_image(index)
        shown = image if getattr(generator, "channels", None) is None else as_shown(image)
        return shown, Path(generator.image_name(index)).name

    return load
