"""The headline of an audit: records in, what a reader must know first out. Page, summary, terminal and model card print the same.

Group first, then the number, then its uncertainty; made from data, for every way in which an audit can end.
"""

from reports.text.headline.audits import Headline, headline_of
from reports.text.headline.differences import affected, question, statement
from reports.text.headline.left_out import left_out_by_rule

__all__ = ["Headline", "affected", "headline_of", "left_out_by_rule", "question", "statement"]
