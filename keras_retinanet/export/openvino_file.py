"""A detector as OpenVINO's intermediate representation: `.xml`, and `.bin` beside it.

It is converted from our ONNX model, whose suppression is an operator that OpenVINO has, too: the
same in pure tensor operations took it 16 s a picture.
"""

import shutil
import tempfile
from pathlib import Path

from keras_retinanet.export.libraries import library
from keras_retinanet.models.snapshot import MEMBER

FACTS_OF_IR = ["keras_retinanet", "facts"]


def save_openvino(model, path, half=False):
    """Write an `onnx.ModelProto` to `path` (.xml) and its weights to the `.bin` beside it.

    Args:
        model: of `onnx_file.onnx_model`.
        path: of the `.xml`.
        half: store weights in float16; OpenVINO computes in what the device is told.

    Raises:
        OSError: they cannot be written; nothing half-written stays behind.
    """
    openvino = library("openvino", "openvino")
    path = Path(path)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        (folder / "model.onnx").write_bytes(model.SerializeToString())
        converted = openvino.convert_model(folder / "model.onnx")
        facts = {entry.key: entry.value for entry in model.metadata_props}
        if MEMBER in facts:
            converted.set_rt_info(facts[MEMBER], FACTS_OF_IR)
        openvino.save_model(converted, folder / path.name, compress_to_fp16=half)
        weights = path.with_suffix(".bin").name
        (folder / weights).replace(path.with_name(weights))
        (folder / path.name).replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
