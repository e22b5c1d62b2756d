"""Detections as files, one function for each format: write(results, folder, classes).

Boxes are in pixels, from 0, except where a format has its own unit. Files of whole results are
named `detections.…`; formats of a file for each picture have it under the picture's name.
"""

import csv
import io
import os
from pathlib import Path
from xml.etree import ElementTree

from keras_retinanet.evaluation.results import to_xywh, write_results_json

PIXEL_DIGITS, SCORE_DIGITS, SHARE_DIGITS = 2, 4, 6


def as_json(result):
    """Return the size of a picture and its detections as JSON has them, best first."""
    height, width = result.size
    detections = [
        {"box": _pixels(box), "score": _score(score), "label": label, "class": name}
        for box, score, label, name in result.rows()
    ]
    return {"width": width, "height": height, "detections": detections}


def write_json(results, folder, classes):
    """Write `detections.json`: pictures, and in each its detections, best first."""
    pictures = [{"file": _file(result), **as_json(result)} for result in results]
    content = {"classes": list(classes), "images": pictures}
    write_results_json(Path(folder) / "detections.json", content, indent=1)


def write_csv(results, folder, classes):
    """Write `detections.csv`, a line for each detection under a line of names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "x1", "y1", "x2", "y2", "class", "score"])
    for result in results:
        for box, score, _, name in result.rows():
            writer.writerow([_file(result), *_pixels(box), name, _score(score)])
    _write(Path(folder) / "detections.csv", text.getvalue())


def write_coco(results, folder, classes):
    """Write `detections.coco.json`, a dataset whose annotations have scores.

    Category ids are labels + 1, image ids count from 1. File names are below the folder that all
    pictures share, which "info" names: other libraries want it so, and `coco --annotations FILE
    --images FOLDER` opens it.
    """
    images, annotations = [], []
    shared, names = below_shared([_file(result) for result in results])
    for image_id, (result, name) in enumerate(zip(results, names, strict=True), start=1):
        height, width = result.size
        images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        for box, score, label, _ in result.rows():
            (bounds,) = to_xywh([box])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": _pixels(bounds),
                    "area": round(bounds[2] * bounds[3], PIXEL_DIGITS),
                    "iscrowd": 0,
                    "score": _score(score),
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(classes)]
    content = {"info": {"images": shared}, "images": images}
    content |= {"annotations": annotations, "categories": categories}
    write_results_json(Path(folder) / "detections.coco.json", content, indent=1)


def below_shared(paths):
    """Return (the deepest folder of all files, "" for none; their paths below it)."""
    folders = [str(Path(path).absolute().parent) for path in paths]
    shared = os.path.commonpath(folders) if folders else ""
    return shared, [Path(os.path.relpath(path, shared)).as_posix() for path in paths]


def write_yolo(results, folder, classes):
    """Write `data.yaml`, and `labels/NAME.txt` with class, centre, width, height in shares.

    The format has no place for scores. With the pictures in `images/` it is a dataset.
    """
    for result in results:
        height, width = result.size
        lines = []
        for (x1, y1, x2, y2), _, label, _ in result.rows():
            shares = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height]
            shares += [(x2 - x1) / width, (y2 - y1) / height]
            lines.append(" ".join([str(label), *(f"{share:.{SHARE_DIGITS}f}" for share in shares)]))
        _write(Path(folder) / "labels" / f"{result.name}.txt", "".join(f"{x}\n" for x in lines))
    names = "".join(f"  {label}: {_quoted(name)}\n" for label, name in enumerate(classes))
    text = f"path: .\ntrain: images\nval: images\nnc: {len(classes)}\nnames:\n{names}"
    _write(Path(folder) / "data.yaml", text)


def write_voc(results, folder, classes):
    """Write `Annotations/NAME.xml`, pixels counted from 1, as Pascal VOC does; no scores."""
    for result in results:
        root = ElementTree.Element("annotation")
        _add(root, "folder", "JPEGImages")
        _add(root, "filename", Path(_file(result)).name)
        size = ElementTree.SubElement(root, "size")
        height, width = result.size
        for name, value in (("width", width), ("height", height), ("depth", 3)):
            _add(size, name, value)
        for box, _, _, class_name in result.rows():
            thing = ElementTree.SubElement(root, "object")
            for name, value in (("name", class_name), ("truncated", 0), ("difficult", 0)):
                _add(thing, name, value)
            bounds = ElementTree.SubElement(thing, "bndbox")
            corners = _pixels([side + 1 for side in box])
            for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True):
                _add(bounds, name, value)
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        _write(Path(folder) / "Annotations" / f"{result.name}.xml", text + "\n")


def write_labelme(results, folder, classes):
    """Write `labelme/NAME.json`, rectangles by two corners, beside no copy of the picture."""
    for result in results:
        path = Path(folder) / "labelme" / f"{result.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        source = os.path.relpath(result.path, path.parent) if result.path else _file(result)
        shapes = [
            {
                "label": name,
                "points": [_pixels(box[:2]), _pixels(box[2:])],
                "group_id": None,
                "description": f"score {_score(score)}",
                "shape_type": "rectangle",
                "flags": {},
            }
            for box, score, _, name in result.rows()
        ]
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": source,
            "imageData": None,
            "imageHeight": result.size[0],
            "imageWidth": result.size[1],
        }
        write_results_json(path, content, indent=1)


FORMATS = {
    "json": write_json,
    "csv": write_csv,
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "labelme": write_labelme,
}


def _pixels(numbers):
    return [round(number, PIXEL_DIGITS) for number in numbers]


def _score(score):
    return round(score, SCORE_DIGITS)


def _file(result):
    return result.path or result.name


def _quoted(name):
    """Return a name as YAML takes any text: in single quotes, doubled inside."""
    return "'" + name.replace("'", "''") + "'"


def _add(parent, name, value):
    ElementTree.SubElement(parent, name).text = str(value)


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
