"""Writing a network's weights in the names of another project: the table of layouts.

A file has weights alone, so what its project computes with them must be what the network was
trained for: every switch of the profile that the project has no choice of is compared first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keras_retinanet.models.retinanet import network_of
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.weights.writing_fizyr import write_fizyr
from keras_retinanet.weights.writing_torchvision import write_torchvision


@dataclass(frozen=True)
class WeightsLayout:
    """A row of `LAYOUTS`.

    Attributes:
        suffix: of its files.
        write: f(network, profile, path), which raises WeightsError where a switch does not fit.
    """

    suffix: str
    write: Callable


LAYOUTS = {
    "torchvision": WeightsLayout(".safetensors", write_torchvision),
    "fizyr": WeightsLayout(".h5", write_fizyr),
}


def write_weights(model, path, layout):
    """Write the weights of a network, or of the one in a detector, atomically.

    Args:
        model: with its profile.
        path: of the file; the folder must exist.
        layout: key of `LAYOUTS`.

    Raises:
        WeightsError: the layout has no place for a layer, or its project computes otherwise; in
            one line, with the switch.
        OSError: the file could not be written; what was there before is untouched.
    """
    network = network_of(model)
    LAYOUTS[layout].write(network, profile_of(network), path)
