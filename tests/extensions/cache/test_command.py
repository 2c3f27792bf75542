"""``vlm-audit cache``: mistakes are named, and what is not of a cache is left alone."""

import pytest

from tests.support.command import command, process


def cache(*words):
    return command(*words, module="audit.extensions.cache.command")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["prune"], 2, "--older-than 30d"), (["--keep", "1GB"], 2, "belong to prune"), (["drop"], 2, "drop"),
        (["prune", "--keep", "much"], 2, "invalid size 'much'"),
        (["prune", "--older-than", "old"], 2, "invalid age 'old'"), (["trust", "nowhere"], 3, "no folder 'nowhere'"),
        (["verify", "ftp4://x"], 2, "begin with ftp4:// are not read"), (["verify", "--damaged"], 2, "belong to prune"),
        (["size", "nowhere"], 3, "fix: name the folder that holds the cache, or none"),
    ],
)  # fmt: skip
def test_mistakes_are_named(words, code, said):
    done = cache(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_empty_cache_and_what_is_no_model_of_it_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path))
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.shard").write_text("dear")
    assert cache("prune", "--keep", "0").stdout == "removed 0 files, 0 B\n"
    assert cache().stdout == f"       0 B  in {tmp_path}\n"
    assert (tmp_path / "letters" / "mine.shard").read_text() == "dear"


def test_it_is_one_of_the_commands():
    done = process("cache", "--help", module="audit")
    assert done.returncode == 0
    assert "prune" in done.stdout
