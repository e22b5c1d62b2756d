"""What the commands share: parsing, one-line errors, exit codes.

Exit codes: 0 done, 1 done in part, 2 bad input or options, 130 interrupted, 143 terminated. A bug
keeps its traceback; RETINANET_TRACEBACK=1 shows it for bad input, too.
"""

import argparse
import difflib
import errno
import importlib
import math
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parents[1])
UNFINISHED, BAD_INPUT, REJECTED, INTERRUPTED = 1, 2, 3, 130
# What other programs call our options; they are not taken, but the message names ours.
ALIASES = {
    "--learning-rate": "--lr",
    "--batch": "--batch-size",
    "--img-size": "--image-min-side",
    "--pretrained": "--imagenet-weights",
    "--output": "--snapshot-path",
}


class Unfinished(Exception):
    """The command did what it could, and said what it left out: exit code 1, no message."""


class Refused(Exception):
    """What was made is not what it should be, and is set aside: exit code 3, the message told."""


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help that tells defaults where there is something to tell."""

    def _get_help_string(self, action):
        if action.default in (None, False, True, "", argparse.SUPPRESS):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line that names the nearest options."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("allow_abbrev", False)
        kwargs.setdefault("formatter_class", _Help)
        super().__init__(*args, **kwargs)
        self._replaced = []

    def error(self, message):
        """Print one line and exit with code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: {message}. See {self.prog} --help\n")

    def replace_by_option(self, positional, option):
        """Expect no `positional` (an action of this parser) where `option` is given."""
        self._replaced.append((positional, option))

    def parse_known_args(self, args=None, namespace=None):
        """Parse; argparse itself has no positional that an option may stand for."""
        given = {word.split("=")[0] for word in args or ()}
        for positional, option in self._replaced:
            if option in given:
                positional.nargs, positional.required = argparse.SUPPRESS, False
        return super().parse_known_args(args, namespace)

    def known_options(self):
        """Return the option strings of this parser and of its sub-commands."""
        options = []
        for action in self._actions:
            options += action.option_strings
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    options += parser.known_options()
        return sorted(set(options))

    def parse_args(self, args=None, namespace=None):
        """Parse, and say of an unknown option which known ones are near."""
        words = [str(word) for word in (sys.argv[1:] if args is None else args)]
        known = self.known_options()
        # before all else: the value of an unknown option would pass for the dataset word
        for word in words[: words.index("--")] if "--" in words else words:
            if word.startswith("--") and word.split("=")[0] not in known:
                self._refuse(word)
        parsed, rest = self.parse_known_args(words, namespace)
        if rest:
            self._refuse(next((item for item in rest if item.startswith("-")), rest[0]))
        return parsed

    def _refuse(self, word):
        known = self.known_options()
        near = difflib.get_close_matches(word.split("=")[0], [*known, *ALIASES], n=3)
        near = list(dict.fromkeys(ALIASES.get(name, name) for name in near))
        near = [name for name in near if name in known]
        hint = f"; did you mean {', '.join(near)}" if near and word.startswith("-") else ""
        self.error(f"unrecognised argument {word!r}{hint}")


def add_everywhere(parsers, add):
    """Call add(parser) for the first of `parsers`, and for the rest without defaults.

    That is what lets an option stand before or after the dataset word: argparse would let the
    sub-command's default overwrite what was given before it.
    """
    main, *others = parsers
    add(main)
    for parser in others:
        group = parser.add_argument_group("general options")
        add(_Undefaulted(group))


class _Undefaulted:
    """An argument group all of whose options leave no trace when they are not given."""

    def __init__(self, group):
        self.group = group

    def add_argument(self, *names, **kwargs):
        """Add the option without its default."""
        kwargs["default"] = argparse.SUPPRESS
        return self.group.add_argument(*names, **kwargs)

    def add_mutually_exclusive_group(self, **kwargs):
        """Return a group that does the same."""
        return _Undefaulted(self.group.add_mutually_exclusive_group(**kwargs))


def number(kind, low=None, high=None, above=None):
    """Return an argparse type for a number of `kind` within low..high, or above `above`."""

    def convert(text):
        try:
            value = kind(text)
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}") from None
        bad = not math.isfinite(value) or (low is not None and value < low)
        bad = bad or (high is not None and value > high) or (above is not None and value <= above)
        if bad:
            bounds = [f"at least {low}"] if low is not None else []
            bounds += [f"more than {above}"] if above is not None else []
            bounds += [f"at most {high}"] if high is not None else ["finite"]
            raise argparse.ArgumentTypeError(f"{text} must be {' and '.join(bounds)}")
        return value

    return convert


def is_bad_input(error):
    """Return whether `error` is about what the user gave, not a bug.

    Those are errors of the file system, and ValueErrors that our own code raised on purpose.
    """
    if isinstance(error, OSError):
        return True
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return str(Path(frames[-1].filename).resolve()).startswith(PACKAGE)


def one_line(error):
    """Return the message of `error` on one line."""
    if isinstance(error, OSError) and error.strerror:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return f"{what}. Make room, or name a folder on another disk" if full else what
    return " ".join(str(error).split())


def import_keras():
    """Import and return Keras without the backend's start-up notices.

    TensorFlow writes some of them to the process's stderr before it reads any log level, so
    stderr is set aside meanwhile; what came is shown only if the import fails, or where
    TF_CPP_MIN_LOG_LEVEL asks for notices.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        return importlib.import_module("keras")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # errors come as exceptions, too
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            keras = importlib.import_module("keras")
        except BaseException:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    return keras


def _notice_format(prog, otherwise):
    """Return a `warnings.formatwarning` that gives the package's own warnings one line."""

    def format_warning(message, category, *place):
        if category.__module__.startswith("keras_retinanet"):
            return f"{prog}: {' '.join(str(message).split())}\n"
        return otherwise(message, category, *place)

    return format_warning


def run(main, prog):
    """Run a command and return its exit code."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # our own line says what is broken
    usual = warnings.formatwarning
    warnings.formatwarning = _notice_format(prog, usual)
    try:
        main()
    except KeyboardInterrupt:
        print(f"{prog}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Unfinished:
        return UNFINISHED
    except Refused as error:
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        return REJECTED
    except (ValueError, OSError) as error:
        if not is_bad_input(error) or os.environ.get("RETINANET_TRACEBACK"):
            raise
        print(f"{prog}: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    finally:
        warnings.formatwarning = usual
    return 0
