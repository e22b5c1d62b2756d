"""Pickles that would run something: (what the refusal names, the pickle's part).

Each of them that really runs when Python's own pickle reads it makes the folder `MARK`, so that
a test sees whether anything ran.
"""

from tests.weights.pickle_parts import (
    array,
    called,
    items,
    mapping,
    named,
    number,
    pickled,
    raw_bytes,
    text,
)

MARK = "it-ran"
COMMAND = f"mkdir {MARK}"
CODE = f"__import__('os').mkdir('{MARK}')"
QUOTED = COMMAND.encode()

# run by pickle.loads
LIVE = {
    "os.system": ("os.system", called("os", "system", text(COMMAND))),
    "posix.system": ("posix.system", called("posix", "system", text(COMMAND))),
    "os.mkdir": ("os.mkdir", called("os", "mkdir", text(MARK))),
    "pathlib": ("pathlib.Path.mkdir", b"\x8c\x07pathlib\x8c\nPath.mkdir\x93"
                + items(called("pathlib", "PosixPath", text(MARK))) + b"R"),
    "a name from the stack": ("os.system", text("os") + text("system") + b"\x93"
                              + items(text(COMMAND)) + b"R"),
    "a dotted name": ("shutil.os.system", text("shutil") + text("os.system") + b"\x93"
                      + items(text(COMMAND)) + b"R"),
    "subprocess.call": ("subprocess.call", called(
        "subprocess", "call", items(text("mkdir"), text(MARK)))),
    "a class of subprocess": ("subprocess.Popen", called(
        "subprocess", "Popen", items(text("mkdir"), text(MARK)))),
    "INST": ("os.system", b"(S'" + QUOTED + b"'\nios\nsystem\n"),
    "OBJ": ("os.system", b"(" + named("os", "system") + text(COMMAND) + b"o"),
    "eval": ("builtins.eval", called("builtins", "eval", text(CODE))),
    "exec": ("builtins.exec", called("builtins", "exec", text(CODE))),
    "__import__": ("builtins.__import__", called("builtins", "getattr", called(
        "builtins", "__import__", text("os")), text("mkdir")) + items(text(MARK)) + b"R"),
    "importlib": ("importlib.import_module", called("builtins", "getattr", called(
        "importlib", "import_module", text("os")), text("mkdir")) + items(text(MARK)) + b"R"),
    "getattr on a module": ("shutil.os", called("builtins", "getattr", named(
        "shutil", "os"), text("mkdir")) + items(text(MARK)) + b"R"),
    "getattr on a call": ("getattr", called("builtins", "getattr", called(
        "pathlib", "PosixPath", text(MARK)), text("mkdir")) + b")R"),
    "map": ("builtins.map", called("builtins", "list", called(
        "builtins", "map", named("os", "mkdir"), items(text(MARK))))),
    "an argument of a known class": ("builtins.map", called("collections", "deque", called(
        "builtins", "map", named("os", "mkdir"), items(text(MARK))))),
    "a partial of it": ("os.mkdir", called("functools", "partial", named(
        "os", "mkdir"), text(MARK)) + b")R"),
    "operator.methodcaller": ("operator.methodcaller", called(
        "operator", "methodcaller", text("mkdir"))
        + items(called("pathlib", "PosixPath", text(MARK))) + b"R"),
    "BUILD with its own __setstate__": ("os.mkdir", called("argparse", "Namespace")
        + mapping(__setstate__=named("os", "mkdir")) + b"b" + text(MARK) + b"b"),
    "timeit": ("timeit.timeit", called("timeit", "timeit", text(CODE), text(""),
        named("time", "time"), number(1))),
    "cProfile": ("cProfile.run", called("cProfile", "run", text(CODE), text("profile"))),
    "pickle in pickle": ("pickle.loads", called("pickle", "loads", raw_bytes(
        pickled(called("os", "mkdir", text(MARK)))))),
    "by the memo": ("os.mkdir", named("os", "mkdir") + b"q\x05" + b"0"
                    + b"h\x05" + items(text(MARK)) + b"R"),
    "as a key": ("os.mkdir", b"}(" + called("os", "mkdir", text(MARK)) + b"Nu"),
}  # fmt: skip

# need torch, another system or another library to run
OTHERS = {
    "Python 2's eval": ("builtins.eval", called("__builtin__", "eval", text(CODE))),
    "nt.system": ("nt.system", called("nt", "system", text(COMMAND))),
    "NEWOBJ": ("subprocess.Popen", named("subprocess", "Popen") + items(text(COMMAND)) + b"\x81"),
    "NEWOBJ_EX": ("subprocess.Popen", named("subprocess", "Popen") + b")"
                  + mapping(args=text(COMMAND)) + b"\x92"),
    "torch.load": ("torch.load", called("torch", "load", text("other.pth"))),
    "torch.serialization.load": ("torch.serialization.load", called(
        "torch.serialization", "load", text("other.pth"))),
    "torch.hub.load": ("torch.hub.load", called("torch.hub", "load", text("user/repository"))),
    "bytes of a storage": ("torch.storage._load_from_bytes", called(
        "torch.storage", "_load_from_bytes", b"C\x01.")),
    "a torch extension": ("torch.utils.cpp_extension.load", called(
        "torch.utils.cpp_extension", "load", text("x"))),
    "torch.os": ("torch.os.system", text("torch") + text("os.system") + b"\x93"
                 + items(text(COMMAND)) + b"R"),
    "a file in torch.jit": ("torch.jit", called(
        "torch.jit.unsupported_tensor_ops", "execWrapper", text(CODE), b"}", b"}")),
    "NumPy's runstring": ("numpy.testing._private.utils.runstring", called(
        "numpy.testing._private.utils", "runstring", text(CODE), b"}")),
    "numpy.load": ("numpy.load", called("numpy", "load", text("x.npy"))),
    "pip": ("pip.main", called("pip", "main", items(text("install"), end=b"l"))),
    "pty.spawn": ("pty.spawn", called("pty", "spawn", text(COMMAND))),
    "ctypes": ("ctypes.CDLL", called("ctypes", "CDLL", text("libc.so.6"))),
    "shutil.rmtree": ("shutil.rmtree", called("shutil", "rmtree", text("."))),
    "webbrowser.open": ("webbrowser.open", called("webbrowser", "open", text("https://a.test"))),
    "runpy": ("runpy.run_path", called("runpy", "run_path", text("x.py"))),
    "socket": ("socket.create_connection", called("socket", "create_connection", b"N")),
    "code": ("code.interact", called("code", "interact")),
    "multiprocessing": ("multiprocessing.Process", called("multiprocessing", "Process")),
    "asyncio": ("asyncio.unix_events._UnixSubprocessTransport._start", called(
        "asyncio.unix_events", "_UnixSubprocessTransport._start", b"}")),
    "an unknown function": ("somewhere.run", called("somewhere", "run", text(CODE))),
    "a private function": ("somewhere._run", called("somewhere", "_run", text(CODE))),
    "a function of a class": ("Runner.run", called("somewhere", "Runner.run", text(CODE))),
    "a method by getattr": ("somewhere.Runner.run", called("builtins", "getattr", named(
        "somewhere", "Runner"), text("run")) + b")R"),
    "what a call gives": ("somewhere.Runner(…)", called("somewhere", "Runner") + b")R"),
    "a dunder by getattr": ("somewhere.Runner.__init__", called("builtins", "getattr", named(
        "somewhere", "Runner"), text("__init__"))),
    "only named": ("os.system", named("os", "system")),
    "an array of objects": ("Python objects", array(dtype="O8", content=b"")),
    "objects in a scalar": ("Python objects", called("numpy.core.multiarray", "scalar", called(
        "numpy", "dtype", text("O8"), b"\x89", b"\x88"), b"C\x01.")),
    "records in an array": ("V8", array(dtype="V8", content=b"\0" * 24)),
    "an extension code": ("extension codes", b"\x82\x01"),
    "a longer extension code": ("extension codes", b"\x83\x01\x01"),
    "the longest extension code": ("extension codes", b"\x84\x01\0\0\0"),
    "a buffer outside": ("extension codes", b"\x97"),
}  # fmt: skip

ALL = LIVE | OTHERS
