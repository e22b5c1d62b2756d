"""The table of largest differences that a run of the proofs ends with."""

import pytest

COLUMNS = (
    "pyramid",
    "logits",
    "deltas",
    "anchors",
    "boxes",
    "score",
    "box px",
    "matched",
    "excused",
)
_ROWS = {}


class Record:
    """Keeps the largest value of each row and column; counts are added up."""

    def __call__(self, row, column, value):
        cells = _ROWS.setdefault(row, {})
        add = column in ("matched", "excused")
        cells[column] = cells.get(column, 0) + value if add else max(cells.get(column, 0), value)

    def detections(self, row, found):
        """Keep the differences of an `Agreement`."""
        self(row, "score", found.score)
        self(row, "box px", found.box)
        self(row, "matched", found.matched)
        self(row, "excused", found.excused)


@pytest.fixture
def record():
    """Return the `Record` of the run."""
    return Record()


def pytest_terminal_summary(terminalreporter):
    """Print the table in Markdown, for docs/weights.md."""
    if not _ROWS:
        return
    terminalreporter.write_line("")
    terminalreporter.write_line(f"| network | {' | '.join(COLUMNS)} |")
    terminalreporter.write_line(f"| --- |{' --- |' * len(COLUMNS)}")
    for row, cells in sorted(_ROWS.items()):
        texts = [_text(cells.get(column)) for column in COLUMNS]
        terminalreporter.write_line(f"| {row} | {' | '.join(texts)} |")


def _text(value):
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.1e}"
