"""How formats write a box: for those who have to say what is wrong with one."""

from dataclasses import dataclass

PIXELS, SHARES = "pixels", "shares of the picture's sides"


@dataclass(frozen=True)
class BoxForm:
    """What the four numbers of a box are.

    Attributes:
        kind: "corners"; "sizes": upper left corner, width, height; or "centres": with the centre.
        fields: the numbers in the format's words, horizontal and vertical in turn.
        unit: PIXELS or SHARES.
        flat: what becomes of boxes without an area.
    """

    kind: str
    fields: tuple
    unit: str = PIXELS
    flat: str = "training leaves them out"

    def __str__(self):
        return f"{','.join(self.fields)} in {self.unit}"


CSV = BoxForm("corners", ("x1", "y1", "x2", "y2"), flat="training stops at them")
COCO = BoxForm("sizes", ("x", "y", "width", "height"))
PASCAL = BoxForm("corners", ("xmin", "ymin", "xmax", "ymax"))
KITTI = BoxForm("corners", ("left", "top", "right", "bottom"))
OPEN_IMAGES = BoxForm("corners", ("XMin", "YMin", "XMax", "YMax"), SHARES)
YOLO = BoxForm("centres", ("centre x", "centre y", "width", "height"), SHARES)
