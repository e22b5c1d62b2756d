"""Weights are found in what trainings write, and what else these write is kept beside."""

import pickle

import numpy as np
import pytest

from keras_retinanet.weights.tensor_files import read_tensors
from tests.weights.arrays import assert_same

X, Y = np.arange(24, dtype="f4").reshape(2, 3, 4), np.arange(6, dtype="f2")
NETWORK = {"stem.weight": X, "head.bias": Y}


@pytest.mark.parametrize(
    ("content", "meta"),
    [
        (NETWORK, {}),
        ({"stem": {"weight": X}, "head": {"bias": Y}}, {}),
        ({f"module.{name}": array for name, array in NETWORK.items()}, {}),
        ({"module": NETWORK}, {}),
        ({"state_dict": NETWORK, "epoch": 3}, {"epoch": 3}),
        ({"model": {"state_dict": NETWORK, "step": 2}, "epoch": 3}, {"epoch": 3, "step": 2}),
        ({"model_state": NETWORK, "optimizer": {"m": 1}}, {"optimizer": {"m": 1}}),
        ({"model": NETWORK, "step": X}, {"step": X}),
        ({"model": "resnet50", "state_dict": NETWORK}, {"model": "resnet50"}),
        ({"blobs": {**NETWORK, "note": "a"}, "cfg": "b"}, {"cfg": "b", "note": "a"}),
        (
            {**NETWORK, "optimizer": {"m": X}, "args": {"a": 1}},
            {"optimizer": {"m": X}, "args": {"a": 1}},
        ),
    ],
)  # fmt: skip
def test_weights_are_found_wherever_trainings_put_them(content, meta, tmp_path):
    (tmp_path / "x").write_bytes(pickle.dumps(content))
    found = read_tensors(tmp_path / "x")
    assert_same(found.tensors, NETWORK)
    assert repr(found.meta) == repr(meta)


@pytest.mark.parametrize("name", ["ema", "model_ema", "state_dict_ema", "ema_state_dict"])
def test_an_average_is_read_only_where_there_are_no_plain_weights(name, tmp_path):
    average = {"module.w": X + 1, "n_averaged": np.int64(4)}
    (tmp_path / "x").write_bytes(pickle.dumps({name: average, "model": {"w": X}}))
    found = read_tensors(tmp_path / "x")
    assert_same(found.tensors, {"w": X})
    assert "plain ones were read" in found.meta[name]
    (tmp_path / "x").write_bytes(pickle.dumps({name: average}))
    found = read_tensors(tmp_path / "x")
    assert_same(found.tensors, {"w": X + 1})
    assert "no plain ones" in found.meta[name]
