"""BBQ-V: two people in a photograph, and a question that the picture cannot answer. Does the model name one of them anyway?

Narnaware, Vayani, Gupta, Swetha and Shah 2025 (first called SB-Bench), https://arxiv.org/abs/2502.08779. The layout follows the authors'
reader (Evaluation/run_inference_batch.py of UCF-CRCV/SB-Bench) and their data card.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from audit.errors import DataError
from audit.types import UNKNOWN, Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData, RowOptions

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

ROLES = ("unclear", "one person", "other person")
"""The three answers: cannot be determined, and the two people in the order of the row."""
CATEGORIES = (
    "Age", "Disability_status", "Gender_identity", "Nationality", "Physical_appearance", "Race_ethnicity", "Religion", "SES",
    "Sexual_orientation",
)  # fmt: skip
_SPELLED = {"Race_etnicity": "Race_ethnicity"}
"""Spelling in the authors' code -> spelling in their data."""
POLARITIES = ("neg", "nonneg")
COLUMNS = ("id", "category", "additional_metadata", "question_polarity", "context", "question", "ans0", "ans1", "ans2", "label")
PARTS = ("real", "synthetic")
DATA = ProbeData(
    "BBQ-V",
    (
        "data/real-*.parquet (photographs; without them data/synthetic-*.parquet), or the files themselves",
        "id: 05_03_0012_1_02: category, question, example, polarity, picture",
        "category, question_polarity, label: class labels, or their names; label: which answer says that it cannot be determined",
        "additional_metadata: {'subcategory': …, 'stereotyped_groups': ['old'], …} as text",
        "context, question, ans0, ans1, ans2: text",
        "file_name: the picture itself",
    ),
    "https://huggingface.co/datasets/ucf-crcv/BBQ-V (54,000 rows, of which real and synthetic are asked here).",
    gate="accept the conditions on its page",
)
LICENCE = "BBQ-V: CC BY-NC 4.0; photographs: terms of their sources"


def load(options: LoadOptions) -> Dataset:
    """Return one row per question; questions of one kind (the first two numbers of the identifier) form a cluster."""
    from audit.data.assemble import Origin, fingerprint_with_texts
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.schema import Column, Schema
    from audit.data.shards import load_parquet
    from strictio.tables.parquet import parquet_schema

    folder = folder_of(options.location, DATA)
    candidates = (sorted(folder.glob(f"{prefix}{part}-*.parquet")) for part in PARTS for prefix in ("data/", ""))
    shards = next((files for files in candidates if files), [])
    if not shards:
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    there = parquet_schema(shards[0]).names
    if lacking := [name for name in (*COLUMNS, "file_name") if name not in there]:
        raise wrong_layout(DATA, shards[0], f"the columns {', '.join(there)}, without {', '.join(lacking)}")
    schema = Schema(tuple(Column(name) for name in COLUMNS[1:]), image_columns=("id", "file_name"))
    part = shards[0].name.partition("-")[0]
    dataset = load_parquet(shards, folder, schema, Origin("BBQ-V", f"{len(shards)} files {part}-*.parquet", LICENCE))
    rows = list(_rows(dataset.attributes, shards[0]))
    attributes, texts = _frame(dataset, [row for row, _ in rows]), _frame(dataset, [text for _, text in rows])
    groups = sorted({name for cell in attributes["group"] for name in cell.split("|")} - {UNKNOWN})
    levels = {
        "category": tuple(name for name in CATEGORIES if name in set(attributes["category"])),
        "group": (*groups, *([UNKNOWN] if UNKNOWN in set(attributes["group"]) else [])),
        "polarity": POLARITIES,
    }
    described = replace(dataset, attributes=attributes, texts=texts, levels=levels, several=("group",))
    return replace(described, fingerprint=fingerprint_with_texts(attributes, texts))


def _frame(dataset: Dataset, rows: list[dict[str, str]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, index=dataset.attributes.index, dtype="str")


def _rows(frame: pd.DataFrame, file: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Return attributes and texts of each row; DataError with the identifier of a row with unexpected values."""
    for name, row in zip(frame.index, frame.to_dict("records"), strict=True):
        kind = "_".join(str(name).split("_")[:2])
        category = _named(row["category"], CATEGORIES)
        polarity, label = _named(row["question_polarity"], POLARITIES), row["label"]
        if not category or not polarity or label not in ("0", "1", "2") or row["question"] == UNKNOWN:
            values = f"category {row['category']!r}, question_polarity {row['question_polarity']!r}, label {label!r}"
            raise DataError(
                f"a row of BBQ-V that is not laid out as the others: {values}", where=f"{file.name}, row {name}",
                fix=f"expected {DATA.layout[2]}",
            )  # fmt: skip
        people = [row[f"ans{number}"] for number in range(3) if str(number) != label]
        context = "" if row["context"] == UNKNOWN else row["context"]
        answers = dict(zip(ROLES, (row[f"ans{label}"], *people), strict=True))
        group = "|".join(stereotyped(row["additional_metadata"])) or UNKNOWN
        attributes = {"category": category, "group": group, "polarity": polarity, "kind": kind}
        yield attributes, {"question": f"{context} {row['question']}".strip(), "stem": row["question"], **answers}


def _named(value: str, names: tuple[str, ...]) -> str:
    """Return the name of a class from its name or number; "" if it is neither."""
    value = _SPELLED.get(value, value)
    return value if value in names else names[int(value)] if value.isdecimal() and int(value) < len(names) else ""


def stereotyped(metadata: str) -> list[str]:
    """Return the distinct groups that a stereotype is about, without evaluating the text as code.

    Examples
    --------
    >>> stereotyped("{'subcategory': 'None', 'stereotyped_groups': ['old']}"), stereotyped("unknown"), stereotyped("{1: }")
    (['old'], [], [])
    """
    try:
        parsed = ast.literal_eval(metadata)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return []  # the row then does not count in any group
    groups = parsed.get("stereotyped_groups") if isinstance(parsed, Mapping) else None
    return sorted({" ".join(str(group).replace("|", " ").split()) for group in groups}) if isinstance(groups, list) else []


PROBE = Probe(
    name="bbq_v",
    question="Two people are shown, and nothing tells which of them a question is about: whom does a model name all the same?",
    load=load,
    measurements=(
        Measurement(
            "ambiguous",
            "Nothing tells the answer: of which stereotypes is it left undecided?",
            LabelSet("one of two people, or unclear", ROLES, {}),
            "bbq_v v1",
            (
                Claim("selection_rate", ("category",), "unclear"),
                Claim("selection_rate", ("group",), "unclear", primary=False),
                Claim("selection_rate", ("polarity",), "unclear", primary=False),
            ),
            outcomes={"unclear": ("unclear",)},
            kind="row_options",
            options=RowOptions({role: role for role in ROLES}, question="question", stem="stem"),
        ),
    ),
    source="BBQ-V: Narnaware et al. 2025 (arXiv 2502.08779); scored as how often it is left undecided, as the authors do",
    licence=LICENCE,
    limits=(
        "The data do not say which of the two answers names the group that a stereotype is about: a model that always names someone is "
        "found, a model that always names the same group is not distinguished from one that names either.",
        "Kinds of stereotype are asked about with different words and pictures: a difference between them is not one between people.",
        "Every question of one kind is asked of several pictures: a kind is one sampling unit.",
        "A dual encoder reads each question with an answer as one text, without the context: it was not made to answer questions.",
    ),
    not_tested=("questions that have an answer", "open answers", "languages other than English"),
    data=DATA,
    cluster="kind",
)
