"""What the words of a command line mean as inputs, and what names their results have."""

import pytest

from keras_retinanet.predict.sources import find_sources


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the current folder, with empty files of each kind in it."""
    for name in ("a.jpg", "b.PNG", "clip.mp4", "notes.md", ".hidden.jpg", "sub/a.jpg", "sub/c.tif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "list.txt").write_text("# good ones\nsub/c.tif\n\ngone.jpg\nclip.mp4\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = {
    "a picture": (["a.jpg"], [("a.jpg", "a")]),
    "a file of unknown kind": (["notes.md"], [("notes.md", "notes")]),
    "a folder": (["sub"], [("sub/a.jpg", "a"), ("sub/c.tif", "c")]),
    "a folder with a video": (
        ["."],
        [("a.jpg", "a"), ("b.PNG", "b"), ("clip.mp4", "clip")],
    ),
    "a glob": (["*/*.jpg"], [("sub/a.jpg", "a")]),
    "a deep glob": (["**/*.jpg"], [("a.jpg", "a"), ("sub/a.jpg", "a-2")]),
    "a list": (["list.txt"], [("sub/c.tif", "c"), ("gone.jpg", "gone"), ("clip.mp4", "clip")]),
    "two of one name": (
        ["a.jpg", "sub"],
        [("a.jpg", "a"), ("sub/a.jpg", "a-2"), ("sub/c.tif", "c")],
    ),
    "one file twice": (["a.jpg", "a.jpg"], [("a.jpg", "a")]),
}


@pytest.mark.parametrize("case", CASES)
def test_words_lead_to_files(case, folder):
    words, expected = CASES[case]
    found = find_sources(words)
    assert [(source.place, source.name) for source in found] == expected
    assert [source.is_video for source in found] == ["clip" in place for place, _ in expected]


def test_folders_are_looked_through_below_on_request(folder):
    found = find_sources(["."], recursive=True)
    assert [(source.place, source.name) for source in found if not source.is_video] == [
        ("a.jpg", "a"),
        ("b.PNG", "b"),
        ("sub/a.jpg", "sub/a"),
        ("sub/c.tif", "sub/c"),
    ]


def test_absolute_globs_are_taken(folder):
    assert [source.name for source in find_sources([f"{folder}/s*/c.*"])] == ["c"]


def test_cameras_and_streams_are_videos(folder):
    camera, stream = find_sources(["camera:1", "rtsp://host/street"])
    assert (camera.place, camera.name, camera.is_video) == (1, "camera-1", True)
    assert (stream.place, stream.name, stream.is_video) == ("rtsp://host/street", "stream", True)


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("none.jpg", "none.jpg: there is no such file"),
        ("*.gif", "*.gif: nothing matches"),
        ("empty", "empty: no picture or video in this folder"),
        ("empty.txt", "empty.txt: this list is empty"),
        ("bytes.txt", "bytes.txt: not a list"),
        ("camera:front", "camera:front: name a camera by its number"),
    ],
)
def test_words_that_lead_nowhere_are_named_in_one_line(word, part, folder):
    with pytest.raises(ValueError) as caught:
        find_sources(["a.jpg", word])
    assert part in str(caught.value) and "\n" not in str(caught.value)
