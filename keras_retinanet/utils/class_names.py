"""Class names that mean the same: COCO's, Pascal VOC's, Open Images', KITTI's and a user's own.

Case, spaces, underscores and hyphens do not count: "Traffic light" is "traffic_light".
"""

import re

# True synonyms only: a pedestrian is a person, but not every person is a pedestrian.
SYNONYMS = (
    ("airplane", "aeroplane", "plane"),
    ("bicycle", "pushbike"),
    ("motorcycle", "motorbike"),
    ("car", "automobile"),
    ("truck", "lorry"),
    ("couch", "sofa"),
    ("tv", "tv monitor", "tvmonitor", "television", "television set"),
    ("dining table", "diningtable"),
    ("potted plant", "pottedplant"),
    ("cell phone", "mobile phone", "cellular phone"),
    ("traffic light", "traffic signal", "stoplight"),
    ("fire hydrant", "hydrant"),
    ("frisbee", "flying disc"),
    ("donut", "doughnut"),
    ("hair drier", "hair dryer", "hairdryer", "blow dryer"),
    ("keyboard", "computer keyboard"),
    ("mouse", "computer mouse"),
    ("laptop", "laptop computer", "notebook computer"),
    ("microwave", "microwave oven"),
    ("refrigerator", "fridge"),
    ("remote", "remote control"),
    ("skis", "ski"),
    ("cow", "cattle"),
    ("teddy bear", "teddy"),
    ("necktie", "tie"),
    ("license plate", "licence plate", "number plate", "vehicle registration plate"),
)


def _plain(name):
    return re.sub(r"[\s_-]+", "", str(name)).casefold()


_FIRST = {_plain(name): _plain(names[0]) for names in SYNONYMS for name in names}


def canonical(name):
    """Return one spelling for all names that mean the same as `name`."""
    plain = _plain(name)
    return _FIRST.get(plain, plain)


def known_classes(names, known):
    """Return, for each of `names`, the index of the same class in `known`, or None.

    A name that is spelt alike goes before one that only means the same; "" is no name.
    """
    exact, meant = {}, {}
    for index, name in enumerate(known):
        if name:
            exact.setdefault(name, index)
            meant.setdefault(canonical(name), index)
    return [exact.get(name, meant.get(canonical(name))) if name else None for name in names]
