"""A text that is longer than a model reads is refused before the first image, by a run and by its check alike."""

import pytest

from audit.embedding import known
from audit.embedding.context import CountingEncoder, require_context
from audit.errors import DataError
from audit.models import load
from audit.testing import FakeEncoder
from strictio.images import files
from tests.support.command import command
from tests.support.tiny import write_checkpoint, write_faces, write_probe

LONG = "a photo of a person " * 30
ASK_LONG = (
    "measurements=(replace(F.measurements[0], label_set=replace(F.measurements[0].label_set, "
    f"prompts={{**F.measurements[0].label_set.prompts, 'Female': ({LONG!r},)}})),)"
)


class Counting(FakeEncoder):
    """A token a word."""

    context = 4

    def count_tokens(self, texts):
        return [len(text.split()) for text in texts]


@pytest.mark.slow
def test_a_run_and_its_check_end_the_same_way_before_the_first_image(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(known, "QUIET_S", -60.0)  # files of this test count as settled
    seen, read = [], files.read_image
    monkeypatch.setattr(files, "read_image", lambda root, name: seen.append(name) or read(root, name))
    probe = write_probe(tmp_path / "long.py", "paired=()").read_text().replace("measurements=F.measurements[:1]", ASK_LONG)
    (tmp_path / "long.py").write_text(probe)
    model, faces, short = write_checkpoint(tmp_path / "ckpt.pt"), write_faces(tmp_path), write_probe(tmp_path / "short.py")
    words = ["--model", model, "--data", faces, "--out", tmp_path / "out", "--quiet", "--min-group-size", "5"]
    for again in (False, True):  # the second time its weights are read only because a text is new
        for more in (["--check"], []):
            seen.clear()
            done = command(*words, "--probe", short, "--probe", tmp_path / "long.py", *more)
            assert done.returncode == 3
            assert f"a prompt is too long for {tmp_path.name}/ckpt.pt: 'a photo of a person" in done.stderr
            assert "tokens and the model reads 77; cutting it would ask another question" in done.stderr
            assert "fix: shorten the prompt, or train with model.text.context=" in done.stderr
            assert (done.stderr.count("a photo of a person") < 10, (tmp_path / "out" / "results.json").exists()) == (True, again)
            assert seen == []
            assert "embedded" not in done.stderr
        assert command(*words, "--probe", short).returncode in (0, 1)
        assert len(seen) == (0 if again else 40)  # what is counted above is how every image is read; the second time none is


def test_a_text_is_refused_where_it_has_a_token_more_and_a_private_one_is_not_named():
    encoder = Counting()
    require_context(encoder, ["one two three four", "one"])
    for text in ("one two three four five", "un deux trois quatre cin\u0301q"):
        with pytest.raises(DataError, match="too long") as caught:
            require_context(encoder, ["one", text])
        assert (text.split()[1] in str(caught.value), "it has 5 tokens and the model reads 4" in caught.value.why) == (True, True)
        assert caught.value.fix == "shorten the prompt, or choose a model that reads more"
        with pytest.raises(DataError, match="too long") as caught:
            require_context(encoder, ["one", text], private={text})
        assert text.split()[1] not in str(caught.value)


def test_a_model_that_does_not_count_is_given_its_texts_as_they_are(tmp_path):
    assert not isinstance(FakeEncoder(), CountingEncoder)
    require_context(FakeEncoder(), ["a " * 1000])
    require_context(Counting(), [])
    assert isinstance(load(str(write_checkpoint(tmp_path / "ckpt.pt"))), CountingEncoder)
