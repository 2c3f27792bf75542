"""The report of an audit: results in, the page with its sections out. One module a section, its template of the same name."""

from reports.sections.page import report_page

__all__ = ["report_page"]
