"""The files for people that follow from the results alone, as texts by name: the page, the summary, model cards and tables."""

from __future__ import annotations

from audit.records.comparison import Comparisons
from audit.results import Results
from reports.exports.markdown import comparison_markdown, summary_markdown
from reports.exports.model_card import model_cards
from reports.exports.tables import csv_tables
from reports.render import render, render_comparisons


def files_of_audit(results: Results, facts: str) -> dict[str, str]:
    """Return the files of an audit; `facts` is the JSON of its results."""
    tables = {f"tables/{name}": text for name, text in csv_tables(results).items()}
    return {"report.html": render(results, facts), "summary.md": summary_markdown(results), **model_cards(results), **tables}


def files_of_comparison(comparisons: Comparisons) -> dict[str, str]:
    """Return the files of a comparison."""
    return {"comparison.html": render_comparisons(comparisons), "comparison.md": comparison_markdown(comparisons)}
