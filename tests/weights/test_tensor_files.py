"""Files of tensors: what torch, NumPy's pickles and safetensors wrote is what is read."""

import io
import os
import pickle
import struct
import subprocess
import sys
import types
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.placeholders import Placeholder
from keras_retinanet.weights.tensor_files import is_tensor_file, read_tensors
from tests.weights import pickle_parts
from tests.weights.arrays import assert_same, native
from tests.weights.pickle_parts import called, mapping, named, number, tensor, text

DTYPES = (
    *("float64", "float32", "float16", "bfloat16", "complex64"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)
SIX = np.arange(6, dtype="<f4")


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="torch writes these files; reading needs none")


def as_numpy(tensors):
    """Return torch's tensors as arrays, bfloat16 as float32."""
    import torch

    return {
        name: (t.float() if t.dtype is torch.bfloat16 else t).detach().numpy()
        for name, t in tensors.items()
    }


def all_kinds(torch):
    """Return tensors of every dtype and of every way to view a storage."""
    torch.manual_seed(0)
    base = torch.randn(4, 3, 5, 2)
    kinds = {name: (base[0] * 3).to(getattr(torch, name)) for name in DTYPES}
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    views = {
        "transposed": base.permute(3, 1, 0, 2),
        "sliced": base[1:3, :, ::2],
        "offset": base[3, 2],
        "one": base[3, 2, 4, 1],
        "channels_last": base.contiguous(memory_format=torch.channels_last),
        "expanded": torch.randn(1, 3).expand(5, 3),
        "bfloat16 transposed": base[0].bfloat16().permute(2, 0, 1),
        "bfloat16 scalar": torch.tensor(1.5).bfloat16(),
        "empty": torch.empty(0, 4),
        "parameter": torch.nn.Parameter(torch.randn(3)),
        "frozen": torch.nn.Parameter(torch.randn(3), requires_grad=False),
    }
    return OrderedDict(kinds | network.state_dict() | views)


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_of_every_dtype_and_view_are_read_from_torch_files(
    torch, as_zip, protocol, tmp_path
):
    tensors = all_kinds(torch)
    path = tmp_path / "x.anything"
    torch.save(tensors, path, pickle_protocol=protocol, _use_new_zipfile_serialization=as_zip)
    found = read_tensors(path)
    assert is_tensor_file(path)
    assert found.kind == "torch"
    assert found.meta == {}
    assert_same(found.tensors, as_numpy(tensors))


def test_unsigned_integers_of_torch_are_read(torch, tmp_path):
    tensors = {name: torch.arange(3).to(getattr(torch, name)) for name in ("uint16", "uint32")}
    torch.save(tensors, tmp_path / "x")
    assert_same(read_tensors(tmp_path / "x").tensors, as_numpy(tensors))


@pytest.mark.parametrize("as_zip", [True, False])
def test_tensors_that_share_a_storage_share_it_here(torch, as_zip, tmp_path):
    base = torch.arange(1000.0)
    tensors = {"a": base, "b": base.view(10, 100), "c": base[500:]}
    torch.save(tensors, tmp_path / "x", _use_new_zipfile_serialization=as_zip)
    found = read_tensors(tmp_path / "x").tensors
    assert_same(found, as_numpy(tensors))
    assert np.shares_memory(found["a"], found["b"])
    assert np.shares_memory(found["a"], found["c"])


def test_parameters_with_attributes_are_read_without_them(torch, tmp_path):
    weight = torch.nn.Parameter(torch.randn(3))
    weight.decay = 0.5
    torch.save({"w": weight}, tmp_path / "x")
    assert_same(read_tensors(tmp_path / "x").tensors, as_numpy({"w": weight}))


def test_a_file_without_checksums_is_read(torch, tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.arange(6.0)}, tmp_path / "x")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_same(read_tensors(tmp_path / "x").tensors, {"w": SIX})


def test_a_whole_network_is_refused_by_its_class(torch, tmp_path):
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3))
    for content in (network, {"model": network, "epoch": 3}, {"ema": network}):
        for as_zip in (True, False):
            torch.save(content, tmp_path / "x", _use_new_zipfile_serialization=as_zip)
            with pytest.raises(WeightsError, match=r"torch\.nn\.modules.*Sequential.*state_dict"):
                read_tensors(tmp_path / "x")


def test_sparse_and_quantised_weights_are_refused_by_name(torch, tmp_path):
    sparse = torch.eye(3).to_sparse()
    torch.save({"fc.weight": sparse}, tmp_path / "x")
    with pytest.raises(WeightsError, match=r"fc\.weight.*_rebuild_sparse_tensor"):
        read_tensors(tmp_path / "x")
    torch.save({"fc.weight": torch.ones(3).to(torch.float8_e4m3fn)}, tmp_path / "x")
    with pytest.raises(WeightsError, match=r"fc\.weight.*float8_e4m3fn"):
        read_tensors(tmp_path / "x")


@pytest.fixture
def history_buffer(monkeypatch):
    """Return a class as MMEngine's: it names its own functions in its state."""

    class HistoryBuffer:
        def mean(self):
            return self.history.mean()

        def __init__(self):
            self.history = np.arange(3.0)
            self.methods = {"mean": HistoryBuffer.mean}

    HistoryBuffer.__module__ = "mmengine.logging.history_buffer"
    HistoryBuffer.__qualname__ = "HistoryBuffer"
    HistoryBuffer.mean.__module__ = HistoryBuffer.__module__
    HistoryBuffer.mean.__qualname__ = "HistoryBuffer.mean"
    for name in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["mmengine.logging.history_buffer"].HistoryBuffer = HistoryBuffer
    return HistoryBuffer


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_of_mmdetection_is_read_with_inert_metadata(
    torch, history_buffer, protocol, tmp_path
):
    weights = {"backbone.conv1.weight": torch.randn(4, 3, 7, 7)}
    content = {
        "meta": {"CLASSES": ("person", "car"), "epoch": 12, "seed": np.int64(3)},
        "state_dict": weights,
        "message_hub": {"log_scalars": {"train/loss": history_buffer()}},
        "optimizer": {"state": {0: {"momentum_buffer": torch.randn(4, 3, 7, 7)}}},
        "ema_state_dict": weights,
    }
    torch.save(content, tmp_path / "x", pickle_protocol=protocol)
    found = read_tensors(tmp_path / "x")
    assert_same(found.tensors, as_numpy(weights))
    assert found.meta["meta"] == content["meta"]
    assert "average" in found.meta["ema_state_dict"]
    buffer = found.meta["message_hub"]["log_scalars"]["train/loss"]
    assert buffer.name == "mmengine.logging.history_buffer.HistoryBuffer"
    assert np.array_equal(buffer.state["history"], np.arange(3.0))
    assert buffer.state["methods"]["mean"].name == f"{buffer.name}.mean"
    moment = found.meta["optimizer"]["state"][0]["momentum_buffer"]
    assert isinstance(moment, Placeholder)
    assert moment.name == "torch.Tensor"


ARRAYS = {
    "stem.weight": np.arange(24, dtype="<f4").reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": np.arange(6, dtype=">f8"),
    "half": np.arange(6, dtype="f2"),
    "count": np.int64(7),
    "scalar": np.array(2.5),
    "flags": np.array([True, False]),
    "none": np.zeros((0, 3), "f4"),
    "view": np.arange(24, dtype="f4").reshape(4, 6)[1:3, ::2],
}


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_arrays_as_detectron2_writes_them_are_read(protocol, tmp_path):
    content = {"model": ARRAYS, "__author__": "FAIR", "matching_heuristics": True}
    (tmp_path / "x").write_bytes(pickle.dumps(content, protocol))
    found = read_tensors(tmp_path / "x")
    assert is_tensor_file(tmp_path / "x")
    assert found.kind == "pickle"
    assert found.meta == {"__author__": "FAIR", "matching_heuristics": True}
    assert_same(found.tensors, native(ARRAYS))


def test_a_pickle_of_python_2_as_caffe2_has_them_is_read(tmp_path):
    """As Python 2 and NumPy 1 wrote: strings of bytes, `numpy.core`, `__builtin__`."""
    content = np.linspace(-3, 3, 6, dtype="<f4").tobytes()
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    none = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
    kind = b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<" + none + b"tb"
    state = b"(K\x01(K\x02K\x03t" + kind + b"\x89T" + struct.pack("<I", 24) + content + b"tb"
    extra = b"U\x03cfg" + b"U\x02\xe9a"
    path = tmp_path / "R-50.pkl"
    path.write_bytes(b"\x80\x02}(U\x05blobs}(U\x07conv1_w" + made + state + b"u" + extra + b"u.")
    wanted = pickle.loads(path.read_bytes(), encoding="latin1")["blobs"]["conv1_w"]
    found = read_tensors(path)
    assert_same(found.tensors, {"conv1_w": wanted})
    assert found.tensors["conv1_w"].shape == (2, 3)
    assert found.meta == {"cfg": "\xe9a"}


def test_safetensors_are_read_in_every_dtype(tmp_path):
    rng = np.random.default_rng(0)
    numbers = rng.normal(0, 3, (2, 3))
    kinds = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "U8": "u1", "BOOL": "?"}
    stored = {f"w.{kind}": (kind, numbers.astype(dtype)) for kind, dtype in kinds.items()}
    halves = numbers.astype(ml_dtypes.bfloat16)
    path = pickle_parts.write_safetensors(
        tmp_path / "x", stored | {"w.half": ("BF16", halves)}, {"format": "pt"}
    )
    found = read_tensors(path)
    assert is_tensor_file(path)
    assert found.kind == "safetensors"
    assert found.meta == {"format": "pt"}
    wanted = {name: array for name, (_, array) in stored.items()}
    assert_same(found.tensors, wanted | {"w.half": halves.astype("f4")})


def test_what_safetensors_writes_is_read(tmp_path):
    from safetensors.numpy import save_file

    wanted = {"module.b": np.arange(3, dtype="f4"), "module.a": np.zeros((2, 0), "f2")}
    save_file(wanted, tmp_path / "x")
    found = read_tensors(tmp_path / "x").tensors
    assert {name: array.tolist() for name, array in found.items()} == {
        "a": [[], []],
        "b": [0, 1, 2],
    }


def test_all_values_of_bfloat16_widen_to_float32(tmp_path):
    bits = np.arange(65536, dtype="<u2")
    found = read_tensors(
        pickle_parts.write_safetensors(tmp_path / "x", {"w": ("BF16", bits)})
    ).tensors["w"]
    wanted = bits.view(ml_dtypes.bfloat16).astype("f4")
    assert np.array_equal(found, wanted, equal_nan=True)


def test_the_zips_folder_has_any_name_and_its_byte_order_counts(tmp_path):
    for folder in ("", "model_final/", "a/b c/"):
        path = pickle_parts.write_zip(
            tmp_path / "x", mapping(w=tensor()), {"0": SIX.tobytes()}, folder, byteorder="little"
        )
        assert_same(read_tensors(path).tensors, {"w": SIX.reshape(2, 3)})
        swapped = SIX.astype(">f4").tobytes()
        pickle_parts.write_zip(path, mapping(w=tensor()), {"0": swapped}, folder, byteorder="big")
        assert_same(read_tensors(path).tensors, {"w": SIX.reshape(2, 3)})


def test_a_compressed_zip_is_read(tmp_path):
    pickle_parts.write_zip(tmp_path / "a", mapping(w=tensor()), {"0": SIX.tobytes()})
    with (
        zipfile.ZipFile(tmp_path / "a") as plain,
        zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    assert_same(read_tensors(tmp_path / "x").tensors, {"w": SIX.reshape(2, 3)})


def test_a_torch_file_in_a_zip_of_other_files_is_read(tmp_path):
    inner = pickle_parts.write_zip(tmp_path / "a", mapping(w=tensor()), {"0": SIX.tobytes()})
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("retinanet_rn50fpn/README", "text")
        archive.write(inner, "retinanet_rn50fpn/retinanet_rn50fpn.pth")
    assert is_tensor_file(tmp_path / "x.zip")
    assert_same(read_tensors(tmp_path / "x.zip").tensors, {"w": SIX.reshape(2, 3)})


def test_the_oldest_tensors_and_views_of_storages_are_read(tmp_path):
    view = pickle_parts.items(text("1"), number(2), number(4))
    part = mapping(
        a=called(
            "torch._utils",
            "_rebuild_tensor",
            pickle_parts.storage(view=b"N"),
            number(0),
            pickle_parts.counts((6,)),
            pickle_parts.counts((1,)),
        ),
        b=tensor(pickle_parts.storage(view=view), 1, (2,), (2,)),
    )
    path = pickle_parts.write_legacy(tmp_path / "x", part, [("0", 6, SIX.tobytes())])
    assert_same(read_tensors(path).tensors, {"a": SIX, "b": SIX[[3, 5]]})


def test_weights_are_read_without_torch(tmp_path):
    path = pickle_parts.write_zip(tmp_path / "x", mapping(w=tensor()), {"0": SIX.tobytes()})
    code = (
        "import sys\n"
        "from keras_retinanet.weights.tensor_files import read_tensors\n"
        f"assert read_tensors({str(path)!r}).tensors['w'].sum() == 15\n"
        "print(sorted({'torch', 'safetensors'} & set(sys.modules)))"
    )
    env = os.environ | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}",
        b"<html></html>",
        b"a.jpg,1,2,3,4,cat\n",
        b"\x89HDF\r\n\x1a\n",
        b"car\nbus\n",
    ],
)
def test_other_files_are_no_files_of_tensors(content, tmp_path):
    (tmp_path / "x.pth").write_bytes(content)
    assert not is_tensor_file(tmp_path / "x.pth")


def test_folders_missing_files_and_other_zips_are_no_files_of_tensors(tmp_path):
    assert not is_tensor_file(tmp_path)
    assert not is_tensor_file(tmp_path / "missing.pth")
    np.savez(tmp_path / "x.npz", a=SIX)
    assert not is_tensor_file(tmp_path / "x.npz")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("config.json", "{}")
    (tmp_path / "x.keras").write_bytes(packed.getvalue())
    assert not is_tensor_file(tmp_path / "x.keras")


def test_names_of_classes_alone_stay_placeholders(tmp_path):
    part = mapping(w=tensor(), kind=named("torch", "float16"))
    path = pickle_parts.write_zip(tmp_path / "x", part, {"0": SIX.tobytes()})
    assert read_tensors(path).meta["kind"].name == "torch.float16"
