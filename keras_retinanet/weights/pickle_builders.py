"""The functions that a pickle may have run: ours, in place of Python's and NumPy's of that name.

Each checks what it is given; a TypeError or ValueError means a damaged file.
"""

import math
import re
from types import NoneType

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.placeholders import Placeholder, named, quoted, refusal

ARRAY_TO_COME = "numpy._core.multiarray._reconstruct"
KEY_TYPES = (str, int, float, bytes, bool, NoneType, Placeholder, np.generic)
MOST_ELEMENTS = 1 << 48
# bool, int, uint, float, complex, bytes, str: no objects, and no records that could hold some
PLAIN_DTYPE = re.compile(r"([<>=|]?)(b1|\?|i[1248]|u[1248]|f[248]|c8|c16|S\d{1,6}|U\d{1,6})")


def key_of(value):
    """Return a key whose hash costs nothing: that of a deep tuple overflows Python's own stack."""
    flat = value if type(value) is tuple else (value,)
    if not all(isinstance(part, KEY_TYPES) for part in flat):
        raise TypeError(f"a key that is {quoted(type(value).__name__)}")
    return value


def pairs_of(values):
    """Yield (key, value) of [key, value, key, value, …]."""
    if len(values) % 2:
        raise ValueError("a key without a value")
    return ((key_of(key), value) for key, value in zip(values[::2], values[1::2], strict=True))


def _expect(value, *types):
    if not isinstance(value, types):
        raise TypeError(f"{type(value).__name__} in place of {types[0].__name__}")
    return value


def _bytes(content):
    """Return the bytes that Python 3 or 2 wrote, the latter as text of latin-1."""
    content = _expect(content, bytes, bytearray, str)
    return content.encode("latin1") if isinstance(content, str) else content


def _encoded(text, encoding="latin1"):
    """`_codecs.encode`, as protocol 2 writes bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError("bytes in another encoding than latin-1")
    return _expect(text, str).encode("latin1")


def _byte_array(content=b"", _encoding="latin-1"):
    return bytearray(_bytes(content))


def _mapping(items=()):
    """`OrderedDict`: of a list of pairs (Python 2), or empty."""
    pairs = _expect(items, list, tuple, dict)
    pairs = pairs.items() if isinstance(pairs, dict) else pairs
    return {key_of(key): value for key, value in pairs}


def _default_dict(_factory=None, items=()):
    return _mapping(items)


def _items_in(make):
    """Return a function that makes a set of what it is given."""
    return lambda items=(): make(map(key_of, _expect(items, list, tuple, set, frozenset)))


def _list(items=(), _most=None):
    """`list`, and `deque` with its greatest length."""
    return list(_expect(items, list, tuple))


def _attribute(owner, name):
    """`getattr` on a class, as protocol 2 names its methods: another name, nothing more."""
    if not isinstance(owner, Placeholder) or owner.args is not None or not isinstance(name, str):
        raise refusal("builtins.getattr", "wants to call")
    if name.startswith("__"):
        raise refusal(f"{owner.name}.{name}")
    return named(owner.name, name)


def _reconstructed(kind, _base=None, _state=None):
    """`copyreg._reconstructor`, as protocols 0 and 1 make objects."""
    return Placeholder(_expect(kind, Placeholder).name, ())


def _new(kind, *args):
    """`copyreg.__newobj__`."""
    return Placeholder(_expect(kind, Placeholder).name, args)


def dtype_of(stated):
    """Return the NumPy dtype that a pickle states, a placeholder of `numpy.dtype`.

    Raises:
        WeightsError: of Python objects, of records, or unknown.
    """
    args = _expect(stated, Placeholder).args or ()
    name = args[0] if args else stated.name
    found = PLAIN_DTYPE.fullmatch(name) if isinstance(name, str) else None
    if stated.name != "numpy.dtype" or not found:
        kind = "Python objects" if name in ("O", "O8", "object") else f"{quoted(name)}"
        raise WeightsError(
            f"it holds a NumPy array of {kind}, not of numbers, which is not read. Write the "
            "weights alone."
        )
    order = stated.state[1] if isinstance(stated.state, tuple) and stated.state else found[1]
    return np.dtype(found[2]).newbyteorder(order if order in ("<", ">") else "=")


def _shape(shape):
    sides = tuple(_expect(shape, tuple, list))
    # NumPy multiplies the sides of empty arrays, too
    if not all(type(side) is int and side >= 0 for side in sides) or (
        math.prod(side or 1 for side in sides) > MOST_ELEMENTS
    ):
        raise ValueError(f"an array of shape {quoted(shape)}")
    return sides


def _check_size(shape, dtype, content):
    count = dtype.itemsize
    for side in shape:
        count *= side
    if count != len(content):
        raise ValueError(f"an array of shape {shape} and {dtype} has {len(content)} bytes")


def _empty_array(kind, _shape=None, _typecode=None):
    """`numpy._core.multiarray._reconstruct`: an array whose content comes as its state."""
    if _expect(kind, Placeholder).name != "numpy.ndarray":
        return Placeholder(kind.name, ())
    return np.ndarray((0,), "i1")


def set_array_state(array, state):
    """Give an array of `_empty_array` its content, (version, shape, dtype, order, bytes)."""
    _, shape, stated, is_fortran, content = state
    if isinstance(content, list):
        raise WeightsError(
            "it holds a NumPy array of Python objects, not of numbers, which is not read. Write "
            "the weights alone."
        )
    shape, dtype, content = _shape(shape), dtype_of(stated), _bytes(content)
    _check_size(shape, dtype, content)
    array.__setstate__((1, shape, dtype, bool(is_fortran), bytes(content)))


def _array_of_buffer(content, stated, shape, order):
    """`numpy._core.numeric._frombuffer`, as protocol 5 writes arrays."""
    shape, dtype = _shape(shape), dtype_of(stated)
    _check_size(shape, dtype, _bytes(content))
    array = np.frombuffer(_bytes(content), dtype)
    return array.reshape(shape, order="F" if order == "F" else "C")


def _scalar(stated, content):
    """`numpy._core.multiarray.scalar`."""
    dtype, content = dtype_of(stated), _bytes(content)
    _check_size((), dtype, content)
    return np.frombuffer(content, dtype)[0]


BUILDERS = {
    "_codecs.encode": _encoded,
    "builtins.bytes": lambda: b"",  # as protocol 2 writes empty ones
    "builtins.bytearray": _byte_array,
    "builtins.complex": lambda real, imag: complex(_expect(real, float), _expect(imag, float)),
    "builtins.frozenset": _items_in(frozenset),
    "builtins.getattr": _attribute,
    "builtins.list": _list,
    "builtins.set": _items_in(set),
    "builtins.dict": _mapping,
    "collections.Counter": _mapping,
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": _default_dict,
    "collections.deque": _list,
    "copyreg.__newobj__": _new,
    "copyreg._reconstructor": _reconstructed,
    ARRAY_TO_COME: _empty_array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _array_of_buffer,
}
