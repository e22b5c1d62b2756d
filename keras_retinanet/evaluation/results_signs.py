"""Signs that results which can be read are not what they should be."""

import numpy as np

SHARE = 1.5  # pixels; a coordinate below it, in all boxes, is a share of the picture's side
ENOUGH = 20  # boxes below which their extent says nothing of the size they were made for
REACH = 0.6  # of the sides: where so many boxes reach no farther, the pictures were smaller


def signs(found, sizes, ids=()):
    """Return a line for each sign, without the file's name.

    Args:
        found: FoundBoxes whose pictures are places in `sizes`.
        sizes: int [pictures, 2], height and width.
        ids: the "id" of each row of the file, None where it has none.
    """
    checks = (_repeated_ids(ids), _repeated(found), *_other_sizes(found, np.asarray(sizes)))
    return [line for line in checks if line]


def _repeated_ids(ids):
    known = [key for key in ids if isinstance(key, (int, str))]
    repeated = len(known) - len(set(known))
    return f"{repeated} detections repeat the id of another; ids do not count" if repeated else ""


def _repeated(found):
    """Say how many detections equal another one: they count, as false alarms."""
    columns = np.column_stack([found.pictures, found.labels, found.boxes, found.scores])
    repeated = len(columns) - len(np.unique(columns, axis=0))
    return f"{repeated} detections are there twice and count as false alarms" if repeated else ""


def _other_sizes(found, sizes):
    """Yield what says that boxes were made for pictures of another size."""
    if not len(found.boxes):
        return
    ends = found.boxes[:, :2] + found.boxes[:, 2:]
    sides = sizes[found.pictures][:, ::-1]  # [n, 2] width and height
    if ends.max() <= SHARE:
        yield "all coordinates are below 1: shares of the sides? COCO's boxes are in pixels"
        return
    centres = (found.boxes[:, :2] + ends) / 2
    outside = ((centres < 0) | (centres > sides)).any(axis=1)
    if outside.any():
        yield (
            f"{np.count_nonzero(outside)} detections have their centre outside of their picture, "
            f"the first {_said(found, sides, int(outside.argmax()))}: made for another size?"
        )
    reach = (ends / np.maximum(sides, 1)).max()
    if len(ends) >= ENOUGH and reach < REACH:
        yield (
            f"no detection reaches beyond {reach:.0%} of its picture's sides: "
            "made for a smaller size?"
        )


def _said(found, sides, row):
    box = [round(value, 1) for value in found.boxes[row].tolist()]
    return f"{box} in one of {int(sides[row, 0])} x {int(sides[row, 1])} pixels"
