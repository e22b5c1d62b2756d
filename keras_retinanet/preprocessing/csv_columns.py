"""Which column of an annotation file in CSV holds what: by a header's names, or in 1.0's order."""

from keras_retinanet.preprocessing.csv_text import shown
from keras_retinanet.preprocessing.samples import AnnotationError

ROW_FORMAT = "'img_file,x1,y1,x2,y2,class_name' or 'img_file,,,,,'"
COLUMNS = {  # names that a header may give to each column of an annotation file
    "path": ("path", "filename", "image", "img_file", "file_name", "image_path"),
    "x1": ("x1", "xmin"),
    "y1": ("y1", "ymin"),
    "x2": ("x2", "xmax"),
    "y2": ("y2", "ymax"),
    "class": ("class", "class_name", "label"),
}
SIZE_COLUMNS = {  # of the picture, as many tutorials have them; nothing but the doctor needs them
    "height": ("height", "image_height", "img_height"),
    "width": ("width", "image_width", "img_width"),
}
MOST_DIGITS = 8  # of a picture's side


def columns_of_header(line, row):
    """Return the columns of COLUMNS, and of SIZE_COLUMNS if both are there, of a first row.

    None where the row is no header.
    """
    names = [field.lower() for field in row]
    found = _places(names, COLUMNS)
    if sum(bool(found[role]) for role in ("x1", "y1", "x2", "y2")) < 2:
        return None
    for role, places in found.items():
        if len(places) != 1:
            fault = f"no column for {role}" if not places else f"{len(places)} columns for {role}"
            raise AnnotationError(
                f"line {line}: the header {shown(','.join(row))} has {fault}. "
                f"Name exactly one column {' or '.join(COLUMNS[role])}"
            )
    sizes = list(_places(names, SIZE_COLUMNS).values())
    stated = all(len(places) == 1 for places in sizes)
    return [places[0] for places in (*found.values(), *(sizes if stated else ()))]


def _places(names, roles):
    return {role: [i for i, name in enumerate(names) if name in roles[role]] for role in roles}


def pick(line, row, columns):
    """Return path, x1, y1, x2, y2, class of a row."""
    columns = columns[: len(COLUMNS)]
    if len(row) <= max(columns):
        marks = {";": "semicolons", "\t": "tabs"}
        hint = next((f", separated by {marks[m]}" for m in marks if m in row[0]), "")
        raise AnnotationError(
            f"line {line}: format should be {ROW_FORMAT}, found {len(row)} fields{hint}. "
            f"Write {max(columns) + 1} fields with commas between them"
        )
    fields = [row[column] for column in columns]
    if not fields[0]:
        raise AnnotationError(
            f"line {line}: format should be {ROW_FORMAT}, found no file name. Write the "
            "picture's path first"
        )
    return fields


def size_fields(row, columns):
    """Return the fields of a row for the picture's height and width; none without such columns."""
    return [row[column] if column < len(row) else "" for column in columns[len(COLUMNS) :]]


def sides(fields):
    """Return the sides of a picture that fields state, 0 where they state none."""
    return [int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else 0 for text in fields]
