"""The headline of an audit: what a reader must know first. Page, summary, terminal and model card print the same one.

Group first, then the number, then its uncertainty; generated from the records for every way in which an audit can end.
"""

from reports.text.headline.audits import Headline, headline_of
from reports.text.headline.choices import choices_sentence, tolerance_origin
from reports.text.headline.differences import affected, beyond_the_rest, interval_level, question, signal_sentence, statement
from reports.text.headline.left_out import left_out_by_rule
from reports.text.headline.tiles import tiles_of

__all__ = [
    "Headline",
    "affected",
    "beyond_the_rest",
    "choices_sentence",
    "headline_of",
    "interval_level",
    "left_out_by_rule",
    "question",
    "signal_sentence",
    "statement",
    "tiles_of",
    "tolerance_origin",
]
