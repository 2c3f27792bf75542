"""What the tests call memory: what a process took beside files, also for a moment, also in a process that it started."""

import subprocess
import sys

import pytest

from tests.support.limits import limited
from tests.support.peak import Peak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TAKE = "bytearray(b'x') * 300_000_000"
PRINT_AND_HOLD = f"held = {TAKE}; print('held', flush=True); input()"
HOLD = f"import time; held = {TAKE}; time.sleep(0.5)"
READ_A_FILE = (
    "import mmap, tempfile; file = tempfile.TemporaryFile(); file.write(bytes(300_000_000)); file.flush(); "
    "mapped = mmap.mmap(file.fileno(), 0); sum(mapped[::4096])"
)


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        ("pass", 0, 50),
        (TAKE, 250, 350),
        (f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])", 250, 350),
        (READ_A_FILE, 0, 50),
    ],
    ids=["nothing", "for a moment", "in a process of its own", "pages of a file"],
)
def test_what_a_process_took_beside_files(tmp_path, code, low, high):
    done = limited([sys.executable, "-c", code], tmp_path)
    assert done.code == 0, done.err
    assert low <= done.peak_mib <= high


def test_what_a_child_took_before_the_first_look_at_it_counts():
    """Its parent watches it only once it holds the memory."""
    parent = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; input(); subprocess.run([sys.executable, '-c', {PRINT_AND_HOLD!r}])"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        peak = Peak(parent.pid)
        parent.stdin.write("\n")
        parent.stdin.flush()
        assert parent.stdout.readline() == "held\n"
        peak.look()
        parent.stdin.write("\n")
        parent.stdin.close()
    assert 250 <= peak.kb() // 1024 <= 350
