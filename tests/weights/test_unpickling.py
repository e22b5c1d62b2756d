"""What a pickle may not do, and what becomes of what it names."""

import argparse
import collections
import copyreg
import datetime
import os
import pickle
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from keras_retinanet.weights.placeholders import Placeholder
from keras_retinanet.weights.tensor_files import read_tensors
from tests.weights import hostile_pickles, pickle_parts
from tests.weights.pickle_parts import called, items, mapping, named, number, text
from tests.weights.refusals import refusal

WRITERS = {
    "pickle": pickle_parts.write_pickle,
    "zip": pickle_parts.write_zip,
    "legacy": pickle_parts.write_legacy,
}

RUN_ALL = """
import pickle, shutil, time
from pathlib import Path
from tests.weights import hostile_pickles, pickle_parts

def ran(part, mark=Path(hostile_pickles.MARK)):
    try:
        pickle.loads(pickle_parts.pickled(part))
    except Exception:
        pass  # most make an end of themselves
    for _ in range(250):
        if mark.exists():
            break
        time.sleep(0.02)
    there = mark.exists()
    shutil.rmtree(mark, ignore_errors=True)
    return there

parts = hostile_pickles.LIVE
print("not run:", [name for name, (_, part) in parts.items() if not ran(part)])
"""


def read_part(tmp_path, part):
    """Return the metadata "x" of a pickle that has `part` there, beside one array."""
    content = mapping(x=part, w=pickle_parts.array())
    found = read_tensors(pickle_parts.write_pickle(tmp_path / "x.pkl", content))
    assert list(found.tensors) == ["w"]
    return found.meta["x"]


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("case", hostile_pickles.ALL)
def test_a_pickle_that_wants_something_run_is_refused_by_its_name(
    case, write, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    read_tensors(write(tmp_path / "x.pth", mapping(w=pickle_parts.array())))
    name, part = hostile_pickles.ALL[case]
    modules = set(sys.modules)
    assert name in refusal(write(tmp_path / "x.pth", mapping(meta=part, w=pickle_parts.array())))
    assert name in refusal(write(tmp_path / "x.pth", part))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]
    assert set(sys.modules) == modules


@pytest.mark.skipif(sys.platform == "win32", reason="they call POSIX's mkdir")
def test_the_live_ones_do_run_where_python_reads_them(tmp_path):
    root = Path(pickle_parts.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1:] == ["not run: []"], done


def test_a_registered_extension_code_is_refused(tmp_path):
    copyreg.add_extension("os", "mkdir", 231)
    try:
        part = b"\x82\xe7" + items(text(str(tmp_path / "made"))) + b"R"
        assert "extension codes" in refusal(pickle_parts.write_pickle(tmp_path / "x.pkl", part))
    finally:
        copyreg.remove_extension("os", "mkdir", 231)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("part", "name", "args"),
    [
        (named("torch", "float16"), "torch.float16", None),
        (called("torch", "device", text("cuda")), "torch.device", ("cuda",)),
        (called("pathlib", "PosixPath", text("a")), "pathlib.PosixPath", ("a",)),
        (called("datetime", "datetime", b"C\x01a"), "datetime.datetime", (b"a",)),
        (named("argparse", "Namespace") + b")\x81", "argparse.Namespace", ()),
        (
            called("numpy.random._pickle", "__generator_ctor", text("PCG64")),
            "numpy.random._pickle.__generator_ctor",
            ("PCG64",),
        ),
        (
            called("builtins", "getattr", named("mm", "Buffer"), text("mean")),
            "mm.Buffer.mean",
            None,
        ),
        (
            called(
                "copy_reg", "_reconstructor", named("a", "B"), named("builtins", "object"), b"N"
            ),
            "a.B",
            (),
        ),
    ],
)
def test_what_is_only_metadata_becomes_a_placeholder(tmp_path, part, name, args):
    found = read_part(tmp_path, part)
    assert type(found) is Placeholder
    assert (found.name, found.args, found.state, found.items) == (name, args, None, [])
    assert name in repr(found)


@pytest.mark.parametrize("protocol", range(6))
def test_what_trainings_keep_of_python_and_numpy_does_no_harm(protocol, tmp_path):
    meta = {
        "args": argparse.Namespace(lr=0.1, out=Path("x")),
        "when": datetime.datetime(2020, 1, 1),
        "random": (random.getstate(), np.random.default_rng(0), np.random.RandomState(0)),
        "many": (
            collections.deque([1], 3),
            collections.defaultdict(list),
            collections.Counter("a"),
        ),
        "range": (range(3), slice(1), 1j, b"", bytearray(b"a"), {1}, frozenset({2}), ...),
    }
    (tmp_path / "x").write_bytes(pickle.dumps({"model": {"w": np.ones(3)}, "meta": meta}, protocol))
    found = read_tensors(tmp_path / "x")
    assert list(found.tensors) == ["w"]
    assert found.meta["meta"]["args"].state["lr"] == 0.1
    assert found.meta["meta"]["random"][0] == random.getstate()
    assert found.meta["meta"]["many"] == ([1], {}, {"a": 1})
    assert found.meta["meta"]["range"][2:7] == meta["range"][2:7]


def test_a_placeholder_keeps_the_state_and_items_that_were_for_the_object(tmp_path):
    made = named("mmengine.logging.history_buffer", "HistoryBuffer") + b")\x81"
    found = read_part(tmp_path, made + mapping(max_length=number(7)) + b"b")
    assert found.state == {"max_length": 7}
    filled = named("mmcv", "ConfigDict") + b")\x81" + items(text("a"), number(1), end=b"u")
    assert read_part(tmp_path, filled).items == [("a", 1)]
    assert read_part(tmp_path, called("a", "Names") + items(b"NN", end=b"e")).items == [None, None]


@pytest.mark.parametrize(
    ("part", "value"),
    [
        (b"N", None),
        (b"I01\n", True),
        (b"F1.5\n", 1.5),
        (b"L12L\n", 12),
        (b"S'abc'\n", "abc"),
        (b"S'a\\q\\n'\n", "a\\q\n"),
        (b"U\x02a\xe9", "a\xe9"),
        (b"\x96\x02\0\0\0\0\0\0\0ab", b"ab"),
        (b"(NNl", [None, None]),
        (b"(NK\x01d", {None: 1}),
        (b"\x8f(K\x01K\x02\x90", {1, 2}),
        (b"(K\x01\x91", frozenset({1})),
        (b"K\x01K\x02\x86", (1, 2)),
        (b"(N1]", []),
        (b"K\x01K\x020", 1),
        (called("collections", "OrderedDict", b"](](" + text("a") + b"K\x01ee"), {"a": 1}),
        (called("collections", "defaultdict", named("builtins", "list")), {}),
        (called("builtins", "set", b"](K\x01e"), {1}),
        (called("builtins", "bytearray", text("\xe9"), text("latin-1")), b"\xe9"),
        (called("_codecs", "encode", text("\xe9"), text("latin1")), b"\xe9"),
        (called("builtins", "bytes"), b""),
        (called("builtins", "complex", b"G?\xf0\0\0\0\0\0\0", b"G\0\0\0\0\0\0\0\0"), 1 + 0j),
        (called("torch", "Size", b"](K\x02K\x03e"), (2, 3)),
    ],
)  # fmt: skip
def test_plain_values_are_what_python_makes_of_them(tmp_path, part, value):
    if b"torch\nSize" in part:
        content = mapping(x=part, w=pickle_parts.array())
        assert read_tensors(pickle_parts.write_zip(tmp_path / "x", content)).meta["x"] == value
    else:
        assert read_part(tmp_path, part) == value


def test_a_scalar_of_numpy_is_a_tensor_without_axes(tmp_path):
    kind = called("numpy", "dtype", text("f4"), b"\x89", b"\x88")
    part = mapping(w=called("numpy.core.multiarray", "scalar", kind, b"C\x04\0\0\x80?"))
    found = read_tensors(pickle_parts.write_pickle(tmp_path / "x.pkl", part)).tensors["w"]
    assert found.shape == ()
    assert found == np.float32(1)


BOMBS = {
    "copies of one text": text("a" * 100_000)
    + b"q\x01"
    + b"".join([named("_codecs", "encode") + b"h\x01\x85R0"] * 2000),
    "copies of one list": b"](" + b"N" * 100_000 + b"eq\x010"
    + b"".join([named("builtins", "list") + b"h\x01\x85R0"] * 2000)
    + b"N",
    "a long number of bytes": b"\x8e\xff\xff\xff\xff\xff\xff\xff\x0fabc",
    "a long text": b"\x8d\xff\xff\xff\xff\xff\xff\xff\x0fabc",
    "a key of nested tuples": b"})" + b"\x85" * 100_000 + b"Ns",
    "a number of many digits": b"L" + b"9" * 100_000 + b"L\n",
    "shared dictionaries": b"}" + b"".join(
        b"q\x01}(" + text("a") + b"h\x01" + text("b") + b"h\x01u" for _ in range(60)
    ),
    "a dictionary in itself": b"}q\x01" + text("model") + b"h\x01s" + text("w")
    + pickle_parts.array() + b"s",
}  # fmt: skip


@pytest.mark.parametrize("case", BOMBS)
def test_a_small_pickle_that_would_grow_is_refused_soon(case, tmp_path):
    start = time.process_time()
    part = BOMBS[case]
    refusal(pickle_parts.write_pickle(tmp_path / "x.pkl", part))
    refusal(pickle_parts.write_pickle(tmp_path / "x.pkl", mapping(model=part)))
    assert time.process_time() - start < 3


@pytest.mark.parametrize("part", [b"N" + b"\x85" * 300_000, b"]" * 300_000 + b"a" * 299_999])
def test_deep_metadata_does_no_harm(part, tmp_path):
    assert read_part(tmp_path, part)


def test_deep_placeholders_do_no_harm(tmp_path):
    nested = b"N" + b"".join([b"q\x020h\x01h\x02\x85R"] * 100_000)
    assert read_part(tmp_path, named("a", "B") + b"q\x010" + nested).name == "a.B"


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"0",
        b"R",
        b"\x86",
        b"h\x07",
        b"K\x01K\x02R",
        b"K\x01)R",
        b"NNb",
        b"]NNs",
        b"}Na",
        b"(NNNd",
        b"N}b",
        text("storage") + b"Q",
        b"P0\n",
        b"\xff",
        b"]]a(K\x01tR",
        named("", "x"),
        called("builtins", "set", b"](]e"),
        called("copyreg", "__newobj__", b"N"),
        called("_codecs", "encode", text("a"), text("rot13")),
        pickle_parts.array()[:-1] + b"b" + b"Nb",
    ],
)
def test_a_pickle_that_makes_no_sense_is_refused(part, tmp_path):
    for write in WRITERS.values():
        refusal(write(tmp_path / "x", part))


def test_an_array_gets_its_content_once(tmp_path):
    twice = pickle_parts.array()
    state = twice[twice.index(b"R") + 1 :]
    assert "damaged" in refusal(pickle_parts.write_pickle(tmp_path / "x", twice + state))
