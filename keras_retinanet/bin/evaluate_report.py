"""--report: the evaluation as one page in a folder."""

from pathlib import Path

PAGE = "index.html"


def write_report(folder, generator, analysis, results):
    """Write the page, atomically; return the line about it.

    Args:
        folder: where `index.html` goes; made where it is not there.
        generator: of the dataset.
        analysis: `evaluation.analysis.Analysis` of it.
        results: what `evaluate.main` returns.
    """
    from keras_retinanet.evaluation.dataset_columns import class_names_of
    from keras_retinanet.evaluation.measures import with_nulls
    from keras_retinanet.evaluation.page import evaluation_page
    from keras_retinanet.models.snapshot import written_aside

    names = class_names_of(generator, analysis.columns)
    text = evaluation_page(analysis, with_nulls(results), names, _loader(generator))
    path = Path(folder) / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")
    return f"written: {path}"


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
