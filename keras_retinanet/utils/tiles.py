"""Large pictures as overlapping tiles, and detections in tiles as detections in the picture.

A window is (x1, y1, x2, y2) in whole pixels of the picture; windows are [T, 4].
"""

from dataclasses import dataclass

import numpy as np

from keras_retinanet.utils.detections import Detections

AGREEMENT = 0.5  # IoU, within what both tiles see, from which two detections are one object
CONTAINED = 0.7  # share of a cut detection inside a whole one from which it is a part of that
NO_WHOLE = 0.5  # of the cut one's score; below, what contains it is a worse guess, not the whole
NEAR = 0.05  # of the tile's side; boxes of cut objects end some pixels before or at the border
OVERLAP = 0.2


@dataclass(frozen=True)
class Tiling:
    """How pictures are cut.

    Attributes:
        side: of a tile, pixels; a smaller picture is one smaller tile.
        overlap: share of its side that a tile has in common with the next, at least. Objects
            smaller than that are whole in some tile.
    """

    side: int
    overlap: float = OVERLAP

    def __post_init__(self):
        if int(self.side) != self.side or self.side < 1:
            raise ValueError(f"the side of a tile must be a whole number from 1: {self.side!r}")
        if not 0 <= self.overlap <= 0.9:
            raise ValueError(f"the overlap of tiles must be from 0 to 0.9: {self.overlap!r}")

    def windows(self, size):
        """Return the windows int64 [T, 4] of a picture (height, width), row by row.

        All have the tile's side, or the picture's where that is smaller; they are spread evenly.
        """
        ys, xs = (self._starts(side) for side in size)
        corners = np.array([(x, y) for y in ys for x in xs])
        return np.concatenate([corners, corners + np.minimum(size[::-1], self.side)], axis=1)

    def _starts(self, side):
        """Return where tiles begin along a side of the picture."""
        rest = side - self.side
        if rest <= 0:
            return np.zeros(1, np.int64)
        step = max(1, int(self.side * (1 - self.overlap)))
        count = -(-rest // step) + 1
        return np.rint(np.linspace(0, rest, count)).astype(np.int64)


def merge(found, windows, size):
    """Return the detections of a picture from those of its tiles: one for each object.

    Two detections of one class in two tiles are one object if they agree, by IoU, in what both
    tiles see: there, an object looks the same to both, however little or much of it either has.
    The surest pairs are joined first, since networks guess poorly around every object, too. Of a
    tile, at most one detection belongs to an object, since its own NMS held them apart. A side of
    the object's box is taken from the best detection that no border cuts there, or, where all are
    cut, from the one that reaches farthest. A detection that a border cuts and that lies mostly in
    another of its class, which none cuts and which scores not much less, is a part of it and goes.

    Args:
        found: (boxes [D, 4] in pixels of the picture, scores [D], labels [D]) of each tile.
        windows: [T, 4].
        size: (height, width) of the picture.

    Returns:
        (boxes float64 [D, 4], scores [D], labels [D]), best first; an object's score is the
        best of its detections'.
    """
    found = [tuple(map(np.asarray, one)) for one in found]
    tiles = np.repeat(np.arange(len(found)), [len(scores) for _, scores, _ in found])
    boxes = np.concatenate([np.reshape(b, (-1, 4)) for b, _, _ in found]).astype(np.float64)
    scores = np.concatenate([scores for _, scores, _ in found])
    labels = np.concatenate([labels for _, _, labels in found])
    order = np.argsort(-scores, kind="stable")
    boxes, scores, labels, tiles = boxes[order], scores[order], labels[order], tiles[order]
    seen = np.asarray(windows, np.float64)[tiles].reshape(-1, 4)  # each detection's window
    cut = cut_sides(boxes, seen, size)
    groups = _groups(boxes, scores, labels, tiles, seen, cut)
    merged = np.array([_outline(boxes[g], cut[g]) for g in groups]).reshape(-1, 4)
    first = np.array([g[0] for g in groups], int)
    still_cut = np.array([cut[g].all(axis=0).any() for g in groups], bool)
    kept = ~_parts(merged, scores[first], labels[first], still_cut)
    return merged[kept], scores[first[kept]], labels[first[kept]]


def merge_detections(of_tiles, windows, size):
    """Return the `Detections` of a picture from those of its tiles, by `merge`.

    Args:
        of_tiles: a `Detections` of each tile, in the tile's pixels.
        windows, size: as of `merge`.
    """
    shifts = np.tile(windows[:, :2], 2)
    parts = [
        (one.boxes + shift, one.scores, one.labels)
        for one, shift in zip(of_tiles, shifts, strict=True)
    ]
    boxes, scores, labels = merge(parts, windows, size)
    return Detections(boxes.astype(np.float32), scores, labels)


def cut_sides(boxes, windows, size):
    """Return which sides of boxes [D, 4] end at a border of their windows [D, 4], [D, 4] bool.

    The borders of the picture itself, (height, width), cut nothing.
    """
    height, width = size
    near = NEAR * (windows[:, 2:] - windows[:, :2]).max(axis=1, initial=0, keepdims=True)
    inner = windows != np.array([0, 0, width, height])
    return inner & (np.abs(boxes - windows) <= np.maximum(near, 1))


def _groups(boxes, scores, labels, tiles, seen, cut):
    """Return lists of the detections that are one object each, best first.

    Detections come best first. Pairs are joined by their agreement times the lower score, from
    the highest on.
    """
    one, other = _neighbours(boxes, tiles, seen, labels)
    agreement = _agreement(boxes, seen, cut, one, other)
    agreeing = np.flatnonzero(agreement >= AGREEMENT)
    worth = agreement[agreeing] * np.minimum(scores[one[agreeing]], scores[other[agreeing]])
    members = {index: [index] for index in range(len(boxes))}
    group_of = np.arange(len(boxes))
    for pair in agreeing[np.argsort(-worth, kind="stable")]:
        a, b = sorted((group_of[one[pair]], group_of[other[pair]]))
        if a == b or set(tiles[members[a]]) & set(tiles[members[b]]):
            continue
        members[a] += members.pop(b)
        group_of[members[a]] = a
    return [sorted(group) for _, group in sorted(members.items())]


def _neighbours(boxes, tiles, seen, labels):
    """Return the pairs (one [P], other [P]) of one class that reach into what two tiles see."""
    pairs = [(np.zeros(0, int), np.zeros(0, int))]
    _, first = np.unique(tiles, return_index=True)
    windows, by_tile = seen[first], [np.flatnonzero(tiles == tiles[i]) for i in first]
    for place, mine in enumerate(by_tile):
        low = np.maximum(windows[place, :2], windows[place + 1 :, :2])
        high = np.minimum(windows[place, 2:], windows[place + 1 :, 2:])
        for near in np.flatnonzero((high >= low).all(axis=1)):
            margin = NEAR * (windows[place, 2:] - windows[place, :2]).max() + 1  # as of `cut_sides`
            common = (low[near] - margin, high[near] + margin)
            ours, theirs = (
                which[((boxes[which, 2:] > common[0]) & (boxes[which, :2] < common[1])).all(axis=1)]
                for which in (mine, by_tile[place + 1 + near])
            )
            a, b = np.nonzero(labels[ours][:, None] == labels[theirs])
            pairs.append((ours[a], theirs[b]))
    return tuple(np.concatenate(side) for side in zip(*pairs, strict=True))


def _agreement(boxes, seen, cut, one, other):
    """Return the IoU of pairs of detections within what both tiles see, [P].

    Where tiles only touch, the seam has no width: then two boxes that it cuts are compared along
    it.
    """
    low = np.maximum(seen[one, :2], seen[other, :2])
    high = np.minimum(seen[one, 2:], seen[other, 2:])
    seam = high <= low  # [P, 2], along x and y
    (a1, a2), (b1, b2) = (
        (np.clip(boxes[i, :2], low, high), np.clip(boxes[i, 2:], low, high)) for i in (one, other)
    )
    shared = np.clip(np.minimum(a2, b2) - np.maximum(a1, b1), 0, None)
    sides_a, sides_b = a2 - a1, b2 - b1
    touching = (cut[one, :2] & cut[other, 2:]) | (cut[one, 2:] & cut[other, :2])
    shared, sides_a, sides_b = (np.where(seam, 1.0, s) for s in (shared, sides_a, sides_b))
    both = shared.prod(axis=1)
    union = sides_a.prod(axis=1) + sides_b.prod(axis=1) - both
    agreement = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return np.where((seam & ~touching).any(axis=1) | seam.all(axis=1), 0.0, agreement)


def _outline(boxes, cut):
    """Return the box (x1, y1, x2, y2) of an object from its detections, best first."""
    farthest = np.array([*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)])
    whole = boxes[(~cut).argmax(axis=0), np.arange(4)]  # of the best that is not cut there
    return np.where(cut.all(axis=0), farthest, whole)


def _parts(boxes, scores, labels, cut):
    """Return which boxes [D] are cut and lie mostly in a box of their class that is not."""
    parts = np.zeros(len(boxes), bool)
    for index in np.flatnonzero(cut):
        low = np.maximum(boxes[index, :2], boxes[:, :2])
        high = np.minimum(boxes[index, 2:], boxes[:, 2:])
        inside = np.clip(high - low, 0, None).prod(axis=1)
        area = (boxes[index, 2:] - boxes[index, :2]).prod()
        wholes = ~cut & (labels == labels[index]) & (scores >= NO_WHOLE * scores[index])
        parts[index] = (wholes & (inside >= CONTAINED * area)).any()
    return parts
