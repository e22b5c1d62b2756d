"""Names of classes that mean the same."""

import pytest

from keras_retinanet.preprocessing.pascal_voc import voc_classes
from keras_retinanet.utils.class_names import SYNONYMS, canonical, known_classes

COCO_OF_VOC = {
    "aeroplane": "airplane",
    "motorbike": "motorcycle",
    "sofa": "couch",
    "tvmonitor": "tv",
    "diningtable": "dining table",
    "pottedplant": "potted plant",
}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Traffic light", "traffic_light", id="case and underscore"),
        pytest.param("hot-dog", "Hot Dog", id="hyphen"),
        pytest.param("motorbike", "Motorcycle", id="synonym"),
        pytest.param("Mobile_phone", "cell phone", id="synonym, spelt otherwise"),
        pytest.param("Television", "tvmonitor", id="neither is the first of its row"),
        pytest.param("Straße", "STRASSE", id="other scripts"),
    ],
)
def test_names_that_mean_the_same_have_one_spelling(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pedestrian", "person"),
        ("van", "car"),
        ("tram", "train"),
        ("bus", "truck"),
        ("bed", "be d?"),
    ],
)
def test_names_that_mean_something_else_stay_apart(one, other):
    assert canonical(one) != canonical(other)


def test_no_name_has_two_meanings():
    spellings = [canonical(names[0]) for names in SYNONYMS]
    assert len(set(spellings)) == len(spellings)
    assert all(canonical(name) == canonical(names[0]) for names in SYNONYMS for name in names)


@pytest.mark.parametrize("name", voc_classes)
def test_every_class_of_voc_is_one_of_coco(name):
    coco = ["person", "bird", "cat", "cow", "dog", "horse", "sheep", "bicycle", "boat", "bus"]
    coco += ["car", "train", "bottle", "chair", *COCO_OF_VOC.values()]
    assert known_classes([name], coco) == [coco.index(COCO_OF_VOC.get(name, name))]


@pytest.mark.parametrize(
    ("names", "known", "expected"),
    [
        pytest.param([], ["a"], [], id="none"),
        pytest.param(["a", "b"], [], [None, None], id="nothing known"),
        pytest.param(["", "a"], ["", "a"], [None, 1], id="no name is no class"),
        pytest.param(["dog", "Cat"], ["cat", "CAT", "dog"], [2, 0], id="the first of equals"),
        pytest.param(["CAT"], ["cat", "CAT"], [1], id="the same spelling first"),
        pytest.param(["car", "automobile"], ["Car"], [0, 0], id="two of one"),
    ],
)
def test_known_classes_are_found(names, known, expected):
    assert known_classes(names, known) == expected
