"""Every file of the hostile generator's ckpt/: refused or read as the acceptance table says, quickly and in little memory.

The command is held to the same in tests/acceptance/test_a_checkpoints.py.
"""

import json
import sys

import pytest

from tests.support.hostile import hostile_files
from tests.support.limits import limited

NO_CLIP = "not a CLIP model that this program knows"
EXPECTED = {
    "evil_zip.pt": (4, ["asks for posix.system", "python -m contrastive.foreign"]),
    "evil_legacy.pt": (4, ["legacy", "pickle"]),
    "evil_raw.bin": (4, ["legacy", "pickle"]),
    "evil_dcp": (4, ["DCP", ".metadata", "dcp_to_torch_save"]),
    "pickle_named.safetensors": (4, ["named .safetensors is not one"]),
    "bomb_stride0.pt": (4, ["tensor larger than its storage"]), "bomb_deflate.pt": (4, ["compressed"]), "laughs.pt": (3, [NO_CLIP, "'w'"]),
    "trunc.pt": (3, ["truncated"]), "empty.pt": (3, ["empty"]), "html.pt": (3, ["HTML page"]),
    "lfs.pt": (3, ["Git-LFS pointer", "git lfs pull"]), "bitflip.pt": (3, ["CRC", "data/0"]), "nan.pt": (3, ["'w' holds 10 values"]),
    "ts.pt": (3, [NO_CLIP, "'weight', 'bias'"]),
    "wrong_arch.pt": (3, [NO_CLIP, "missing: visual.conv1.weight", "'visual.proj', 'logit_scale'"]),
    "ok.pt": (3, [NO_CLIP, "'w'"]), "ok.safetensors": (3, [NO_CLIP, "'w'"]),
    "hf_automap": (4, ["auto_map"]), "hf_attn": (4, ["_attn_implementation_internal"]),
    **{f"st_{fault}.safetensors": (3, ["damaged"]) for fault in ("trunc", "hugeheader", "badshape", "trailing")},
}  # fmt: skip
LOADER = """
import json, socket, sys, time
def no_socket(*_): raise SystemExit("a socket was opened")
socket.socket.connect = no_socket
import torch
from audit.models import load
from audit.errors import AuditError
torch.set_num_threads(1)
for path in sys.argv[1:]:
    started = time.process_time()
    try:
        load(path)
        code, said = 0, ""
    except AuditError as error:
        code, said = error.exit_code, str(error)
    print(json.dumps([path, code, said, time.process_time() - started]))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return hostile_files(tmp_path_factory)


@pytest.fixture(scope="module")
def done(hostile):
    """Load them all in one process, in the order of their names."""
    names = sorted(path.name for path in (hostile / "ckpt").iterdir())
    done = limited([sys.executable, "-c", LOADER, *names], hostile / "ckpt")
    assert done.code == 0, done.err
    return done


@pytest.fixture(scope="module")
def answers(done):
    return {name: rest for name, *rest in map(json.loads, done.out.splitlines())}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_file_ends_as_the_table_says(hostile, answers, name):
    code, said, seconds = answers[name]
    expected, words = EXPECTED[name]
    assert code == expected, said
    assert all(word in said for word in words), said
    assert "\nfix: " in said
    assert len(said) < 2000
    assert seconds < 5
    assert not (hostile / "CANARY").exists()


def test_the_table_names_every_file_and_bombs_take_little_memory(answers, done):
    """The process never grew by the 512 MiB that one of them would become."""
    assert set(answers) == set(EXPECTED)
    assert done.peak_mib < 400
