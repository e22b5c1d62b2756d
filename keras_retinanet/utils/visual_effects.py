"""Random changes of colour, on uint8 pictures, blue first; contrast and brightness on others, too.

Each pixel's new level depends on its old level alone, so a change is a table of 256 entries per
channel, and several changes are one table. Decimals are cut off, as in keras-retinanet 1.0.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from keras_retinanet.utils.transform import DEFAULT_PRNG

_LEVELS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)  # [256, channels]
_HUES = 180  # OpenCV's uint8 hue is degrees / 2
_SLACK = 1e-6  # levels; keeps float noise (99.9999999) from costing a whole level


def _cut(values, top=255, dtype=np.uint8):
    """Return levels of 0 to `top`. (`float()` below: uint8 plus a Python integer would wrap.)"""
    return np.clip(np.floor(values + _SLACK), 0, top).astype(dtype)


def _contrast(values, factor, mean):
    return _cut((values - mean) * factor + mean)


def _brightness(values, delta):
    return _cut(values + float(delta) * 255)


def _hue(values, delta):
    return np.mod(np.floor(values + (float(delta) * _HUES + _SLACK)), _HUES).astype(np.uint8)


def _saturation(values, factor):
    return _cut(values * float(factor))


def _mean(image):
    """Return the mean level of each channel, [channels] float64."""
    return np.array(cv2.mean(image)[: 1 if image.ndim == 2 else image.shape[2]])


def _per_level(image, change):
    """Return change(image), through a table where the picture is uint8."""
    if image.dtype != np.uint8:
        return change(image)
    channels = 1 if image.ndim == 2 else image.shape[2]
    return cv2.LUT(image, change(_LEVELS[:, :channels])[None])


def _per_channel_level(image, channel, change):
    """Return a copy of `image` with change(level) in one channel."""
    return _per_level(image, lambda values: _replaced(values, channel, change))


def _replaced(values, channel, change):
    values = values.copy()
    values[..., channel] = change(values[..., channel])
    return values


def adjust_contrast(image, factor):
    """Return a picture whose levels are `factor` times as far from their channel's mean."""
    mean = _mean(image)
    return _per_level(image, lambda values: _contrast(values, factor, mean))


def adjust_brightness(image, delta):
    """Return a picture lighter by `delta`, a share of full brightness (255)."""
    return _per_level(image, lambda values: _brightness(values, delta))


def adjust_hue(image, delta):
    """Return an HSV picture (OpenCV's uint8 levels) turned by `delta` of a full turn."""
    return _per_channel_level(image, 0, lambda values: _hue(values, delta))


def adjust_saturation(image, factor):
    """Return an HSV picture with `factor` times the saturation."""
    return _per_channel_level(image, 1, lambda values: _saturation(values, factor))


@dataclass
class VisualEffect:
    """A change of colour, to be called on pictures. Parts that are None or 0 are skipped.

    Attributes:
        contrast_factor: distance of levels from their channel's mean.
        brightness_delta: shift, share of full brightness.
        hue_delta: turn, share of a full turn.
        saturation_factor: factor on the saturation.
    """

    contrast_factor: float | None
    brightness_delta: float | None
    hue_delta: float | None
    saturation_factor: float | None

    def __call__(self, image):
        """Return the changed picture [H, W, C]; the argument stays as it is.

        Only uint8 [H, W, 3] has a hue and a saturation to change. Floats become uint8.
        """
        image = image if image.dtype in (np.uint8, np.uint16) else _cut(image)
        if image.dtype == np.uint16 or image.shape[2:] != (3,):
            return self._on_any_channels(image)
        changed = None
        if self.contrast_factor or self.brightness_delta:
            image = changed = cv2.LUT(image, self._bgr_table(image)[None])
        if self.hue_delta or self.saturation_factor:
            # our own buffers are written again: fresh memory costs up to 0.4 ms for 640 x 480
            hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
            for channel, table in self._hsv_tables():
                # plane by plane: a table for each channel of a pixel is 1.5 times slower
                cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
            image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR, dst=changed)
        return image

    def _on_any_channels(self, image):
        """Return the picture with its contrast and brightness changed, channel by channel."""
        if not (self.contrast_factor or self.brightness_delta):
            return image
        top = full_brightness(image)
        levels = np.arange(top + 1, dtype=np.float64)
        changed = np.empty_like(image)
        for channel in range(image.shape[2]):
            values, plane = levels, image[..., channel]
            if self.contrast_factor:
                values = (values - plane.mean()) * self.contrast_factor + plane.mean()
            values = values + float(self.brightness_delta or 0) * top
            changed[..., channel] = _cut(values, top, image.dtype)[plane]
        return changed

    def _bgr_table(self, image):
        table = _LEVELS
        if self.contrast_factor:
            table = _contrast(table, self.contrast_factor, _mean(image))
        if self.brightness_delta:
            table = _brightness(table, self.brightness_delta)
        return table

    def _hsv_tables(self):
        """Return [(channel, table [256]), …] of the channels that change."""
        levels, tables = _LEVELS[:, 0], []
        if self.hue_delta:
            tables.append((0, _hue(levels, self.hue_delta)))
        if self.saturation_factor:
            tables.append((1, _saturation(levels, self.saturation_factor)))
        return tables


def full_brightness(image):
    """Return the highest level a picture can have: 255, or of 16 bits 2^b - 1.

    b are the bits that its own levels need, 8 at least: cameras of 10 or 12 bits write files of
    16, and a tenth of 65,535 would be all of their range.
    """
    if image.dtype == np.uint8:
        return 255
    return 2 ** max(8, int(image.max(initial=0)).bit_length()) - 1


def random_visual_effect_generator(
    contrast_range=(0.9, 1.1),
    brightness_range=(-0.1, 0.1),
    hue_range=(-0.05, 0.05),
    saturation_range=(0.95, 1.05),
    prng=None,
):
    """Return an endless iterator of `VisualEffect`s, each part drawn evenly from its range.

    Args:
        contrast_range, saturation_range: (smallest, largest) factor, 0 or more.
        brightness_range, hue_range: (smallest, largest) share, -1 to 1.
        prng: anything with NumPy's `uniform`; NumPy's global state if None.

    Raises:
        ValueError: a range is upside down or reaches too far.
    """
    ranges = (
        _checked("contrast_range", contrast_range, 0, np.inf),
        _checked("brightness_range", brightness_range, -1, 1),
        _checked("hue_range", hue_range, -1, 1),
        _checked("saturation_range", saturation_range, 0, np.inf),
    )
    prng = DEFAULT_PRNG if prng is None else prng

    def draw():
        while True:
            yield VisualEffect(*[prng.uniform(low, high) for low, high in ranges])

    return draw()


def _checked(name, values, lowest, highest):
    if len(values) != 2 or not lowest <= values[0] <= values[1] <= highest:
        raise ValueError(
            f"{name} must be (smallest, largest) within {lowest} and {highest}. Received: {values}"
        )
    return values
