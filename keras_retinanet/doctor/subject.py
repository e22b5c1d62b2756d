"""What the doctor looks at: a dataset as its annotations have it, and the headers of its pictures.

Nothing is mended here: boxes may lie outside, pictures may be broken.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keras_retinanet.preprocessing.box_forms import BoxForm
from keras_retinanet.preprocessing.samples import Samples
from keras_retinanet.preprocessing.table import Table


@dataclass(frozen=True)
class Subject:
    """A dataset that is examined.

    Attributes:
        source: what the dataset is called.
        names: of the pictures, as the annotations have them.
        files: of the pictures.
        sizes: [P, 2] int64, height and width, 0 where the picture is broken.
        broken: {picture: message}.
        declared: [P, 2], height and width that the annotations state, 0 where they do not; or None.
        samples: boxes in pixels, equal ones once.
        repeated: the boxes that were left out since equal ones are in `samples`.
        flat: FlatBoxes, which have no area.
        regions: [P] int64, how many regions to ignore each picture has.
        classes: {label: name}.
        unknown: {name of no class: [boxes, place of the first]}, of boxes that are left out.
        form: BoxForm, how the annotations write boxes.
        notices: what else the parser has to say.
    """

    source: str
    names: tuple
    files: tuple
    sizes: np.ndarray
    broken: dict
    declared: np.ndarray | None
    samples: Samples
    repeated: Samples
    flat: tuple
    regions: np.ndarray
    classes: dict
    unknown: dict
    form: BoxForm
    notices: tuple = ()

    @cached_property
    def fitted(self):
        """The Samples that training sees: clipped to the pictures, less what is outside."""
        return self.samples.inside(self.sizes)[0]

    @cached_property
    def limits(self):
        """Width, height, width, height of each box's picture: [T, 4] float64."""
        return np.asarray(self.sizes, np.float64)[self.samples.pictures][:, [1, 0, 1, 0]]

    @cached_property
    def readable(self):
        """Whether each box's picture can be read: [T] bool."""
        return (self.limits > 0).all(axis=1)

    def class_name(self, label):
        """Return what a label's class is called."""
        return str(self.classes.get(int(label), f"unnamed {int(label)}"))

    def place(self, picture, box=None, label=None):
        """Return one line that finds a picture, or a box of it, in the annotations."""
        text = self.names[picture]
        if box is not None:
            text += ": " + ",".join(f"{side:.6g}" for side in box)
        return text if label is None else f"{text} {self.class_name(label)}"


def read_subject(generator):
    """Return the Subject of a TableGenerator: as its parser found it, where it still knows."""
    found, in_pixels = generator.found, generator.in_pixels
    if found is None:
        found, in_pixels = Table(generator.samples, generator.ignored), _as_they_are
    paths = tuple(generator.image_path(index) for index in range(generator.size()))
    repeated = found.repeated if found.repeated is not None else _none_of(found.samples)
    return Subject(
        source=generator.source,
        names=found.samples.paths,
        files=paths,
        sizes=generator.image_sizes,
        broken=generator.broken,
        declared=found.declared,
        samples=in_pixels(found.samples),
        repeated=in_pixels(repeated),
        flat=_flat_objects(found, in_pixels),
        regions=np.diff(found.ignored.starts),
        classes={
            label: generator.label_to_name(label)
            for label in range(generator.num_classes())
            if generator.has_label(label)
        },
        unknown=found.unknown.found,
        form=generator.box_form,
        notices=found.notices,
    )


def _flat_objects(found, in_pixels):
    """Return the FlatBoxes of a Table, in pixels, less those of regions to ignore."""
    flat = [each for each in found.flat if each.label >= 0]
    boxes = np.array([each.box for each in flat], np.float64).reshape(-1, 4)
    pictures, labels = (np.array([each[at] for each in flat], np.int64) for at in (0, 2))
    boxes = in_pixels(Samples(found.samples.paths, pictures, boxes, labels)).boxes
    return tuple(
        each._replace(box=tuple(box)) for each, box in zip(flat, boxes.tolist(), strict=True)
    )


def part_of(subject, most_boxes):
    """Return the Subject of evenly spread pictures that have about `most_boxes` boxes at most."""
    total = len(subject.samples.labels)
    step = max(1, -(-total // most_boxes))
    if step == 1:
        return subject
    left = [index for index in range(len(subject.names)) if index % step]
    kept = slice(None, None, step)
    numbers = {old: new for new, old in enumerate(range(0, len(subject.names), step))}
    return Subject(
        source=subject.source,
        names=subject.names[kept],
        files=subject.files[kept],
        sizes=subject.sizes[kept],
        broken={numbers[i]: text for i, text in subject.broken.items() if i in numbers},
        declared=None if subject.declared is None else subject.declared[kept],
        samples=subject.samples.without_pictures(left),
        repeated=subject.repeated.without_pictures(left),
        flat=tuple(
            f._replace(picture=numbers[f.picture]) for f in subject.flat if f.picture in numbers
        ),
        regions=subject.regions[kept],
        classes=subject.classes,
        unknown=subject.unknown,
        form=subject.form,
        notices=subject.notices,
    )


def _as_they_are(samples):
    """Return the Samples that a generator has mended: they are in pixels in every format."""
    return samples


def _none_of(samples):
    return Samples.from_rows(samples.paths, [], [], [])
