"""What runs in the children of `test_process`: it does what it is asked to, as code that has taken over a library would."""

import ctypes
import os
import signal
import socket
import threading
import time
from pathlib import Path

from strictio.child import serve
from strictio.errors import DataError


def hostile():
    return _answer


def unlocked():
    """As on a system without Landlock and seccomp."""
    serve._lock_files = serve._lock_calls = lambda libc: False
    return _answer


def _compute():
    while True:
        pass


def _without_timers(work):
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    work()


def _deaf():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _compute()


def _thread():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _import():
    import wave  # noqa: F401  # of the standard library, and not imported before


def _fill(file):
    block = bytes(2**24)
    for at in range(64):
        os.pwrite(file.fileno(), block, at * len(block))


def _raise():
    raise DataError("what", why="why", fix="fix")


def _answer(request, file, files):
    path = Path(request.get("path", "/none/none"))
    works = {
        "open": path.read_text,
        "list": lambda: os.listdir(path.parent),  # noqa: PTH208
        "write": lambda: path.write_text("overwritten"),
        "create": lambda: path.with_name("new").write_text("new"),
        "remove": path.unlink,
        "rename": lambda: path.rename(path.with_name("other")),
        "folder": path.with_name("new").mkdir,
        "network": lambda: socket.create_connection(("127.0.0.1", 80), 1),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "fork": os.fork,
        "program": lambda: os.execv("/bin/true", ["true"]),
        "kill parent": lambda: os.kill(request["parent"], signal.SIGTERM),
        "shared": lambda: os.memfd_create("more"),
        "thread": _thread,
        "import": _import,
        "compute": _compute,
        "compute, deaf": _deaf,
        "compute without timers": lambda: _without_timers(_compute),
        "sleep without timers": lambda: _without_timers(lambda: time.sleep(60)),
        "crash": lambda: ctypes.string_at(0),
        "memory": lambda: bytearray(2**30),
        "fill": lambda: _fill(file),
        "raise": _raise,
        "fail": lambda: 1 / 0,
        "no answer": lambda: os._exit(0),
        "long answer": lambda: os.write(0, b"a" * 2**21 + b"\n"),
        "deep answer": lambda: os.write(0, b"[" * 100_000 + b"\n"),
        "no table": lambda: os.write(0, b"[]\n"),
        "no error": lambda: os.write(0, b'{"raised": ["DataError", null, null, null, null]}\n'),
        "no JSON": lambda: os.write(0, b"no JSON\n"),
    }
    if request["do"] == "read":
        return {"content": os.read(files[0], 100).decode()}
    if request["do"] == "echo":
        return {"text": request["text"][:10]}
    if request["do"] == "environment":
        return {"tokens": [name for name in os.environ if "TOKEN" in name]}
    try:
        works[request["do"]]()
    except PermissionError as error:
        return {"refused": type(error).__name__}
    return {"done": True}
