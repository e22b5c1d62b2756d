"""The fast way through COCO files finds what Python's `json` finds, to the last bit."""

import json
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_retinanet.preprocessing import coco_file, coco_stream
from keras_retinanet.preprocessing.samples import AnnotationError

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 1, "name": "dög", "keypoints": ["}, {", "\\"]}]


def outcome(path):
    """Return all that `read_coco_file` says of a file, comparable to the last bit."""
    try:
        found = coco_file.read_coco_file(path, path.parent)
    except AnnotationError as error:
        return str(error)
    values = [getattr(found, field.name) for field in fields(found)]
    return [
        (v.dtype.str, v.shape, v.tobytes()) if isinstance(v, np.ndarray) else repr(v)
        for v in values
    ]


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    """Return f(bytes) -> (outcome of the fast way in pieces of a few bytes, of the slow way)."""
    path = tmp_path_factory.mktemp("coco") / "instances.json"

    def read(content):
        path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(coco_stream, "PIECE", 30)
            fast = outcome(path)
            patch.setattr(coco_file, "stream", lambda content: None)
            return fast, outcome(path)

    return read


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=6), st.just("}, {")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
number = st.one_of(
    st.floats(-1e4, 1e4),
    st.integers(-9, 999),
    st.floats(0, 1e9),
    st.sampled_from([2**53 + 1, 10**18, 1e-320, 0.1 + 0.2, -0.0]),
)
good = st.fixed_dictionaries(
    {
        "image_id": st.sampled_from([7, 7, "b", 9, 100]),
        "category_id": st.sampled_from([3, 1]),
        "bbox": st.lists(number.filter(lambda x: abs(x) <= 1e9), min_size=4, max_size=4),
    },
    optional={
        "id": st.integers(),
        "area": st.one_of(st.none(), st.floats(0, 1e6), st.integers(0, 99)),
        "iscrowd": st.sampled_from([0, 1, True, False, 1.0, None, "1"]),
        "segmentation": st.one_of(
            st.lists(st.lists(number, max_size=6), max_size=2),
            st.fixed_dictionaries({"counts": st.text(max_size=9), "size": st.just([4, 5])}),
        ),
        "attributes": anything,
        "parts": st.lists(st.dictionaries(st.sampled_from("ab"), number, max_size=2), max_size=3),
    },
)
bad = st.tuples(
    good, st.sampled_from(["image_id", "category_id", "bbox", "area", "iscrowd", "id"]), anything
).map(lambda t: {**t[0], t[1]: t[2]})
image = st.fixed_dictionaries(
    {"id": st.integers(10, 12), "file_name": st.sampled_from(["a.png", "b.png", "../a", "", None])},
    optional={"height": st.one_of(anything, number), "width": number},
)
IMAGES = [{"id": 7, "file_name": "a/ä.png"}, {"id": "b", "file_name": "b.png", "width": 4}, {
    "id": 9, "file_name": "c.png", "file_name ": 3}]  # fmt: skip
contents = st.fixed_dictionaries(
    {
        "images": st.one_of(st.just(IMAGES), st.lists(image, max_size=2).map(IMAGES.__add__)),
        "categories": st.one_of(st.just(CATEGORIES), st.just(CATEGORIES), anything),
        "annotations": st.one_of(
            st.lists(good, max_size=5),
            st.lists(good, min_size=2, max_size=5),
            st.lists(st.one_of(good, bad), max_size=4),
            anything,
        ),
    },
    optional={"info": anything},
)


@settings(max_examples=700, deadline=None)
@given(content=contents, indent=st.sampled_from([None, None, 1]), ascii_only=st.booleans())
def test_the_fast_way_says_what_json_says(both_ways, content, indent, ascii_only):
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    fast, slow = both_ways(text.encode("utf-8", "surrogatepass"))
    assert fast == slow


TEXT = json.dumps(
    {
        "images": IMAGES,
        "categories": CATEGORIES,
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3.5, 4], "note": "}, {"},
            {"image_id": "b", "category_id": 1, "bbox": [1, 2, 3.25, 4], "iscrowd": 1},
        ],
    },
    ensure_ascii=False,
).encode()


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(TEXT)),
    drop=st.integers(0, 9),
    put=st.one_of(st.binary(max_size=4), st.sampled_from([b"\xff", b"NaN", b"}, {", b"1e999"])),
)
def test_a_damaged_file_is_judged_alike(both_ways, at, drop, put):
    fast, slow = both_ways(TEXT[:at] + put + TEXT[at + drop :])
    assert fast == slow


def test_sound_files_go_the_fast_way_and_cuts_in_strings_are_seen(monkeypatch):
    for piece in range(1, len(TEXT)):
        monkeypatch.setattr(coco_stream, "PIECE", piece)
        found = coco_stream.stream(TEXT)
        assert found.images == [(7, "a/ä.png", 0, 0), ("b", "b.png", 0, 4), (9, "c.png", 0, 0)]
        assert found.categories == CATEGORIES
        assert found.pictures.tolist() == [0, 1]
        assert found.category_ids.tolist() == [3, 1]
        assert found.values.tolist() == [[1, 2, 3.5, 4, 14], [1, 2, 3.25, 4, 13]]
        assert found.crowd.tolist() == [False, True]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        TEXT[:-1],
        TEXT + b"x",
        TEXT.replace(b'"b.png"', b'"\xff.png"'),
        TEXT.replace(b'}, {"}', b'\xff"}'),
        TEXT.replace(b"3.5", b"NaN"),
        TEXT.replace(b"3.5", b"[" * 99_999),
    ],
    ids=["empty", "list", "cut", "more", "name", "string passed over", "nan", "deep"],
)
def test_files_with_a_fault_are_left_to_json(content):
    assert coco_stream.stream(content) is None


def test_masks_are_never_objects(tmp_path, monkeypatch):
    """A file whose masks are 50 times its boxes is read in less memory than its text takes."""
    import tracemalloc

    mask = "[[" + ", ".join(["123.25"] * 500) + "]]"
    entry = f'{{"segmentation": {mask}, "image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}}'
    text = (
        '{"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 2, "name": "cat"}],'
        f' "annotations": [{", ".join([entry] * 2_000)}]}}'
    )
    (tmp_path / "instances.json").write_text(text)
    monkeypatch.setattr(coco_stream, "PIECE", 1 << 16)
    tracemalloc.start()
    found = coco_file.read_coco_file(tmp_path / "instances.json", tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.boxes) == 2_000
    assert peak < 1.2 * len(text)  # the text itself is held while it is read


def test_stated_sizes_are_read_where_they_can_be_sizes(tmp_path):
    sides = [(40, 60), (40.0, 7), (None, "7"), (-3, True), (float(10**12), 0)]
    images = [
        {"id": number, "file_name": "a.png", "height": height, "width": width}
        for number, (height, width) in enumerate(sides)
    ]
    content = {"images": images, "categories": CATEGORIES, "annotations": []}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    found = coco_file.read_coco_file(tmp_path / "instances.json", tmp_path)
    assert found.sizes.tolist() == [[40, 60], [40, 7], [0, 0], [0, 0], [0, 0]]
