"""Every broken file is refused in one line that names file, place, value and remedy."""

import shutil

import pytest

from keras_retinanet.preprocessing.samples import AnnotationError
from keras_retinanet.utils.image import ImageError
from tests.preprocessing.broken_files import BROKEN
from tests.preprocessing.drawn_dataset import write_dataset
from tests.preprocessing.test_formats import opened

pytestmark = pytest.mark.filterwarnings("ignore:.*count as background")


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Return f(format) -> (folder of the whole dataset, words that open it)."""
    made = {}

    def write(name):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = folder, write_dataset(folder, name).words
        return made[name]

    return write


def change(path, content):
    """Give a file other content, see `broken_files`."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    if isinstance(content, tuple):
        old, new = content
        text = path.read_text(encoding="utf-8")
        assert old in text
        content = text.replace(old, new, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_one_line(case, whole, tmp_path):
    words, changes, message = BROKEN[case]
    name, *options = words.split()
    folder, given = whole(name)
    root = tmp_path / "d"
    shutil.copytree(folder, root)
    for file, content in changes.items():
        change(root / file, content)
    given = [word.replace(str(folder), str(root)) for word in given]
    with pytest.raises((AnnotationError, ImageError)) as caught:
        opened([*given, *options])
    line = str(caught.value)
    place = f"{{d}}/{next(iter(changes))}" if message[0] in ":," else ""
    if place.startswith("{d}/pictures/"):  # a picture of the CSV files, whose first row names it
        place = "{d}/rows.csv, line 1: " + place
    assert line.replace(str(root), "{d}") == place + message
    assert len(line.splitlines()) == 1


def test_there_are_enough_of_them_in_every_format():
    words = [words.split()[0] for words, _, _ in BROKEN.values()]
    assert len(BROKEN) >= 60
    assert min(words.count(name) for name in ("csv", "coco", "pascal", "kitti", "oid", "yolo")) >= 9
