"""Frames of videos, cameras and streams, and videos of annotated frames, by OpenCV."""

from pathlib import Path

import cv2

from keras_retinanet.predict.detector import Named
from keras_retinanet.utils.image import ImageError

DEFAULT_RATE = 25.0  # frames a second, where a camera does not tell
CODEC = "mp4v"  # MPEG-4 part 2: in every build of OpenCV, played everywhere
DIGITS = 6  # of a frame's number, from 0


class VideoReader:
    """Frames of a video, in order.

    Args:
        place: path, number of a camera, or address of a stream.
        name: of what is written about it.

    Attributes:
        rate: frames a second.
        count: of frames, as the file says; 0 where it does not.

    Raises:
        ImageError: it cannot be opened.
    """

    def __init__(self, place, name):
        self.place, self.name = place, name
        self._capture = cv2.VideoCapture(place)
        if not self._capture.isOpened():
            raise ImageError(f"{place}: cannot be opened as a video. Check path, codec or address.")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate < 1000 else DEFAULT_RATE
        self.count = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def frames(self, limit=None):
        """Yield the frames as `Named`, up to `limit`, and close the video.

        Raises:
            ImageError: there is not a single frame.
        """
        number = 0
        try:
            while limit is None or number < limit:
                present, frame = self._capture.read()
                if not present:
                    break
                name = f"{self.name}_{number:0{DIGITS}d}"
                yield Named(frame, name, f"{self.place}#{number}")
                number += 1
        finally:
            self._capture.release()
        if not number:
            raise ImageError(f"{self.place}: no frame can be read. Check the file.")


class VideoWriter:
    """A video file, begun with its first frame.

    Args:
        path: `.mp4`.
        rate: frames a second.
    """

    def __init__(self, path, rate):
        self.path, self.rate = Path(path), rate
        self._writer = None

    def write(self, frame):
        """Add a frame [H, W, 3], blue first; all have the size of the first.

        Raises:
            OSError: the file cannot be written.
        """
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            height, width = frame.shape[:2]
            code = cv2.VideoWriter_fourcc(*CODEC)
            self._writer = cv2.VideoWriter(str(self.path), code, self.rate, (width, height))
            if not self._writer.isOpened():
                raise OSError(f"{self.path}: OpenCV cannot write this video")
        self._writer.write(frame)

    def close(self):
        """End the file."""
        if self._writer is not None:
            self._writer.release()
