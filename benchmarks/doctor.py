"""The doctor: a dataset examined, page included; and anchors fitted to boxes.

The pictures are those of examples/draw_shapes.py.

    python benchmarks/doctor.py --pictures 1000
"""

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import timing

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def _drawn(options):
    """Draw a dataset; return (annotations, classes)."""
    sys.path.insert(0, str(EXAMPLES))
    from draw_shapes import draw_dataset

    folder = Path(tempfile.mkdtemp(prefix="doctor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    draw_dataset(folder, train=options["pictures"], val=0, test=0)
    return folder / "train.csv", folder / "classes.csv"


def _opened(files):
    from keras_retinanet.doctor.subject import read_subject
    from keras_retinanet.preprocessing.csv_generator import CSVGenerator

    options = {"as_found": True, "group_method": "none", "shuffle_groups": False}
    return read_subject(CSVGenerator(*map(str, files), **options))


def whole(options):
    """Return the examination from reading the files to the page."""
    from keras_retinanet.doctor.coverage import Resize
    from keras_retinanet.doctor.examination import examine
    from keras_retinanet.doctor.page import doctor_page
    from keras_retinanet.doctor.reach import Grid

    files = _drawn(options)

    def run(case):
        examination = examine(_opened(files), Grid(), Resize(*case))
        page = doctor_page(examination)
        return {"boxes": len(examination.coverage.trained), "page kB": len(page) // 1000}

    return run


def brief(options):
    """Return the short look before a training, whose dataset is open already."""
    from keras_retinanet.doctor.coverage import Resize
    from keras_retinanet.doctor.examination import examine_briefly
    from keras_retinanet.doctor.reach import Grid

    subject = _opened(_drawn(options))

    def run(case):
        return {"boxes": len(examine_briefly(subject, Grid(), Resize(*case)).coverage.trained)}

    return run


def fitted(options):
    """Return the fit of nine anchors to made-up boxes on pictures of 480 x 640."""
    from keras_retinanet.doctor.coverage import Resize
    from keras_retinanet.doctor.fitting import fit_anchors
    from keras_retinanet.doctor.reach import Grid
    from keras_retinanet.preprocessing.samples import Samples

    count = options["boxes"]
    pictures = max(1, count // 5)
    size = np.array([480, 640])
    rng = np.random.default_rng(0)
    sides = np.exp(rng.normal(np.log(50), 0.6, (count, 1)) + rng.normal(0, 0.5, (count, 2)))
    sides = np.minimum(sides, size[::-1])
    corners = rng.random((count, 2)) * (size[::-1] - sides)
    boxes = np.concatenate([corners, corners + sides], axis=1)
    names = [str(place) for place in range(pictures)]
    samples = Samples.from_rows(names, np.arange(count) % pictures, boxes, np.zeros(count))

    def run(case):
        fit = fit_anchors(samples, [size] * pictures, Grid(), Resize(*case))
        return {"boxes": count, "before": f"{fit.before:.3f}", "after": f"{fit.after:.3f}"}

    return run


def _cases(options):
    smaller, larger = options["sides"]
    return {f"sides {smaller} to {larger}": [smaller, larger]}


BENCHMARK = timing.Benchmark(
    title="The doctor",
    script=__file__,
    contenders={
        "examination with its page": timing.Contender(whole),
        "short look before a training": timing.Contender(brief),
        "fitted anchors": timing.Contender(fitted),
    },
    cases=_cases,
    defaults={"pictures": 1000, "boxes": 10_000, "sides": [800, 1333]},
    tiny={"pictures": 12, "boxes": 60, "sides": [128, 192]},
    repeat=3,
    warmup=0,
)

if __name__ == "__main__":
    timing.main(BENCHMARK)
