"""`.safetensors`, read and written by its library; bfloat16 becomes float32, as NumPy has none."""

import json
import struct

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.faults import one_line
from keras_retinanet.weights.torch_views import widened

MOST_HEADER = 100_000_000  # bytes, the library's own limit
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def is_safetensors(head):
    """Return whether a file that starts with `head` (9 bytes) has a header of safetensors."""
    return (
        len(head) >= 9
        and head[8:9] == b"{"
        and 2 <= struct.unpack("<Q", head[:8])[0] <= MOST_HEADER
    )


def _array(name, stated):
    if stated["dtype"] not in DTYPES:
        raise WeightsError(
            f"tensor {name} is of {stated['dtype']}, which is not read. Save it as float32."
        )
    array = np.frombuffer(stated["data"], DTYPES[stated["dtype"]]).reshape(stated["shape"])
    return widened(array) if stated["dtype"] == "BF16" else array


def read_safetensors(content):
    """Return {name: array} of a file's bytes, in its order, and its metadata.

    Raises:
        WeightsError: it is cut short or damaged, or has a dtype that NumPy does not.
    """
    from safetensors import SafetensorError, deserialize

    try:
        found = deserialize(content)
    except SafetensorError as error:
        raise WeightsError(
            f"a safetensors file that is cut short or damaged ({one_line(error)}). Fetch it anew."
        ) from error
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    meta = header.pop("__metadata__", {})
    stated = dict(found)  # in no order
    return {name: _array(name, stated[name]) for name in header}, meta


def write_safetensors(path, tensors, meta):
    """Write {name: array} and {key: text} of metadata to `path`."""
    from safetensors.numpy import save_file

    save_file(tensors, path, metadata=meta)
