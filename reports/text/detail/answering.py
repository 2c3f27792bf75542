"""Sentences about how an image gets its answer, by model and kind of question."""

from __future__ import annotations

from operator import attrgetter

from audit.naming import instruction_name, repeats_name
from audit.records.inputs import ANSWERS_OF_A_SCORE, RowTexts
from audit.results import AuditResult, MeasurementRecord, Results
from audit.types import SAME_ANSWER
from reports.text import notes
from reports.text.numbers import exact_points, in_words, percent
from reports.text.phrases import answers_only

_SUMMED = {
    "softmax": "The probabilities of the labels of one answer are summed; the answer with the largest sum is given.",
    "sigmoid": "Each label has its own probability. An answer has the probability that at least one of its labels applies, "
    "1 − (1 − p₁)(1 − p₂)…; the most probable answer is given.",
}
"""By the model's score rule."""


def answering(results: Results) -> str:
    """Say how an image gets its answer, for every kind of model on the page."""
    models = [audit.model for audit in results.audits]
    generative, classifiers = ([model for model in models if own(model)] for own in (attrgetter("asked"), attrgetter("labels")))
    read = [model for model in models if answers_only(model)]
    kinds = (
        ("the label whose prompt is closest to it", len(models) - len(generative) - len(classifiers) - len(read)),
        ("the answer that the most probable label of an image classifier means", len(classifiers)),
        ("the option that a generative model finds most likely per token", len(generative)),
        ("the one in the file of predictions", len(read)),
    )
    return f"Every image gets one answer: {', or '.join(text for text, n in kinds if n) or 'a label'}."


def of_rows(texts: RowTexts) -> str:
    """Say how many different texts the rows of the data contain."""
    questions = f"{in_words(texts.questions, 'different question')} and " if texts.questions else ""
    kept = "They name people, so none are stored or shown." if texts.private else "A few rows are shown here; the data have all of them."
    return (
        f"Each row has its own options: {questions}{in_words(texts.options, 'different option')} in {in_words(texts.rows, 'row')}. {kept}"
    )


def decision(record: MeasurementRecord, audit: AuditResult) -> str:
    """Say how an image gets its answer in one measurement."""
    model = audit.model
    if record.near_ties is None:
        return "The answers have no scores."
    if record.name.endswith(instruction_name("")):
        return "Two answers are compared: the one to the question below, and the one to the other instruction."
    if record.name.endswith(repeats_name("")):
        return "All answers to the same question, word for word, are compared."
    if record.asked and not any(record.prompts.values()):
        return "Two answers are compared: the one to the question below, and the one to the same options in their declared order."
    if record.labels[0] == SAME_ANSWER:
        return "Two answers are compared: the one to each row's options in a shuffled order, and the one to them in their declared order."
    ensembled = any(len(texts) > 1 for texts in record.prompts.values())
    threshold = next((notes.sentence(note) for note in audit.data.notes if note.code == ANSWERS_OF_A_SCORE), "")
    best = threshold or (_SUMMED[model.score_rule] if record.combine == "sum" else "The most probable label is given.")
    mean = " The embeddings of a label's prompts are averaged." if ensembled else ""
    margin = f"{percent(record.near_ties, 1)} of the decisions are closer than {exact_points(record.near_tie_margin)} in probability."
    return f"{best}{mean} {margin}"
