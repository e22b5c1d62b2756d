"""Tensors as torch pickles them: a view (offset, shape, strides) of a storage kept elsewhere.

While a pickle is read, a tensor stays a record; `torch_views` makes those that are needed.
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.weights.placeholders import Placeholder, quoted

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}
TENSOR_CLASSES = {
    "torch.Tensor",
    "torch._tensor.Tensor",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
}


@dataclass(frozen=True)
class Storage:
    """A storage, or the part of one that old files name.

    Attributes:
        key: of its bytes in the file.
        dtype: torch's name of it, or what its class is called where it is not known.
        count: elements of the whole storage.
        start, length: the part in elements.
    """

    key: str
    dtype: str
    count: int
    start: int
    length: int


class StoredTensor(Placeholder):
    """A tensor that is not made yet; in metadata it stays so."""

    __slots__ = ("storage", "dtype", "offset", "shape", "strides")

    def __init__(self, storage, dtype, offset, shape, strides):
        super().__init__("torch.Tensor", ())
        self.storage, self.dtype = storage, dtype
        self.offset, self.shape, self.strides = offset, shape, strides


def is_count(value):
    """Return whether a value is an integer of 0 or more."""
    return type(value) is int and value >= 0


def load_storage(identity):
    """Return the Storage of a persistent id, ("storage", class, key, device, count, [part]).

    Old files name the source text of a pickled network's classes so, too: ("module", class, …).
    """
    if not isinstance(identity, tuple) or len(identity) < 2:
        raise TypeError("a persistent id that torch does not write")
    if identity[0] == "module" and isinstance(identity[1], Placeholder):
        return identity[1]
    kind, storage_class, key, _device, count, *part = identity
    if kind != "storage" or not isinstance(storage_class, Placeholder):
        raise TypeError("a persistent id that torch does not write")
    if not (isinstance(key, str) and is_count(count)):
        raise TypeError(f"storage {quoted(key)} of {quoted(count)} elements")
    name = storage_class.name.rpartition(".")[2]
    dtype = STORAGES.get(name, storage_class.name)
    if part and part[0] is not None:
        _view_key, start, length = part[0]
        if not (is_count(start) and is_count(length) and start + length <= count):
            raise ValueError(f"a part of storage {quoted(key)} that is not in it")
        return Storage(key, dtype, count, start, length)
    return Storage(key, dtype, count, 0, count)


def _stored(storage, dtype, offset, shape, strides):
    if not isinstance(storage, Storage):
        what = getattr(storage, "name", type(storage).__name__)
        return Placeholder("torch._utils._rebuild_tensor_v2", (quoted(what),))
    return StoredTensor(storage, dtype, offset, shape, strides)


def _tensor(storage, offset, shape, strides, *_):
    return _stored(storage, getattr(storage, "dtype", None), offset, shape, strides)


def _tensor_of_dtype(storage, offset, shape, strides, _grad, _hooks, dtype, *_):
    """`_rebuild_tensor_v3`: on an untyped storage, whose count is of bytes."""
    return _stored(storage, dtype.name.rpartition(".")[2], offset, shape, strides)


def _first(tensor, *_):
    """Parameters, and tensors that came from other devices: the first argument is the tensor."""
    if not isinstance(tensor, (StoredTensor, Placeholder, np.ndarray)):
        raise TypeError(f"a parameter of {type(tensor).__name__}")
    return tensor


def _of_type(function, kind, args, _state=None):
    """`_rebuild_from_type_v2`: a tensor with attributes, or of a class of its own."""
    if kind.name not in TENSOR_CLASSES or function.name not in TENSOR_BUILDERS:
        return Placeholder(kind.name, args)
    return TENSOR_BUILDERS[function.name](*args)


TENSOR_BUILDERS = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_dtype,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_numpy": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": lambda sides=(): tuple(sides),
}
