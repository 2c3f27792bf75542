"""``python -m MODULE …`` and ``python -c …``, with ``-P`` before them or not, as processes of their own, in tenths of a second.

They are forked from a Python that has the libraries. A new interpreter takes two seconds to import what an audit or a training needs. Here
one is started for all tests of a worker; it runs nothing and imports no command, so each begins as it would by itself. What an interpreter
reads only as it begins (its encodings, how many threads libraries use, where a hub's files lie) `env` cannot change any more: such a
process gets a new interpreter, as all do where the system is not Linux.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import inspect
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "OPENBLAS_", "HF_", "TRANSFORMERS_", "TORCH")
READ_HERE = {"PYTHONPATH", "PYTHONIOENCODING", "HF_TOKEN", "TORCHINDUCTOR_CACHE_DIR"}
"""Of these, what a forked process heeds as an interpreter does; torch sets the last when its compiler is imported, and the token is read
when a hub is asked."""
OPTIONS = {"stdin", "stdout", "stderr", "text", "encoding", "errors", "bufsize", "cwd", "env"}
IMPORTED = (
    "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin", "audit.api.pipeline",
    "audit.cli.terminal", "audit.data.load", "audit.models.native", "audit.models.single_file", "audit.options.command_line",
    "contrastive.cli.command", "contrastive.data.saved", "contrastive.data.table", "contrastive.training.branch",
    "contrastive.training.loop", "fairlearn.metrics", "jinja2", "narwhals._pandas_like.namespace", "narwhals.stable.v1", "pandas", "pytest",
    "pyarrow.csv", "pyarrow.pandas_compat", "pyarrow.parquet", "reports.exports.model_card", "reports.exports.terminal.audits",
    "reports.render", "reports.rendered", "safetensors.torch", "scipy.stats", "strictio.weights.adapter", "torch", "torch._dynamo",
    "torch.distributed.fsdp", "torch.distributed.tensor", "torch.nn.parallel", "torch.utils.serialization", "transformers",
)  # fmt: skip
PR_SET_CHILD_SUBREAPER = 36
MADV_COLLAPSE = 25
HUGE = 2**21
"""The bytes of a huge page."""


class Forked(subprocess.Popen):
    """What `subprocess.Popen` is, forked where that makes no difference; `forks`: it forks such processes in its turn."""

    def __init__(self, line, *, forks=False, **options):
        python, *words = line = list(map(str, line))
        how = words[1:2] if words[:1] == ["-P"] else words[:1]
        ours = python == sys.executable and how in (["-m"], ["-c"]) and options.keys() <= OPTIONS
        self._forked = sys.platform == "linux" and ours and (forks or not _begins_otherwise(options.get("env") or os.environ))
        self._forks = forks
        if not self._forked and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # not always: with it, the system copies this process
            options.setdefault("preexec_fn", heed_hangups)
        super().__init__(line, **options)

    def _execute_child(self, args, *rest):
        if not self._forked:
            super()._execute_child(args, *rest)
            return
        given = inspect.signature(super()._execute_child).bind(args, *rest).arguments
        pipes = [given[f"{name}{end}"] for name in ("p2c", "c2p", "err") for end in ("read", "write")]
        streams = [pipe if pipe != -1 else number for number, pipe in enumerate((pipes[0], pipes[3], pipes[5]))]
        what = {"line": args, "cwd": os.fspath(given["cwd"] or Path.cwd()), "env": dict(given["env"] or os.environ), "forks": self._forks}
        self.pid = _fork(what, streams)
        self._child_created = True
        self._close_pipe_fds(*pipes)


def heed_hangups():
    """Let SIGHUP end this process, also where the tests are run under ``nohup``, which children inherit."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def run(line, *, capture_output=False, timeout=None, check=False, **options):
    """Return what `subprocess.run` would."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Forked(line, **options) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if check:
        done.check_returncode()
    return done


def _begins_otherwise(env):
    """Return whether `env` says something else of what is read as an interpreter begins."""
    mine = _server()[1]
    names = {name for name in (*env, *mine) if name.startswith(READ_AT_THE_START)} - READ_HERE
    return any(env.get(name) != mine.get(name) for name in names)


handed_down: list[tuple[socket.socket, dict[str, str]]] = []
"""In a worker that was forked itself: the way to its server, and the environment in which that began."""


@cache
def _server():
    """Start the interpreter that is forked, unless there is one; return the way to it, and its environment."""
    if handed_down:
        return handed_down[0]
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen([sys.executable, "-m", __name__, str(its.fileno())], pass_fds=[its.fileno()], env=env, cwd=ROOT)
    its.close()
    atexit.register(server.wait)
    atexit.register(ours.close)
    return ours, env


@contextmanager
def _orphans_are_ours():
    """Whose parent ends meanwhile becomes a child of this process, which can then wait for it."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _fork(what, streams):
    """Return the number of a new process, which is a child of this one."""
    server, _ = _server()
    with _orphans_are_ours():
        server.sendmsg([json.dumps(what).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))])
        return int(server.recv(64))


def make_cheap_to_fork():
    """Spare each forked process what does not concern it: all in all, two thirds of the time that it takes to begin and to end.

    Memory in huge pages has a five-hundredth of the table entries that are copied and freed again; where the system has none, nothing
    changes. What the libraries undo as an interpreter ends (torch unregisters thousands of operators) ends with the process.
    """
    gc.freeze()
    for finalizer in list(weakref.finalize._registry):
        finalizer.atexit = False
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, access, _, _, inode, *_ = line.split()
        first, after = (int(each, 16) // HUGE * HUGE for each in bounds.split("-"))
        if access.startswith("rw") and inode == "0" and first + HUGE < after:
            madvise(ctypes.c_void_p(first + HUGE), ctypes.c_size_t(after - first - HUGE), MADV_COLLAPSE)


def _serve(asking):
    """Fork for each request; return, in the new process, what it is to run and its streams."""
    while True:
        what, streams, _, _ = socket.recv_fds(asking, 2**20, 3)
        if not what:  # whoever asked has ended
            os._exit(0)
        reading, writing = os.pipe()
        between = os.fork()
        if not between:
            if os.fork():
                os._exit(0)
            asking.close()
            os.close(reading)
            os.write(writing, str(os.getpid()).encode())
            os.close(writing)
            return json.loads(what), streams
        os.waitpid(between, 0)  # from here on the new process is a child of whoever asked
        asking.send(os.read(reading, 64))
        for number in (reading, writing, *streams):
            os.close(number)


def _serve_worker(streams):
    """Fork, for a worker of pytest that is about to begin, the server of its tests' processes, which must descend from it.

    Returns in the worker, and in each process that the server forks: what this is to run, and its streams; None in the worker.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server = os.fork()
    if not server:
        ours.close()
        for stream in streams:
            os.close(stream)
        return _serve(its)
    its.close()
    atexit.register(os.waitpid, server, 0)
    atexit.register(ours.close)
    import_module("tests.support.forked").handed_down.append((ours, dict(os.environ)))
    return None


def _begin(cwd, env, streams, safe_path):
    """Make this process what one is that has just begun; `safe_path`: the current folder is not on ``sys.path`` (``python -P``)."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for stream in set(streams) - {0, 1, 2}:
        os.close(stream)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    given = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place and place not in sys.path[1:]]
    sys.path[:1] = given if safe_path else [cwd, *given]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    encoding, _, given = env.get("PYTHONIOENCODING", "").partition(":")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        errors, buffering = ("backslashreplace", 1) if name == "stderr" else (given or "strict", -1)
        how = {"encoding": encoding or "utf-8", "errors": errors, "buffering": buffering}
        stream = open(number, "w" if number else "r", closefd=False, **how)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def begin(how, what, *words):
    """Run the words behind ``python`` in this process."""
    sys.argv = [what if how == "-m" else how, *words]
    if how == "-m":
        sys.modules.pop(what, None)  # a new interpreter has not imported it before
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), sys.modules["__main__"].__dict__)


def leave(code):
    """End this process as the interpreter would, but let the system free its memory at once.

    To free every object of every library by itself takes a quarter of a second, since a forked process copies each page that it writes to.
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        sys.exit(code)  # the interpreter tries again and reports it
    os._exit(code & 0xFF)


if __name__ == "__main__":
    for each in IMPORTED:
        import_module(each)
    templates = import_module("reports.environment").environment()
    for each in templates.list_templates(extensions=["html"]):
        templates.get_template(each)  # compiled once: a fifth of a second for each command that writes a page
    for each in import_module("audit.extension").analyses():
        for part in (each.computation, each.section, each.sentences):
            import_module(part)
    import_module("contrastive.training.account").gemm_peak("cpu", "fp32")  # measured once: a tenth of a second for each training
    import_module("anyio").__doc__ = "PYTEST_DONT_REWRITE"  # it has a plug-in of pytest, which would warn a worker that it is imported
    make_cheap_to_fork()
    os.fsync = os.fstat  # as in tests/conftest.py: no test waits for the disk
    asked, its_streams = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked["forks"]:
        asked, its_streams = _serve_worker(its_streams) or (asked, its_streams)
    if not asked["forks"]:
        heed_hangups()
    _, *said = asked["line"]
    _begin(asked["cwd"], asked["env"], its_streams, safe_path=said[0] == "-P")
    try:
        begin(*said[said[0] == "-P" :])
    except SystemExit as stop:
        if not isinstance(stop.code, int | None):
            raise  # a message, which the interpreter prints
        leave(stop.code or 0)
    leave(0)
