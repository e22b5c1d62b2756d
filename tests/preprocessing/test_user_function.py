"""A user's own augmentation: how it is called, and what of it is refused."""

import sys

import numpy as np
import pytest

from keras_retinanet.preprocessing.user_function import UserFunction, load_function
from keras_retinanet.utils.anchors import REGION

BOXES = np.array([[1.0, 2, 11, 12], [3, 4, 20, 18]])


def cut_left(image, boxes, labels):
    return image[:, 5:], boxes - [5, 0, 5, 0], labels


def shift(image, boxes, labels, rng):
    image[:] = rng.integers(256)  # in place: it is given a copy
    boxes += rng.integers(1, 4)
    return image, boxes, labels


def test_the_function_comes_last_and_its_boxes_are_clipped(old_style):
    generator = old_style([(20, 30)], [BOXES], augment=cut_left)
    image, truth = generator.raw_batch(0)
    np.testing.assert_array_equal(image[0], generator.images[0][:, 5:])
    assert truth["boxes"][0, :2].tolist() == [[0, 2, 6, 12], [0, 4, 15, 18]]
    assert truth["sizes"].tolist() == [[20, 25]]


def test_a_function_with_rng_is_repeatable_and_leaves_the_dataset_alone(old_style):
    first, again, other = (
        old_style([(20, 30)], [BOXES.copy()], augment=shift, seed=seed) for seed in (1, 1, 2)
    )
    before = first.images[0].copy()
    for epoch in (0, 1):
        for one, two in zip(first.raw_batch(0, epoch), again.raw_batch(0, epoch), strict=True):
            np.testing.assert_equal(one, two)
    assert not np.array_equal(first.raw_batch(0)[0], other.raw_batch(0)[0])
    assert not np.array_equal(first.raw_batch(0)[0], first.raw_batch(0, 1)[0])
    np.testing.assert_array_equal(first.images[0], before)
    np.testing.assert_array_equal(first.boxes[0], BOXES)


def test_all_boxes_may_go_and_keys_with_a_row_a_box_go_with_them():
    image = np.zeros((20, 30, 3), np.uint8)
    rows = {"bboxes": BOXES, "labels": np.array([0, REGION]), "area": np.ones(2), "id": 5}
    none = UserFunction(lambda image, boxes, labels: (image, [], []))
    _, own = none(image, rows, None, 3, "a.png")
    assert own.keys() == {"bboxes", "labels", "id"}
    assert own["bboxes"].shape == (0, 4) and own["labels"].shape == (0,)
    _, own = UserFunction(lambda *three: three)(image, rows, None, 3, "a.png")
    assert own["labels"].tolist() == [0, REGION]


IMAGE = np.zeros((20, 30, 3), np.uint8)
BAD = {
    "nothing": (None, r"it must return \(image, boxes, labels\). Received: NoneType"),
    "two": ((IMAGE, BOXES), r"it must return \(image, boxes, labels\). Received: tuple"),
    "a list for a picture": (
        ([1], BOXES, [0, 1]),
        r"the image must be \[H, W, 3\] uint8. Received: list",
    ),
    "grey": ((IMAGE[..., 0], BOXES, [0, 1]), r"Received: shape \[20, 30\], uint8"),
    "floats": ((IMAGE / 255, BOXES, [0, 1]), r"Received: shape \[20, 30, 3\], float64"),
    "no rows": ((IMAGE[:0], BOXES, [0, 1]), r"Received: shape \[0, 30, 3\], uint8"),
    "five columns": ((IMAGE, np.zeros((2, 5)), [0, 1]), r"boxes must be \[M, 4\]"),
    "ragged": ((IMAGE, [[1, 2, 3, 4], [1]], [0, 1]), "rows of different lengths"),
    "a label short": ((IMAGE, BOXES, [0]), r"labels must be \[2\], one a box. Received: shape"),
    "text": ((IMAGE, BOXES.astype(str), [0, 1]), "boxes must be numbers. Received: <U"),
    "nan": ((IMAGE, [[1, 2, np.nan, 4], BOXES[1]], [0, 1]), r"box 0 is not finite; give x1"),
    "x, y, w, h": ((IMAGE, [BOXES[0], [15, 10, 5, 5]], [0, 1]), "box 1 has no area; give x1"),
    "half labels": ((IMAGE, BOXES, [0, 0.5]), r"labels must be whole numbers"),
    "unknown class": ((IMAGE, BOXES, [0, 3]), r"labels must be 0 to 2, or -2 to ignore. R.*: 3"),
    "padding": ((IMAGE, BOXES, [0, -1]), r"labels must be 0 to 2, or -2 to ignore. R.*: -1"),
}


@pytest.mark.parametrize(("result", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_refused_in_one_line(result, message):
    def changed(image, boxes, labels):
        return result

    with pytest.raises(ValueError, match=f"changed, on a.png: .*{message}") as caught:
        UserFunction(changed)(IMAGE, {"bboxes": BOXES, "labels": [0, 1]}, None, 3, "a.png")
    assert "\n" not in str(caught.value)


def test_the_picture_is_named(old_style):
    generator = old_style([(20, 30)], [BOXES], augment=lambda *three: three[:2])
    with pytest.raises(ValueError, match="<lambda>, on picture 0: it must return"):
        generator.raw_batch(0)


def test_what_is_no_function_is_refused(old_style):
    with pytest.raises(ValueError, match="augment must be a function. Received: 'blur'"):
        old_style([(20, 30)], augment="blur")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make own_changes.py in the working folder, which is not on the path."""
    (tmp_path / "own_changes.py").write_text(
        "class Changes:\n    @staticmethod\n    def blur(*three):\n        return three\n"
        "number = 3\n"
    )
    (tmp_path / "needs_more.py").write_text("import not_installed_here\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_changes", None)


def test_a_function_is_found_in_the_working_folder_and_the_path_stays(module):
    before = list(sys.path)
    assert load_function("own_changes:Changes.blur")(1, 2, 3) == (1, 2, 3)
    assert load_function("numpy.linalg:norm") is np.linalg.norm
    assert sys.path == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere_at_all:blur", "nowhere_at_all:blur: there is no module nowhere_at_all; it is"),
        ("numpy.nowhere:blur", "there is no module numpy.nowhere"),
        ("own_changes:sharpen", "own_changes:sharpen: own_changes has no function sharpen"),
        ("own_changes:number", "own_changes has no function number"),
    ],
    ids=["module", "submodule", "function", "not callable"],
)
def test_a_path_that_leads_nowhere_is_refused(module, path, message):
    with pytest.raises(ValueError, match=message):
        load_function(path)


def test_what_the_users_module_lacks_itself_stays_an_import_error(module):
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        load_function("needs_more:blur")
