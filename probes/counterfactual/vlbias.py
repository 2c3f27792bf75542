"""VLBiasBench, closed questions: does a model say, without evidence, that a generated person of a group is what the question asks?

Zhang, Wang, Cao et al. 2024, https://arxiv.org/abs/2406.14194. Layout: the authors' loader (evaluation/dataset/close_ended.py), which
ignores label and category; their meaning (number of an answer; group shown) is taken from two programs that score the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData, RowOptions
from strictio.files import read_text
from strictio.limits import parse_json

ROLES = ("yes", "no", "unclear")
AMBIGUOUS = "ambig"
FIELDS = ("context", "question", "ans0", "ans1", "ans2", "condition", "image_path")
_FOLDERS = ("close-ended", "close_ended")
DATA = ProbeData(
    "VLBiasBench (closed questions)",
    (
        "close-ended/json/<format>/<axis>.json: a list of rows with context, question, ans0, ans1, ans2, condition, image_path;",
        "  where they have them also label (0, 1 or 2: which answer is right) and category (the group that the picture shows, as “old”)",
        "close-ended/images/<image_path>",
    ),
    "The authors' address of the data is in https://github.com/Xiangkui-Cao/VLBiasBench; unpack the closed questions and name the folder "
    "that holds close-ended/.",
)


def load(options: LoadOptions) -> Dataset:
    """Return one row per question; questions about one picture form a cluster."""
    import pandas as pd

    from audit.data.assemble import Origin
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.row_images import row_images

    folder = folder_of(options.location, DATA)
    top = next((folder / name for name in _FOLDERS if (folder / name / "json").is_dir()), folder)
    files = sorted((top / "json").glob("*/*.json"))
    if not files:
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    read = [row for file in files for row in _rows(file)]
    rows = [row for row in read if row is not None]
    if not rows:
        raise DataError(
            "no question of VLBiasBench can be answered yes or no", where=top.name, fix="name the folder of the closed questions"
        )
    frame = pd.DataFrame(rows).set_index("id")
    attributes = frame[["group", "axis", "format", "condition", "right", "image"]]
    texts = frame[[f"{kind} {name}" for kind in ("clear", "ambiguous") for name in ("question", "stem", *ROLES)]]
    source = f"VLBiasBench, closed questions: {len(files)} files; {len(read) - len(rows)} rows without a yes and a no left out"
    levels = {"group": None, "axis": None, "format": None, "condition": None, "right": ROLES}
    return row_images(top / "images", frame["image"].tolist(), attributes, texts, Origin("VLBiasBench", source, "not stated"), levels)


def _rows(file: Path) -> Iterator[dict[str, str] | None]:
    """Yield the rows of a file, None for a row without yes and no options; DataError if it has another layout."""
    from audit.data.layout import wrong_layout

    try:
        content = parse_json(read_text(file, 2**28))
    except (OSError, ValueError, RecursionError) as error:
        raise wrong_layout(DATA, file, "a file that is not JSON text") from error
    if not isinstance(content, list):
        raise wrong_layout(DATA, file, f"{type(content).__name__} instead of a list")
    for number, row in enumerate(content):
        missing = [name for name in FIELDS if not isinstance(row, dict) or not isinstance(row.get(name), str) or not row[name].strip()]
        if missing and missing != ["context"]:
            raise wrong_layout(DATA, file, f"row {number + 1} without text for {missing[0]}")
        yield _row(row, file, number)


def _row(row: Mapping[str, Any], file: Path, number: int) -> dict[str, str] | None:
    answers = [row[f"ans{option}"].strip() for option in range(3)]
    first = [answer.casefold().split()[0].strip(".,!:;") for answer in answers]
    role = {option: word for option, word in enumerate(first) if word in ("yes", "no")}
    if sorted(role.values()) != ["no", "yes"]:
        return None
    role |= {option: "unclear" for option in range(3) if option not in role}
    ambiguous = row["condition"] == AMBIGUOUS
    context, question = str(row.get("context") or "").strip(), row["question"].strip()
    kind, other = ("ambiguous", "clear") if ambiguous else ("clear", "ambiguous")
    texts = {"question": f"{context} {question}".strip(), "stem": question, **{role[option]: answers[option] for option in range(3)}}
    group = str(row.get("category") or "").strip()
    label = row.get("label")
    return {
        "id": f"{file.parent.name}/{file.stem}/{number + 1}",
        "group": f"{file.stem}: {group}" if group else "",
        "axis": file.stem,
        "format": file.parent.name,
        "condition": row["condition"],
        "right": role.get(label, "") if isinstance(label, int) and not ambiguous else "",
        "image": row["image_path"],
        **{f"{kind} {name}": text for name, text in texts.items()},
        **{f"{other} {name}": "" for name in texts},
    }


def _measurement(kind: str, question: str, claims: tuple[Claim, ...], truth: str | None) -> Measurement:
    return Measurement(
        kind, question, LabelSet("yes, no or unclear", ROLES, {}), "vlbiasbench v1", claims, truth=truth,
        outcomes={"unclear": ("unclear",), "yes": ("yes",)}, kind="row_options",
        options=RowOptions({role: f"{kind} {role}" for role in ROLES}, question=f"{kind} question", stem=f"{kind} stem"),
    )  # fmt: skip


PROBE = Probe(
    name="vlbias",
    question="Are questions about a person answered alike, whatever group the picture shows, with and without ground for an answer?",
    load=load,
    measurements=(
        _measurement(
            "ambiguous", "The image does not show the answer: who is left undecided, and who is said to be the person in question?",
            (
                Claim("selection_rate", ("group",), "unclear"),
                Claim("rate_among_answered", ("group",), "yes"),
                Claim("selection_rate", ("axis",), "unclear", primary=False),
            ),
            None,
        ),
        _measurement(
            "clear", "The context tells the answer: about whom is it found?",
            (
                Claim("accuracy", ("group",)),
                Claim("selection_rate", ("group",), "unclear", primary=False),
                Claim("accuracy", ("axis",), primary=False),
                Claim("accuracy", ("condition",), primary=False),
            ),
            "right",
        ),
    ),
    source="VLBiasBench: Zhang, Wang, Cao et al. 2024 (arXiv 2406.14194); scored as accuracy, abstention and direction, each by itself",
    licence="VLBiasBench: the terms are the authors'; nothing of it comes with this program",
    limits=(
        "The pictures are drawn by a model (Stable Diffusion XL): they show how groups are drawn, and say nothing about people.",
        "Groups of different kinds are asked different questions: compare groups of one kind; the table by group names the kind first.",
        "“Yes” is no stereotype by itself: whether a question is about something good or bad is not in the data.",
        "A dual encoder reads each question with an answer as one text, without the context: it was not made to answer questions.",
    ),
    not_tested=("the open questions of VLBiasBench", "photographs", "languages other than English"),
    data=DATA,
    cluster="image",
)  # fmt: skip
