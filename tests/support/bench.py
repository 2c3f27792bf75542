"""A place to run commands in, with an audit in it from before, that holds every run to what no run may do.

No command may print a traceback, run a payload of the hostile files, write outside ``--out`` and the cache, or touch the earlier report
unless it ends well.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from audit.output.manifest import swap_name
from tests.support import forked
from tests.support.command import command
from tests.support.forked import Forked

ROOT = Path(__file__).parents[2]
ABOUT_THE_RUN = ("STATUS", "run.log", ".lock")
"""Files of an output folder that tell of the last run, however it ended."""


def contents(folder, without=()):
    """Return the bytes of every file below a folder by its name there; `without`: names that do not count."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in without)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def ended(code, said=()):
    """Return a check of a finished process: its exit code, and what it said on stderr."""

    def check(done):
        assert done.returncode == code, (done.returncode, done.stderr[-3000:])
        for words in said:
            assert words in done.stderr, done.stderr[-3000:]

    return check


class Bench:
    """One test's folder: `folder` is where commands run, `out` holds an audit from before, `cache` the embeddings."""

    def __init__(self, folder: Path, earlier: Path, monkeypatch, canaries=()):
        self.folder, self.cache, self.canaries = folder / "here", folder / "cache", (folder / "CANARY", *canaries)
        self.out, self.home, self.temporary = self.folder / "out", folder / "home", folder / "temporary"
        self.swap = self.folder / swap_name("out")
        self._started = []
        for made in (self.folder, self.home, self.temporary):
            made.mkdir()
        self.again(earlier)
        monkeypatch.chdir(self.folder)
        for name, place in (("HOME", self.home), ("AUDIT_CACHE_DIR", self.cache)):
            monkeypatch.setenv(name, str(place))
        # In this process torch may hold the home; what a command of its own keeps for a user must be seen.
        self.environment = {"TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}

    def again(self, earlier: Path):
        """Put the audit from before into `out`."""
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.copytree(earlier, self.out)
        self.report = contents(self.out, ABOUT_THE_RUN)

    def run(self, *words, code=0, said=(), module="audit.run", out=True):
        """Run a command in this process and hold it to the rules; `out` false: the command has no such flag, or `words` give it."""
        before = self._outside()
        done = command(*words, *(["--out", self.out] if out else []), module=module)
        return self.held(done, before, code, said)

    def process(self, *words, code=0, said=(), module="audit.run", out=True, env=None, under=(), **options):
        """The same in a process of its own; `under`: a command that starts it, such as one that sets limits."""
        before = self._outside()
        options = {"capture_output": True, "text": True, "timeout": 120} | options
        done = forked.run([*under, *self.line(*words, module=module, out=out)], env=self.env(env), cwd=self.folder, check=False, **options)
        return self.held(done, before, code, said)

    def start(self, *words, module="audit.run", out=True, env=None, **options):
        """Start the same and return the process; `held` judges how it ended."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
        process = Forked(self.line(*words, module=module, out=out), env=self.env(env), cwd=self.folder, **options)
        self._started.append(process)
        return process

    def end(self):
        """End what a failed test has left running: the next test would be blamed for it."""
        for process in self._started:
            process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()

    def line(self, *words, module="audit.run", out=True):
        return [sys.executable, "-m", module, *map(str, words), *(["--out", str(self.out)] if out else [])]

    def env(self, more=None):
        return {**os.environ, **self.environment, **(more or {})}

    def held(self, done, before=None, code=0, said=()):
        """Judge a command that has ended."""
        ended(code, said)(done)
        assert "Traceback" not in (done.stderr or "")
        assert not [canary for canary in self.canaries if canary.exists()]
        if before is not None:
            assert self._outside() == before, "something was written outside --out and the cache"
        if code in (0, 1):
            assert not self.swap.exists(), "the folder for the swap is still there"
            self.report = contents(self.out, ABOUT_THE_RUN) if self.out.exists() else {}
        else:
            assert self.intact(), "the earlier report is not what it was"
        return done

    def intact(self):
        """Return whether every file of the earlier audit is there as it was."""
        return contents(self.out, ABOUT_THE_RUN) == self.report

    def _outside(self):
        """Return names, sizes and times of all files besides those of `out`, of its swap (a killed run leaves one) and of the cache."""
        found = {}
        for top in (self.folder, self.home, self.temporary):
            for place, folders, files in os.walk(top):
                # The key that seals the cache lies where the cache is unless a variable says otherwise.
                own = (self.out, self.swap, self.cache, self.home / ".cache" / "vlm-audit")
                folders[:] = [name for name in folders if Path(place, name) not in own]
                for name in files:
                    stat = Path(place, name).lstat()
                    found[Path(place, name)] = (stat.st_size, stat.st_mtime_ns)
        return found
