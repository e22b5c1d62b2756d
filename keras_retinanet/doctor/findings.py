"""A finding: one kind of fault or note, how often it occurs, where, and what to do about it."""

from dataclasses import dataclass

FAULT, NOTE = "fault", "note"  # under --strict the first ends with exit code 1


@dataclass(frozen=True)
class Example:
    """A picture to show, and what in it.

    Attributes:
        picture: index of the picture.
        boxes: (x1, y1, x2, y2) in its pixels, marked in the view.
        caption: one line.
    """

    picture: int
    boxes: tuple = ()
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """What was found.

    Attributes:
        kind: a word or two, unique for each check: "empty boxes".
        severity: FAULT or NOTE.
        count: how often.
        text: one line that says what, with the count.
        remedy: what to do.
        places: a line for each, worst first.
        examples: the worst ones that can be shown.
    """

    kind: str
    severity: str
    count: int
    text: str
    remedy: str = ""
    places: tuple = ()
    examples: tuple = ()

    def line(self):
        """Return the finding as one line of text."""
        lead = ", the first " if len(self.places) > 1 else ": "
        first = f"{lead}{self.places[0]}".rstrip(".") if self.places else ""
        return f"{self.text}{first}" + (f". {self.remedy}" if self.remedy else "")


def counted(count, one, many):
    """Return "1 box" or "2 boxes"."""
    return f"{count:,} {one if count == 1 else many}"
