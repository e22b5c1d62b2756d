"""Where a Pascal VOC dataset keeps its sets: in lists, in folders, or all in one folder.

- `ImageSets/Main/<set>.txt` lists the pictures of a set, as VOC has it;
- else, a folder of the set's name holds them;
- else, all pictures are in the dataset's own folder, as LabelImg leaves them. About a fifth is
  held out to measure on, chosen by a digest of the names: the same on every machine, and a picture
  stays where it is when others are added.

In the latter two, XML files lie beside the pictures, or in `Annotations/` beside `JPEGImages/`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from keras_retinanet.preprocessing.annotation_files import check_name, read_lines
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

HELD_OUT = 0.2  # share of the pictures
SET_FOLDERS = {
    "train": ("train",),
    "val": ("val", "valid", "validation"),
    "test": ("test",),
}
SPLIT = ("train", "val", "test", "all")  # sets of a single folder; val and test are the same
ANNOTATION_FOLDERS = ("Annotations", "annotations", ".")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images", ".")
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class VocSet:
    """The files of a set.

    Attributes:
        image_folder: folder of the pictures.
        image_names: the pictures' files, relative to it.
        annotations: the XML file of each.
        every_annotation: the XML files of the whole dataset, all sets included.
        notices: a line each on what should be known.
    """

    image_folder: Path
    image_names: list
    annotations: list
    every_annotation: list
    notices: tuple = ()


def has_image_sets(data_dir):
    """Return whether a dataset lists its sets as VOC does."""
    return (Path(data_dir) / "ImageSets").is_dir()


def find_set(data_dir, set_name, extension=".jpg", allow_outside=False):
    """Return the VocSet of a name.

    Args:
        extension: of the pictures' files, preferred where several have the name.
        allow_outside: whether a list may name pictures outside of the dataset.
    """
    root = Path(data_dir)
    if has_image_sets(root):
        return _listed(root, set_name, extension, allow_outside)
    if not root.is_dir():
        raise AnnotationError(f"{root}: there is no such folder. Check the path")
    folders = [root / name for names in SET_FOLDERS.values() for name in names]
    folders = [folder for folder in folders if folder.is_dir()]
    if folders or (root / set_name).is_dir():
        every = [path for folder in folders for path in _annotations(folder)]
        return _in_folder(_set_folder(root, set_name), every, extension)
    return _split(_in_folder(root, _annotations(root), extension), set_name)


def read_image_set(data_dir, set_name, allow_outside=False):
    """Return the names of a set's pictures, without extension."""
    folder = Path(data_dir) / "ImageSets" / "Main"
    path = folder / f"{set_name}.txt"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.txt"))[:20])
        raise AnnotationError(f"{path}: the file does not exist. Sets there: {known or 'none'}")
    lines = [(number, line.split()[0]) for number, line in read_lines(path) if line[0] != "#"]
    if not lines:
        raise AnnotationError(f"{path}: names no picture. Write one name a line")
    images = None if allow_outside else Path(data_dir) / "JPEGImages"
    names = (check_name(name, images, f"{path}, line {number}") for number, name in lines)
    return list(dict.fromkeys(names))


def _listed(root, set_name, extension, allow_outside):
    names = read_image_set(root, set_name, allow_outside)
    folder = root / "Annotations"
    return VocSet(
        root / "JPEGImages",
        [f"{name}{extension}" for name in names],
        [folder / f"{name}.xml" for name in names],
        sorted(folder.glob("*.xml")),
    )


def _set_folder(root, set_name):
    names = SET_FOLDERS.get(set_name, (set_name,))
    found = [root / name for name in names if (root / name).is_dir()]
    if not found:
        there = ", ".join(sorted(path.name for path in root.iterdir() if path.is_dir()))
        raise AnnotationError(
            f"{root}: no folder {' or '.join(names)} for the set {shown(set_name)}. Folders there: "
            f"{there}"
        )
    return found[0]


def _annotations(folder):
    """Return the XML files of a folder's pictures, sorted."""
    return sorted((folder / _first(folder, ANNOTATION_FOLDERS)).glob("*.xml"))


def _first(folder, names):
    return next(name for name in names if (folder / name).is_dir())


def _in_folder(folder, every, extension):
    """Return the VocSet of all annotated pictures of a folder."""
    annotations = _annotations(folder)
    if not annotations:
        raise AnnotationError(
            f"{folder}: neither ImageSets/ nor XML files. Put the XML files there or into "
            f"{folder / ANNOTATION_FOLDERS[0]}"
        )
    images = folder / _first(folder, IMAGE_FOLDERS)
    there = {}
    for path in sorted(images.iterdir()):
        wanted = path.suffix == extension or path.stem not in there
        if path.suffix.lower() in EXTENSIONS and wanted:
            there[path.stem] = path.name
    names = [there.pop(path.stem, f"{path.stem}{extension}") for path in annotations]
    without = f"{images}: pictures without an XML file are not used: {len(there)}"
    return VocSet(images, names, annotations, every, (without,) if there else ())


def _split(whole, set_name):
    """Return the part of a VocSet that a set's name stands for."""
    if set_name not in SPLIT:
        raise AnnotationError(
            f"{whole.image_folder}: no ImageSets/, so there is no set {shown(set_name)}. Sets "
            f"there: {', '.join(SPLIT)}"
        )
    if set_name == "all":
        return whole
    chosen = [
        place
        for place, path in enumerate(whole.annotations)
        if _is_held_out(path.stem) == (set_name != "train")
    ]
    total = len(whole.annotations)
    if not chosen:
        raise AnnotationError(
            f"{whole.image_folder}: no ImageSets/, and the set {shown(set_name)} gets none of "
            f"{total} pictures. Take the set 'all', or write lists to ImageSets/Main"
        )
    split = (
        f"no ImageSets/, so about a fifth is held out, by name: {set_name} has "
        f"{len(chosen)} of {total}; the set 'all' has all"
    )
    return VocSet(
        whole.image_folder,
        [whole.image_names[place] for place in chosen],
        [whole.annotations[place] for place in chosen],
        whole.every_annotation,
        (*whole.notices, split),
    )


def _is_held_out(name):
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT * 2**32
