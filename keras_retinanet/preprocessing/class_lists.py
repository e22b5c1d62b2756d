"""Class names that a user lists: with commas between, in a text file, or in a CSV file with ids."""

from collections import Counter
from pathlib import Path

from keras_retinanet.preprocessing.annotation_files import read_lines
from keras_retinanet.preprocessing.csv_reader import read_classes
from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

_ENDINGS = (".txt", ".csv", ".names")  # of files; a class has no such name


def parse_class_list(text):
    """Return the classes of names "a,b,c", or of the file of that name.

    Returns:
        Names in the order of their labels; {name: label} of a CSV file of lines `name,id`, as for
        `CSVGenerator`. Any other file has a name a line.

    Raises:
        AnnotationError: one line with file and line.
    """
    path = Path(text)
    if not (text.endswith(_ENDINGS) or path.is_file()):
        return _checked(text, [name.strip() for name in text.split(",")])
    if path.suffix == ".csv":
        return read_classes(path)
    return _checked(text, [name for _, name in read_lines(path)])


def _checked(source, names):
    if not all(names) or not names:
        raise AnnotationError(f"{source}: a class has no name. Write a,b,c, or name a file")
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise AnnotationError(
            f"{source}: names the class {shown(name)} {count} times. Name it once"
        )
    return names
