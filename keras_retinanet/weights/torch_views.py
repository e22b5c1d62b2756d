"""Arrays of torch's tensors: views of a storage's bytes, checked against the storage.

Every number of a view comes from a file that may lie, so none reaches NumPy unchecked; and NumPy
is given the bytes as a buffer, whose bounds it checks once more.
"""

import math

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.placeholders import quoted
from keras_retinanet.weights.torch_tensors import is_count

# {torch's name: NumPy's, in torch's little-endian order}; bfloat16 is the upper half of a float32
DTYPES = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "i1",
    "uint64": "<u8",
    "uint32": "<u4",
    "uint16": "<u2",
    "uint8": "u1",
    "bool": "?",
    "complex64": "<c8",
    "complex128": "<c16",
}
MOST_AXES = 32
MOST_SPREAD = 4  # weights shared by several names count each time
SPARE_SPREAD = 1 << 26  # bytes


def _dtype(name, what):
    if name not in DTYPES:
        raise WeightsError(
            f"{what} is of {quoted(name)}, which is not read. Save it as float32 in torch."
        )
    return np.dtype(DTYPES[name])


def storage_size(storage):
    """Return the bytes of a whole storage."""
    return storage.count * _dtype(storage.dtype, f"storage {quoted(storage.key)}").itemsize


def _check_numbers(name, tensor):
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    sound = (
        isinstance(shape, tuple)
        and isinstance(strides, tuple)
        and len(shape) == len(strides) <= MOST_AXES
        and all(is_count(number) for number in (offset, *shape, *strides))
    )
    if not sound:
        raise WeightsError(
            f"tensor {name} has shape {quoted(shape)}, strides {quoted(strides)} and offset "
            f"{quoted(offset)}, which cannot be. Fetch the file anew."
        )


def check_view(name, tensor, available):
    """Raise WeightsError unless every element of the view lies in `available` elements.

    The last element of a view lies at offset + sum((side - 1) * stride), and strides are >= 0.
    """
    _check_numbers(name, tensor)
    shape, strides, offset = tensor.shape, tensor.strides, tensor.offset
    last = offset + sum((side - 1) * stride for side, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= available:
        raise WeightsError(
            f"tensor {name} of shape {quoted(shape)}, strides {quoted(strides)} and offset "
            f"{quoted(offset)} reaches beyond its storage of {available} elements. Fetch the file "
            "anew."
        )


def widened(halves):
    """Return bfloat16 as float32: its 16 bits, and 16 zeros."""
    return np.asarray(halves.astype(np.uint32) << np.uint32(16)).view(np.float32)


class TensorMaker:
    """Makes arrays of StoredTensors, each storage read once.

    Args:
        source: with `read_storage`, bytes of a Storage, and `order`, "<" or ">".
        size: bytes of the file, the measure of what all tensors together may need: a view that
            repeats elements (stride 0) is larger than what is stored.
    """

    def __init__(self, source, size):
        self._source = source
        self._contents = {}
        self._may_make = MOST_SPREAD * size + SPARE_SPREAD

    def __call__(self, name, tensor):
        """Return a tensor as an array: a read-only view of its storage, but for bfloat16.

        Raises:
            WeightsError: it reaches beyond its storage, is of a dtype that is not read, or needs
                more memory than a file of this size should.
        """
        storage = tensor.storage
        dtype = _dtype(tensor.dtype, f"tensor {name}")
        unit = _dtype(storage.dtype, f"storage {quoted(storage.key)}").itemsize
        check_view(name, tensor, storage.length * unit // dtype.itemsize)
        self._spend(name, tensor.shape, dtype)
        if storage.key not in self._contents:
            self._contents[storage.key] = self._source.read_storage(storage)
        content = memoryview(self._contents[storage.key])
        if storage.start * unit + storage.length * unit > len(content):
            raise WeightsError(f"storage {quoted(storage.key)} is shorter than {name} needs.")
        array = _view(
            tensor, dtype.newbyteorder(self._source.order), content[storage.start * unit :]
        )
        return widened(array) if tensor.dtype == "bfloat16" else array

    def _spend(self, name, shape, dtype):
        self._may_make -= math.prod(shape) * dtype.itemsize
        if self._may_make < 0:
            raise WeightsError(
                f"tensor {name} of shape {quoted(shape)} needs more memory than a file of this "
                "size has weights for."
            )


def _view(tensor, dtype, content):
    if 0 in tensor.shape:
        return np.empty(tensor.shape, dtype)
    strides = [stride * dtype.itemsize for stride in tensor.strides]
    start = tensor.offset * dtype.itemsize
    return np.ndarray(tensor.shape, dtype, content, start, strides)
