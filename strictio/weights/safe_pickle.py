"""Reads a pickle as data: no class is looked up, no function of the file's choosing is called.

A pickle is a program for a stack machine. This is that machine without its two dangerous instructions: a global stays a name (`Name`), and
"call this name" goes to a function of ours, which knows a handful of names and answers the others with an `OpaqueObject` value.
Instructions that ``torch.save`` never writes are refused. Only short words and small numbers may be keys: hashing a nested tuple, or
comparing two words of megabytes a million times, takes for ever. What an instruction does takes as long as it is short, or is counted:
a value that is remembered costs one byte each time it is named again.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from strictio.errors import UnsafeError

MAX_INSTRUCTIONS = 1_000_000  # a training checkpoint with 5,000 tensors takes about 250,000
MAX_COPIED = 1_000_000  # attributes that are set on opaque values, together: the same table may be named for each of them
MAX_NAMES = 10_000  # different ones; a checkpoint has some ten
MAX_WORD = 4096  # letters of a name or of a table's key

HARMLESS = re.compile(
    r"__torch__\..+|torch\.jit\._pickle\.restore_type_tag"
    r"|torch\.(Size|device|(b?float|int|uint|complex)\d+|bool)"
    r"|argparse\.Namespace|types\.SimpleNamespace|collections\.(defaultdict|Counter)"
    r"|pathlib\.(_local\.)?(Pure)?(Posix|Windows)?Path|datetime\.(date|datetime|time|timedelta|timezone)|_codecs\.encode"
    r"|numpy\.(dtype|ndarray)|numpy\.(core|_core)\.multiarray\.(scalar|_reconstruct)"
    r"|(builtins|__builtin__)\.(set|frozenset|list|dict|tuple|int|float|str|bool|bytes|bytearray|complex|slice|range)|typing\.Any"
    r"|omegaconf\.(base|dictconfig|listconfig|nodes)\.\w+"
    r"|(pytorch_)?lightning\.(fabric\.utilities\.data|pytorch\.utilities\.parsing|utilities\.parsing)\.AttributeDict"
)
"""Classes of data that real checkpoints hold. They are not looked up either; what is not here is refused because it says what the file's
author wanted to run."""


@dataclass(frozen=True)
class Name:
    """A class or function that the pickle asks for. It stays a name."""

    dotted: str


class OpaqueObject(dict[Any, Any]):
    """A value of a class that was not looked up: its attributes or items, where it had any."""


LITERALS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
IGNORED = frozenset({"PROTO", "FRAME"})


@dataclass
class Machine:
    """A stack, the stacks below each mark, and a memo. A stack too short or a memo without an entry raises LookupError."""

    call_name: Callable[[str, tuple[Any, ...]], Any]
    storage: Callable[[Any], Any]
    names: list[str]  # every name that the pickle asks for is appended once, also where reading ends with an error
    stack: list[Any] = field(default_factory=list)
    below: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    known: dict[str, Name] = field(default_factory=dict)
    copied: int = 0

    def read(self, content: bytes) -> Any:
        """Return what a pickle holds. Raises `ValueError`, `LookupError`, `TypeError` if malformed; `UnsafeError` if unsafe or too long."""
        for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if opcode.name == "STOP":
                return self.stack.pop()
            if count == MAX_INSTRUCTIONS:
                raise UnsafeError(f"it holds more than {MAX_INSTRUCTIONS:,} pickle instructions")
            self.step(opcode.name, argument)
        raise ValueError("no end")

    def step(self, name: str, argument: Any) -> None:
        if name in LITERALS:
            self.push(argument)
        elif name in CONSTANTS:
            self.push(CONSTANTS[name])
        elif name in INSTRUCTIONS:
            INSTRUCTIONS[name](self, argument)
        elif name not in IGNORED:
            raise UnsafeError(f"it holds the pickle instruction {name}, which torch.save never writes")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop(self) -> Any:
        return self.stack.pop()

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def items(self) -> list[Any]:
        """Return everything since the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def fold(self, size: int) -> None:
        self.push(tuple([self.pop() for _ in range(size)][::-1]))

    def remember(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    def name(self, dotted: str) -> None:
        if dotted not in self.known:
            if len(self.known) == MAX_NAMES or len(dotted) > MAX_WORD:
                raise UnsafeError(f"it asks for more than {MAX_NAMES:,} names, or for one of more than {MAX_WORD:,} letters")
            self.known[dotted] = Name(dotted)
            self.names.append(dotted)
        self.push(self.known[dotted])

    def name_from_stack(self) -> None:
        name, module = self.pop(), self.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise TypeError("a name that is not a word")
        self.name(f"{module[: MAX_WORD + 1]}.{name[: MAX_WORD + 1]}")

    def call(self, arguments: Any) -> None:
        """Replace the name on the stack by what the owner makes of it."""
        called = self.pop()
        known = isinstance(called, Name) and isinstance(arguments, tuple)
        self.push(self.call_name(called.dotted, arguments) if known else OpaqueObject())

    def call_items(self) -> None:
        first, *arguments = self.items()
        self.push(first)
        self.call(tuple(arguments))

    def build(self, state: Any) -> None:
        """Keep the attributes of an opaque value; those of an ordinary dictionary (a state dict's ``_metadata``) are dropped."""
        if isinstance(state, tuple) and len(state) == 2:
            state = state[0]
        if isinstance(self.stack[-1], OpaqueObject) and isinstance(state, dict):
            self.copied += len(state)
            if self.copied > MAX_COPIED:
                raise UnsafeError(f"it sets more than {MAX_COPIED:,} attributes")
            self.stack[-1].update(state)

    def extend(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def set_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise TypeError("items set on what is not a table")
        self.stack[-1].update(_table(items))


def _table(items: list[Any]) -> dict[Any, Any]:
    keys, values = items[::2], items[1::2]
    if not all(len(key) <= MAX_WORD if isinstance(key, str) else isinstance(key, int) and abs(key) < 2**31 for key in keys):
        why = f"a word has up to {MAX_WORD:,} letters"
        raise UnsafeError("it holds a table with keys that are neither words nor small numbers", why=why)
    return dict(zip(keys, values, strict=True))


INSTRUCTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "EMPTY_LIST": lambda m, _: m.push([]), "EMPTY_DICT": lambda m, _: m.push({}),
    "EMPTY_SET": lambda m, _: m.push([]),  # a list: building a set would hash
    "MARK": lambda m, _: m.mark(), "POP": lambda m, _: m.pop(), "POP_MARK": lambda m, _: [m.items()].clear(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "TUPLE1": lambda m, _: m.fold(1), "TUPLE2": lambda m, _: m.fold(2), "TUPLE3": lambda m, _: m.fold(3),
    "TUPLE": lambda m, _: m.push(tuple(m.items())),
    "LIST": lambda m, _: m.push(m.items()), "FROZENSET": lambda m, _: m.push(m.items()), "DICT": lambda m, _: m.push(_table(m.items())),
    "APPEND": lambda m, _: m.extend([m.pop()]), "APPENDS": lambda m, _: m.extend(m.items()), "ADDITEMS": lambda m, _: m.extend(m.items()),
    "SETITEM": lambda m, _: m.set_items([m.pop(), m.pop()][::-1]), "SETITEMS": lambda m, _: m.set_items(m.items()),
    "GLOBAL": lambda m, argument: m.name(argument.replace(" ", ".", 1)), "STACK_GLOBAL": lambda m, _: m.name_from_stack(),
    "REDUCE": lambda m, _: m.call(m.pop()), "NEWOBJ": lambda m, _: m.call(m.pop()), "OBJ": lambda m, _: m.call_items(),
    "NEWOBJ_EX": lambda m, _: m.call([m.pop(), m.pop()][1]),  # keywords stand above the arguments
    "BUILD": lambda m, _: m.build(m.pop()),
    "BINPERSID": lambda m, _: m.push(m.storage(m.pop())),
    "BINPUT": lambda m, argument: m.remember(argument), "LONG_BINPUT": lambda m, argument: m.remember(argument),
    "MEMOIZE": lambda m, _: m.remember(len(m.memo)),
    "BINGET": lambda m, argument: m.push(m.memo[argument]), "LONG_BINGET": lambda m, argument: m.push(m.memo[argument]),
}  # fmt: skip
