"""What a network wants to see of pictures: order of the channels, scale, mean and deviation.

The network's input is (x * scale - mean) / std, x being levels 0 to 255 in the order of channels
that the network was trained with; levels of 16 bits are divided by 257 first, so that both kinds
end at 255. Pictures are blue first everywhere else in this package.
"""

from dataclasses import dataclass, replace

import numpy as np
from keras import ops

ORDERS = ("bgr", "rgb")
# bits of a picture's levels: factor that brings them to 0 to 255
BITS = {8: 1.0, 16: 255 / 65535}


@dataclass(frozen=True)
class Preprocessing:
    """From levels to a network's input.

    Attributes:
        order: "bgr" or "rgb", of the network's input; pictures of other than three channels are
            never turned round.
        scale: factor on the levels, before the mean is subtracted.
        mean, std: one number for each channel, in the network's order.
        bits: of the pictures' levels, 8 or 16.
    """

    order: str = "bgr"
    scale: float = 1.0
    mean: tuple = (0.0, 0.0, 0.0)
    std: tuple = (1.0, 1.0, 1.0)
    bits: int = 8

    def __post_init__(self):
        if self.bits not in BITS:
            raise ValueError(f"levels must have 8 or 16 bits. Received: {self.bits!r}")
        if self.order not in ORDERS:
            raise ValueError(f"the order of channels must be bgr or rgb. Received: {self.order!r}")
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(float(v) for v in getattr(self, name)))
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(
                "mean and std need one number for each channel. Received: "
                f"mean {self.mean}, std {self.std}"
            )

    @property
    def channels(self):
        """Return how many channels the network takes."""
        return len(self.mean)

    def constants(self):
        """Return the factor on levels, mean and std as float32 NumPy values."""
        return np.float32(self.scale * BITS[self.bits]), np.float32(self.mean), np.float32(self.std)

    def check_bits(self, dtype):
        """Raise ValueError where `dtype` is that of pictures of other bits; floats may be any."""
        bits = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}.get(np.dtype(dtype), self.bits)
        if bits != self.bits:
            raise ValueError(
                f"pictures of {bits} bits, but the network takes levels of {self.bits}; save them "
                f"with {self.bits} bits, or train a network on pictures of {bits} by --channels"
            )


# ImageNet's mean and deviation of levels 0 to 1, red first
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN_LEVELS = (123.675, 116.28, 103.53)

PREPROCESSINGS = {
    "caffe": Preprocessing("bgr", 1.0, (103.939, 116.779, 123.68)),
    "tf": Preprocessing("bgr", 1 / 127.5, (1.0, 1.0, 1.0)),
    "torch": Preprocessing("bgr", 1 / 255, _MEAN[::-1], _STD[::-1]),
    "tf_rgb": Preprocessing("rgb", 1 / 127.5, (1.0, 1.0, 1.0)),
    "torch_rgb": Preprocessing("rgb", 1 / 255, _MEAN, _STD),
    "levels": Preprocessing("bgr"),  # networks that scale inside
    "levels_rgb": Preprocessing("rgb"),
    "detectron2": Preprocessing("bgr", 1.0, _MEAN_LEVELS[::-1]),
    "mmdetection": Preprocessing("rgb", 1.0, _MEAN_LEVELS, (58.395, 57.12, 57.375)),
}


def preprocessing_of(value):
    """Return the `Preprocessing` that `value` is, or that has this name or these fields.

    Args:
        value: a `Preprocessing`, a key of `PREPROCESSINGS`, or a dict of the fields.

    Raises:
        ValueError: there is none of that name.
    """
    if isinstance(value, Preprocessing):
        return value
    if isinstance(value, dict):
        return Preprocessing(**value)
    if value not in PREPROCESSINGS:
        known = ", ".join(PREPROCESSINGS)
        raise ValueError(f"unknown preprocessing mode {value!r}. Choose one of: {known}.")
    return PREPROCESSINGS[value]


def bits_of(dtype):
    """Return the bits of a picture's levels, by its dtype."""
    return 16 if np.dtype(dtype) == np.uint16 else 8


def for_channels(preprocessing, channels, bits=8):
    """Return `preprocessing` for pictures of `channels` of `bits`.

    Mean and deviation of channel i are those of channel i mod 3, blue first, since other than
    three channels keep the order of the file; one channel gets their averages.
    """
    base = preprocessing_of(preprocessing)
    if channels == base.channels:
        return replace(base, bits=bits)
    turned = -1 if base.order == "rgb" and base.channels == 3 else 1
    mean, std = np.asarray(base.mean)[::turned], np.asarray(base.std)[::turned]
    if channels == 1:
        mean, std = mean.mean(keepdims=True), std.mean(keepdims=True)
    taken = np.arange(channels) % len(mean)
    return Preprocessing("bgr", base.scale, tuple(mean[taken]), tuple(std[taken]), bits)


def normalised(images, preprocessing, order="bgr"):
    """Return float32 network input of levels [..., H, W, C], on the device.

    Args:
        images: levels of any number type, 0 to 255 or, as `preprocessing.bits` says, 65535.
        preprocessing: `Preprocessing`, or a name of one.
        order: of the channels of `images`.
    """
    preprocessing = preprocessing_of(preprocessing)
    scale, mean, std = (ops.convert_to_tensor(value) for value in preprocessing.constants())
    if order != preprocessing.order and preprocessing.channels == 3:
        images = ops.flip(images, axis=-1)
    return (ops.cast(images, "float32") * scale - mean) / std
