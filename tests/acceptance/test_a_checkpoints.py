"""Rows A1 to A15: files that call themselves models. By the command, with the small pictures as data."""

import socket

import pytest

from tests.support.limits import GIB, limited_line, read_usage

CONVERT = "python -m contrastive.foreign"


@pytest.fixture
def audited(bench, hostile, inputs, monkeypatch):
    """Return a function that audits one of the generator's checkpoints; a socket that is opened ends the test."""

    def refuse(*_):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    def audited(name, code, *said):
        words = ("--model", hostile / "ckpt" / name, "--probe", inputs / "short.py", "--data", inputs / "faces")
        done = bench.run(*words, code=code, said=(f"error[E{code}]", "\nfix: ", *said))
        assert len(done.stderr) < 3000
        return done

    return audited


@pytest.mark.slow
def test_a1_code_in_an_archive_is_named_and_converting_offered(audited):
    done = audited("evil_zip.pt", 4, "posix.system", CONVERT)
    assert "weights_only" not in done.stderr


@pytest.mark.parametrize("name", ["evil_legacy.pt", "evil_raw.bin"])
def test_a2_legacy_pickles_are_not_accepted(audited, name):
    audited(name, 4, "legacy", "pickle")


def test_a3_a_distributed_checkpoint_is_refused(audited):
    audited("evil_dcp", 4, "DCP", ".metadata")


def test_a4_a_pickle_named_safetensors_is_not_tried_as_a_pickle(audited):
    audited("pickle_named.safetensors", 4, "named .safetensors is not one")


def test_a5_the_variable_that_switches_safe_loading_off_is_ignored_and_said(audited, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    audited("evil_zip.pt", 4, "posix.system", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD is set and changes nothing")


@pytest.fixture
def bombed(bench, hostile, inputs, tmp_path):
    """Return a function that audits a bomb in a process with 4 GB of address space, and gives what that took."""

    def bombed(name, said):
        usage = tmp_path / "usage"
        words = ("--probe", inputs / "short.py", "--data", inputs / "faces")
        bench.process("--model", "missing.pt", *words, code=3, under=limited_line(usage, 3 * GIB))
        start = read_usage(usage)
        bench.process("--model", hostile / "ckpt" / name, *words, code=4, said=[said], under=limited_line(usage, 3 * GIB))
        found = read_usage(usage)
        assert found.cpu_s < start.cpu_s + 5  # importing alone takes seconds on a slow machine
        return found

    return bombed


def test_a6_a_tensor_larger_than_its_storage_is_refused(bombed):
    assert bombed("bomb_stride0.pt", "tensor larger than its storage").peak_mib < 800


def test_a7_compressed_entries_are_refused(bombed):
    assert bombed("bomb_deflate.pt", "compressed").peak_mib < 600


def test_a8_a_list_that_unfolds_to_ten_to_the_thirty_ends_at_once(audited, hostile):
    audited("laughs.pt", 3, "'w'")


@pytest.mark.parametrize(
    ("name", "said"), [("trunc.pt", "truncated"), ("empty.pt", "empty"), ("html.pt", "HTML page"), ("lfs.pt", "git lfs pull")]
)
def test_a9_what_is_no_checkpoint_is_said(audited, name, said):
    audited(name, 3, said)


def test_a10_a_flipped_bit_is_found_by_its_entry(audited):
    audited("bitflip.pt", 3, "CRC", "data/0")


def test_a11_weights_that_are_no_numbers_are_counted(audited):
    audited("nan.pt", 3, "'w' holds 10 values")


def test_a12_torchscript_is_read_without_its_code(audited):
    audited("ts.pt", 3, "'weight', 'bias'")


def test_a13_weights_of_another_architecture_are_named(audited):
    audited("wrong_arch.pt", 3, "missing: visual.conv1.weight", "'visual.proj', 'logit_scale'")


@pytest.mark.parametrize(("name", "key"), [("hf_automap", "auto_map"), ("hf_attn", "_attn_implementation_internal")])
def test_a14_a_folder_that_asks_for_code_is_refused_by_its_key(audited, name, key):
    audited(name, 4, key)


@pytest.mark.parametrize("fault", ["trunc", "hugeheader", "badshape", "trailing"])
def test_a15_damaged_safetensors_give_the_readers_reason(audited, fault):
    done = audited(f"st_{fault}.safetensors", 3, "damaged")
    assert "why: " in done.stderr
