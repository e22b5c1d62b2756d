"""retinanet-predict --cache."""

import keras
import pytest

from keras_retinanet.bin import predict
from tests.predict.test_graph_cache import make


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the cache keeps a graph of TensorFlow"
)
def test_the_command_says_what_became_of_it(drawn, tmp_path, capsys, outcome):
    snapshot = make(tmp_path / "a.keras")
    words = [str(snapshot), str(drawn / "val_0.png"), "--cache", "--output", str(tmp_path / "o")]
    for beginning in ("kept for the next time: ", "opened from "):
        predict.main(words)
        assert f"frozen graph {beginning}" in capsys.readouterr().out.splitlines()[-1]
    code, error = outcome(predict, [*words, "--family", "odtk"])
    assert code == 2 and "--cache is for models that tell everything" in error
