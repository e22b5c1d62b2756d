"""Zips of torch.save (since torch 1.6): NAME/data.pkl and one member NAME/data/KEY a storage.

torch stores its members without compression. A zip that somebody packed anew is read, too, as
long as it doesn't grow beyond `MOST_GROWTH` times its size.
"""

import io
import lzma
import struct
import zipfile
import zlib

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.faults import one_line
from keras_retinanet.weights.placeholders import quoted
from keras_retinanet.weights.torch_tensors import TENSOR_BUILDERS, load_storage
from keras_retinanet.weights.torch_views import storage_size
from keras_retinanet.weights.unpickling import Unpickler

START = b"PK\x03\x04"
PICKLE = "data.pkl"
MOST_GROWTH = 20  # trained weights shrink by a tenth
SPARE_GROWTH = 1 << 26  # bytes: small files of zeros shrink a thousandfold
ORDERS = {b"little": "<", b"big": ">"}
ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    OverflowError,
)


def _damaged(error):
    return WeightsError(f"a zip that is cut short or damaged ({one_line(error)}). Fetch it anew.")


def unpacked_size(archive):
    """Return the bytes of all members of a ZipFile, unpacked."""
    return sum(member.file_size for member in archive.infolist())


def open_zip(file, size):
    """Return the zipfile.ZipFile of a file of `size` bytes.

    Raises:
        WeightsError: it is cut short or damaged, or grows too far.
    """
    try:
        archive = zipfile.ZipFile(file)
    except ZIP_FAULTS as error:
        raise _damaged(error) from error
    grown = unpacked_size(archive)
    if grown > MOST_GROWTH * size + SPARE_GROWTH:
        raise WeightsError(f"a zip of {size} bytes that would grow to {grown}: no weights.")
    return archive


def read_member(archive, name):
    """Return the bytes of a member, whose checksum was compared.

    Raises:
        WeightsError: it is not there, or damaged.
    """
    try:
        member = archive.getinfo(name)
    except KeyError as error:
        raise WeightsError(f"its zip lacks the member {name}. Fetch it anew.") from error
    try:
        if member.CRC == 0:  # torch.serialization.set_crc32_options(False) writes none
            member.CRC = None
        content = archive.read(member)
    except ZIP_FAULTS as error:
        raise _damaged(error) from error
    if len(content) != member.file_size:
        raise WeightsError(f"member {name} of its zip is cut short. Fetch it anew.")
    return content


def names_in(file):
    """Return the names of a zip's members, [] where it cannot be opened."""
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except ZIP_FAULTS:
        return []


def folders_of(names):
    """Return the folders that hold a data.pkl, each with its closing slash."""
    return [name.removesuffix(PICKLE) for name in names if f"/{name}".endswith(f"/{PICKLE}")]


class TorchZip:
    """The object of a torch.save zip, and where its tensors lie.

    Attributes:
        content: the unpickled object, its tensors as StoredTensor.
        order: "<" or ">", the byte order of the machine that wrote it.
        size: bytes of what it holds, unpacked.
    """

    def __init__(self, archive):
        self._archive, self.size = archive, unpacked_size(archive)
        names = archive.namelist()
        self._folder = min(folders_of(names), key=lambda folder: folder.count("/"))
        pickle = self._read(PICKLE)
        self.content = Unpickler(
            io.BytesIO(pickle), len(pickle), TENSOR_BUILDERS, load_storage
        ).load()
        stated = self._read("byteorder") if f"{self._folder}byteorder" in names else b"little"
        if stated not in ORDERS:
            raise WeightsError(f"its byte order is {quoted(stated)}, not little or big.")
        self.order = ORDERS[stated]

    def _read(self, name):
        return read_member(self._archive, f"{self._folder}{name}")

    def read_storage(self, storage):
        """Return the bytes of a Storage."""
        content, wanted = self._read(f"data/{storage.key}"), storage_size(storage)
        if len(content) != wanted:
            raise WeightsError(
                f"storage {quoted(storage.key)} has {len(content)} bytes where {wanted} are "
                "stated. Fetch it anew."
            )
        return content
