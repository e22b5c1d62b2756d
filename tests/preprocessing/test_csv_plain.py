"""The fast way through CSV annotations finds what the slow way finds, to the last bit."""

import struct
import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_retinanet.preprocessing import csv_reader, csv_text
from keras_retinanet.preprocessing.csv_plain import class_table, plain_rows
from keras_retinanet.preprocessing.samples import (
    AnnotationError,
    AnnotationWarning,
    LeftOut,
    Samples,
)

CLASSES = {"cat": 0, "dog": 3, "käfer": 7, "a long name of a class": 9}
COLUMNS = range(6)


def outcome(path):
    """Return all that `read_samples` says of a file, comparable to the last bit."""
    sizes = []
    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always")
        try:
            samples = csv_reader.read_samples(path, CLASSES, sizes=sizes)
        except AnnotationError as error:
            return str(error)
    columns = [samples.pictures, samples.boxes, samples.labels]
    kinds = [(column.dtype.str, column.shape, column.tobytes()) for column in columns]
    stated = [size.tolist() for size in sizes]
    return samples.paths, stated, kinds, [str(notice.message) for notice in notices]


@pytest.fixture(scope="module")
def both_ways(tmp_path_factory):
    """Return f(bytes) -> (fast outcome in pieces of a few bytes, slow outcome)."""
    path = tmp_path_factory.mktemp("csv") / "rows.csv"

    def read(content, piece=40, small=20):
        path.write_bytes(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_reader, "PIECE", piece)
            patch.setattr(csv_text, "PIECE", piece)
            patch.setattr(csv_reader, "SMALL_PIECE", small)
            fast = outcome(path)
            patch.setattr(csv_reader, "plain_rows", lambda *args: None)
            patch.setattr(csv_reader, "SMALL_PIECE", 1 << 30)
            patch.setattr(csv_reader, "PIECE", 1 << 30)
            return fast, outcome(path)

    return read


numbers = st.one_of(
    st.integers(-99, 9999).map(str),
    st.floats(-1e4, 1e4).map(repr),
    st.decimals(-9999, 9999, places=3, allow_nan=False).map(str),
    st.sampled_from(["1e2", "+3", "-0", "-0.0", ".5", "5.", "0" * 20 + "7", "3" * 17, "1e999"]),
    st.sampled_from(["", "nan", "1_0", "٣", "1.2.3", "-", ".", "1 2", "\u00a04", "0x1", "--1"]),
)
small = st.integers(0, 40).map(lambda value: f"{value / 4:g}")
large = st.integers(50, 4000).map(lambda value: f"{value / 4:g}")
paths = st.sampled_from(["a.jpg", "b/a.jpg", "bü.jpg", "a.jpg\u00a0", "c d.png", "", "日本.jpg"])
names = st.sampled_from([*CLASSES, "cat\u2003", "Cat", "", "x1"])
blanks = st.sampled_from(["", "", "", " ", "\t", "  ", "\x0b", "\xa0"])
good = st.tuples(paths.filter(bool), small, small, large, large, st.sampled_from(list(CLASSES)))
odd = st.tuples(paths, numbers, numbers, numbers, numbers, names)
empty = paths.map(lambda path: (path, "", "", "", "", ""))
rows = st.one_of(good, good, good, odd, empty).flatmap(
    lambda fields: st.tuples(*[st.tuples(blanks, st.just(field)) for field in fields])
)
good_lines = good.map(",".join)
lines = st.one_of(
    good_lines,
    rows.map(lambda row: ",".join(blank + field for blank, field in row)),
    st.sampled_from(
        ["", ",,,,,", " ", '"a.jpg",1,2,3,4,cat', "a.jpg,1,2", "a.jpg,1,2,3,4,cat,0.9"]
    ),
    st.text(max_size=8),
)
headers = st.sampled_from(["", "", "path,x1,y1,x2,y2,class\n", "class,xmin,ymin,xmax,ymax,image\n"])
texts = st.tuples(
    st.sampled_from(["", "", "\ufeff"]),
    headers,
    st.one_of(
        st.lists(good_lines, min_size=2, max_size=12),
        st.lists(lines, max_size=9),
        st.tuples(st.lists(good_lines, min_size=3, max_size=6), lines).map(lambda t: [*t[0], t[1]]),
    ),
    st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    st.booleans(),
).map(lambda t: t[0] + t[1] + t[3].join(t[2]) + t[3] * t[4])


@settings(max_examples=1000, deadline=None)
@given(text=texts)
@example(text="")
def test_the_fast_way_says_what_the_slow_way_says(both_ways, text):
    fast, slow = both_ways(text.encode("utf-8", "surrogatepass"))
    assert fast == slow


sides = st.sampled_from(["640", "480", " 640", "", "0", "wide", "-3", "1e2", "123456789", "٣"])
sized = st.tuples(good, sides, sides).map(lambda t: ",".join((*t[0][:1], *t[1:], *t[0][1:])))
HEADER_WITH_SIZES = "path,width,height,x1,y1,x2,y2,class\n"


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(sized, min_size=2, max_size=12))
def test_both_ways_find_the_same_sizes_of_pictures(both_ways, rows):
    fast, slow = both_ways((HEADER_WITH_SIZES + "\n".join(rows)).encode())
    assert fast == slow
    assert isinstance(fast, str) or len(fast[1][0]) == len(fast[0])


@settings(max_examples=200, deadline=None)
@given(start=st.lists(good.map(",".join), min_size=1, max_size=3), end=st.binary(max_size=30))
def test_any_bytes_after_good_rows_are_judged_alike(both_ways, start, end):
    fast, slow = both_ways("\n".join(start).encode() + b"\n" + end)
    assert fast == slow


@settings(max_examples=500, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9).flatmap(lambda x: st.sampled_from([repr(x), f"{x:.3f}"]))))
def test_numbers_are_those_of_float_to_the_last_bit(fields):
    rows = "".join(f"a,{field},-2e9,2e9,2e9,cat\n" for field in fields)
    found = plain_rows(rows.encode(), COLUMNS, class_table(CLASSES), 2e9)
    values = [] if found is None else found.boxes[:, 0].tolist()
    assert [struct.pack("d", v) for v in values] == [struct.pack("d", float(f)) for f in fields]


PLAIN = {
    "rows": b"a.jpg,1,2,3,4,cat\nb.jpg,1.5,-2,3e1,4.25,dog\n",
    "no line end": b"a.jpg,1,2,3,4,cat",
    "windows line ends and blank lines": b"a.jpg,1,2,3,4,cat\r\n\r\nb.jpg,1,2,3,4,dog\r\n",
    "spaces": b" a.jpg ,\t1, 2,3 ,4, cat \n",
    "picture without objects": b"a.jpg,,,,,\nb.jpg,1,2,3,4,cat\n",
    "only pictures without objects": b"a.jpg,,,,,\n",
    "extra columns": b"a.jpg,1,2,3,4,cat,,9\nb.jpg,1,2,3,4,cat,8,\n",
    "more letters than ASCII": "ü.jpg,1,2,3,4,käfer\n".encode(),
}


@pytest.mark.parametrize("chunk", PLAIN.values(), ids=PLAIN)
def test_these_go_the_fast_way(chunk, both_ways):
    found = plain_rows(chunk, COLUMNS, class_table(CLASSES), 1e9)
    assert found.lines == chunk.count(b"\n")
    fast, slow = both_ways(b"first.jpg,1,2,3,4,cat\n" + chunk, piece=4096, small=1)
    assert fast == slow
    assert not isinstance(fast, str)


NOT_PLAIN = {
    "quotes": b'"a.jpg",1,2,3,4,cat\n',
    "old mac line ends": b"a.jpg,1,2,3,4,cat\rb.jpg,1,2,3,4,cat\n",
    "uneven rows": b"a.jpg,1,2,3,4,cat\nb.jpg,1,2,3,4,cat,5\n",
    "short": b"a.jpg,1,2,3,cat\n",
    "no path": b",1,2,3,4,cat\n",
    "no class": b"a.jpg,1,2,3,4,\n",
    "unknown class": b"a.jpg,1,2,3,4,cow\n",
    "not a number": b"a.jpg,1,two,3,4,cat\n",
    "nan": b"a.jpg,1,nan,3,4,cat\n",
    "too large": b"a.jpg,1,2,3,1e10,cat\n",
    "flat": b"a.jpg,1,2,1,4,cat\n",
    "control character": b"a\x1c.jpg,1,2,3,4,cat\n",
    "a name that would be stripped": "\u00a0a.jpg,1,2,3,4,cat\n".encode(),
    "blank": b"\n",
    "nothing": b"",
}


@pytest.mark.parametrize("chunk", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_these_are_left_to_the_slow_way(chunk):
    assert plain_rows(chunk, COLUMNS, class_table(CLASSES), 1e9) is None


def test_no_classes_and_stripped_class_names_match_nothing():
    row = b"a.jpg,1,2,3,4, cat\n"
    assert plain_rows(row, COLUMNS, class_table({}), 1e9) is None
    assert plain_rows(row, COLUMNS, class_table({" cat": 1}), 1e9) is None


def test_a_fault_far_down_is_told_with_its_line(tmp_path):
    rows = [f"{place // 3}.jpg,1,2,{3 + place},4,cat" for place in range(30_000)]
    rows[27_000] = "9000.jpg,1,2,x,4,cat"
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    with pytest.raises(AnnotationError, match="rows.csv, line 27001: malformed x2: 'x'"):
        csv_reader.read_samples(tmp_path / "rows.csv", CLASSES)


def test_quotes_from_some_line_on_are_read(tmp_path):
    rows = [f"{place}.jpg,1,2,3,4,cat" for place in range(5_000)]
    rows[4_000] = '"4,000.jpg",1,2,3,4,dog'
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    samples = csv_reader.read_samples(tmp_path / "rows.csv", CLASSES)
    assert samples.paths[3_999:4_002] == ("3999.jpg", "4,000.jpg", "4001.jpg")
    assert np.flatnonzero(samples.labels).tolist() == [4_000]


def every_row_compared(samples):
    """Slow reference of Samples.without_duplicates."""
    seen, kept = set(), []
    for row in zip(
        samples.pictures.tolist(), map(tuple, samples.boxes.tolist()), samples.labels, strict=True
    ):
        kept.append(row not in seen)
        seen.add(row)
    return kept


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, -0.0, 1.5]), st.booleans())))
def test_repeated_rows_are_those_of_a_slow_comparison(rows):
    pictures, lows, labels = ([row[place] for row in rows] for place in range(3))
    boxes = [(low, 0.0, 2.0, 3.0) for low in lows]
    samples = Samples.from_rows("abc", pictures, boxes, labels)
    kept = every_row_compared(samples)
    found, dropped = samples.without_duplicates()
    assert dropped == kept.count(False)
    np.testing.assert_array_equal(found.boxes, samples.boxes[kept])
    np.testing.assert_array_equal(found.pictures, samples.pictures[kept])
    np.testing.assert_array_equal(found.labels, samples.labels[kept])


def test_notices_of_a_header_and_repeats_are_given(tmp_path):
    rows = ["image,xmin,ymin,xmax,ymax,label"] + ["a.jpg,1,2,3,4,cat"] * 3_000
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    with pytest.warns(AnnotationWarning) as notices:
        csv_reader.read_samples(tmp_path / "rows.csv", CLASSES)
    assert [str(n.message).split("rows.csv: ")[1] for n in notices] == [
        "line 1: a header was found; the columns are taken by their names",
        "2999 duplicate rows are left out",
    ]


def test_flat_boxes_repeats_and_unknown_names_are_handed_out_to_who_asks(tmp_path):
    rows = [f"{place // 3}.jpg,1,2,{3 + place},4,cat" for place in range(3_000)]
    rows[2_000] = "666.jpg,1,2,1,4,dog"
    rows[2_500] = rows[2_499]
    rows[2_800] = "933.jpg,1,2,9,4,cow"
    left_out = LeftOut()
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    samples = csv_reader.read_samples(tmp_path / "rows.csv", CLASSES, left_out)
    assert len(samples.labels) == 2_997
    assert left_out.flat == [(666, (1, 2, 1, 4), 3, "line 2001")]
    assert left_out.unknown.found == {"cow": [1, "line 2801"]}
    repeated = left_out.repeated
    assert repeated.pictures.tolist() == [833]
    assert repeated.boxes.tolist() == [[1, 2, 2502, 4]]
