"""HTML from Python values. Text is escaped unless it is `Html` already."""

from html import escape

VOID = {"img"}  # elements without an end


class Html(str):
    """Text that is HTML and is not escaped again."""

    __slots__ = ()


def safe(value):
    """Return a value as Html."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def element(tag, *children, **attributes):
    """Return an element; `class_` stands for the attribute class, `_` in names for `-`.

    None and False leave an attribute out; children that are None are left out.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in VOID:
        return Html(f"<{tag}{given}>")
    inner = "".join(safe(child) for child in children if child is not None)
    return Html(f"<{tag}{given}>{inner}</{tag}>")


def joined(parts):
    """Return several pieces as one."""
    return Html("".join(safe(part) for part in parts))
