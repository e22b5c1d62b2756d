"""Boxes, anchors, images and other parts that know nothing of networks."""
