"""Videos: frames in order, their results, and annotated videos of the same length."""

import cv2
import numpy as np
import pytest

from keras_retinanet.predict.drawing import annotated, picture_path, write_picture
from keras_retinanet.predict.results import Result
from keras_retinanet.predict.video import VideoReader, VideoWriter
from keras_retinanet.utils.image import ImageError


@pytest.fixture
def clip(tmp_path):
    """Return a video of five frames, each brighter by 40."""
    writer = VideoWriter(tmp_path / "made" / "clip.mp4", 8)
    for number in range(5):
        writer.write(np.full((48, 64, 3), 40 * number + 20, np.uint8))
    writer.close()
    return tmp_path / "made" / "clip.mp4"


def test_a_written_video_is_read_frame_by_frame(clip):
    reader = VideoReader(str(clip), "clip")
    assert (reader.rate, reader.count) == (8, 5)
    frames = list(reader.frames())
    assert [one.name for one in frames] == [f"clip_00000{n}" for n in range(5)]
    assert frames[3].path == f"{clip}#3"
    for number, one in enumerate(frames):
        assert one.source.shape == (48, 64, 3)
        np.testing.assert_allclose(one.source, 40 * number + 20, atol=6)


def test_no_more_frames_are_read_than_asked_for(clip):
    assert len(list(VideoReader(str(clip), "clip").frames(limit=2))) == 2


def test_what_is_no_video_is_named(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(ImageError, match=r"a\.mp4: cannot be opened"):
        VideoReader(str(tmp_path / "a.mp4"), "a")


def result(path, size=(60, 80)):
    boxes, scores = np.array([[10, 20, 50, 40]], np.float32), np.array([0.9], np.float32)
    return Result(boxes, scores, np.array([0]), ("cat",), size, path=path, name="sub/a")


def test_boxes_are_drawn_where_they_are():
    image = np.zeros((60, 80, 3), np.uint8)
    shown = annotated(image, result(None))
    assert shown[20, 30].any() and shown[40, 30].any() and shown[30, 10].any()
    assert not shown[30, 30].any() and not shown[55, 70].any()


def test_lines_grow_with_the_picture():
    for factor in (1, 2, 5):
        image = np.zeros((600 * factor, 1000 * factor, 3), np.uint8)
        box = np.array([[400, 200, 800, 500]], np.float32) * factor
        told = Result(box, np.ones(1), np.array([0]), ("cat",), image.shape[:2])
        column = annotated(image, told)[350 * factor].any(axis=-1)
        assert 2 * factor <= column[: 600 * factor].sum() <= 2 * factor + 2


def test_pictures_of_many_channels_and_read_only_ones_are_drawn(tmp_path):
    deep = np.full((60, 80, 5), 4000, np.uint16)
    assert annotated(deep, result(None)).shape == (60, 80, 3)
    still = np.zeros((60, 80, 3), np.uint8)
    still.flags.writeable = False
    assert annotated(still, result(None)).any() and not still.any()


@pytest.mark.parametrize(
    ("path", "size", "suffix"),
    [("x/a.JPG", (60, 80), ".jpg"), ("a.tif", (60, 80), ".png"), ("a.jpg", (70000, 80), ".png")],
)
def test_pictures_are_written_in_a_format_that_holds_them(path, size, suffix, tmp_path):
    place = picture_path(tmp_path, result(path, size))
    assert place == tmp_path / "sub" / f"a{suffix}"
    write_picture(place, np.full((6, 8, 3), 90, np.uint8))
    np.testing.assert_allclose(cv2.imread(str(place)), 90, atol=2)
