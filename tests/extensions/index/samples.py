"""An index of two audits with the same questions, and one that cannot be read."""

from dataclasses import replace
from pathlib import Path

from audit.extensions.index.page import FoundAudit, index_page
from tests.support import report_samples


def _page() -> str:
    one = report_samples.emoji()
    models = {name: replace(one, model=replace(one.model, name=name)) for name in ("one", "two")}  # alike: one table
    audits = [FoundAudit(Path(name), report_samples.results(audit)) for name, audit in models.items()]
    return index_page([*audits, FoundAudit(Path("cut"), None, "it ends early")], Path())


PAGES, WITHOUT_APPENDIX = {}, {"index": _page}
