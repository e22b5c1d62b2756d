"""Metrics by slow loops over boxes, written from their definitions; boxes are x, y, width, height.

An object is (picture, label, box, area, crowd), a detection (picture, label, box, score).
"""

import numpy as np


def objects_of(columns):
    """Return the objects of Columns as a list of tuples."""
    true = columns.true
    fields = (true.pictures, true.labels, true.boxes, true.areas, true.crowd)
    return list(zip(*(field.tolist() for field in fields), strict=True))


def detections_of(columns):
    """Return the detections of Columns as a list of tuples."""
    found = columns.found
    fields = (found.pictures, found.labels, found.boxes, found.scores)
    return list(zip(*(field.tolist() for field in fields), strict=True))


def overlap(box, other, crowd=False):
    """Return IoU, or, with a crowd, the share of `box` inside of `other`."""
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    area = box[2] * box[3]
    union = area if crowd else area + other[2] * other[3] - width * height
    return width * height / union


def ranked(detections, most=100):
    """Return places of detections by score, at most `most` of a picture and class, ties stable."""
    places = sorted(range(len(detections)), key=lambda i: detections[i][0])
    places.sort(key=lambda i: -detections[i][3])  # Python sorts stably
    counts, kept = {}, []
    for place in places:
        group = detections[place][:2]
        counts[group] = counts.get(group, 0) + 1
        if counts[group] <= most:
            kept.append(place)
    return kept


def coco_owners(objects, detections, threshold, ignored):
    """Return {place of detection: place of object} after COCO's rules.

    Args:
        ignored: whether each object is neither hit nor missed.
    """
    owners, taken = {}, set()
    for place in ranked(detections):
        picture, label, box, _ = detections[place]
        best, choice = min(threshold, 1 - 1e-10), None
        order = sorted(range(len(objects)), key=lambda i: ignored[i])
        for other in order:
            if objects[other][:2] != (picture, label):
                continue
            if other in taken and not objects[other][4]:
                continue
            if choice is not None and not ignored[choice] and ignored[other]:
                break
            value = overlap(box, objects[other][2], objects[other][4])
            if value >= best:
                best, choice = value, other
        if choice is not None:
            owners[place] = choice
            taken.add(choice)
    return owners


def coco_ap(objects, detections, label, threshold, ignored, outside):
    """Return COCO's AP of a class at one threshold over 101 recalls, None without objects.

    Args:
        outside: whether each detection does not count where it finds nothing.
    """
    owners = coco_owners(objects, detections, threshold, ignored)
    total = sum(one[1] == label and not ignored[i] for i, one in enumerate(objects))
    if not total:
        return None
    points, true, count = [], 0, 0
    for place in ranked(detections):
        if detections[place][1] != label:
            continue
        owner = owners.get(place)
        if (owner is None and outside[place]) or (owner is not None and ignored[owner]):
            continue
        count += 1
        true += owner is not None
        points.append((true / total, true / count))
    recalls = np.linspace(0, 1, 101)
    return sum(max([p for r, p in points if r >= recall], default=0) for recall in recalls) / 101


def states(columns, threshold):
    """Return ([(label, score, hit, iou)] by score of detections that count, {label: objects})."""
    objects, detections = objects_of(columns), detections_of(columns)
    crowd = [one[4] for one in objects]
    owners = coco_owners(objects, detections, threshold, crowd)
    rows = []
    for place in ranked(detections):
        _, label, box, score = detections[place]
        owner = owners.get(place)
        if owner is None or not crowd[owner]:
            iou = 0.0 if owner is None else overlap(box, objects[owner][2])
            rows.append((label, score, owner is not None, iou))
    totals = {k: 0 for k in range(len(columns.classes))}
    for one in objects:
        totals[one[1]] += not one[4]
    return rows, totals


def confusion(columns, iou_threshold, score_threshold):
    """Return the confusion matrix [K + 1, K + 1]: own class first, then any, then background."""
    objects, detections = objects_of(columns), detections_of(columns)
    crowd = [one[4] for one in objects]
    owners = coco_owners(objects, detections, iou_threshold, crowd)
    classes = len(columns.classes)
    matrix = np.zeros((classes + 1, classes + 1), int)
    shown = [place for place in ranked(detections) if detections[place][3] > score_threshold]
    free = {place for place, one in enumerate(objects) if not one[4]}
    left = []
    for place in shown:
        owner = owners.get(place)
        if owner is None:
            left.append(place)
        elif not crowd[owner]:
            matrix[objects[owner][1], objects[owner][1]] += 1
            free.remove(owner)
    for place in left:
        picture, label, box, _ = detections[place]
        best, choice = iou_threshold, None
        for other in sorted(free):
            value = overlap(box, objects[other][2])
            if objects[other][0] == picture and value >= best:
                best, choice = value, other
        if choice is None:
            matrix[classes, label] += 1
        else:
            matrix[objects[choice][1], label] += 1
            free.remove(choice)
    for other in free:
        matrix[objects[other][1], classes] += 1
    return matrix


def nearest(objects, picture, label, box, crowd):
    """Return (overlap, place) of the object or group that a box overlaps most; (0, None)."""
    best = (0.0, None)
    for place, one in enumerate(objects):
        if one[:2] == (picture, label) and one[4] == crowd:
            value = overlap(box, one[2], crowd)
            if value > best[0]:
                best = (value, place)
    return best


def envelope_area(points):
    """Return the area under the precision envelope of points (recall, precision) in order."""
    area, before = 0.0, 0.0
    for place, (recall, _) in enumerate(points):
        area += (recall - before) * max(precision for _, precision in points[place:])
        before = recall
    return area


def eleven_point_mean(points):
    """Return the mean over recall 0, 0.1, …, 1 of the best precision at it or above."""
    levels = [place / 10 for place in range(11)]
    return sum(max([p for r, p in points if r >= level], default=0) for level in levels) / 11


def open_images_points(columns, label, threshold, weight):
    """Return the points (recall, precision) of a class after Open Images' rules, or None."""
    objects = objects_of(columns)
    total = sum((weight if one[4] else 1) for one in objects if one[1] == label)
    points, true, count, taken = [], 0.0, 0.0, set()
    detections = detections_of(columns)
    for place in ranked(detections, most=10**9):
        picture, own, box, _ = detections[place]
        if own != label:
            continue
        value, single = nearest(objects, picture, label, box, crowd=False)
        share, group = nearest(objects, picture, label, box, crowd=True)
        if value >= threshold and single not in taken:
            taken.add(single)
            true, count = true + 1, count + 1
        elif share >= threshold:
            if group not in taken:
                taken.add(group)
                true, count = true + weight, count + weight
        else:
            count += 1
        points.append((true / total if total else 0, true / count if count else 0))
    return points if total else None
