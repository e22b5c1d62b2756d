"""Where retinanet-debug shows its pictures: a window, or files."""

import os
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

TITLE = "retinanet-debug: right or m next, left or n previous, q or Esc quit"
QUIT = (ord("q"), 27)
# the arrow keys of GTK, Windows and Qt, each its own number
NEXT = (ord("m"), 83, 65363, 2555904)
PREVIOUS = (ord("n"), 81, 65361, 2424832)
POLL = 100  # ms; waiting for ever would outlive a window that the user closed


class Window:
    """A window that shows one picture after the other."""

    @classmethod
    def open(cls):
        """Return a window, None where OpenCV or the machine has none."""
        import cv2

        shown = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
        # without a display Qt would end the process, so it must not be tried
        if sys.platform.startswith("linux") and not shown:
            return None
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL)
        except cv2.error:  # the headless build
            return None
        return cls()

    def show(self, image):
        """Show `image`; return +1 or -1 for the next or previous picture, None to end."""
        import cv2

        cv2.imshow(TITLE, image)
        while cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1:
            key = cv2.waitKeyEx(POLL)
            if key in QUIT:
                return None
            if key in NEXT:
                return 1
            if key in PREVIOUS:
                return -1
        return None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        import cv2

        cv2.destroyAllWindows()


def make_output_path(output_dir, image_path, flatten=False):
    """Return `<output_dir>/<image_path>_debug<ext>`; it is always inside `output_dir`.

    Args:
        output_dir: folder for the pictures.
        image_path: of the picture; a leading / or drive and all `..` are dropped.
        flatten: keep only the base name.
    """
    kind = PureWindowsPath if os.name == "nt" else PurePosixPath
    path = kind(os.path.normpath(image_path))
    parts = [part for part in path.parts if part not in (path.anchor, "..")]
    parts = parts[-1:] if flatten else parts
    path = kind(*parts)
    return str(Path(output_dir) / path.with_name(f"{path.stem}_debug{path.suffix}"))


class OutputPaths:
    """The paths of one run: two pictures never get the same.

    Args:
        output_dir, flatten: see `make_output_path`.
    """

    def __init__(self, output_dir, flatten=False):
        self.output_dir = output_dir
        self.flatten = flatten
        self._given = set()

    def path(self, image_path):
        """Return the path for a picture, with a number where another one has it already."""
        first = Path(make_output_path(self.output_dir, image_path, self.flatten))
        path, count = first, 1
        while path in self._given:
            count += 1
            path = first.with_name(f"{first.stem}_{count}{first.suffix}")
        self._given.add(path)
        return path


def write_picture(path, image):
    """Write a picture, uint8 [H, W, 3] BGR, and return its path as text.

    The folders above are made. A file type that cannot be written becomes `.png`.

    Raises:
        OSError: names the file or folder that cannot be written.
    """
    from PIL import Image

    Image.init()
    types = Image.registered_extensions()
    if types.get(path.suffix.lower()) not in Image.SAVE:
        path = path.with_name(f"{path.name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"quality": 95} if types[path.suffix.lower()] == "JPEG" else {}
    Image.fromarray(image[..., ::-1]).save(path, **options)
    return str(path)
