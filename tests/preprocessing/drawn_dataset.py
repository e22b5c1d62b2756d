"""One drawn dataset, written in every format: three pictures, three classes, one of them empty.

Boxes are whole pixels, since VOC's files may hold nothing else; `crowd` is a class to ignore.
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

NAMES = ("disc", "square", "crowd")
SIZES = {"a": (60, 40), "b": (40, 64), "c": (50, 50)}  # width, height
OBJECTS = {
    "a": [("square", (3, 4, 20, 30)), ("disc", (30, 10, 55, 35))],
    "b": [("disc", (1, 2, 39, 33)), ("crowd", (5, 40, 35, 62)), ("disc", (2, 35, 12, 45))],
    "c": [],
}
KITTI_NAMES = {"disc": "Car", "square": "Cyclist", "crowd": "Misc"}  # its classes are fixed


@dataclass(frozen=True)
class Opened:
    """A format's words on the command line, and the names that it gives to the classes."""

    words: list
    names: dict


def draw(folder, extension):
    """Write the pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        image = Image.new("RGB", size, (90, 90, 90))
        pen = ImageDraw.Draw(image)
        for kind, (x1, y1, x2, y2) in OBJECTS[name]:
            shape = pen.ellipse if kind == "disc" else pen.rectangle
            shape((x1, y1, x2 - 1, y2 - 1), fill=(220, 40, 30))
        image.save(folder / f"{name}{extension}")


def write(path, text):
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def write_csv(root):
    """Write the dataset as two CSV files."""
    draw(root / "pictures", ".png")
    rows = []
    for name, objects in OBJECTS.items():
        rows += [[f"pictures/{name}.png", *box, kind] for kind, box in objects]
        rows += [] if objects else [[f"pictures/{name}.png", "", "", "", "", ""]]
    with (root / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    write(root / "classes.csv", "".join(f"{name},{i}\n" for i, name in enumerate(NAMES)))
    return [str(root / "rows.csv"), str(root / "classes.csv")]


def write_coco(root):
    """Write the dataset as COCO's folders."""
    draw(root / "images/val2017", ".png")
    images, annotations = [], []
    for key, (name, (width, height)) in enumerate(SIZES.items(), start=11):
        images.append({"id": key, "file_name": f"{name}.png", "width": width, "height": height})
        for kind, (x1, y1, x2, y2) in OBJECTS[name]:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": key,
                    "category_id": 3 * NAMES.index(kind) + 2,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": (x2 - x1) * (y2 - y1),
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 3 * i + 2, "name": name} for i, name in enumerate(NAMES)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write(root / "annotations/instances_val2017.json", json.dumps(content))
    return [str(root)]


def voc_xml(objects):
    """Return the XML of objects; VOC counts pixels from 1."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    text = "<annotation>"
    for kind, box in objects:
        bounds = "".join(f"<{s}>{v + 1}</{s}>" for s, v in zip(sides, box, strict=True))
        text += f"<object><name>{kind}</name><bndbox>{bounds}</bndbox></object>"
    return text + "</annotation>"


def write_pascal(root):
    """Write the dataset as VOC's folders."""
    draw(root / "JPEGImages", ".png")
    for name, objects in OBJECTS.items():
        write(root / "Annotations" / f"{name}.xml", voc_xml(objects))
    write(root / "ImageSets/Main/test.txt", "\n".join(OBJECTS))
    return [str(root), "--classes", ",".join(NAMES), "--image-extension", ".png"]


def write_labelimg(root):
    """Write the dataset as LabelImg leaves it: XML files beside the pictures."""
    draw(root, ".png")
    for name, objects in OBJECTS.items():
        write(root / f"{name}.xml", voc_xml(objects))
    return [str(root), "--classes", ",".join(NAMES), "--pascal-set", "all"]


def write_kitti(root):
    """Write the dataset as KITTI's folders."""
    draw(root / "val/images", ".png")
    for name, objects in OBJECTS.items():
        rows = [
            f"{KITTI_NAMES[kind]} 0 0 0 {' '.join(map(str, box))} 1 1 1 0 0 0 0"
            for kind, box in objects
        ]
        write(root / "val/labels" / f"{name}.txt", "\n".join(rows))
    return [str(root), "val"]


def write_yolo(root):
    """Write the dataset as YOLO's folders; the empty picture has no text file."""
    draw(root / "images/val", ".png")
    for name, objects in OBJECTS.items():
        width, height = SIZES[name]
        rows = [
            f"{NAMES.index(kind)} {(x1 + x2) / 2 / width!r} {(y1 + y2) / 2 / height!r} "
            f"{(x2 - x1) / width!r} {(y2 - y1) / height!r}"
            for kind, (x1, y1, x2, y2) in objects
        ]
        if rows:
            write(root / "labels/val" / f"{name}.txt", "\n".join(rows))
    names = "".join(f"  {i}: {name}\n" for i, name in enumerate(NAMES))
    write(
        root / "data.yaml", f"path: .  # root\ntrain: images/val\nval: images/val\nnames:\n{names}"
    )
    return [str(root / "data.yaml")]


def write_oid(root):
    """Write the dataset as Open Images' folders, which have no pictures without boxes."""
    draw(root / "images/validation", ".jpg")
    rows = ["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf"]
    for name, objects in OBJECTS.items():
        width, height = SIZES[name]
        for kind, (x1, y1, x2, y2) in objects:
            x, y = f"{x1 / width!r},{x2 / width!r}", f"{y1 / height!r},{y2 / height!r}"
            rows.append(f"{name},xclick,/m/{kind},1,{x},{y},0")
    folder = root / "annotations"
    write(folder / "validation-annotations-bbox.csv", "\n".join(rows))
    classes = "".join(f"/m/{name},{name}\n" for name in NAMES)
    write(folder / "class-descriptions-boxable.csv", classes)
    cache = str(root / "cache")
    return [str(root), "validation", "--version", "v5", "--annotation-cache-dir", cache]


FORMATS = {
    "csv": write_csv,
    "coco": write_coco,
    "pascal": write_pascal,
    "labelimg": write_labelimg,
    "kitti": write_kitti,
    "oid": write_oid,
    "yolo": write_yolo,
}
WORDS = {"labelimg": "pascal"}  # a layout of another format


def write_dataset(root: Path, name):
    """Write the dataset in a format; return how it is opened."""
    root.mkdir(parents=True, exist_ok=True)
    words = [WORDS.get(name, name), *FORMATS[name](root)]
    names = KITTI_NAMES if name == "kitti" else dict(zip(NAMES, NAMES, strict=True))
    return Opened(words, names)
