"""The program that renders a chat template, in a process of its own: it knows jinja2 and the template, and nothing of this package.

`chat_template` writes a request as JSON to standard input and reads the outcome as JSON from standard output: ``words``, ``failed`` (what
the template raised) or ``refused`` (the bound that it exceeds). The system bounds time, memory, files, processes and the size of the
output: a template that escapes from the sandbox can open, start and fill nothing.
"""

from __future__ import annotations

import codecs
import html
import json
import pprint
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2.constants
import jinja2.debug
import jinja2.ext
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.filters import do_format
from jinja2.parser import Parser
from jinja2.runtime import Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

READ_LATER = (codecs.lookup("unicode-escape"), html, jinja2.constants, jinja2.debug, pprint, textwrap)
"""What Python and jinja2 import when a template first needs it: by then no file can be opened."""
HEADROOM = 256 * 1024**2
"""Bytes of memory that a template may take."""
MOST_REPLY = 1 << 20
"""Bytes of an outcome."""
MOST_LENGTH, MOST_BITS = 100_000, 64
"""Characters or items of a repeated text or list and columns of a formatted number; bits of a product or a power."""
_WIDTHS = re.compile(r"%(?:\([^)]*\))?[-#0 +]*(\d+|\*)?(?:\.(\d+|\*))?")


class TooLargeError(Exception):
    """A template would make something larger than any chat: ``args[0]`` is "size" or "length"."""


class GenerationTag(jinja2.ext.Extension):
    """``{% generation %}``, by which templates mark what the model writes: its content, as it is."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller: Macro) -> str:
        return caller()


class DictConstructor:
    """``dict`` of a template: what it makes, without the class."""

    def __call__(self, *pairs: Any, **named: Any) -> dict[Any, Any]:
        return dict(*pairs, **named)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class PlainNamespace(Namespace):
    """``namespace`` of a template, without names that begin with an underscore."""

    def __init__(*args: Any, **named: Any) -> None:
        self, *pairs = args  # a template may name an attribute "self"
        Namespace.__init__(self, attributes := dict(*pairs, **named))
        for name in attributes:
            _refuse_private(name)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """What a chat template may use, as transformers has it; arithmetic that would make something large is refused before it begins."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, jinja2.ext.loopcontrols])
        self.filters |= {"tojson": _to_json, "format": _format}
        self.globals |= {"raise_exception": _raise, "strftime_now": _now, "dict": DictConstructor(), "namespace": PlainNamespace}

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        refuse_large(operator, left, right)
        return super().call_binop(context, operator, left, right)


def refuse_large(operator: str, left: Any, right: Any) -> None:
    """Raise `TooLargeError` if a result would be larger than any chat needs; what is not a number or a sequence is Python's to judge."""
    size, most = 0, MOST_LENGTH
    if operator == "%" and isinstance(left, str):
        widths = [width for groups in _WIDTHS.findall(left) for width in groups if width]
        size = max((most + 1 if width == "*" or len(width) > 6 else int(width) for width in widths), default=0)
    elif isinstance(left, int) and isinstance(right, int):
        most, bits = MOST_BITS, (left.bit_length(), right.bit_length())
        size = {"**": bits[0] * right, "*": sum(bits)}.get(operator, 0)
    elif operator == "*":
        times, repeated = (left, right) if isinstance(left, int) else (right, left)
        size = times * len(repeated) if isinstance(times, int) and isinstance(repeated, str | list | tuple) else 0
    if size > most:
        raise TooLargeError("size")


def _refuse_private(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace of a chat template has no attribute {name!r}")


def _raise(message: str) -> None:
    raise TemplateError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form)  # the local time, as transformers has it


def _to_json(value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _format(value: str, *args: Any, **named: Any) -> str:
    refuse_large("%", str(value), args)
    return do_format(value, *args, **named)


def render(template: str, variables: Mapping[str, Any], most: int) -> str:
    """Return what a template makes of variables; `TooLargeError` if that has more than `most` characters."""
    pieces, length = [], 0
    for piece in ChatEnvironment().from_string(template).generate(variables):
        length += len(piece)
        if length > most:
            raise TooLargeError("length")
        pieces.append(piece)
    return "".join(pieces)


def respond(template: str, variables: Mapping[str, Any], most: int) -> dict[str, str]:
    """Return ``words``, ``failed`` or ``refused``."""
    try:
        return {"words": render(template, variables, most)}
    except TooLargeError as error:
        return {"refused": error.args[0]}
    except (MemoryError, OverflowError):
        return {"refused": "memory"}
    except Exception as error:  # whatever an untrusted template raises is a fault of the template
        return {"failed": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


def limit(cpu_s: int) -> bool:
    """Bound what this process may take from now on, and return whether that holds for its memory.

    A system without such limits leaves the time to the process that waits for this one.
    """
    time.localtime()  # reads the time zone
    with suppress(ImportError):
        import resource

        limits = {"CPU": cpu_s, "FSIZE": MOST_REPLY, "NOFILE": 0, "NPROC": 0, "CORE": 0}
        with suppress(OSError):
            held = re.findall(r"VmData:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))
            limits["DATA"] = 1024 * int(held[0]) + HEADROOM
        for name, most in limits.items():
            with suppress(AttributeError, OSError, ValueError):
                resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        return "DATA" in limits and resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
    return False


def main() -> None:
    """Answer one request within limits."""
    request = json.load(sys.stdin.buffer)
    about = {} if limit(request.pop("cpu_s")) else {"unlimited": "memory"}
    sys.stdout.buffer.write(json.dumps(respond(**request) | about).encode())


if __name__ == "__main__":
    main()
