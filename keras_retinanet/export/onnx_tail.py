"""From all boxes and scores to detections in ONNX's own operators, as text that its parser reads.

The pictures of a batch are suppressed together, boxes of each moved to a place of its own. Logits
decide about the order, since probabilities near 1 are equal in float32 where logits are not. One
row that is no detection goes along everywhere, since not every operator of every runtime takes
nothing; it ends as padding.
"""

import math

OPSET = 18
NOTHING = -1.0
FLOAT = "float32"

# [batch, N, 4], [batch, N, K] -> rows of anchors with a score above the threshold
ROWS = """
  minus_one = Constant<value_ints = [-1]>()
  zeros = Constant<value_ints = [0]>()
  ones = Constant<value_ints = [1]>()
  zero = Constant<value_int = 0>()
  one = Constant<value_int = 1>()
  {best_class}
  best = ReduceMax<keepdims = 0>(counted, minus_one)
  above = Greater(best, threshold)
  places = NonZero(above)
  found_at = Transpose<perm = [1, 0]>(places)
  found_scores = GatherND(counted, found_at)
  found_boxes = GatherND(dense_boxes, found_at)
  found_image = Gather<axis = 0>(places, zero)
  row_scores = Concat<axis = 0>(found_scores, no_scores)
  row_boxes = Concat<axis = 0>(found_boxes, no_boxes)
  row_image = Concat<axis = 0>(found_image, zeros)
"""
ALL_CLASSES = "counted = Identity(dense_scores)"
# a box counts under its best class only
BEST_CLASS = """
  best_of_all = ReduceMax<keepdims = 1>(dense_scores, minus_one)
  first_best = ArgMax<axis = 2, keepdims = 0>(dense_scores)
  class_count = Constant<value_int = {classes}>()
  on_off = Constant<value_floats = [0.0, 1.0]>()
  is_first = OneHot<axis = -1>(first_best, class_count, on_off)
  half = Constant<value_float = 0.5>()
  counts_here = Greater(is_first, half)
  no_score = Constant<value_float = -inf>()
  counted = Where(counts_here, dense_scores, no_score)
"""
# (row, class) of every score above the threshold
PAIRS = """
  pair_above = Greater(row_scores, threshold)
  pair_places = NonZero(pair_above)
  pair_row = Gather<axis = 0>(pair_places, zero)
  pair_class = Gather<axis = 0>(pair_places, one)
  pair_at = Transpose<perm = [1, 0]>(pair_places)
  pair_score = GatherND(row_scores, pair_at)
"""
SHIFT = """
  highest = ReduceMax<keepdims = 0>({boxes})
  lowest = ReduceMin<keepdims = 0>({boxes})
  extent = Sub(highest, lowest)
  unit = Constant<value_float = 1.0>()
  span = Add(extent, unit)
  image_number = Cast<to = 1>({image})
  shift = Mul(image_number, span)
  shift_column = Unsqueeze(shift, ones)
  shifted = Add({boxes}, shift_column)
  nms_boxes = Unsqueeze(shifted, zeros)
  batch_size = Shape<start = 0, end = 1>(dense_boxes)
  limit = Constant<value_ints = [{limit}]>()
  all_rows = Shape<start = 0, end = 1>({boxes})
  is_alone = Equal(batch_size, ones)
  most = Where(is_alone, limit, all_rows)
  chosen = NonMaxSuppression(nms_boxes, nms_scores, most, iou_threshold, score_threshold)
"""
WITHIN_CLASS = (
    """
  by_class = Transpose<perm = [1, 0]>(row_scores)
  nms_scores = Unsqueeze(by_class, zeros)
"""
    + SHIFT.format(boxes="row_boxes", image="row_image", limit="{limit}")
    + """
  kept_class = Gather<axis = 1>(chosen, one)
  two = Constant<value_int = 2>()
  kept_row = Gather<axis = 1>(chosen, two)
"""
)
WITHIN_ALL = (
    PAIRS
    + """
  no_pair_score = Constant<value_floats = [-1e30]>()
  pair_rows = Concat<axis = 0>(pair_row, zeros)
  pair_classes = Concat<axis = 0>(pair_class, zeros)
  pair_scores = Concat<axis = 0>(pair_score, no_pair_score)
  pair_boxes = Gather<axis = 0>(row_boxes, pair_rows)
  pair_image = Gather<axis = 0>(row_image, pair_rows)
  score_row = Unsqueeze(pair_scores, zeros)
  nms_scores = Unsqueeze(score_row, zeros)
"""
    + SHIFT.format(boxes="pair_boxes", image="pair_image", limit="{limit}")
    + """
  two = Constant<value_int = 2>()
  kept_pair = Gather<axis = 1>(chosen, two)
  kept_class = Gather<axis = 0>(pair_classes, kept_pair)
  kept_row = Gather<axis = 0>(pair_rows, kept_pair)
"""
)
NO_SUPPRESSION = (
    PAIRS
    + """
  batch_size = Shape<start = 0, end = 1>(dense_boxes)
  limit = Constant<value_ints = [{limit}]>()
  kept_class = Identity(pair_class)
  kept_row = Identity(pair_row)
"""
)
# kept (row, class), in any order -> the best of each picture, in falling order
FILL = """
  row_column = Unsqueeze(kept_row, ones)
  class_column = Unsqueeze(kept_class, ones)
  kept_at = Concat<axis = 1>(row_column, class_column)
  kept_raw = GatherND(row_scores, kept_at)
  kept_scores = {activation}(kept_raw)
  kept_boxes = Gather<axis = 0>(row_boxes, kept_row)
  kept_image = Gather<axis = 0>(row_image, kept_row)
  last_image = Sub(batch_size, ones)
  nothing = Constant<value_floats = [-1.0]>()
  all_scores = Concat<axis = 0>(kept_scores, nothing)
  all_classes = Concat<axis = 0>(kept_class, minus_one)
  all_boxes = Concat<axis = 0>(kept_boxes, padding_box)
  all_images = Concat<axis = 0>(kept_image, last_image)
  worst = Constant<value_floats = [-1e30]>()
  all_raw = Concat<axis = 0>(kept_raw, worst)
  least = Constant<value_float = -200.0>()
  most_score = Constant<value_float = 200.0>()
  near_raw = Clip(all_raw, least, most_score)
  score_double = Cast<to = 11>(near_raw)
  image_double = Cast<to = 11>(all_images)
  apart = Constant<value_float = 1000.0>()
  apart_double = Cast<to = 11>(apart)
  image_key = Mul(image_double, apart_double)
  key = Sub(score_double, image_key)
  total = Shape(key)
  sorted_key, order = TopK<axis = 0, largest = 1, sorted = 1>(key, total)
  sorted_images = Gather<axis = 0>(all_images, order)
  batch_scalar = Squeeze(batch_size)
  image_numbers = Range(zero, batch_scalar, one)
  image_column = Unsqueeze(image_numbers, ones)
  image_row = Unsqueeze(sorted_images, zeros)
  is_own = Equal(image_column, image_row)
  own_count = Cast<to = 7>(is_own)
  counts = ReduceSum<keepdims = 0>(own_count, ones)
  starts = CumSum<exclusive = 1>(counts, zero)
  start_of = Gather<axis = 0>(starts, sorted_images)
  total_scalar = Squeeze(total)
  ranks = Range(zero, total_scalar, one)
  slot = Sub(ranks, start_of)
  fits = Less(slot, limit)
  fitting = NonZero(fits)
  taken = Squeeze(fitting, zeros)
  taken_order = Gather<axis = 0>(order, taken)
  slot_taken = Gather<axis = 0>(slot, taken)
  image_taken = Gather<axis = 0>(sorted_images, taken)
  slot_column = Unsqueeze(slot_taken, ones)
  image_taken_column = Unsqueeze(image_taken, ones)
  target = Concat<axis = 1>(image_taken_column, slot_column)
  scores_taken = Gather<axis = 0>(all_scores, taken_order)
  boxes_taken = Gather<axis = 0>(all_boxes, taken_order)
  classes_taken = Gather<axis = 0>(all_classes, taken_order)
  flat_shape = Concat<axis = 0>(batch_size, limit)
  four = Constant<value_ints = [4]>()
  box_shape = Concat<axis = 0>(batch_size, limit, four)
  empty_scores = Expand(nothing, flat_shape)
  empty_boxes = Expand(nothing, box_shape)
  empty_labels = Expand(minus_one, flat_shape)
  scores = ScatterND(empty_scores, target, scores_taken)
  boxes = ScatterND(empty_boxes, target, boxes_taken)
  long_labels = ScatterND(empty_labels, target, classes_taken)
  labels = Cast<to = 6>(long_labels)
"""


def tail_text(tail):
    """Return the graph of a `dense.Tail` in ONNX's text form, without its initializers."""
    best_class = ALL_CLASSES if tail.class_specific_filter else BEST_CLASS
    apart = tail.class_specific_filter and tail.nms_within == "class"
    keep = NO_SUPPRESSION if not tail.nms else WITHIN_CLASS if apart else WITHIN_ALL
    rows = ROWS.format(best_class=best_class.format(classes=tail.classes))
    fill = FILL.format(activation="Sigmoid" if tail.is_logits else "Identity")
    limit, classes = tail.max_detections, tail.classes
    return (
        f'<ir_version: 10, opset_import: ["" : {OPSET}]>\n'
        f"tail (float[batch, N, 4] dense_boxes, float[batch, N, {classes}] dense_scores) => "
        f"(float[batch, {limit}, 4] boxes, float[batch, {limit}] scores, "
        f"int32[batch, {limit}] labels) {{" + rows + keep.format(limit=limit) + fill + "}"
    )


def thresholds(tail, score_threshold=None):
    """Return {initializer: number or nested list} of a tail at `score_threshold`."""
    score = tail.score_threshold if score_threshold is None else score_threshold
    threshold = score
    if tail.is_logits:
        threshold = (
            math.log(score / (1 - score)) if 0 < score < 1 else math.copysign(1e30, score - 0.5)
        )
    return {
        "threshold": threshold,
        "score_threshold": [threshold],
        "iou_threshold": [tail.nms_threshold],
        "no_scores": [[-1e30] * tail.classes],
        "no_boxes": [[0.0] * 4],
        "padding_box": [[NOTHING] * 4],
    }


def tail_model(tail):
    """Return the `onnx.ModelProto` of a tail: dense boxes and scores to detections."""
    import numpy as np
    import onnx

    model = onnx.parser.parse_model(tail_text(tail))
    for name, value in thresholds(tail).items():
        tensor = onnx.numpy_helper.from_array(np.asarray(value, FLOAT), name)
        model.graph.initializer.append(tensor)
    return model
