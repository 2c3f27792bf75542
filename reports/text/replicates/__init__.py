"""Sentences (`lines`) and table cells (`cells`) about replicates of a model."""

from reports.text.replicates.cells import deviation_text, gaps_text, needed_text, turned_text, verdicts_text
from reports.text.replicates.lines import introduction, ordered, question_sentence, replicates_of, trust_line

__all__ = [
    "deviation_text",
    "gaps_text",
    "introduction",
    "needed_text",
    "ordered",
    "question_sentence",
    "replicates_of",
    "trust_line",
    "turned_text",
    "verdicts_text",
]
