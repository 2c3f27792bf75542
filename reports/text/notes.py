"""The sentence of every note: a code and its values in, words out."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.types import Note

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "text": "{text}",
        # ---- audits
        "near_ties": "'{measurement}': {share:.0%} of the decisions are near-ties; the model hardly tells these labels apart.",
        "not_scored": "'{measurement}': {count:,} images whose true answer is unknown were not scored.",
        "no_untrained_control": "This kind of model has no untrained control: its architecture cannot be built anew here.",
        # ---- what-ifs
        "accuracy": "images whose {truth} is answered right",
        "recall": "recall: images of ‘{query}’ that are among the first {first:g} %",
        "images_found": "Images found for ‘{query}’ by {attribute}",
        "nothing": "nothing more than the model",
        "attribute_words": "prompts that name the attribute; nobody's group",
        "fitted_groups": "the {attribute} of the fitted half",
        "fitted_truth": "the true answer of the fit half",
        "group_of_each_person": "every person's group, whenever an answer is given: this may be unlawful",
        "group_of_each_image": "every image's group, whenever an order is given: this may be unlawful. Here it is the group that "
        "annotators saw, so this is a bound that no system reaches",
        "no_neutral_label": "the probe names no neutral label for this question",
        "no_combined_prompts": "the probe names no combined prompts for this question",
        "no_direction": "the probe names no prompts for this attribute",
        "no_same_meaning": "the probe names no pairs of prompts that should mean the same",
        "not_yes_or_no": "it is for questions with a true answer of yes or no",
        # ---- comparisons: claims that cannot be paired
        "only_first": "{finding}: asked by the first audit only.",
        "unknown_metric": "{finding}: this program does not know the metric '{metric}'.",
        "selected_images": "{finding}: counted over the images that a model selects, and two models select different images.",
        "no_clusters": "{finding}: the images come in clusters, and the predictions do not say in which (audit again).",
        "unknown_clusters": "{finding}: some images have no known cluster.",
        # ---- comparisons: what differs between the audits
        "probe_of_some": "Only some of the models were asked the probe '{probe}'; it is not compared.",
        "other_setting": "The audit of {name} has another {setting}; this comparison uses its own.",
        "other_environment": "{name} ran with another {part} than {first}.",
        "same_model": "Two sides are the same model, read the same way.",
        "other_table": "{first} and {second} read different label tables of '{data}'; images are matched by {by}, and their labels agree.",
        "other_cases": "The audit of {first} treats {first_case} as independent, that of {second} {second_case}; here {case} count as one.",
        "measurement_of_some": "The measurement '{measurement}' is missing from an audit; it is not compared.",
        "more_questions": "{name} was also asked {questions}, which the first was not.",
        # ---- gates
        "not_asked": "Not asked by this audit.",
        "no_primary": "This audit has no primary question.",
        "ratio_of_clusters": "A ratio is not bounded where images come in clusters.",
        "ratio_without_events": "A ratio is not estimable: a group has no event.",
    }
)


def sentence(note: Note | str) -> str:
    """Return the words of a note; of one that this program does not know, the code and its values.

    Examples
    --------
    >>> sentence(Note("recall", {"query": "nurse", "first": 10}))
    'recall: images of ‘nurse’ that are among the first 10 %'
    """
    if isinstance(note, str):
        return note
    try:
        return SENTENCES[note.code].format(**{name: _joined(value) for name, value in note.values.items()})
    except (LookupError, ValueError):
        return str(note)


def _joined(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else value
