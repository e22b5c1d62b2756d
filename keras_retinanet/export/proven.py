"""From a detector to a proven file: written aside, run in its own runtime, then handed over."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keras_retinanet.export import litert_file, onnx_file, trial
from keras_retinanet.export.examination import examine, like_ranges, with_threshold
from keras_retinanet.export.openvino_file import save_openvino
from keras_retinanet.export.precision import EXACT
from keras_retinanet.export.runtimes import DETECTIONS
from keras_retinanet.models.exporting import check_saved_model_folder, export_saved_model
from keras_retinanet.models.snapshot import profile_of, written_aside
from keras_retinanet.utils.saved_models import is_saved_model


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: as messages call it.
        make: f(detector, size, batch, outputs, precision) -> model, which the next two take.
        with_score_threshold: f(model, detector, score_threshold) -> model.
        write: f(model, path, precision).
        files: suffixes of all files that belong to one.
        shape: f(profile, size, batch) -> size and batch of a file that is asked for so.
        facts: what reports say besides.
    """

    name: str
    make: Callable
    with_score_threshold: Callable
    write: Callable
    files: tuple
    shape: Callable
    facts: dict


def _any_shape(profile, size=None, batch=None):
    """Return size and batch as they are; None is any."""
    return size, batch


def _onnx_model(detector, size, batch, outputs, precision):
    # weights shrink when it is written
    return onnx_file.onnx_model(detector, size, batch, outputs, precision)


def _litert_model(detector, size, batch, outputs, precision):
    return litert_file.litert_model(detector, size, batch, outputs, precision=precision)


def _save_litert(model, path, precision):
    litert_file.save_litert(model, path)  # its weights have shrunk already


def _same_detector(detector, size, batch, outputs, precision):
    return detector


def _detector_with(model, detector, score_threshold):
    return with_threshold(detector, score_threshold)


def _save_folder(detector, path, precision):
    export_saved_model(detector, path)


FOLDER = ""  # the suffix of a SavedModel
FROM_ONNX = {
    "make": _onnx_model,
    "with_score_threshold": onnx_file.with_score_threshold,
    "shape": _any_shape,
    "facts": {"opset": onnx_file.OPSET},
}
FORMATS = {
    ".onnx": Format("ONNX", write=onnx_file.save_onnx, files=(".onnx",), **FROM_ONNX),
    ".xml": Format("OpenVINO", write=save_openvino, files=(".xml", ".bin"), **FROM_ONNX),
    ".tflite": Format(
        "LiteRT",
        make=_litert_model,
        with_score_threshold=litert_file.with_score_threshold,
        write=_save_litert,
        files=(".tflite",),
        shape=litert_file.fixed_shape,
        facts={},
    ),
    FOLDER: Format(
        "SavedModel",
        make=_same_detector,
        with_score_threshold=_detector_with,
        write=_save_folder,
        files=(FOLDER,),
        shape=_any_shape,
        facts={},
    ),
}


class Rejected(Exception):
    """The file that was written does not do what its detector does."""


def report_path(path):
    """Return where the report on `path` goes."""
    path = Path(path)
    if path.suffix.lower() in (*FORMATS, ".savedmodel"):
        return path.with_suffix(".report.json")
    return path.with_name(f"{path.name}.report.json")  # a folder such as v1.2


def _move(folder, form, path, ending=""):
    """Move the files of a format from `folder` to where `path` names them."""
    for suffix in reversed(form.files):  # the named file last: it is there when all is
        target = path.with_suffix(suffix) if suffix else path
        target = target.with_name(target.name + ending)
        if ending and is_saved_model(target):  # a rejected one of before
            shutil.rmtree(target)
        elif not suffix and target.is_dir():  # not every system renames onto an empty folder
            target.rmdir()
        (folder / f"model{suffix}").replace(target)


def export(
    detector,
    path,
    pictures=None,
    size=None,
    batch=None,
    outputs=DETECTIONS,
    precision=EXACT,
    judge=None,
    kind=None,
):
    """Write a detector to a file of another runtime, once that runtime has shown the same.

    A SavedModel is a folder, which must be new or empty.

    Args:
        detector: of `models.convert_model`, on TensorFlow.
        path: of the file.
        pictures: levels [H, W, C] as the network sees them, red first; None draws some.
        size: (height, width) of all pictures; None for any, or the format's own.
        batch: pictures in a batch; None for any number, or one where the format fixes it.
        outputs: key of `onnx_file.TAILS`, TensorRT's for ONNX alone. All boxes and scores are
            compared as the detections that they become.
        precision: `Precision` of its numbers. Where it is not exact, rows are compared, but do not
            count.
        judge: f(path of the file) -> {"passed", "line", …}, what else must be: average precision,
            which alone counts where the precision is not exact.
        kind: key of `FORMATS`; None for the suffix of `path`.

    Returns:
        the report, as it was written to `report_path(path)`.

    Raises:
        Rejected: it does something else; the files are there as `*.rejected`.
        ValueError, OSError: it cannot be written, or a folder with files in it is in the way.
    """
    path = Path(path)
    kind = path.suffix.lower() if kind is None else kind
    form = FORMATS[kind]
    if kind == FOLDER:
        check_saved_model_folder(path)
    size, batch = form.shape(profile_of(detector), size, batch)
    with like_ranges(detector, precision):
        model = form.make(detector, size, batch, outputs, precision)
    report = {"file": path.name, "format": form.name, "outputs": outputs} | form.facts
    report |= {"precision": precision.name}
    try:
        folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        file = folder / f"model{kind}"
        form.write(model, file, precision)
        if pictures is None:
            pictures = trial.drawn_pictures(profile_of(detector), size)
        batches = list(trial.batches_of(pictures, batch))
        found, version = examine(detector, model, form, file, batches, precision, outputs)
        report |= {"runtime": version} | found.to_dict()
        proof = [found.line()] if precision.is_exact else []
        faults = proof[:] if found.rows and not found.passed and precision.is_exact else []
        if judge is not None:
            report["average_precision"] = measured = judge(file)
            proof.append(measured["line"])
            faults += [] if measured["passed"] else [measured["line"]]
        if not precision.is_exact:
            report["passed"] = not faults
        with written_aside(report_path(path)) as aside:
            aside.write_text(json.dumps(report, indent=1), encoding="utf-8")
        if faults:
            _move(folder, form, path, ".rejected")
            raise Rejected(
                f"{path}: does not do what the detector does: {'; '.join(faults)}. It is kept as "
                f"{path.name}.rejected; {report_path(path).name} has the numbers"
            )
        _move(folder, form, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report | {"line": "; ".join(proof)}
