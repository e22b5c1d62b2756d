"""How a file of tensors is refused: by one line that begins with its path."""

import numpy as np
import pytest

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.tensor_files import read_tensors

SIX = np.arange(6, dtype="<f4").tobytes()


def holding(tmp_path, content):
    """Return the path of a file of these bytes."""
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    return path


def refusal(path):
    """Return the message of the WeightsError that reading `path` raises."""
    with pytest.raises(WeightsError) as caught:
        read_tensors(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 610
    return message
