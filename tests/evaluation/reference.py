"""Average precision by slow loops, written from its definition (Pascal VOC 2010 and later)."""


def iou(a, b):
    """Return the intersection over union of two boxes (x1, y1, x2, y2)."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0


def average_precision(truths, detections, label, iou_threshold):
    """Return (AP, objects) of one class over all images."""
    boxes = [[tuple(box) for box, own in _rows(truth) if own == label] for truth in truths]
    instances = sum(len(image_boxes) for image_boxes in boxes)
    if instances == 0:
        return 0.0, 0
    ranked = [
        (float(score), image, tuple(box))
        for image, found in enumerate(detections)
        for (box, own), score in zip(_rows(found), found.scores, strict=True)
        if own == label
    ]
    ranked.sort(key=lambda row: -row[0])  # Python sorts stably
    points, true, taken = [], 0, set()
    for rank, (_, image, box) in enumerate(ranked, start=1):
        owner = _owner(box, boxes[image], iou_threshold)
        if owner is not None and (image, owner) not in taken:
            taken.add((image, owner))
            true += 1
        points.append((true / instances, true / rank))
    return _area(points), instances


def _rows(annotated):
    return zip(annotated.boxes.tolist(), annotated.labels.tolist(), strict=True)


def _owner(box, boxes, iou_threshold):
    """Return the first of the boxes that `box` overlaps most, or None if by too little."""
    best, owner = -1.0, None
    for index, other in enumerate(boxes):
        if iou(box, other) > best:
            best, owner = iou(box, other), index
    return owner if best >= iou_threshold else None


def _area(points):
    """Sum, over the points (recall, precision), the step in recall times the best precision on."""
    total, before = 0.0, 0.0
    for index, (recall, _) in enumerate(points):
        total += (recall - before) * max(precision for _, precision in points[index:])
        before = recall
    return total
