"""Examples as figures of a page: cut out around their boxes, and the whole picture to open."""

import json

import numpy as np

from keras_retinanet.evaluation.examples import size_bin
from keras_retinanet.report.markup import Html, element
from keras_retinanet.report.pictures import data_uri, drawn_view
from keras_retinanet.utils.image import ImageError, resize_image

LARGEST = 900  # pixels of a whole picture
SMALL_BYTES = 10_000_000  # of all thumbnails
LARGE_BYTES = 7_000_000  # of all whole pictures; the rest of 20 MB is for text
# blue first, after Okabe and Ito: bluish green, sky blue, vermillion
TRUE, FOUND_RIGHT, FOUND_WRONG = (115, 158, 0), (233, 180, 86), (0, 94, 213)


def facts_of(names, *galleries):
    """Return the JSON element that the script of a page with some `Galleries` reads."""
    pictures = {key: value for each in galleries for key, value in each.pictures.items()}
    text = json.dumps({"names": names, "pictures": pictures}, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return element("script", Html(text), id="facts", type="application/json")


class Galleries:
    """Figures of Examples, with the whole pictures that they open, within the size of a page.

    Args:
        analysis: Analysis.
        names: of the classes.
        score_threshold: of the detections that whole pictures show.
        load: a function from the place of a picture to (uint8 [H, W, 3] BGR, its name).
        prefix: of the keys of whole pictures, where a page has several `Galleries`.
        part: of the page's room that is theirs.
    """

    def __init__(self, analysis, names, score_threshold, load, prefix="", part=1.0):
        self._prefix, self._part = prefix, part
        self._analysis, self._names, self._load = analysis, names, load
        self._threshold = score_threshold
        self._small, self._whole, self._pictures = 0, 0, {}
        found = analysis.matched.ranked.found
        self._boxes = found.boxes[analysis.outcomes.rows]

    def figures(self, galleries):
        """Return for each list of Examples its figures, None for those that found no room."""
        wanted = [(g, e) for g, examples in enumerate(galleries) for e in range(len(examples))]
        made = [[None] * len(examples) for examples in galleries]
        by_picture = {}
        for g, e in wanted:
            by_picture.setdefault(galleries[g][e].picture, []).append((g, e))
        for picture, places in by_picture.items():
            image, name = self._loaded(picture)
            for g, e in places:
                made[g][e] = self._figure(image, name, galleries[g][e])
            self._keep_whole(picture, image, name)
        return made

    @property
    def pictures(self):
        """The whole pictures by key, as the page's script reads them."""
        return self._pictures

    def _loaded(self, picture):
        """Return (picture or grey, its name)."""
        try:
            return self._load(picture)
        except ImageError as error:
            return np.full((120, 160, 3), 128, np.uint8), str(error)

    def _figure(self, image, name, example):
        true, outcomes = self._analysis.columns.true, self._analysis.outcomes
        objects, rows = list(example.objects), list(example.rows)
        right = [row for row in rows if example.kind in ("right", "low score")]
        layers = [
            (_corners(true.boxes[objects]), TRUE, 2),
            (_corners(self._boxes[right]), FOUND_RIGHT, 2),
            (_corners(self._boxes[[row for row in rows if row not in right]]), FOUND_WRONG, 2),
        ]
        is_whole = len(objects) + len(rows) > 2
        focus = np.concatenate([layer[0] for layer in layers])
        shown = drawn_view(image, focus[:0] if is_whole else focus, layers)
        uri = data_uri(shown)
        if self._small + len(uri) > SMALL_BYTES * self._part:
            return None
        self._small += len(uri)
        labels = {*true.labels[objects].tolist(), *outcomes.labels[rows].tolist()}
        areas = [*true.areas[objects], *(self._boxes[rows, 2:].prod(axis=1) if not objects else [])]
        scores = [float(outcomes.scores[row]) for row in rows]
        caption = self._caption(name, example)
        # not loaded lazily: pictures that were never scrolled to would be blank in print
        size = {"width": shown.shape[1], "height": shown.shape[0], "decoding": "async"}
        return element(
            "figure",
            element("button", element("img", src=uri, alt=caption, **size), type="button"),
            element("figcaption", caption),
            style="width:250px",
            data_score=f"{min(scores):.4f}" if scores else "",
            data_kind=example.kind.replace(" ", "-"),
            data_label=" ".join(map(str, sorted(labels))),
            data_size=" ".join(map(str, sorted({size_bin(area) for area in areas}))),
            data_cell="{}-{}".format(*example.cell) if example.cell else None,
            data_picture=f"{self._prefix}{example.picture}",
            data_focus=json.dumps(self._focus(objects, rows, right)),
        )

    def _focus(self, objects, rows, right):
        true = self._analysis.columns.true
        return [
            *(["true", *_rounded(true.boxes[row])] for row in objects),
            *(["right" if r in right else "wrong", *_rounded(self._boxes[r])] for r in rows),
        ]

    def _caption(self, name, example):
        true, outcomes, names = self._analysis.columns.true, self._analysis.outcomes, self._names
        if example.note and len(example.objects) + len(example.rows) > 2:
            return f"{name}: {example.note}"
        parts = [f"labelled {names[true.labels[row]]}" for row in example.objects]
        for row in example.rows:
            parts.append(f"found {names[outcomes.labels[row]]} {outcomes.scores[row]:.2f}")
        kind = "" if example.kind == "right" else f"{example.kind}: "
        end = f" ({example.note})" if example.note else ""
        return f"{kind}{', '.join(parts)}{end} · {name}"

    def _keep_whole(self, picture, image, name):
        """Keep a whole picture with its boxes, where there is room."""
        true, outcomes = self._analysis.columns.true, self._analysis.outcomes
        scale = min(1.0, LARGEST / max(image.shape[:2]))
        small = resize_image(image, LARGEST, LARGEST)[0] if scale < 1 else image
        uri = data_uri(np.ascontiguousarray(small))
        if self._whole + len(uri) > LARGE_BYTES * self._part:
            return
        self._whole += len(uri)
        objects = np.flatnonzero(true.pictures == picture)
        shown = outcomes.counts & (outcomes.scores > self._threshold)
        rows = np.flatnonzero(shown & (outcomes.pictures == picture))
        self._pictures[f"{self._prefix}{picture}"] = {
            "uri": uri,
            "name": name,
            "width": image.shape[1],
            "height": image.shape[0],
            "true": [[int(true.labels[row]), *_rounded(true.boxes[row])] for row in objects],
            "found": [
                [
                    int(outcomes.labels[row]),
                    round(float(outcomes.scores[row]), 4),
                    int(outcomes.hits[row]),
                    *_rounded(self._boxes[row]),
                ]
                for row in rows
            ],
        }


def _rounded(box):
    return [round(float(side), 1) for side in box]


def _corners(boxes):
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
