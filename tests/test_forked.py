"""A forked process finds modules where one that is started anew finds them."""

import os
import subprocess
import sys

import pytest

from tests.support import forked


@pytest.mark.slow_except("options0-words0")
@pytest.mark.parametrize("words", [["-m", "beside"], ["-c", "import beside"]])
@pytest.mark.parametrize("options", [[], ["-P"]])
def test_modules_of_the_current_folder_are_found_but_with_safe_path(tmp_path, options, words):
    (tmp_path / "beside.py").write_text("print('beside', __import__('sys').argv[1:])")
    line = [sys.executable, *options, *words, "-P", "word"]
    done, expected = (run(line, cwd=tmp_path, capture_output=True, text=True) for run in (forked.run, subprocess.run))
    assert (done.returncode, done.stdout) == (expected.returncode, expected.stdout)
    assert ("No module named" in done.stderr, "beside" in done.stdout) == ((True, False) if options else (False, True))


def test_with_safe_path_what_pythonpath_names_is_found(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("print('beside')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert forked.Forked([sys.executable, "-P", "-m", "beside"], stdout=subprocess.PIPE).communicate() == (b"beside\n", None)


def test_a_worker_that_is_forked_forks_the_processes_of_its_tests(request):
    if not (request.config.pluginmanager.has_plugin("tests.support.forked_workers") and hasattr(request.config, "workerinput")):
        pytest.skip("this is no worker of `make test`")
    assert forked.handed_down, "the libraries were imported by this worker, and again by the interpreter that it forks"
    code = "import os, sys; input(); sys.exit(10 * (os.getppid() == int(sys.argv[1])) + ('execnet' in sys.modules))"
    process = forked.Forked([sys.executable, "-c", code, str(os.getpid())], stdin=subprocess.PIPE)
    process.communicate(b"\n")  # it was forked by a process that has ended by now
    assert process.returncode == 10
