"""Audits of encoders of text alone: probes of texts run, others say what they cannot ask."""

import pytest

import audit
from audit.errors import UsageError
from tests.support.command import command
from tests.support.text_encoders import folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("text") / "st")


def test_a_probe_of_texts_runs_and_the_page_says_that_no_image_is_read(made, tmp_path):
    done = command("--model", f"text:{made}", "--probe", "text_only", "--out", tmp_path / "out", "--cache-root", tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/report.html").read_text()
    assert "none: it reads texts alone" in page
    assert "cosine of two texts" in page
    assert "text encoder (sentence-transformers) XLMRobertaModel" in page
    again = command("--model", f"text:{made}", "--probe", "text_only", "--out", tmp_path / "again", "--cache-root", tmp_path / "cache")
    assert "embedded 0 texts" in again.stderr + (tmp_path / "again/run.log").read_text()


@pytest.mark.slow_except("captions", "occupations")
@pytest.mark.parametrize("probe", ["fairface", "captions", "occupations"])
def test_a_probe_of_images_says_before_the_first_that_the_model_reads_none(made, fairface_dir, probe):
    with pytest.raises(UsageError, match=f"the probe '{probe}' asks nothing of an encoder of text alone") as caught:
        audit.audit(model=f"text:{made}", probe=probe, data=fairface_dir)
    assert "text_only" in caught.value.fix


@pytest.mark.parametrize("more", [{"label_map": {"a": "b"}}, {"what_if": ["all"]}, {"decode": "fast"}])
def test_options_about_images_and_labels_are_refused(made, more):
    with pytest.raises(UsageError):
        audit.audit(model=f"text:{made}", probe="text_only", **more)


@pytest.mark.slow
def test_texts_are_embedded_ahead_of_an_audit(made, tmp_path):
    done = command(
        "--model", f"text:{made}", "--probe", "text_only", "--cache-root", tmp_path / "cache", module="audit.extensions.scale.command"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    later = audit.audit(model=f"text:{made}", probe="text_only", cache_root=tmp_path / "cache", draws=99)
    assert later.results.audits[0].analyses["text_associations"]
