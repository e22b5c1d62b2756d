"""Files of tensors put together by hand, pickles opcode by opcode, without torch or pickle."""

import json
import struct
import zipfile

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
SYSTEM = b"\x80\x02}."


def text(string):
    raw = string.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def raw_bytes(content):
    return b"B" + struct.pack("<I", len(content)) + content


def number(value):
    raw = value.to_bytes(16, "little", signed=True)
    return b"\x8a\x10" + raw


def items(*parts, end=b"t"):
    return b"(" + b"".join(parts) + end


def counts(values):
    return items(*map(number, values))


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def called(module, name, *args):
    return named(module, name) + items(*args) + b"R"


def mapping(**parts):
    return b"}" + items(*(text(key) + part for key, part in parts.items()), end=b"u")


def pickled(part):
    return b"\x80\x04" + part + b"."


def storage(key="0", kind="FloatStorage", count=6, view=None):
    """Return the persistent id of a storage; `view` is what old files add."""
    parts = [text("storage"), named("torch", kind), text(key), text("cpu"), number(count)]
    return items(*parts, *([view] if view is not None else [])) + b"Q"


def tensor(held=None, offset=0, shape=(2, 3), strides=(3, 1), function="_rebuild_tensor_v2"):
    hooks = called("collections", "OrderedDict")
    parts = [held or storage(), number(offset), counts(shape), counts(strides), b"\x89", hooks]
    return called("torch._utils", function, *parts)


def array(shape=(3,), dtype="f4", content=b"\0" * 12, order="<"):
    """Return a NumPy array as protocol 3 writes it."""
    made = called(
        "numpy.core.multiarray", "_reconstruct", named("numpy", "ndarray"), counts((0,)), b"C\x01b"
    )
    kind = called("numpy", "dtype", text(dtype), b"\x89", b"\x88")
    kind += items(number(3), text(order), b"NNN", number(-1), number(-1), number(0)) + b"b"
    return made + items(number(1), counts(shape), kind, b"\x89", raw_bytes(content)) + b"b"


def write_pickle(path, part):
    path.write_bytes(pickled(part))
    return path


def write_zip(path, part, storages=None, folder="archive/", **members):
    """Write a torch.save zip of an unpickled `part` and {key: bytes}."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}data.pkl", pickled(part))
        for name, content in members.items():
            archive.writestr(f"{folder}{name}", content)
        for key, content in (storages or {}).items():
            archive.writestr(f"{folder}data/{key}", content)
    return path


def write_legacy(path, part, storages=()):
    """Write a file of torch before 1.6; `storages` are [(key, count, bytes), …]."""
    keys = pickled(b"]" + items(*(text(key) for key, _, _ in storages), end=b"e"))
    raw = b"".join(struct.pack("<q", count) + content for _, count, content in storages)
    path.write_bytes(MAGIC + PROTOCOL + SYSTEM + pickled(part) + keys + raw)
    return path


def write_safetensors(path, dtypes, metadata=None):
    """Write {name: (safetensors' dtype, array)}."""
    header, raw = {"__metadata__": metadata} if metadata else {}, b""
    for name, (dtype, array) in dtypes.items():
        ends = [len(raw), len(raw) + array.nbytes]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": ends}
        raw += array.tobytes()
    head = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + raw)
    return path
