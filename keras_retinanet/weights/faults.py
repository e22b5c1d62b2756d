"""What goes wrong in a damaged file, and how it is told in one line."""

FAULTS = (  # by which Python and NumPy tell of content that cannot be
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    MemoryError,
    EOFError,
)


def one_line(error, most=120):
    """Return an error's first line, cut."""
    lines = str(error).strip("'\" \n").splitlines() or [type(error).__name__]
    return lines[0][:most]
