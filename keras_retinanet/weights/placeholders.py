"""Names in pickles: what stands for them, and which of them refuse a file.

The rule. Nothing that a pickle names is ever imported or called: the only code that it reaches is
the functions in the tables of `pickle_builders` and `torch_tensors`. All other names become
`Placeholder`s, plain records. So refusing a file is not what makes reading it safe; it tells the
user that the file wants more than to be read. A file is refused

1. where it names, even without calling it, something of the system: a name with one of
   `SYSTEM_PARTS` between its dots, in one of `SYSTEM_MODULES` or `RUNNERS`; of Python's builtins
   all but `HARMLESS_BUILTINS`;
2. where it wants a function called that is not in our tables. Classes are told from functions by
   their names, since nothing is imported: a capital first letter, or `LOWER_CASE_CLASSES`;
3. where a weight is, or is made of, a placeholder (`state_dicts`, `torch_tensors`).

What is left are objects of unknown classes in metadata, such as MMDetection's HistoryBuffer.
"""

import reprlib

from keras_retinanet.models.weight_files import WeightsError


def _words(text):
    return frozenset(text.split())


SYSTEM_PARTS = _words(  # wherever they stand: torch.os.system is os.system
    "os posix nt posixpath ntpath subprocess _posixsubprocess popen2 sys _sys shutil importlib "
    "_frozen_importlib _imp imp zipimport runpy pkgutil ensurepip webbrowser socket _socket pty "
    "ctypes _ctypes cffi multiprocessing _thread asyncio pickle cPickle dill cloudpickle "
    "marshal pdb bdb cpp_extension __import__ eval exec execfile globals locals setattr"
)
SYSTEM_MODULES = _words(  # as the first part only: common words
    "_pickle builtins code codeop commands concurrent distutils doctest fcntl ftplib http idlelib "
    "joblib lib2to3 mmap pip profile cProfile setuptools shelve signal smtplib ssl telnetlib "
    "threading timeit trace tty unittest urllib venv"
)
RUNNERS = _words(
    "torch.load torch.hub torch.jit torch.ops torch.serialization.load torch.classes "
    "torch.storage._load_from_bytes numpy.load numpy.fromfile io.open io.FileIO io.open_code "
    "operator.methodcaller operator.attrgetter operator.itemgetter functools.reduce "
    "types.FunctionType types.CodeType types.MethodType"
)
HARMLESS_BUILTINS = _words(
    "object bool int long float complex str unicode bytes bytearray list tuple dict set frozenset "
    "slice range xrange getattr NotImplemented Ellipsis"
)
LOWER_CASE_CLASSES = _words(
    "datetime.datetime datetime.date datetime.time datetime.timedelta datetime.timezone "
    "numpy.dtype numpy.ndarray torch.device torch.dtype torch.layout torch.finfo torch.iinfo "
    "torch.memory_format torch.serialization._get_layout"
)
# functions that make an object of its state: a tensor of a kind that is not read, NumPy's
# random state. They become placeholders, which no weight may be.
MAKERS = ("torch._utils._rebuild_", "torch._tensor._rebuild_", "numpy.random.")
OLD_MODULES = {  # Python 2, NumPy 1
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}


class Placeholder:
    """What stands for something that a pickle names. It does nothing.

    Attributes:
        name: the dotted name of the class or function.
        args: the tuple that it was to be called with, None where it is only named.
        state: what was to be set on the object.
        items: what was to be put in: values, or (key, value) pairs.
    """

    __slots__ = ("name", "args", "state", "items")

    def __init__(self, name, args=None):
        self.name, self.args, self.state, self.items = name, args, None, []

    def __repr__(self):
        return f"<placeholder of {self.name}>"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100


def quoted(value):
    """Return a value of a file for a message: short, however deep or long it is."""
    return _SHORT.repr(value)


def refusal(name, what="names"):
    """Return the error for a file that must not be believed."""
    return WeightsError(
        f"it {what} {quoted(name)}, which no file of weights needs. Nothing of it was run. If you "
        "trust the file, load it where it was written and save the state_dict alone."
    )


def _is_forbidden(name):
    parts = name.split(".")
    starts = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    if parts[0] in SYSTEM_MODULES:
        return not (parts[0] == "builtins" and parts[1] in HARMLESS_BUILTINS)
    return not SYSTEM_PARTS.isdisjoint(parts) or not RUNNERS.isdisjoint(starts)


def named(module, attribute):
    """Return the Placeholder of a global.

    Raises:
        WeightsError: by rule 1 above.
    """
    if not (isinstance(module, str) and isinstance(attribute, str) and module and attribute):
        raise WeightsError("a damaged pickle: a global without a name. Fetch the file anew.")
    name = f"{OLD_MODULES.get(module, module)}.{attribute}"
    if _is_forbidden(name):
        raise refusal(name)
    return Placeholder(name)


def is_maker(name):
    """Return whether a call of `name` may become a placeholder: it is a class by its name."""
    if name.removeprefix("builtins.") in HARMLESS_BUILTINS:
        return True
    last = name.rpartition(".")[2].lstrip("_")
    return last[:1].isupper() or name in LOWER_CASE_CLASSES or name.startswith(MAKERS)
