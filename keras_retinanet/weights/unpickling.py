"""Reading pickles with a machine of our own, which can run nothing.

`pickletools.genops` cuts a pickle into opcodes; the table here does what each says. There is no
import, no call of what the pickle brings along, no `__setstate__`, `__reduce__` or `__new__` of
another's class: a call is looked up by its name in a table of our functions, and what is not there
becomes a `Placeholder` or refuses the file (`placeholders` has the rule). The result holds numbers,
strings, bytes, None, lists, tuples, dictionaries, sets, what our functions made, placeholders.

Extension codes (copyreg) and buffers that lie outside are refused: no file of weights has them.
"""

import pickletools
import warnings

import numpy as np

from keras_retinanet.models.weight_files import WeightsError
from keras_retinanet.weights.faults import FAULTS, one_line
from keras_retinanet.weights.pickle_builders import (
    ARRAY_TO_COME,
    BUILDERS,
    key_of,
    pairs_of,
    set_array_state,
)
from keras_retinanet.weights.placeholders import Placeholder, is_maker, named, refusal

# Each opcode can make an object of some 60 bytes; a checkpoint with its optimizer has 100 000.
MOST_OPCODES = 5_000_000
# A call may copy what it is given (text to bytes, a list to a set). Honest files give each thing
# once, so that all calls together are given no more than the file holds.
SPARE_COPIES = 1 << 20
SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)


def _no_persistent_ids(_):
    raise WeightsError("it refers to storages, which only torch.save writes. Fetch the file anew.")


class Unpickler:
    """One pickle, read from where `file` stands to its end.

    Args:
        file: with `read`, `readline` and `tell`, such as BytesIO or mmap. Its `read(n)` must not
            allocate n bytes that it does not have.
        size: bytes of it, the measure of what calls may copy.
        builders: {name: function of the arguments}, next to those of `pickle_builders`.
        persistent_load: function of a persistent id.
    """

    def __init__(self, file, size, builders=None, persistent_load=_no_persistent_ids):
        self._file = file
        self._builders = BUILDERS | (builders or {})
        self._persistent_load = persistent_load
        self._stack, self._marks, self._memo = [], [], {}
        self._unset_arrays = {}  # those whose content is still to come, by id
        self._may_copy = 2 * size + SPARE_COPIES

    def load(self):
        """Return the object.

        Raises:
            WeightsError: the pickle is cut short, damaged, or wants more than to be read.
        """
        try:
            with warnings.catch_warnings():
                # an unknown escape in a string of protocol 0 stays as it is
                warnings.simplefilter("ignore", DeprecationWarning)
                return self._run()
        except WeightsError:
            raise
        except FAULTS as error:
            raise WeightsError(
                f"its pickle is cut short or damaged ({one_line(error)}). Fetch or write it anew."
            ) from error

    def _run(self):
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            if opcode.name == "STOP":
                return self._stack.pop()
            if count > MOST_OPCODES:
                raise WeightsError(f"its pickle has more than {MOST_OPCODES} steps: no weights.")
            OPCODES[opcode.name](self, argument)
        raise EOFError("no STOP")

    # the stack

    def push(self, value):
        self._stack.append(value)

    def _mark(self, _):
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self):
        values, self._stack = self._stack, self._marks.pop()
        return values

    def _pop(self, _):
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _put(self, index):
        self._memo[index] = self._stack[-1]

    def _memoize(self, _):
        self._memo[len(self._memo)] = self._stack[-1]

    # containers

    def _tuple_of(self, length):
        values = tuple(self._stack[-length:])
        if len(values) < length:
            raise IndexError("a tuple of too few values")
        del self._stack[-length:]
        self.push(values)

    def _append(self, values):
        target = self._stack[-1]
        if isinstance(target, Placeholder):
            target.items.extend(values)
        elif isinstance(target, list):
            target.extend(values)
        else:
            raise TypeError(f"items put into {type(target).__name__}")

    def _set_items(self, values):
        pairs = list(pairs_of(values))
        target = self._stack[-1]
        if isinstance(target, Placeholder):
            target.items.extend(pairs)
        elif isinstance(target, dict):
            target.update(pairs)
        else:
            raise TypeError(f"items set in {type(target).__name__}")

    def _add_items(self, _):
        values = self._since_mark()
        if not isinstance(self._stack[-1], set):
            raise TypeError(f"items added to {type(self._stack[-1]).__name__}")
        self._stack[-1].update(map(key_of, values))

    # names, calls and states

    def _global(self, argument):
        self.push(named(*argument.rsplit(" ", 1)))

    def _stack_global(self, _):
        name, module = self._stack.pop(), self._stack.pop()
        self.push(named(module, name))

    def _reduce(self, _):
        args, function = self._stack.pop(), self._stack.pop()
        self.push(self._called(function, args))

    def _new_object(self, _):
        args, kind = self._stack.pop(), self._stack.pop()
        self.push(self._called(kind, args))

    def _new_object_with_names(self, _):
        names = self._stack.pop()
        args, kind = self._stack.pop(), self._stack.pop()
        if not isinstance(names, dict):
            raise TypeError("named arguments that are no dictionary")
        self.push(self._called(kind, (*args, names) if names else args))

    def _instance(self, argument):
        args = tuple(self._since_mark())
        self.push(self._called(named(*argument.rsplit(" ", 1)), args))

    def _object(self, _):
        kind, *args = self._since_mark()
        self.push(self._called(kind, tuple(args)))

    def _called(self, function, args):
        """Return what our own function of that name makes, or a placeholder."""
        if not isinstance(function, Placeholder):
            raise TypeError(f"a call of {type(function).__name__}")
        if function.args is not None:
            raise refusal(f"{function.name}(…)", "wants to call")
        if not isinstance(args, tuple):
            raise TypeError(f"arguments that are {type(args).__name__}")
        self.spend(sum(len(arg) for arg in args if isinstance(arg, SIZED)))
        if function.name in self._builders:
            made = self._builders[function.name](*args)
            if function.name == ARRAY_TO_COME:
                self._unset_arrays[id(made)] = made
            return made
        if is_maker(function.name):
            return Placeholder(function.name, args)
        raise refusal(function.name, "wants to call")

    def spend(self, amount):
        """Count what a call is given, bytes or items."""
        self._may_copy -= amount
        if self._may_copy < 0:
            raise WeightsError("its pickle would grow far beyond its size in memory: no weights.")

    def _build(self, _):
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, Placeholder):
            target.state = state
        elif (
            isinstance(target, np.ndarray) and self._unset_arrays.pop(id(target), None) is not None
        ):
            self.spend(len(state[4]))
            set_array_state(target, state)
        elif not (isinstance(target, dict) and isinstance(state, dict)):
            raise TypeError(f"a state for {type(target).__name__}")
        # a dictionary's attributes, as a state_dict's versions of modules, are not needed

    def _persistent(self, identity):
        self.push(self._persistent_load(identity))

    def _refused(self, _):
        raise WeightsError(
            "its pickle uses extension codes or buffers outside it, which no file of weights "
            "needs. Nothing of it was run."
        )


def _pushing(make):
    return lambda machine, argument: machine.push(make(argument))


def _pushing_items(make):
    return lambda machine, _: machine.push(make(machine._since_mark()))


def _get(machine, index):
    machine.push(machine._memo[index])


PLAIN = (
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)
OPCODES = {
    **{name: Unpickler.push for name in PLAIN},
    "NONE": _pushing(lambda _: None),
    "NEWTRUE": _pushing(lambda _: True),
    "NEWFALSE": _pushing(lambda _: False),
    "EMPTY_LIST": _pushing(lambda _: []),
    "EMPTY_TUPLE": _pushing(lambda _: ()),
    "EMPTY_DICT": _pushing(lambda _: {}),
    "EMPTY_SET": _pushing(lambda _: set()),
    "LIST": _pushing_items(list),
    "TUPLE": _pushing_items(tuple),
    "DICT": _pushing_items(lambda values: dict(pairs_of(values))),
    "FROZENSET": _pushing_items(lambda values: frozenset(map(key_of, values))),
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "APPEND": lambda machine, _: machine._append([machine._stack.pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._since_mark()),
    "SETITEM": lambda machine, _: machine._set_items(
        [machine._stack.pop(), machine._stack.pop()][::-1]
    ),
    "SETITEMS": lambda machine, _: machine._set_items(machine._since_mark()),
    "ADDITEMS": Unpickler._add_items,
    "MARK": Unpickler._mark,
    "POP": Unpickler._pop,
    "POP_MARK": lambda machine, _: machine._since_mark(),
    "DUP": lambda machine, _: machine.push(machine._stack[-1]),
    **{name: _get for name in ("GET", "BINGET", "LONG_BINGET")},
    **{name: Unpickler._put for name in ("PUT", "BINPUT", "LONG_BINPUT")},
    "MEMOIZE": Unpickler._memoize,
    "GLOBAL": Unpickler._global,
    "STACK_GLOBAL": Unpickler._stack_global,
    "REDUCE": Unpickler._reduce,
    "NEWOBJ": Unpickler._new_object,
    "NEWOBJ_EX": Unpickler._new_object_with_names,
    "INST": Unpickler._instance,
    "OBJ": Unpickler._object,
    "BUILD": Unpickler._build,
    "PERSID": Unpickler._persistent,
    "BINPERSID": lambda machine, _: machine._persistent(machine._stack.pop()),
    **{name: Unpickler._refused for name in ("EXT1", "EXT2", "EXT4")},
    **{name: Unpickler._refused for name in ("NEXT_BUFFER", "READONLY_BUFFER")},
    "PROTO": lambda machine, _: None,
    "FRAME": lambda machine, _: None,
}
