"""--suspects: labels that sure detections contradict, as a list or in the dataset's own format."""

import csv
from collections import Counter
from pathlib import Path

from keras_retinanet.bin.output_files import check_new_file, check_new_folder

OPTION = "--suspects"
HEADER = ("path", "x1", "y1", "x2", "y2", "class", "score", "reason")
GIVEN = ("given_class", "given_x1", "given_y1", "given_x2", "given_y2")
FOLDERS = {"pascal": "voc", "yolo": "yolo"}  # kinds of dataset whose labels are files in a folder
LIST = "suspects.csv"  # in such a folder, for the reasons


def check_suspects(args):
    """Raise ValueError where the file or folder of --suspects could not be written later."""
    if Path(args.suspects).suffix:
        return check_new_file(args.suspects, OPTION)
    if args.dataset_type not in FOLDERS:
        raise ValueError(
            f"{OPTION} {args.suspects}: name a file that ends in .csv or .json; folders are for "
            f"{' and '.join(FOLDERS)}"
        )
    return check_new_folder(args.suspects, OPTION)


class Found:
    """The suspect labels of a dataset, with the names of what they are about.

    Args:
        generator: of the dataset.
        analysis: `evaluation.analysis.Analysis` of it.
        score_threshold: of detections that are sure; None for that of the best F1.

    Attributes:
        suspects: `evaluation.suspects.Suspects`.
        names, keys: name and id of each class.
        swaps: [{"given", "seen", "count", "objects"}], systematic ones.
    """

    def __init__(self, generator, analysis, score_threshold):
        import numpy as np

        from keras_retinanet.evaluation.dataset_columns import class_names_of, image_ids_of
        from keras_retinanet.evaluation.suspects import find_suspects, systematic_swaps

        self.score_threshold = analysis.sure_score if score_threshold is None else score_threshold
        self.suspects = find_suspects(
            analysis.matched, analysis.outcomes, analysis.errors, self.score_threshold
        )
        self.true, self.keys = analysis.columns.true, analysis.columns.classes
        self.names, self._generator = class_names_of(generator, analysis.columns), generator
        ids = image_ids_of(generator)
        self._order = np.argsort(ids, kind="stable")  # columns go by ascending id
        self.image_ids = [ids[place] for place in self._order]
        swaps = systematic_swaps(self.suspects, self.true)
        self.swaps = [
            {**vars(swap), "given": self.names[swap.given], "seen": self.names[swap.seen]}
            for swap in swaps
        ]

    def path(self, picture):
        """Return the path of the file of a picture."""
        return self._generator.image_path(int(self._order[picture]))

    def file_names(self, pictures):
        """Return (folder of pictures, their names in it), those of a COCO file where it is one."""
        from keras_retinanet.predict.formats import below_shared

        coco = getattr(self._generator, "coco", None)
        if coco is None:
            return below_shared([str(self.path(picture)) for picture in pictures])
        names = dict(zip(coco.image_ids, coco.file_names, strict=True))
        return "", [names[self.image_ids[picture]] for picture in pictures]

    def size(self, picture):
        """Return (height, width) of a picture."""
        height, width = self._generator.image_size(int(self._order[picture]))
        return int(height), int(width)

    @property
    def counts(self):
        """Return {reason: count}, the commonest first."""
        return dict(Counter(self.suspects.reasons.tolist()).most_common())

    def rows(self):
        """Return the rows of the list, the surest first."""
        suspects, rows = self.suspects, []
        for place, reason in enumerate(suspects.reasons.tolist()):
            row = [self.path(suspects.pictures[place]), *_corners(suspects.boxes[place])]
            row += [self.names[suspects.labels[place]], f"{suspects.scores[place]:.4f}", reason]
            if (given := suspects.objects[place]) >= 0:
                row += [self.names[self.true.labels[given]], *_corners(self.true.boxes[given])]
            rows.append(row)
        return rows


def _corners(box):
    x, y, width, height = box.tolist()
    return [f"{value:.1f}" for value in (x, y, x + width, y + height)]


def write_list(path, found):
    """Write the rows as CSV with a header, atomically."""
    from keras_retinanet.models.snapshot import written_aside

    empty = [""] * len(GIVEN)
    with (
        written_aside(path) as aside,
        Path(aside).open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(HEADER + GIVEN)
        writer.writerows(row if len(row) > len(HEADER) else row + empty for row in found.rows())


def write_coco(path, found):
    """Write a COCO dataset of the pictures concerned and what the detector saw there.

    Ids and file names are the dataset's own where it has any; other names are below the folder that
    all pictures share. Each annotation has `score`, `reason` and, where a
    label was there, `given` with its `category_id` and `bbox`.
    """
    from keras_retinanet.evaluation.results import write_results_json

    suspects = found.suspects
    pictures = sorted(set(suspects.pictures.tolist()))
    shared, names = found.file_names(pictures)
    images = [
        {
            "id": found.image_ids[picture],
            "file_name": name,
            **dict(zip(("height", "width"), found.size(picture), strict=True)),
        }
        for picture, name in zip(pictures, names, strict=True)
    ]
    annotations = []
    for place, reason in enumerate(suspects.reasons.tolist()):
        box = [round(value, 2) for value in suspects.boxes[place].tolist()]
        row = {
            "id": place + 1,
            "image_id": found.image_ids[suspects.pictures[place]],
            "category_id": found.keys[suspects.labels[place]],
            "bbox": box,
            "area": round(box[2] * box[3], 2),
            "iscrowd": 0,
            "score": round(float(suspects.scores[place]), 4),
            "reason": reason,
        }
        if (given := suspects.objects[place]) >= 0:
            label = {"category_id": found.keys[found.true.labels[given]]}
            row["given"] = label | {"bbox": found.true.boxes[given].tolist()}
        annotations.append(row)
    categories = [
        {"id": key, "name": name} for key, name in zip(found.keys, found.names, strict=True)
    ]
    content = {"info": {"images": shared}, "images": images}
    content |= {"annotations": annotations, "categories": categories}
    write_results_json(path, content, indent=1)


def write_folder(folder, found, kind):
    """Write label files of `kind`, as the detector sees what is suspect, and the list beside."""
    import numpy as np

    from keras_retinanet.predict.formats import FORMATS
    from keras_retinanet.predict.results import Result

    suspects = found.suspects
    classes = [""] * (max(found.keys, default=-1) + 1)  # keys are labels
    for key, name in zip(found.keys, found.names, strict=True):
        classes[key] = name
    results = []
    for picture in sorted(set(suspects.pictures.tolist())):
        rows = np.flatnonzero(suspects.pictures == picture)
        boxes = suspects.boxes[rows].copy()
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([found.keys[label] for label in suspects.labels[rows].tolist()])
        path = str(found.path(picture))
        own = (boxes, suspects.scores[rows], labels, tuple(classes), found.size(picture))
        results.append(Result(*own, path, Path(path).stem))
    Path(folder).mkdir(parents=True, exist_ok=True)
    FORMATS[kind](results, folder, classes)
    write_list(Path(folder) / LIST, found)


def write_suspects(args, generator, analysis):
    """Write what --suspects asks for; return the lines about it, and what results say of it."""
    found = Found(generator, analysis, args.score_threshold)
    path = Path(args.suspects)
    if not path.suffix:
        write_folder(path, found, FOLDERS[args.dataset_type])
    else:
        (write_coco if path.suffix == ".json" else write_list)(path, found)
    parts = ", ".join(f"{count} {reason}" for reason, count in found.counts.items()) or "none"
    threshold = found.score_threshold
    lines = [f"{path}: suspect labels at scores above {threshold:.2f}: {parts}"]
    lines += [
        f"{swap['count']} of {swap['objects']} objects of class {swap['given']!r} are seen as "
        f"{swap['seen']!r}"
        for swap in found.swaps
    ]
    about = {"file": str(path), "score_threshold": threshold}
    return lines, about | {"reasons": found.counts, "swaps": found.swaps}
