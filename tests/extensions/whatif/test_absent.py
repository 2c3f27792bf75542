"""Without their extension what-ifs are refused in a line, plans are not tried, and records of earlier results are kept and named."""

import pytest

from audit import extension
from audit.api.audits import Audit
from audit.errors import UsageError
from audit.extension import find
from audit.results import from_json, to_json
from audit.run import main
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from tests.extensions.whatif.samples import records
from tests.support import report_samples as samples

REFUSED = "no extension that is installed tries what-ifs"


@pytest.fixture
def _without(monkeypatch):
    left = tuple(one for one in find().extensions if one.name != "whatif")
    monkeypatch.setattr(extension, "find", lambda: extension.Found(left, ("the extension 'whatif' is left out: ImportError: it",)))


@pytest.mark.usefixtures("_without")
def test_the_option_is_refused_before_the_model_is_read(capsys):
    assert main(["--model", "absent.pt", "--probe", "emoji", "--what-if", "projection"]) == 2
    said = capsys.readouterr().err
    assert REFUSED in said
    assert "the extension 'whatif' is left out: ImportError: it; install vlm-audit again, with all of it" in " ".join(said.split())
    assert "absent.pt" not in said
    # Without the option the plans of the probe are not tried, and the model is looked for.
    assert main(["--model", "absent.pt", "--probe", "emoji"]) == 3
    assert "absent.pt" in capsys.readouterr().err


def test_records_are_kept_byte_for_byte_and_named(request):
    text = to_json(samples.results(samples.emoji().with_analyses({"what_ifs": records()})))
    request.getfixturevalue("_without")
    kept = from_json(text)
    assert to_json(kept) == text
    said = "The results also have ‘what_ifs’, which no extension that is installed reads: kept, and not shown."
    assert said in render(kept)
    assert said in " ".join(audit_lines(kept).split())
    assert 'id="a1-what-if"' not in render(kept)
    for ask in (Audit(kept).what_ifs, Audit(kept).plot.what_ifs):
        with pytest.raises(UsageError, match=REFUSED):
            ask()
