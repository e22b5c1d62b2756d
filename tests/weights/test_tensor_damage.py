"""Files of tensors with random damage, and one of the size of a real one."""

import pickle
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.tensor_files import TensorFile, read_tensors
from tests.weights.pickle_parts import (
    mapping,
    named,
    number,
    storage,
    tensor,
    write_legacy,
    write_zip,
)
from tests.weights.refusals import SIX, holding, refusal


def _good_files():
    """Return {name: bytes} of one small good file of each kind."""
    from safetensors.numpy import save

    arrays = {"a.weight": np.arange(6, dtype="f4").reshape(2, 3), "a.count": np.int64(3)}
    meta = mapping(log=named("mm", "Buffer") + b")\x81" + mapping(n=number(2)) + b"b")
    weights = mapping(w=tensor(), v=tensor(offset=2, shape=(2,), strides=(2,)))
    torch_part = mapping(meta=meta, state_dict=weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        zipped = write_zip(path, torch_part, {"0": SIX}, byteorder="little").read_bytes()
        legacy = write_legacy(path, torch_part, [("0", 6, SIX)]).read_bytes()
    return {
        "zip": zipped,
        "legacy": legacy,
        "pickle 2": pickle.dumps({"model": arrays, "__author__": "a"}, 2),
        "pickle 0": pickle.dumps({"model": arrays}, 0),
        "pickle 5": pickle.dumps(arrays, 5),
        "safetensors": save({"w": np.arange(6, dtype="f4")}, {"format": "pt"}),
    }


GOOD = _good_files()


@pytest.mark.parametrize("kind", GOOD)
def test_the_files_that_are_damaged_below_are_good(kind, tmp_path):
    found = read_tensors(holding(tmp_path, GOOD[kind]))
    assert found.tensors


@pytest.mark.parametrize("kind", GOOD)
def test_a_file_cut_anywhere_is_refused(kind, tmp_path):
    for length in range(len(GOOD[kind])):
        refusal(holding(tmp_path, GOOD[kind][:length]))


@settings(
    max_examples=250,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    damage=st.lists(
        st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=4
    ),
    start=st.integers(0, 1 << 16),
    removed=st.sampled_from([0, 0, 0, 1, 5, 40]),
)
@pytest.mark.parametrize("kind", GOOD)
def test_random_damage_gives_a_refusal_or_tensors_and_nothing_else(
    kind, damage, start, removed, tmp_path
):
    content = bytearray(GOOD[kind])
    for place, value in damage:
        content[place % len(content)] = value
    start %= len(content)
    del content[start : start + removed]
    path = holding(tmp_path, bytes(content))
    before = time.process_time()
    try:
        found = read_tensors(path)
    except WeightsError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found, TensorFile)
        for tensor_read in found.tensors.values():
            assert isinstance(tensor_read, np.ndarray)
            tensor_read.tobytes()
    assert time.process_time() - before < 2


def test_a_large_file_is_read_once_and_fast(tmp_path):
    """150 MB; about 0.1 s on one core of a server of 2023."""
    count = 150_000_000 // 4
    held = tensor(storage(count=count), 0, (count,), (1,))
    path = write_zip(tmp_path / "x", mapping(w=held), {"0": bytes(4 * count)})
    tracemalloc.start()
    start = time.process_time()
    found = read_tensors(path)
    seconds = time.process_time() - start
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.tensors["w"].shape == (count,)
    assert most < 1.1 * 4 * count
    assert seconds < 1
