"""Damaged files of tensors, and files that lie: one clear line each, whatever was changed."""

import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from keras_retinanet.weights import unpickling
from keras_retinanet.weights.tensor_files import is_tensor_file, read_tensors
from tests.weights import pickle_parts
from tests.weights.pickle_parts import (
    array,
    called,
    counts,
    items,
    mapping,
    number,
    storage,
    tensor,
    text,
    write_legacy,
    write_pickle,
    write_zip,
)
from tests.weights.refusals import SIX, holding, refusal


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>404</html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"a" * 257 + b"ustar", "tar archive"),
        (b"a.jpg,1,2,3,4,cat\n", "neither of torch"),
        (b"PK\x05\x06" + b"\0" * 18, "a zip without"),
    ],
)
def test_other_files_are_told_by_what_they_are(content, said, tmp_path):
    assert said in refusal(holding(tmp_path, content))


def test_paths_that_cannot_be_read_are_told(tmp_path):
    assert "no such file" in refusal(tmp_path / "missing.pth")
    assert "is a folder" in refusal(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        assert "no regular file" in refusal(tmp_path / "pipe")


@pytest.mark.skipif(
    os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root reads all"
)
def test_a_file_without_permission_is_told(tmp_path):
    path = holding(tmp_path, b"\x80")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (mapping(), "holds no tensors"),
        (mapping(epoch=number(3), state_dict=mapping()), "'epoch'"),
        (b"]", "holds a list"),
        (array(), "holds a ndarray"),
        (b"N", "holds a NoneType"),
        (mapping(w=array(), model=mapping(w=b"N")), None),
        (b"}" + items(b"N", array(), end=b"u"), "(None,)"),
        (mapping(a=mapping(b=array())) + items(text("a.b"), array(), end=b"u"), "two weights"),
        (mapping(state_dict=mapping(w=array(), v=b"N")), None),
        (mapping(state_dict=mapping(**{"a.w": called("x", "Odd")}, v=array())), "x.Odd"),
        (mapping(state_dict=mapping(w=called("x", "Odd"), v=array())), "x.Odd"),
        (called("x", "Network"), "a whole network"),
        (mapping(w=array(shape=(4,))), "shape (4,)"),
        (mapping(w=array(shape=(1 << 50,))), "shape"),
        (mapping(w=array(shape=(-3, -1))), "shape"),
        (mapping(w=array(shape=(0, 1 << 39, 1 << 39), content=b"")), "damaged"),
        (mapping(w=array(shape=(1,) * 70, content=b"1234")), "damaged"),
        (mapping(w=array(dtype="f3")), "'f3'"),
        (mapping(w=array(dtype="f4,O")), "'f4,O'"),
        (mapping(w=tensor()), "torch.save"),
        (
            mapping(**{"a.w": called("torch._utils", "_rebuild_tensor_v2", b"NNNN")}),
            "_rebuild_tensor_v2",
        ),
    ],
)  # fmt: skip
def test_pickles_that_hold_no_weights_or_broken_ones_are_told(content, said, tmp_path):
    path = write_pickle(tmp_path / "x", content)
    if said is None:
        assert list(read_tensors(path).tensors) == ["w"]
    else:
        assert said in refusal(path)


LYING_TENSORS = {
    "an offset beyond": tensor(offset=1),
    "a stride beyond": tensor(strides=(4, 1)),
    "a shape beyond": tensor(shape=(3, 3)),
    "a huge stride": tensor(shape=(2,), strides=(1 << 62,)),
    "a stride that wraps around": tensor(shape=(2,), strides=(1 << 64,)),
    "a huge shape": tensor(shape=(1 << 40, 3), strides=(0, 1)),
    "a shape without end": tensor(shape=(1 << 80,), strides=(0,)),
    "an empty shape without end": tensor(shape=(0, 1 << 62, 1 << 62), strides=(1, 1, 1)),
    "a negative offset": tensor(offset=-1),
    "a negative stride": tensor(offset=5, shape=(6,), strides=(-1,)),
    "a negative shape": tensor(shape=(-2, -3)),
    "more strides than axes": tensor(strides=(3, 1, 1)),
    "too many axes": tensor(shape=(1,) * 40, strides=(1,) * 40),
    "too many elements": tensor(storage(count=7)),
    "too few elements": tensor(storage(count=5)),
    "a count without end": tensor(storage(count=1 << 80)),
    "a negative count": tensor(storage(count=-1)),
    "another type": tensor(storage(kind="DoubleStorage")),
    "an unknown type": tensor(storage(kind="QInt8Storage")),
    "a part beyond": tensor(storage(view=items(text("1"), number(4), number(3))), 0, (1,), (1,)),
    "more than a part": tensor(storage(view=items(text("1"), number(4), number(2)))),
    "a storage that is none": tensor(b"N"),
    "a storage of another place": tensor(items(text("elsewhere"), number(1)) + b"Q"),
    "no such storage": tensor(storage(key="7")),
    "a key out of the zip": tensor(storage(key="../../0")),
}


@pytest.mark.parametrize("case", LYING_TENSORS)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(case, tmp_path):
    content = mapping(**{"fc.weight": LYING_TENSORS[case]})
    tracemalloc.start()
    try:
        refusal(write_zip(tmp_path / "x", content, {"0": SIX}))
        refusal(write_legacy(tmp_path / "x", content, [("0", 6, SIX)]))
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()


def test_the_same_tensor_is_read_where_it_fits(tmp_path):
    content = mapping(**{"fc.weight": tensor()})
    wanted = np.arange(6, dtype="f4").reshape(2, 3)
    for path in (
        write_zip(tmp_path / "x", content, {"0": SIX}),
        write_legacy(tmp_path / "y", content, [("0", 6, SIX)]),
    ):
        assert np.array_equal(read_tensors(path).tensors["fc.weight"], wanted)


def test_one_storage_under_two_types_stays_within_its_bytes(tmp_path):
    wide = tensor(storage(kind="DoubleStorage", count=6), 0, (6,), (1,))
    refusal(write_zip(tmp_path / "x", mapping(a=tensor(), b=wide), {"0": SIX}))
    refusal(write_legacy(tmp_path / "x", mapping(a=tensor(), b=wide), [("0", 6, SIX)]))


@pytest.mark.parametrize("kind", ["FloatStorage", "BFloat16Storage"])
def test_views_that_repeat_elements_are_bounded_by_the_files_size(kind, tmp_path):
    raw = SIX[: 6 * (4 if kind == "FloatStorage" else 2)]
    fair = tensor(storage(kind=kind), 0, (1000, 6), (0, 1))
    path = write_zip(tmp_path / "x", mapping(w=fair), {"0": raw})
    assert read_tensors(path).tensors["w"].shape == (1000, 6)
    greedy = tensor(storage(kind=kind), 0, (1 << 30, 6), (0, 1))
    assert "more memory" in refusal(write_zip(path, mapping(w=greedy), {"0": raw}))


@pytest.mark.parametrize("name", ["data.pkl", "data/0"])
def test_a_zip_without_a_member_is_told_by_the_members_name(name, tmp_path):
    whole = write_zip(tmp_path / "whole", mapping(w=tensor()), {"0": SIX}, byteorder="little")
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(tmp_path / "x", "w") as archive:
        for member in source.namelist():
            if member != f"archive/{name}":
                archive.writestr(member, source.read(member))
    said = "a zip without the data.pkl" if name == "data.pkl" else "archive/data/0"
    assert said in refusal(tmp_path / "x")


def test_a_flipped_bit_in_a_weight_is_found_by_the_zips_checksum(tmp_path):
    path = write_zip(tmp_path / "x", mapping(w=tensor()), {"0": SIX})
    content = bytearray(path.read_bytes())
    content[content.index(SIX) + 9] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(path)


def test_an_unknown_byte_order_is_told(tmp_path):
    path = write_zip(tmp_path / "x", mapping(w=tensor()), {"0": SIX}, byteorder="middle")
    assert "middle" in refusal(path)


def test_a_zip_that_would_grow_far_beyond_its_size_is_not_unpacked(tmp_path):
    zeros = bytes(1 << 20)
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle_parts.pickled(mapping(w=tensor())))
        for key in range(80):
            archive.writestr(f"a/data/{key}", zeros)
    assert "would grow" in refusal(tmp_path / "x")


def test_repeated_elements_in_a_compressed_zip_are_bounded_by_what_it_unpacks_to(tmp_path):
    held = tensor(storage(count=1 << 20), 0, (1 << 20,), (1,))
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as archive:
        names = {f"w{index}": held for index in range(20)}  # 80 MiB of views, of a 4 KB file
        archive.writestr("a/data.pkl", pickle_parts.pickled(mapping(**names)))
        archive.writestr("a/data/0", bytes(1 << 22))
    assert len(read_tensors(tmp_path / "x").tensors) == 20


def test_a_zip_in_a_zip_in_a_zip_is_not_followed(tmp_path):
    path = write_zip(tmp_path / "0.pth", mapping(w=tensor()), {"0": SIX})
    for number_of_zip in (1, 2):
        outer = tmp_path / f"{number_of_zip}.pth"
        with zipfile.ZipFile(outer, "w") as archive:
            archive.write(path, path.name)
        path = outer
    assert "1.pth" in refusal(path)


def test_legacy_files_of_another_protocol_or_broken_lists_are_told(tmp_path):
    path = write_legacy(tmp_path / "x", mapping(w=tensor()), [("0", 6, SIX)])
    good = path.read_bytes()
    path.write_bytes(good.replace(pickle_parts.PROTOCOL, b"\x80\x02M\xea\x03."))
    assert "protocol 1002" in refusal(path)
    assert "of no tensor" in refusal(
        write_legacy(path, mapping(w=tensor()), [("0", 6, SIX), ("1", 6, SIX)])
    )
    assert "lacks storage" in refusal(write_legacy(path, mapping(w=tensor()), []))
    assert "says 5" in refusal(write_legacy(path, mapping(w=tensor()), [("0", 5, SIX)]))
    assert "cut short" in refusal(write_legacy(path, mapping(w=tensor()), [("0", 6, SIX[:-1])]))


def test_damaged_safetensors_are_told(tmp_path):
    from safetensors.numpy import save

    good = save({"w": np.arange(6, dtype="f4")})
    for content in (good[:-1], good[:20], good + b"a", good.replace(b"F32", b"F99")):
        path = holding(tmp_path, content)
        assert is_tensor_file(path)
        assert "safetensors" in refusal(path)
    path = pickle_parts.write_safetensors(path, {"w": ("F8_E4M3", np.zeros(3, "u1"))})
    assert "tensor w is of F8_E4M3" in refusal(path)


def test_a_pickle_of_too_many_steps_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(unpickling, "MOST_OPCODES", 1000)
    assert "1000 steps" in refusal(write_pickle(tmp_path / "x", b"N0" * 600 + b"N"))


@pytest.mark.parametrize("name", ["a\nb.c", "a\x1b[31m.c", "\ud800.c", "x" * 5000 + ".c"])
def test_names_in_messages_keep_to_one_line(name, tmp_path):
    raw = name.encode("utf-8", "surrogatepass")
    key = b"X" + len(raw).to_bytes(4, "little") + raw
    for value in (tensor(offset=9), called("a", "Odd")):
        refusal(write_zip(tmp_path / "x", b"}" + items(key, value, end=b"u"), {"0": SIX}))


def test_counts_of_a_shape_are_numbers(tmp_path):
    part = called(
        "torch._utils", "_rebuild_tensor", storage(), number(0), items(text("a")), counts((1,))
    )
    assert "shape" in refusal(write_zip(tmp_path / "x", mapping(w=part), {"0": SIX}))
