"""What runs in a child: it imports the library, locks itself, and answers one request after another until the parent is gone.

A request is a line of JSON, with open files beside it, and so is an answer; bytes of any number lie in a file that is shared. A request
that takes longer than its limit is ended by the system, in whatever code it is.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import platform
import signal
import socket
import struct
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

from strictio.errors import DataError, MachineError, UnsafeError, VlmAuditError
from strictio.limits import limit_memory

# What a process may not do once it is locked: fill the memory, open files, write, reach a network, start or stop other processes.
#
# Linux enforces it with resource limits, Landlock (5.13 on) and seccomp. `lock` returns what the system does not enforce.


MEMORY, FILES, NETWORK = "a limit of memory", "a lock on files", "a lock on the network and other processes"

_NO_NEW_PRIVS, _SECCOMP, _LANDLOCK = 38, {"x86_64": 317, "aarch64": 277}, (444, 445, 446)
_READ_FILE, _READ_FOLDER, _LANDLOCK_BENEATH = 1 << 2, 1 << 3, 1
_ACCESS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Version of Landlock -> how many kinds of access to files it knows; from 5 on 16."""
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_EPERM, _ENOSYS = 0x00050001, 0x00050026
_KILL, _ALLOW = 0x80000000, 0x7FFF0000
_LAST = 470
"""The last system call that this list has judged; newer ones do not exist for a child."""
_WRITES, _THREAD = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0x00010000
_BOTH = {
    "x86_64": {
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "accept4": 288,
        "execve": 59, "execveat": 322, "fork": 57, "vfork": 58, "ptrace": 101, "unshare": 272, "setns": 308,
        "tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "process_vm_readv": 310, "process_vm_writev": 311, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
        "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "add_key": 248, "request_key": 249, "keyctl": 250,
        "init_module": 175, "finit_module": 313, "delete_module": 176, "reboot": 169, "kexec_load": 246, "kexec_file_load": 320,
        "swapon": 167, "swapoff": 168, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305,
        "sethostname": 170, "setdomainname": 171, "acct": 163, "quotactl": 179, "iopl": 172, "ioperm": 173,
        "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83, "mkdirat": 258, "rmdir": 84, "creat": 85, "link": 86, "linkat": 265,
        "unlink": 87, "unlinkat": 263, "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259, "truncate": 76,
        "chmod": 90, "fchmod": 91, "fchmodat": 268, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
        "utime": 132, "utimes": 235, "utimensat": 280, "futimesat": 261, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "memfd_create": 319, "name_to_handle_at": 303,
        "open_by_handle_at": 304, "shmget": 29, "msgget": 68, "semget": 64, "mq_open": 240,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "socketpair": 199, "accept4": 242,
        "execve": 221, "execveat": 281, "ptrace": 117, "unshare": 97, "setns": 268,
        "tkill": 130, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "process_vm_readv": 270, "process_vm_writev": 271, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "add_key": 217, "request_key": 218, "keyctl": 219,
        "init_module": 105, "finit_module": 273, "delete_module": 106, "reboot": 142, "kexec_load": 104, "kexec_file_load": 294,
        "swapon": 224, "swapoff": 225, "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266,
        "sethostname": 161, "setdomainname": 162, "acct": 89, "quotactl": 60,
        "renameat": 38, "renameat2": 276, "mkdirat": 34, "linkat": 37, "unlinkat": 35, "symlinkat": 36, "mknodat": 33, "truncate": 45,
        "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7,
        "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16, "memfd_create": 279, "name_to_handle_at": 264,
        "open_by_handle_at": 265, "shmget": 194, "msgget": 186, "semget": 190, "mq_open": 180,
    },
}  # fmt: skip
"""System calls that end in EPERM, by processor."""
_NEW = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "fspick": 433, "pidfd_open": 434, "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "memfd_secret": 447, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466, "open_tree_attr": 467,
}  # fmt: skip
"""More of them, with the same number on all processors."""
_SPECIAL = {
    "x86_64": {"open": 2, "openat": 257, "clone": 56, "kill": 62, "tgkill": 234, "prlimit64": 302},
    "aarch64": {"openat": 56, "clone": 220, "kill": 129, "tgkill": 131, "prlimit64": 261},
}
"""System calls that depend on an argument: to open a file to read, to start a thread, to end this process itself."""
_CLONE3 = 435
"""Its flags lie in memory that a filter cannot read: without it, threads are started by clone."""


def lock(memory: int) -> list[str]:
    """Lock this process, for good, and return what the system does not enforce.

    `memory`: bytes that it may take beyond what it holds now, and that a file it writes may have.
    """
    missing = [] if limit_memory(memory) else [MEMORY]
    with suppress(ImportError, ValueError, OSError):  # the parent process may have set lower ones
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a face
        resource.setrlimit(resource.RLIMIT_FSIZE, (memory, memory))
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is None or libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        return [*missing, FILES, NETWORK]
    missing += [] if _lock_files(libc) else [FILES]
    return missing + ([] if _lock_calls(libc) else [NETWORK])


def _code_folders() -> list[str]:
    """Folders of code that is imported already, and may import more of itself."""
    packages = {name for name in sys.modules if "." not in name}
    paths = (getattr(sys.modules[name], "__path__", None) for name in packages)
    found = {str(Path(path[0]).resolve()) for path in paths if path and isinstance(path, list)}
    return sorted({*found, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))})


def _lock_files(libc: ctypes.CDLL) -> bool:
    """Let this process open no file but those of `_code_folders`, to read; return whether the kernel sees to it."""
    create, add, restrict = (partial(libc.syscall, number) for number in _LANDLOCK)
    version = create(None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    files = (1 << _ACCESS.get(version, 16)) - 1
    attributes = struct.pack("<QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    ruleset = create(attributes, ctypes.c_size_t(8 if version < 4 else 16 if version < 6 else 24), 0)
    if ruleset < 0:
        return False
    for folder in _code_folders():
        with suppress(OSError):
            opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
            add(ruleset, _LANDLOCK_BENEATH, struct.pack("<Qi", _READ_FILE | _READ_FOLDER, opened), 0)
            os.close(opened)
    done: bool = restrict(ruleset, 0) == 0
    os.close(ruleset)
    return done


def _lock_calls(libc: ctypes.CDLL) -> bool:
    """Refuse the system calls of `_program`, to all threads; return whether the kernel sees to it."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES or sys.byteorder != "little":
        return False
    program = b"".join(_program(machine))
    content = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(content))
    done: bool = libc.syscall(_SECCOMP[machine], 1, 1, filters) == 0  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC
    return done


def _program(machine: str) -> Iterator[bytes]:
    """Yield the instructions of a filter (classic BPF) over ``struct seccomp_data``: number, architecture, place, six arguments."""
    yield _loaded(4)
    yield _jump(_EQUAL, _ARCHITECTURES[machine], 1, 0)
    yield _returned(_KILL)
    yield _loaded(0)
    yield _jump(_GREATER, _LAST, 0, 1)
    yield _returned(_ENOSYS)
    yield _jump(_EQUAL, _CLONE3, 0, 1)
    yield _returned(_ENOSYS)
    for number in (*_BOTH[machine].values(), *_NEW.values()):
        yield _jump(_EQUAL, number, 0, 1)
        yield _returned(_EPERM)
    for name, number in _SPECIAL[machine].items():
        yield _jump(_EQUAL, number, 0, 4)
        yield _loaded(16 + 8 * {"open": 1, "openat": 2}.get(name, 0))
        if name in ("open", "openat"):  # not to write
            yield _jump(_ANY_BIT, _WRITES, 0, 1)
        elif name == "clone":  # threads only
            yield _jump(_ANY_BIT, _THREAD, 1, 0)
        else:  # of this process only
            yield _jump(_EQUAL, 0 if name == "prlimit64" else os.getpid(), 1, 0)
        yield _returned(_EPERM)
        yield _returned(_ALLOW)
    yield _returned(_ALLOW)


_EQUAL, _GREATER, _ANY_BIT = 0x15, 0x25, 0x45


def _loaded(offset: int) -> bytes:
    return struct.pack("<HBBI", 0x20, 0, 0, offset)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _returned(value: int) -> bytes:
    return struct.pack("<HBBI", 0x06, 0, 0, value)


WAITING = 6
"""Factor from the limit on CPU seconds to that on wall-clock time, because a request is not to blame for a busy machine."""
MOST_LINE, MOST_FILES = 2**20, 8
Answer = Callable[[dict[str, Any], IO[bytes], Sequence[int]], dict[str, Any]]
"""(request, shared file, descriptors of files) -> answer."""
KINDS = {kind.__name__: kind for kind in (DataError, UnsafeError, MachineError)}


def serve(shared: int, make: str, memory: int) -> None:
    """Answer requests by what ``module:function`` returns, which is called before this process is locked."""
    module, _, name = make.partition(":")
    answer: Answer = getattr(importlib.import_module(module), name)()
    channel = socket.socket(fileno=os.dup(0))
    with os.fdopen(shared, "r+b", buffering=0) as file, channel:
        _send(channel, {"missing": lock(memory)})
        while (received := _receive(channel)) is not None:
            request, files = received
            _set_timers(request.pop("cpu_s"))
            reply = _answered(answer, request, file, files)
            _set_timers(0)
            if "memory" in reply:
                gc.collect()  # what a library holds in cycles would leave no room for the next request
            for descriptor in files:
                os.close(descriptor)
            _send(channel, reply)


def read_shared(file: IO[bytes], length: int) -> bytearray:
    """Return so many bytes from the beginning of the shared file, fewer where it ends."""
    content = bytearray(min(length, os.fstat(file.fileno()).st_size))
    done = fill_shared(file, memoryview(content))
    return content if done == len(content) else content[:done]


def fill_shared(file: IO[bytes], view: memoryview) -> int:
    """Read bytes from the beginning of the shared file into memory; return their number."""
    done = 0
    while done < len(view) and (part := os.preadv(file.fileno(), [view[done:]], done)):
        done += part
    return done


def write_shared(file: IO[bytes], content: bytes | memoryview) -> int:
    """Write bytes to the beginning of the shared file, and return their number."""
    view, done = memoryview(content).cast("B"), 0
    while done < len(view):
        done += os.pwrite(file.fileno(), view[done:], done)
    return done


def _set_timers(cpu_s: float) -> None:
    """End this process after so much time of the processor, or `WAITING` times as much on the clock; 0: not."""
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    signal.setitimer(signal.ITIMER_REAL, WAITING * cpu_s)


def _answered(answer: Answer, request: dict[str, Any], file: IO[bytes], files: Sequence[int]) -> dict[str, Any]:
    try:
        return answer(request, file, files)
    except MemoryError:
        return {"memory": True}
    except VlmAuditError as error:
        if type(error).__name__ not in KINDS:
            return {"error": traceback.format_exc()}
        return {"raised": [type(error).__name__, error.what, error.where, error.why, error.fix]}
    except Exception:  # not about the file: the parent raises it
        return {"error": traceback.format_exc()}


def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    line, files = b"", list[int]()
    while not line.endswith(b"\n"):
        part, descriptors, _, _ = socket.recv_fds(channel, MOST_LINE, MOST_FILES)
        files += descriptors
        if not part:
            return None
        line += part
    request: dict[str, Any] = json.loads(line)
    return request, files


def _send(channel: socket.socket, value: dict[str, Any]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the parent is gone, and so is the next request
        channel.sendall(json.dumps(value).encode() + b"\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
