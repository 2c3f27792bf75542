"""Row options: which of a row's own options is nearest to its image? The labels are roles that mean the same in every row. NumPy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from audit.errors import DataError, UsageError, nearest
from audit.measure.asked.likelihood import PLAIN, build_question, with_unclear
from audit.measure.zero_shot import cosine_scores, directions, logits_of, predict_from_scores, probabilities, scored_images
from audit.plans import RowOptions, RowQuestions
from audit.records.inputs import RowTexts
from audit.types import UNCLEAR, UNKNOWN, Dataset, LabelSet, Manner, Measurement, ModelRecord, Predictions, Question

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Bool, Float, Float64, Int

QUESTION = "Which of a row's own options lies nearest to its image?"
EXAMPLES = 3
"""Number of rows whose texts the report shows."""


def predict(
    measurement: Measurement,
    record: ModelRecord,
    image_embeddings: Float[np.ndarray, "n d"],
    text_embeddings: Mapping[str, Float[np.ndarray, "d"]],
    attributes: pd.DataFrame,
    row_texts: pd.DataFrame,
) -> Predictions:
    """The role of the option that is nearest to each image, among the options of its row.

    `text_embeddings` has every text of the option columns of `row_texts`, which has one row per image. A row without options is
    skipped, and one whose true answer is unknown is not scored.
    """
    is_asked = asked_rows(measurement, row_texts) & scored_images(measurement, attributes)
    texts, images = _encoded(measurement, row_texts[is_asked]), image_embeddings[is_asked]
    if _options(measurement).others is None:
        cosine, tied = _cosines(images, texts, text_embeddings), _first_in_text(texts)
    else:
        cosine, tied = _against_others(measurement, images, texts, text_embeddings)
    logits = _ties_broken(logits_of(cosine, record), tied)
    return predict_from_scores(measurement, logits, probabilities(cosine, record), attributes[is_asked])


def _ties_broken(logits: Float64[np.ndarray, "n k"], first: Int[np.ndarray, "n k"]) -> Float64[np.ndarray, "n k"]:
    """Break ties for the best logit: the option that comes `first` wins, since the role that is declared first may be the right one."""
    best = logits == logits.max(axis=1, keepdims=True)
    winner = np.where(best, first, first.max(initial=0) + 1).argmin(axis=1)
    losers = best & (np.arange(logits.shape[1]) != winner[:, None])
    return np.where(losers, np.nextafter(logits, -np.inf), logits)


def _first_in_text(texts: pd.DataFrame) -> Int[np.ndarray, "n k"]:
    """Rank of each option in the order of their texts; in declared order if all rows have the same options."""
    if _all_alike(texts):
        return np.tile(np.arange(texts.shape[1]), (len(texts), 1))
    return np.argsort(np.argsort(texts.to_numpy(dtype=str), axis=1), axis=1)


def _all_alike(texts: pd.DataFrame) -> bool:
    return len(texts.drop_duplicates()) < 2


def _cosines(
    images: Float[np.ndarray, "n d"], texts: pd.DataFrame, text_embeddings: Mapping[str, Float[np.ndarray, "d"]]
) -> Float64[np.ndarray, "n k"]:
    """The cosine of each image with each option of its row; rows that share their options are scored together."""
    cosine = np.empty(texts.shape)
    for options, rows in _distinct(texts):
        cosine[rows] = cosine_scores(images[rows], directions(zip(options), text_embeddings))
    return cosine


def _against_others(
    measurement: Measurement, images: Float[np.ndarray, "n d"], texts: pd.DataFrame, text_embeddings: Mapping[str, Float[np.ndarray, "d"]]
) -> tuple[Float64[np.ndarray, "n 2"], Int[np.ndarray, "n 2"]]:
    """The cosine of each image with its own option and with the nearest option of any other row, by label, and which wins a tie."""
    own = texts.iloc[:, 0].to_numpy(dtype=object)
    candidates = sorted(set(own))
    if len(candidates) < 2:
        raise DataError(f"{measurement.name}: fewer than two options in all rows together", fix="give rows with several names")
    positions = {text: i for i, text in enumerate(candidates)}
    cosine = cosine_scores(images, directions(zip(candidates), text_embeddings))
    rows, columns = np.arange(len(own)), np.array([positions[text] for text in own])
    mine = cosine[rows, columns].copy()
    cosine[rows, columns] = -np.inf
    both = {_options(measurement).others: (cosine.max(axis=1), cosine.argmax(axis=1))}
    chosen = [both.get(label, (mine, columns)) for label in measurement.label_set.labels]
    return np.stack([score for score, _ in chosen], axis=1), np.stack([candidate for _, candidate in chosen], axis=1)


def _distinct(texts: pd.DataFrame) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    """Yield each distinct row of texts with the indices of its rows."""
    if len(texts):
        codes = texts.groupby(list(texts.columns), sort=False).ngroup().to_numpy()
        order = np.argsort(codes, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            yield tuple(texts.iloc[rows[0]]), rows


# ---- the questions of rows -----------------------------------------------------------------------------------------------------------


def asked_rows(measurement: Measurement, row_texts: pd.DataFrame) -> Bool[np.ndarray, "n"]:
    """Which rows have options; `check_rows` has checked that these have all of them."""
    return np.asarray((row_texts[_columns(measurement)] != "").any(axis=1))


def check_rows(measurements: Iterable[Measurement], dataset: Dataset) -> None:
    """Raise DataError for the first row that lacks an option or has the same one twice."""
    for measurement in measurements:
        if measurement.options is not None:
            _check_rows(measurement, dataset)


def _check_rows(measurement: Measurement, dataset: Dataset) -> None:
    options, columns = _options(measurement), _columns(measurement)
    questions = [name for name in (options.question, options.stem) if name]
    names = [] if dataset.texts is None else list(map(str, dataset.texts.columns))
    if missing := next((name for name in (*columns, *questions) if name not in names), None):
        raise UsageError(f"{measurement.name}: no column of texts {missing!r}", fix=nearest(missing, names))
    texts = dataset.texts
    assert texts is not None  # noqa: S101  (it has the columns)
    rows = texts[asked_rows(measurement, texts)]
    if rows.empty:
        raise DataError(f"{measurement.name}: no row has an option", where=dataset.source, fix=f"fill the columns {', '.join(columns)}")
    empty = (rows[[*columns, *questions]] == "").any(axis=1)
    twice = rows[columns].apply(lambda row: len({text.strip().casefold() for text in row}) < len(row), axis=1)
    for wrong, what in ((empty, "an empty option or question"), (twice, "two equal options")):
        if wrong.any():
            row = rows[wrong].iloc[0]
            why = None if options.private else "; ".join(f"{name}: {row[name]!r}" for name in (*columns, *questions))[:300]
            fix = f"correct the columns {', '.join((*columns, *questions))}, or leave all of them empty in a row that is not to be asked"
            more = f" (and {int(wrong.sum()) - 1} more)" if wrong.sum() > 1 else ""
            raise DataError(f"{measurement.name}: a row has {what}", where=f"the row of {row.name!r}{more}", why=why, fix=fix)
    _check_truth(measurement, dataset)


def _check_truth(measurement: Measurement, dataset: Dataset) -> None:
    """Reject accuracy if "unclear" is always the right answer: it would be the rate of abstention under another name."""
    if (
        measurement.truth is None
        or measurement.truth not in dataset.attributes
        or not any(c.metric == "accuracy" for c in measurement.claims)
    ):
        return
    is_asked = asked_rows(measurement, dataset.texts) if dataset.texts is not None else slice(None)
    known = set(dataset.attributes.loc[is_asked, measurement.truth]) - {UNKNOWN}
    if known == {UNCLEAR}:
        what = f"{measurement.name}: the right answer is {UNCLEAR!r} in every row"
        why = "accuracy would then measure how often a model abstains, and a refuser would be always right"
        fix = f'ask for Claim("selection_rate", …, {UNCLEAR!r}) and Claim("rate_among_answered", …) instead, without a truth'
        raise DataError(what, where=f"column {measurement.truth!r}", why=why, fix=fix)


def embedded_texts(measurements: Iterable[Measurement], row_texts: pd.DataFrame | None) -> dict[str, bool]:
    """Every distinct option that a dual encoder embeds, and whether it is private."""
    is_private: dict[str, bool] = {}
    for measurement in measurements:
        if measurement.options is not None and row_texts is not None:
            texts = _encoded(measurement, row_texts[asked_rows(measurement, row_texts)])
            for name in texts:
                for text in texts[name].unique().tolist():
                    is_private[text] = is_private.get(text, False) or measurement.options.private
    return is_private


def _encoded(measurement: Measurement, row_texts: pd.DataFrame) -> pd.DataFrame:
    """The text that a dual encoder embeds for each option of each row, in the order of the labels."""
    texts, stem = row_texts[_columns(measurement)], _options(measurement).stem
    return texts if stem is None else texts.assign(**{str(name): row_texts[stem].str.cat(texts[name], " ") for name in texts})


def row_questions(
    measurement: Measurement, row_texts: pd.DataFrame, *, seed: int | None = None, manner: Manner = PLAIN
) -> list[Question | None]:
    """The question for a generative model about each row, with "unclear" among the options; None for a row without options.

    Options are sorted by their texts, since the order of roles might reveal the right one; in declared order if all rows have the
    same. `seed` shuffles them, as for a label set.
    """
    options, made = _options(measurement), dict[tuple[str, ...], Question]()
    is_asked = asked_rows(measurement, row_texts)
    labels = tuple(label for label in measurement.label_set.labels if label in options.columns)
    by_text = not _all_alike(row_texts.loc[is_asked, _columns(measurement)])
    columns = [*_columns(measurement), *([options.question] if options.question else [])]
    questions: list[Question | None] = []
    for wanted, texts in zip(is_asked, row_texts[columns].itertuples(index=False, name=None), strict=True):
        if wanted and texts not in made:
            prompts = dict(zip(labels, texts, strict=False))
            shown = tuple(sorted(labels, key=lambda label: prompts[label])) if by_text else labels
            label_set = with_unclear(LabelSet(measurement.label_set.name, shown, {label: (text,) for label, text in prompts.items()}))
            built = build_question(label_set, seed=seed, question=texts[-1] if options.question else None, manner=manner)
            declared = [label for label in with_unclear(measurement.label_set).labels if label not in manner.outcomes]
            places = [label_set.labels.index(label) for label in declared]
            letters = tuple(built.letters[i] for i in places) if built.letters else ()
            made[texts] = replace(built, options=tuple(built.options[i] for i in places), letters=letters)
        questions.append(made[texts] if wanted else None)
    return questions


def questions_of_rows(measurement: Measurement, row_texts: pd.DataFrame | None, rows: pd.Index) -> RowQuestions | None:
    """Which of the `rows` share their question; None if all have the same, or rows cannot be distinguished."""
    if measurement.options is None or row_texts is None or not row_texts.index.is_unique or not len(rows):
        return None
    options, texts = measurement.options, row_texts.loc[rows]
    read = [*_columns(measurement), *([options.stem] if options.stem else [])]
    columns = [read, *([[*read, options.question]] if options.question else [])]
    readings = tuple(texts.groupby(names, sort=False).ngroup().to_numpy() for names in columns)
    return RowQuestions(readings, 1 / (len(options.columns) if options.others is None else texts[read[0]].nunique()))


def row_texts_record(measurement: Measurement, row_texts: pd.DataFrame | None) -> RowTexts | None:
    """How many texts of rows a measurement has, with a few examples if they are not private; None if it has none."""
    if measurement.options is None or row_texts is None:
        return None
    options, texts = measurement.options, row_texts[asked_rows(measurement, row_texts)]
    shown = texts if options.private else texts.drop_duplicates([*_columns(measurement)])
    questions = texts[options.question] if options.question else None
    return RowTexts(
        rows=len(texts),
        questions=0 if questions is None else int(questions.nunique()),
        options=len({text for name in _columns(measurement) for text in texts[name].unique().tolist()}),
        private=options.private,
        labels=tuple(label for label in measurement.label_set.labels if label in options.columns),
        examples=() if options.private else tuple(
            (row[options.question] if options.question else "", *(row[name] for name in _columns(measurement)))
            for _, row in shown.head(EXAMPLES).iterrows()
        ),
    )  # fmt: skip


def _options(measurement: Measurement) -> RowOptions:
    if measurement.options is None:
        raise UsageError(f"measurement {measurement.name!r} has no row options", fix="options=RowOptions(columns={label: column})")
    return measurement.options


def _columns(measurement: Measurement) -> list[str]:
    """The columns of the options, in the order of the labels."""
    columns = _options(measurement).columns
    return [columns[label] for label in measurement.label_set.labels if label in columns]
