"""The record of an audit over a network, with and without the extension that reads it."""

import json
from dataclasses import replace

import pytest

from audit import extension
from audit.errors import DataError
from audit.extension import find
from audit.results import from_json, to_json
from reports.render import render
from reports.text.analyses import lines
from tests.support import report_samples
from tests.support.asked import asked

REFUSED = report_samples.results(replace(report_samples.emoji(), accounts=asked("inconclusive", refusal=700).accounts))
UNREAD = "The results also have ‘endpoint’, which no extension that is installed reads: kept, and not shown."


@pytest.fixture
def without(monkeypatch):
    """Take the extension away."""
    left = tuple(one for one in find().extensions if one.name != "endpoint")
    monkeypatch.setattr(extension, "find", lambda: extension.Found(left, ()))


def test_a_record_is_a_key_of_its_audit():
    text = to_json(REFUSED)
    assert json.loads(text)["audits"][0]["endpoint"]["host"] == "localhost:8000"
    assert from_json(text) == REFUSED
    assert REFUSED.audits[0].account.asked == 1000
    loaded = replace(REFUSED.audits[0], accounts={})
    assert (loaded.is_served, loaded.account, loaded.accounts) == (False, None, {"endpoint": None})


def test_a_record_that_no_extension_reads_is_kept_byte_for_byte_and_named(without):
    text = to_json(REFUSED)
    kept = from_json(text)
    audit = kept.audits[0]
    assert isinstance(audit.accounts["endpoint"], dict)
    assert to_json(kept) == text
    assert UNREAD in render(kept)
    assert UNREAD in lines(audit, kept.settings)
    assert "Use of an endpoint</h3>" not in render(kept)
    assert (audit.is_served, audit.account) == (True, None)


@pytest.mark.extension("formats")
def test_what_was_hashed_as_a_model_is_said_of_a_record_that_is_kept(without):
    from audit.extensions.formats.cyclonedx import hash_of

    assert hash_of(from_json(to_json(REFUSED)).audits[0]) == hash_of(REFUSED.audits[0])


def test_null_is_kept_and_not_named(without):
    fields = json.loads(to_json(REFUSED))
    fields["audits"][0]["endpoint"] = None
    kept = from_json(json.dumps(fields))
    assert json.loads(to_json(kept)) == fields
    assert not kept.audits[0].is_served
    assert "The results also have" not in render(kept)


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"endpoint": {"host": 1}}, r"audits\.0\.endpoint"),
        ({"endpoint": []}, r"audits\.0\.endpoint"),
        ({"endpoint": 3}, r"audits\.0\.endpoint"),
        ({"accounts": {"endpoint": None}}, r"audits\.0\.accounts"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(changed, place):
    fields = json.loads(to_json(REFUSED))
    fields["audits"][0] |= changed
    with pytest.raises(DataError, match=f"does not follow its schema at {place}"):
        from_json(json.dumps(fields))
