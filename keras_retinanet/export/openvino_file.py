"""A detector as OpenVINO's intermediate representation: `.xml`, and `.bin` beside it.

It is converted from our ONNX model, whose suppression is an operator that OpenVINO has, too: the
same in pure tensor operations took it 16 s a picture.
"""

import shutil
import tempfile
from pathlib import Path

from keras_retinanet.export.libraries import library
from keras_retinanet.export.openvino_int8 import with_int8
from keras_retinanet.export.precision import EXACT, HALF, INT8
from keras_retinanet.models.snapshot import MEMBER

FACTS_OF_IR = ["keras_retinanet", "facts"]


def save_openvino(model, path, precision=EXACT):
    """Write an `onnx.ModelProto` to `path` (.xml) and its weights to the `.bin` beside it.

    Args:
        model: of `onnx_file.onnx_model`.
        path: of the `.xml`.
        precision: `Precision` of its numbers. OpenVINO computes in what the device is told where it
            is not int8.

    Raises:
        ValueError: a library is not installed.
        OSError: they cannot be written; nothing half-written stays behind.
    """
    openvino = library("openvino", "openvino")
    path = Path(path)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        # not `openvino.convert_model`, which reports to its makers that it was called
        converted = openvino.Core().read_model(folder / "model.onnx")
        facts = {entry.key: entry.value for entry in model.metadata_props}
        if MEMBER in facts:
            converted.set_rt_info(facts[MEMBER], FACTS_OF_IR)
        if precision.name == INT8:
            converted = with_int8(converted, precision.calibration)
        is_half = precision.name == HALF
        openvino.save_model(converted, folder / path.name, compress_to_fp16=is_half)
        weights = path.with_suffix(".bin").name
        (folder / weights).replace(path.with_name(weights))
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
