"""The doctor's short look at the dataset when a training starts: a few lines, a second or two."""

from keras_retinanet.bin.debug_doctor import make_grid, make_resize

MOST_FINDINGS = 5
# nothing to do about them in most datasets
LEFT_OUT = {"pictures without objects", "pictures with regions to ignore alone"}


def look(args, profile, train, validation, report):
    """Report what the doctor sees at a glance, and let go of what only he needs.

    Args:
        args: of retinanet-train.
        profile: of the network, for its anchors.
        train, validation: the datasets; the latter may be None.
        report: gets lines of text.
    """
    if args.tile:
        train = train.dataset  # the whole pictures, whose tiles are trained on
    if args.doctor:
        for line in brief_lines(args, profile, train, validation):
            report(f"doctor: {line}")
    for generator in (train, validation):
        if generator is not None:
            generator.found = None  # the boxes as they were before they were mended


def brief_lines(args, profile, train, validation):
    """Return the lines of the short examination."""
    from keras_retinanet.doctor.examination import examine_briefly, lines
    from keras_retinanet.doctor.subject import read_subject

    other = None if validation is None else read_subject(validation)
    grid = make_grid(profile.anchors, profile.levels)
    examination = examine_briefly(read_subject(train), grid, make_resize(args), other, LEFT_OUT)
    found = lines(examination)
    more = [f"and {len(found) - 1 - MOST_FINDINGS} more"] if len(found) > 1 + MOST_FINDINGS else []
    hint = ["retinanet-debug with --doctor --report FILE.html shows where"] if found[1:] else []
    return found[: 1 + MOST_FINDINGS] + more + hint
