"""Files of tensors, read without torch and without running anything that a file says.

torch.save's zips and older files, pickles of NumPy arrays (Detectron's), and `.safetensors`, told
by their content, whatever they are called. `placeholders` has the rule of what a pickle may name,
`state_dicts` the rule of which of its dictionaries are the weights.
"""

import io
import mmap
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights import torch_zip
from keras_retinanet.weights.faults import FAULTS, one_line
from keras_retinanet.weights.safetensors_files import is_safetensors, read_safetensors
from keras_retinanet.weights.state_dicts import select
from keras_retinanet.weights.torch_legacy import MAGIC_BYTES, TorchLegacy
from keras_retinanet.weights.torch_views import TensorMaker
from keras_retinanet.weights.unpickling import Unpickler

HEAD = 512  # bytes that tell what a file is
PICKLE = re.compile(  # of protocol 2 to 5; of 0 and 1 what dictionaries and objects begin with
    rb"\x80[\x02-\x05]|\(dp?\d*\n|\}q|\(i[a-z]+\n"
    rb"|c(?:__builtin__|collections|copy_reg|numpy|torch|os|posix|nt)(?:\.\w+)*\n"
)
OTHER_FILES = (
    (re.compile(rb"\s*<"), "a page of HTML or XML, as a failed download leaves. Fetch it anew"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS. Fetch the file itself"),
    (re.compile(rb"\x89HDF"), "an HDF5 file, not a file of torch, pickle or safetensors"),
    (re.compile(rb"PK"), "a zip without the data.pkl of torch.save"),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive. Unpack it and give the file in it"),
    (re.compile(rb""), "neither of torch, nor a pickle, nor safetensors"),
)
MOST_MESSAGE = 600


@dataclass(frozen=True)
class TensorFile:
    """What a file of tensors holds.

    Attributes:
        tensors: {flat dotted name: array}, in the file's order and dtypes; bfloat16 as float32.
            The arrays may be read-only views of a storage that they share, of any strides.
        meta: what else the file held at its top: plain values, and Placeholders for what is not
            made (objects of unknown classes, the optimizer's tensors).
        kind: "torch", "pickle" or "safetensors".
    """

    tensors: dict[str, np.ndarray]
    meta: dict
    kind: str


class _Mapped(mmap.mmap):
    """A file's content, whose `read(n)` makes no more bytes than there are."""

    def seekable(self):
        return True


@contextmanager
def _opened(path):
    try:
        if path.is_dir():
            raise WeightsError("is a folder, not a file of tensors.")
        if path.exists() and not path.is_file():
            raise WeightsError("is no regular file.")
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                raise WeightsError("is empty. Fetch it anew.")
            content = _Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise WeightsError("no such file.") from error
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror or error}).") from error
    with content:
        yield content


def _head(file):
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    return head


def _members(file, head):
    """Return the names in a zip; of one that is cut short, its first."""
    if not head.startswith(torch_zip.START):
        return []
    first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    return torch_zip.names_in(file) or [first.decode("latin1")]


def _wrapped(names):
    """Return the one torch file in a zip of other files, as ODTK publishes them, or None."""
    found = [name for name in names if PurePosixPath(name).suffix in (".pth", ".pt")]
    return found[0] if len(found) == 1 else None


def _read_zip(file, size):
    source = torch_zip.TorchZip(torch_zip.open_zip(file, size))
    return TensorFile(*select(source.content, TensorMaker(source, source.size)), "torch")


def _read_wrapped(file, size):
    archive = torch_zip.open_zip(file, size)
    name = _wrapped(archive.namelist())
    inner = io.BytesIO(torch_zip.read_member(archive, name))
    found = _format(inner)
    if found in (None, "wrapped"):
        raise WeightsError(f"is a zip whose {name} is no file of tensors. Unpack it and see.")
    inner.seek(0)
    return READERS[found](inner, len(inner.getbuffer()))


def _read_legacy(file, size):
    source = TorchLegacy(file, size)
    return TensorFile(*select(source.content, TensorMaker(source, size)), "torch")


def _read_pickle(file, size):
    return TensorFile(*select(Unpickler(file, size).load(), None), "pickle")


def _read_safetensors(file, size):
    tensors, meta = read_safetensors(file.read(size))
    tensors, _ = select(tensors, None)
    return TensorFile(tensors, meta, "safetensors")


READERS = {
    "zip": _read_zip,
    "wrapped": _read_wrapped,
    "legacy": _read_legacy,
    "safetensors": _read_safetensors,
    "pickle": _read_pickle,
}


def _format(file):
    """Return the key of READERS for a file's content, or None."""
    head = _head(file)
    names = _members(file, head)
    signs = {
        "zip": bool(torch_zip.folders_of(names)),
        "wrapped": _wrapped(names) is not None,
        "legacy": MAGIC_BYTES in head[:32],
        "safetensors": is_safetensors(head),
        "pickle": PICKLE.match(head) is not None,
    }
    return next((name for name, present in signs.items() if present), None)


def is_tensor_file(path):
    """Return whether a file is one that `read_tensors` takes, by its first bytes or its members.

    False for what cannot be read.
    """
    try:
        with _opened(Path(path)) as file:
            return _format(file) is not None
    except WeightsError:
        return False


def _read(file, size):
    found = _format(file)
    if found is None:
        head = _head(file)
        what = next(text for start, text in OTHER_FILES if start.match(head))
        raise WeightsError(f"is no file of tensors: {what}.")
    try:
        file.seek(0)
        return READERS[found](file, size)
    except WeightsError:
        raise
    except FAULTS as error:
        raise WeightsError(f"is damaged ({one_line(error)}). Fetch it anew.") from error


def _message(path, error):
    """Return one line, whatever a file's names hold: control characters as escapes."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(error)[:MOST_MESSAGE])
    return f"{path}: {text}"


def read_tensors(path):
    """Return the TensorFile of a file's weights.

    torch is not imported, and of what a pickle names nothing is imported or called.

    Raises:
        WeightsError: in one line, what is wrong: the file cannot be read, is damaged, holds no
            tensors or a whole pickled network, or names what no file of weights needs.
    """
    try:
        with _opened(Path(path)) as file:
            return _read(file, len(file))
    except WeightsError as error:
        raise WeightsError(_message(path, error)) from error
