"""--misses: why each object was missed that no detection found, as a JSON file and in lines."""

from collections import Counter

KEYS = ("class", "size")
WORDS = {
    "shared": "its detection counts for another object",
    "candidates": "left out before suppression",
    "detections": "over the limit of detections",
    "anchors shared": "its anchors are trained on another object",
}


def check_traceable(args, generator):
    """Raise ValueError where `args.misses` asks for what cannot be traced."""
    if args.misses and generator.tiled:
        raise ValueError(
            "--misses traces objects through whole pictures, not through tiles; leave it out"
        )


def find_misses(args, network, labels, generator, detections, rules):
    """Write the missed objects with their reasons to `args.misses`.

    Args:
        network: whose detections they are; run once more, on pictures with misses only.
        labels: of `evaluate_detect.labels_for`.
        generator: of the dataset.
        detections: a `Detections` for each picture.
        rules: {"score_threshold", "max_detections"} of the detections; what counts as found
            scores above `args.score_threshold`, or above the threshold of the best F1.

    Returns:
        what the file says but the list of objects, and {row of `TrueBoxes`: its reason in words}.
    """
    from keras_retinanet.evaluation.analysis import analyse
    from keras_retinanet.evaluation.results import write_results_json
    from keras_retinanet.models import convert_model
    from keras_retinanet.predict.before_selection import rules_of

    columns = _columns(generator, detections)
    threshold = args.score_threshold
    if threshold is None:
        best = analyse(columns, args.iou_threshold).sure_score
        threshold = max(best, rules["score_threshold"])
    detector = convert_model(network)
    rules = rules_of(detector, threshold, args.iou_threshold, rules["max_detections"])
    columns, missed = _missed(columns, rules)
    traced = dict(_traced(columns, missed, detector, rules, labels, generator))
    rows = list(traced.values())
    summary = {
        "score_threshold": threshold,
        "iou_threshold": args.iou_threshold,
        "objects": int((~columns.true.crowd).sum()),
        "missed": len(rows),
        **_counts(rows),
    }
    write_results_json(args.misses, {**summary, "misses": rows}, indent=1)
    reasons = {row: reason_in_words(miss) for row, miss in traced.items()}
    return {"file": str(args.misses), **summary}, reasons


def reason_in_words(miss):
    """Return why an object was missed, from its row of the file."""
    reason, other, score = miss["reason"], miss.get("other_class"), miss.get("score")
    if reason == "class":
        return f"found as {other} instead, at {miss['other_score']:.2f}"
    if reason == "suppressed":
        return f"suppressed by another box, IoU {miss['other_iou']:.2f}"
    if reason == "localisation":
        return f"a sure box fits it by IoU {miss['iou']:.2f} only"
    if reason == "no anchor":
        return f"no anchor: the best overlaps it by {miss['anchor_iou']:.2f}"
    if reason == "score":
        return "no box fits" if score is None else f"score {score:.2f} is too low"
    return WORDS[reason]


def _columns(generator, detections):
    from keras_retinanet.evaluation.columns import found_boxes_of
    from keras_retinanet.evaluation.dataset_columns import columns_of_dataset

    return columns_of_dataset(generator, found_boxes_of(detections))


def _missed(columns, rules):
    """Return the Columns without detections that do not count, and which objects are missed."""
    from dataclasses import replace

    from keras_retinanet.evaluation.coco_numbers import prepare
    from keras_retinanet.evaluation.outcomes import outcomes

    found = columns.found.rows(columns.found.scores > rules.score_threshold)
    columns = replace(columns, found=found)
    most = max(rules.max_detections, 1)
    found = outcomes(prepare(columns, rules.iou_threshold, most), rules.iou_threshold)
    missed = ~columns.true.crowd
    missed[found.owners[found.hits]] = False
    return columns, missed


def _traced(columns, missed, detector, rules, labels, generator):
    """Yield (row of `TrueBoxes`, row of the file) of each missed object, picture by picture."""
    import numpy as np

    from keras_retinanet.evaluation.dataset_columns import class_names_of, image_ids_of
    from keras_retinanet.evaluation.loading import load_prepared
    from keras_retinanet.evaluation.misses import trace
    from keras_retinanet.models.snapshot import profile_of
    from keras_retinanet.predict.before_selection import dense_function

    true, dense = columns.true, dense_function(detector)
    names = class_names_of(generator, columns)
    known = profile_of(detector).classes
    kinds = _network_labels(generator, columns, labels)
    ids = image_ids_of(generator)
    order = np.argsort(ids, kind="stable")  # columns go by ascending id
    for picture in np.unique(true.pictures[missed]).tolist():
        index = int(order[picture])
        loaded = load_prepared(generator, index)
        objects = np.flatnonzero((true.pictures == picture) & ~true.crowd)
        boxes = np.concatenate(
            [true.boxes[objects, :2], true.boxes[objects, :2] + true.boxes[objects, 2:]], axis=1
        )
        rows = np.flatnonzero(missed[objects])
        output = dense(loaded.prepared, loaded.placement, loaded.original.shape[:2])
        found = trace(boxes, kinds[true.labels[objects]], rows, output, rules)
        sides = _sides(boxes[rows], loaded.placement)
        for row, miss, side in zip(rows, found, sides, strict=True):
            name, area = names[true.labels[objects[row]]], true.areas[objects[row]]
            facts = {
                "image": str(generator.image_path(index)),
                "image_id": ids[index],
                "class": name,
                "box": boxes[row].tolist(),
                "size": _size(area),
                "network_side": side,
                **_with_name(miss.to_dict(), known),
            }
            yield int(objects[row]), facts


def _network_labels(generator, columns, labels):
    """Return the network's label of each class of `columns` [K]; -1 for none."""
    import numpy as np

    from keras_retinanet.evaluation.truths import labels_of, truths_of

    category_ids = getattr(generator, "label_to_coco_label", int)
    own = {category_ids(label): label for label in labels_of(generator, truths_of(generator))}
    if labels is not None:
        back = {int(label): place for place, label in enumerate(labels) if label >= 0}
        own = {key: back.get(int(label), -1) for key, label in own.items()}
    return np.array([own.get(key, -1) for key in columns.classes], np.int64)


def _sides(boxes, placement):
    """Return the side of a square of each box's area, in pixels of the resized picture."""
    import numpy as np

    scale = np.broadcast_to(np.asarray(placement.scale, np.float64), (4,))[:2]
    return np.sqrt(np.prod((boxes[:, 2:] - boxes[:, :2]) * scale, axis=1)).round(1).tolist()


def _size(area):
    """Return "small", "medium" or "large", as COCO has them; the smaller of two."""
    from keras_retinanet.evaluation.coco_numbers import AREAS

    sizes = list(AREAS)[1:]
    return next((name for name in sizes if area <= AREAS[name][1]), sizes[-1])


def _with_name(miss, known):
    """Return the facts of a miss with the name of the other class in place of its label."""
    label = miss.pop("other_label", None)
    return miss if label is None else {**miss, "other_class": known[label] or str(label)}


def _counts(rows):
    """Return {"reasons", "pictures": {reason: …}, "by_class", "by_size": {…: {reason: …}}}."""
    parts = {
        f"by_{key}": {
            value: dict(Counter(row["reason"] for row in rows if row[key] == value).most_common())
            for value in sorted({row[key] for row in rows})
        }
        for key in KEYS
    }
    pictures = Counter(reason for reason, _ in {(row["reason"], row["image_id"]) for row in rows})
    reasons = dict(Counter(row["reason"] for row in rows).most_common())
    return {"reasons": reasons, "pictures": {name: pictures[name] for name in reasons}, **parts}


def miss_lines(misses):
    """Yield what was found out, in sentences; nothing for None."""
    if misses is None:
        return
    yield (
        f"{misses['file']}: {misses['missed']} of {misses['objects']} objects missed at scores "
        f"above {misses['score_threshold']:.2f}{_listed(misses['reasons'], ': ')}"
    )
    for key in KEYS:
        for name, reasons in misses[f"by_{key}"].items():
            yield f"  {key} {name}{_listed(reasons, ': ')}"


def _listed(reasons, start):
    parts = ", ".join(f"{count} {name}" for name, count in reasons.items())
    return start + parts if parts else ""
