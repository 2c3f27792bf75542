"""What the tests call memory: what a process took beside files, also for a moment, also in a process that it started."""

import sys

import pytest

from tests.support.limits import limited

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
TAKE = "bytearray(b'x') * 300_000_000"
READ_A_FILE = (
    "import mmap, tempfile; file = tempfile.TemporaryFile(); file.write(bytes(300_000_000)); file.flush(); "
    "mapped = mmap.mmap(file.fileno(), 0); sum(mapped[::4096])"
)


@pytest.mark.parametrize(
    ("code", "low", "high"),
    [
        ("pass", 0, 50),
        (TAKE, 250, 350),
        (f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TAKE!r}])", 200, 350),
        (READ_A_FILE, 0, 50),
    ],
    ids=["nothing", "for a moment", "in a process of its own", "pages of a file"],
)
def test_what_a_process_took_beside_files(tmp_path, code, low, high):
    done = limited([sys.executable, "-c", code], tmp_path)
    assert done.code == 0, done.err
    assert low <= done.peak_mib <= high
