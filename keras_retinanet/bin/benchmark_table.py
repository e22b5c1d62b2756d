"""The table of retinanet-predict --benchmark."""

import statistics

PARTS = {".xml": (".xml", ".bin")}  # files of one model
HEAD = ("file", "runtime", "precision", "batch", "ms", "CPU ms", "pictures/s", "MB", "memory MB")


def megabytes(path):
    """Return the size of a model's files."""
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file()) / 1e6
    parts = PARTS.get(path.suffix, (path.suffix,))
    return sum(path.with_suffix(part).stat().st_size for part in parts) / 1e6


def row(one, batch, ap=None):
    """Return the cells of a file and a batch, and of its average precision `ap` unless None."""
    wall, cpu = (statistics.median(part) / batch for part in zip(*one.times, strict=True))
    memory = one.facts.get("memory")
    return (
        one.path.name,
        one.facts["runtime"],
        one.facts["precision"],
        str(batch),
        f"{1e3 * wall:.1f}",
        f"{1e3 * cpu:.1f}",
        f"{1 / wall:.1f}",
        f"{megabytes(one.path):.1f}",
        "" if memory is None else f"{memory:.0f}",
        *(() if ap is None else (f"{ap:.4f}",)),
    )


def lines_of(rows):
    """Return lines of a table, in Markdown."""
    head = (*HEAD, "AP")[: len(rows[0])]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    cells = [head, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(text.ljust(width) for text, width in zip(one, widths, strict=True)) + " |"
        for one in cells
    ]
