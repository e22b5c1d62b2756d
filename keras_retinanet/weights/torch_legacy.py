"""Files of torch.save before 1.6, or of `_use_new_zipfile_serialization=False`: pickles in a row.

A magic number, the protocol, facts of the system, the object, a list of the storages' keys; then
for each key its count of elements (int64) and its elements, little-endian on every machine.
"""

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.placeholders import quoted
from keras_retinanet.weights.torch_tensors import TENSOR_BUILDERS, Storage, load_storage
from keras_retinanet.weights.torch_views import storage_size
from keras_retinanet.weights.unpickling import Unpickler

MAGIC = 0x1950A86A20F9469CFC6C
# as every pickle of it holds it: LONG1 of ten bytes
MAGIC_BYTES = b"\x8a\x0a" + MAGIC.to_bytes(10, "little")
PROTOCOL = 1001


class TorchLegacy:
    """The object of a legacy file, and where its tensors lie.

    Attributes:
        content: the unpickled object, its tensors as StoredTensor.
        order: "<".
    """

    order = "<"

    def __init__(self, file, size):
        self._file, self._size = file, size
        self._storages = {}
        magic, protocol = self._next(), self._next()
        if (magic, protocol) != (MAGIC, PROTOCOL):
            raise WeightsError(f"a torch file of protocol {quoted(protocol)}, which is not read.")
        self._next()  # facts of the system, of which nothing is needed
        self.content = self._next()
        self._starts = self._places(self._next())

    def _next(self):
        return Unpickler(self._file, self._size, TENSOR_BUILDERS, self._load_storage).load()

    def _load_storage(self, identity):
        storage = load_storage(identity)
        if isinstance(storage, Storage):
            self._storages.setdefault(storage.key, storage)
        return storage

    def _places(self, keys):
        """Return {key: where its elements start}, each storage's length checked."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise WeightsError("its list of storages is damaged. Fetch it anew.")
        starts, position = {}, self._file.tell()
        for key in keys:
            if key not in self._storages:
                raise WeightsError(f"storage {quoted(key)} is of no tensor. Fetch it anew.")
            storage = self._storages[key]
            self._file.seek(position)
            count = int.from_bytes(self._file.read(8), "little")
            starts[key] = position + 8
            position += 8 + storage_size(storage)
            if count != storage.count or position > self._size:
                raise WeightsError(
                    f"storage {quoted(key)} is cut short: {storage.count} elements are stated, it "
                    f"says {count}, and {max(0, self._size - starts[key])} bytes are left. Fetch "
                    "it anew."
                )
        return starts

    def read_storage(self, storage):
        """Return the bytes of a Storage."""
        if storage.key not in self._starts:
            raise WeightsError(f"it lacks storage {quoted(storage.key)}. Fetch it anew.")
        self._file.seek(self._starts[storage.key])
        return self._file.read(storage_size(self._storages[storage.key]))
