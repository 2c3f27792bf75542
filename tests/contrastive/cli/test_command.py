"""How ``contrastive.foreign``, ``export``, ``release`` and ``unshard`` end: by the machine's faults and by signals, and what they leave."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from contrastive import export, foreign, release, train, unshard
from contrastive.checkpoint.file import save
from contrastive.cli import command as commands
from contrastive.config import read_config
from contrastive.training import loop
from strictio.errors import DataError
from tests.support import forked
from tests.support.command import command
from tests.support.forked import Forked
from tests.support.hostile import Evil
from tests.support.made_once import made_once
from tests.support.tiny import write_checkpoint
from tests.support.training import run_text

ROOT = Path(__file__).parents[2]
WIDE = 'preset = "tiny-vit"\nvision = {width = 256, layers = 4}\ntext = {width = 32, layers = 1, context = 64}'  # 13 MB
KINDS = ("foreign", "release", "unshard", "export safetensors", "export huggingface", "export open_clip")
FILE_LIMIT = (
    "import resource, runpy, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
    "sys.argv = sys.argv[2:]\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)
MEMORY_LIMIT = (
    "import runpy, sys\n"
    "import torch, safetensors.torch, contrastive.checkpoint.shards, contrastive.formats.exports.tensors\n"
    "from strictio.limits import limit_memory\n"
    "torch.set_num_threads(1)\n"
    "torch.ones(64, 64) @ torch.ones(64, 64)\n"
    "assert limit_memory(int(sys.argv[1]) * 2**20)\n"
    "sys.argv = sys.argv[2:]\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return a folder with what the commands read: a refused file of 40 MB, a checkpoint of 13 MB, one of few kB, shards."""

    def make(folder):
        torch.save({"w": torch.zeros(2500, 4000).T, "args": Evil(folder / "CANARY")}, folder / "evil.pt")
        write_checkpoint(folder / "small.pt")
        (folder / "run.toml").write_text(
            run_text(
                WIDE,
                data="batch = 24; held_out = 0.02",
                optim="steps = 2; lr = 1e-3; warmup = 1",
                run="sharded = true",
                out=str(folder / "out"),
            )
        )
        inputs = loop.prepare(read_config(str(folder / "run.toml"), []))
        loop.save_run(loop.start(inputs), inputs)
        from contrastive.checkpoint.file import Checkpoint

        save(folder / "ckpt.pt", Checkpoint(loop.start(inputs).model, inputs.preprocess, inputs.tokenizer))

    return made_once(tmp_path_factory, "sources_of_commands", make)


def words(kind, sources, out):
    """Return module and arguments of a command."""
    name, _, form = kind.partition(" ")
    source = {"foreign": "evil.pt", "unshard": "out"}.get(name, "ckpt.pt")
    return f"contrastive.{name}", sources / source, out, *(["--to", form] if form else [])


def limited(program, amount, kind, sources, out):
    module, *rest = words(kind, sources, out)
    run = [sys.executable, "-c", program, str(amount), module, *map(str, rest)]
    start = subprocess.run if program is MEMORY_LIMIT else forked.run  # what is forked has memory to spare that it took before
    return start(run, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)


@pytest.mark.slow_except("unshard", "export safetensors", "export huggingface", "export open_clip")
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_is_missing_is_said_before_any_work(sources, tmp_path, kind):
    module, *rest = words(kind, sources, tmp_path / "missing" / "out")
    done = command(*rest, module=module)
    assert (done.returncode, done.stdout) == (5, "")
    assert "error: the folder to write to does not exist" in done.stderr
    assert f"fix: mkdir -p {tmp_path / 'missing'}" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_may_not_be_written_to_is_said_before_any_work(sources, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)  # for root every folder is writable
    module, *rest = words(kind, sources, tmp_path / "out")
    done = command(*rest, module=module)
    assert (done.returncode, done.stdout) == (5, "")
    assert "error: the folder cannot be written to" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow_except("export huggingface")
@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_said_and_leaves_what_was_there(sources, tmp_path, kind):
    """A limit of 20 kB a file stands for the disk: the file begins, and does not end."""
    old = tmp_path / "old.safetensors"
    old.write_bytes(b"old")
    out = old if kind == "foreign" else tmp_path / "out"  # the others do not write over anything
    done = limited(FILE_LIMIT, 20_000, kind, sources, out)
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "written (" in done.stderr  # what cannot be
    assert str(out) in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old.safetensors"]
    assert old.read_bytes() == b"old"
    assert not (sources / "CANARY").exists()


MORE_MEMORY = [("foreign", 8), ("foreign", 45), ("export safetensors", 9), ("unshard", 9)]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to know how much memory is taken")
@pytest.mark.parametrize(
    ("kind", "mebibytes"),
    [("release", 9), *(pytest.param(*each, marks=pytest.mark.slow) for each in MORE_MEMORY)],
)
def test_too_little_memory_is_said(sources, tmp_path, kind, mebibytes):
    done = limited(MEMORY_LIMIT, mebibytes, kind, sources, tmp_path / "out")
    assert (done.returncode, done.stdout) == (5, ""), done.stderr
    assert "error: out of memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_memory_that_runs_out_while_a_file_is_written_is_said_and_leaves_nothing(sources, tmp_path, monkeypatch, kind):
    """In place of a limit, which needs a new interpreter: what writes the file has no memory left."""
    written = []

    def fails(*given, **named):
        written.append(given)
        raise MemoryError

    monkeypatch.setattr(torch, "save", fails)
    monkeypatch.setattr(safetensors.torch, "serialize_file", fails)
    module, *rest = words(kind, sources, tmp_path / "out")
    done = command(*rest, module=module)
    assert (done.returncode, done.stdout, len(written)) == (5, "", 1), done.stderr
    assert "error: out of memory" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_words_and_without_a_rest(tmp_path, number, code):
    """A process of its own writes half a file and waits for the signal."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from contrastive.cli.command import run_command\n"
        "from strictio.files import replacing\n"
        "def work():\n"
        "    with replacing(Path(sys.argv[1])) as file:\n"
        "        file.write(b'half')\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "    return 'done'\n"
        "sys.exit(run_command(work))\n"
    )
    (tmp_path / "out").write_bytes(b"old")
    run = [sys.executable, "-c", program, tmp_path / "out"]
    with Forked(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (code, "", "stopped; nothing was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"old"


def test_a_closed_pipe_and_a_full_one_leave_the_file(sources, tmp_path):
    run = [sys.executable, "-m", "contrastive.release", str(sources / "small.pt"), str(tmp_path / "a.pt")]
    with Forked(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as running:
        running.stdout.close()
        running.stdout = None
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (141, b"")
    assert (tmp_path / "a.pt").exists()
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            done = forked.run([*run[:-1], str(tmp_path / "b.pt")], stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False)
        assert done.returncode == 0
        assert done.stderr.startswith(b"warning: the result cannot be printed: No space left")
        assert (tmp_path / "b.pt").exists()


def test_a_defect_ends_with_70_and_its_traceback_only_when_asked(capsys):
    def work():
        raise KeyError("\x1b[31mred")

    assert commands.run_command(work) == 70
    said = capsys.readouterr().err
    assert said.startswith("error: a defect of this program: KeyError: ")
    assert "--debug" in said
    assert "Traceback" not in said
    assert "\x1b" not in said
    assert commands.run_command(work, debug=True) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_message_is_cut_and_cannot_command_the_terminal(capsys):
    def work():
        raise DataError("no \x1b[2J \u202e" + "x" * 10**6)

    assert commands.run_command(work) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: no \\x1b[2J \\u202exxx")
    assert len(said) < 5000


def test_handlers_of_signals_are_given_back_and_threads_may_run_a_command(capsys):
    from concurrent.futures import ThreadPoolExecutor

    before = signal.getsignal(signal.SIGTERM)
    assert commands.run_command(lambda: "x") == 0
    assert signal.getsignal(signal.SIGTERM) is before
    with ThreadPoolExecutor() as pool:
        assert pool.submit(commands.run_command, lambda: "y").result() == 0
    assert capsys.readouterr().out == "x\ny\n"


@pytest.mark.parametrize(
    ("script", "typed"),
    [
        ("/usr/local/bin/vlm-audit", "vlm-audit {}"),
        ("C:/Scripts/vlm-audit.exe", "vlm-audit {}"),
        ("/here/audit/__main__.py", "python -m audit {}"),
        ("/here/contrastive/{}.py", "python -m contrastive.{}"),
    ],
)
def test_help_shows_the_command_that_was_typed(script, typed, monkeypatch):
    for module in (train, export, release, unshard, foreign):
        name = module.__name__.rpartition(".")[2]
        monkeypatch.setattr(sys, "argv", [script.format(name), "--help"])
        assert module.parser().format_usage().startswith(f"usage: {typed.format(name)} ")
