"""One fixed colour for each of the first 80 labels, as many as COCO has classes.

The rule: 16 hues in five tones. Labels walk through the hues in steps of 5/16 of the circle, so
that neighbours differ widely, and begin with the strongest tone. Any two colours lie at least 10
apart in CIE Lab, where 2.3 is just noticeable.
"""

import colorsys
import functools
import warnings

_HUES = 16
_STEP = 5  # has no divisor in common with the hues, so each comes once a round
_TONES = ((1.0, 1.0), (0.5, 1.0), (0.6, 0.55), (0.35, 0.95), (0.55, 0.8))  # (saturation, value)


def _color(label):
    hue = label * _STEP % _HUES / _HUES
    return [round(255 * level) for level in colorsys.hsv_to_rgb(hue, *_TONES[label // _HUES])]


colors = [_color(label) for label in range(_HUES * len(_TONES))]


def label_color(label):
    """Return the colour of a label, three levels 0 to 255; green beyond 80, with one warning."""
    label = int(label)
    if 0 <= label < len(colors):
        return tuple(colors[label])
    _warn_once()
    return (0, 255, 0)


@functools.cache
def _warn_once():
    warnings.warn(
        f"only labels 0 to {len(colors) - 1} have a colour of their own; others are shown green",
        stacklevel=3,
    )
