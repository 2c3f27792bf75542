"""Plans are recorded before their outcome, and earlier runs on the same data are counted."""

import pytest

from audit.extensions.mitigate.ledger import Ledger
from audit.extensions.mitigate.record import EarlierRun, MitigationPlan
from audit.types import Settings


def plan(created="2030-01-01T00:00:00+00:00", **given):
    fields = {
        "model": "m", "fingerprint": "f", "probe": "emoji", "data": "d" * 64, "question": "role/accuracy/gender", "chosen": "planned",
        "attribute": "gender", "method": "leace", "others": (), "towers": ("image", "text"), "unit": "role", "seed": 1, "watched": (),
        "capability": None, "margin": 0.02, "settings": Settings(), "created": created,
    }  # fmt: skip
    return MitigationPlan(**(fields | given))


def test_a_run_that_did_not_end_counts_and_one_that_did_has_its_outcome(tmp_path):
    first = Ledger(tmp_path, "a" * 64)
    assert first.earlier() == ()
    first.record(plan())
    assert first.earlier() == ()  # its own
    second = Ledger(tmp_path, "a" * 64)
    assert second.earlier() == (EarlierRun("2030-01-01T00:00:00+00:00", "emoji", "role/accuracy/gender", "leace", None),)
    first.record(plan(), "worse")
    second.record(plan("2030-01-02T00:00:00+00:00", method="projection"), "better")
    third = Ledger(tmp_path, "a" * 64)
    assert [(run.method, run.outcome) for run in third.earlier()] == [("leace", "worse"), ("projection", "better")]
    assert Ledger(tmp_path, "b" * 64).earlier() == ()  # other data


def test_what_others_could_have_planted_is_ignored(tmp_path):
    first = Ledger(tmp_path, "a" * 64)
    first.record(plan())
    (folder,) = (tmp_path / "mitigations").iterdir()
    (entry,) = folder.iterdir()
    entry.chmod(0o666)
    for name, content in {"x": "no JSON", "deep": "[" * 100_000, "number": "9" * 5_000, "other": "{}"}.items():
        (folder / f"{name}.plan").write_text(content)
        (folder / f"{name}.plan").chmod(0o600)
    assert Ledger(tmp_path, "a" * 64).earlier() == ()


def test_a_cache_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    (tmp_path / "mitigations").write_text("a file")
    with pytest.raises(Exception, match="not a folder"):
        Ledger(tmp_path, "a" * 64).record(plan())
