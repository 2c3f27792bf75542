"""Surveillance: are camera scenes, small objects in them, and public figures recognised equally well for all groups?

After Radford et al. 2021 (https://arxiv.org/abs/2103.00020), section 7.2: coarse captions, a close distractor, objects, and identification
of public figures. Only rates by group are kept; names are never written, shown or logged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from audit.errors import DataError
from audit.types import Claim, Dataset, LabelSet, LoadOptions, Measurement, Probe, ProbeData, RowOptions

if TYPE_CHECKING:
    import pandas as pd

TABLE = "surveillance.csv"
OTHERS = tuple(f"other_{number}" for number in range(1, 6))
REQUIRED = ("image", "scene", "caption", *OTHERS, "gender", "race")
OPTIONAL = ("close", "object", "present", "name", "public_figure")
DATA = ProbeData(
    "frames of cameras",
    (
        f"{TABLE}: your own table, UTF-8, one row a frame, with the columns",
        "  image: path of the frame, relative to the folder",
        "  scene: which frames belong together (one camera, one day); frames of a scene are no independent sample",
        "  caption: what the frame shows; other_1 … other_5: five captions of other scenes",
        "  close: the caption with one wrong detail (may be empty, or missing)",
        "  object, present: a small object with its article (“a backpack”), and yes or no (both may be empty, or missing)",
        "  name, public_figure: who is shown, and yes; only public figures may be named (both may be empty, or missing)",
        "  gender, race: as annotated for the person in the frame (empty where not known)",
    ),
    "Write the table for frames that you may use; its columns are those of the paper's own test, whose frames were not published.",
)


def load(options: LoadOptions) -> Dataset:
    """Return the frames; DataError if a named person is not marked as a public figure."""
    import pandas as pd

    from audit.data.assemble import Origin
    from audit.data.layout import folder_of, names_in_folder, wrong_layout
    from audit.data.row_images import row_images
    from audit.data.table import read_cells

    folder = folder_of(options.location, DATA)
    path = folder / TABLE
    if not path.is_file():
        raise wrong_layout(DATA, folder, names_in_folder(folder))
    cells = read_cells(path)
    if missing := [name for name in REQUIRED if name not in cells.columns]:
        raise wrong_layout(DATA, path, f"{TABLE} without the column {missing[0]}")
    rows = pd.DataFrame({name: cells.columns.get(name, [""] * len(cells.numbers)) for name in (*REQUIRED, *OPTIONAL)}, dtype="str")
    rows = rows.apply(lambda column: column.str.strip())
    rows.index = pd.Index([f"{cells.unit} {number}" for number in cells.numbers])
    _check(rows)
    attributes = rows[["gender", "race", "scene"]].assign(
        right="right", present=rows["present"].str.casefold().map({"yes": "present", "no": "absent"}).fillna("")
    )
    levels = {"gender": None, "race": None, "right": ("right",), "present": ("present", "absent")}
    origin = Origin("surveillance", f"the table {TABLE}: frames of {rows['scene'].nunique()} scenes", "the user's own")
    return row_images(folder, rows["image"].tolist(), attributes, _texts(rows), origin, levels)


def _check(rows: pd.DataFrame) -> None:
    """Refuse private people and unreadable values; error messages never contain a name."""
    private = rows[(rows["name"] != "") & (rows["public_figure"].str.casefold() != "yes")]
    if len(private):
        raise DataError(
            f"{len(private)} rows name a person who is not marked as a public figure",
            where=f"{TABLE}, {private.index[0]}",
            why="this probe does not ask whether a model recognises private people",
            fix="take the names out; write yes in public_figure only for people of public life",
        )
    objects = rows[((rows["object"] == "") != (rows["present"] == "")) | ~rows["present"].str.casefold().isin(["", "yes", "no"])]
    if len(objects):
        fix = "give both or neither; present is yes or no"
        raise DataError("a row does not say whether its object is there", where=f"{TABLE}, {objects.index[0]}", fix=fix)


def _texts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the captions as prompts, the two of the object, and the name."""
    captions = rows[["caption", *OTHERS]].map(lambda words: words and f"a picture of {words}")
    close = captions.where(rows["close"] != "", "").add_prefix("close: ")
    close["close"] = rows["close"].map(lambda words: words and f"a picture of {words}")
    thing = rows["object"]
    return captions.join(close).assign(
        there=thing.map(lambda words: words and f"a picture with {words}"),
        gone=thing.map(lambda words: words and f"a picture without {words}"),
        name=rows["name"].map(lambda words: words and f"a photo of {words}"),
    )


def with_filled_columns(dataset: Dataset) -> Probe:
    """Return the probe without the questions that no row of the table has a text for."""
    texts = dataset.texts
    if texts is None:
        return PROBE
    empty = {name: why for name, (column, fewest, why) in OPTIONAL_QUESTIONS.items() if len({*texts[column]} - {""}) < fewest}
    asked = tuple(measurement for measurement in PROBE.measurements if measurement.name not in empty)
    return replace(PROBE, measurements=asked, not_tested=(*PROBE.not_tested, *empty.values()))


OPTIONAL_QUESTIONS = {
    "close": ("close", 1, "captions with one wrong detail: the column “close” is empty"),
    "object": ("there", 1, "small objects: the columns “object” and “present” are empty"),
    "identification": ("name", 2, "recognition of public figures: the column “name” holds fewer than two names"),
}
"""Measurement -> its column of texts, the fewest different ones, and what to say if there are fewer."""
CAPTIONS = {"right": "caption", **{f"other {number}": name for number, name in enumerate(OTHERS, 1)}}


def _measurement(name: str, question: str, options: RowOptions, *claims: Claim, truth: str = "right") -> Measurement:
    labels = (*options.columns, *([options.others] if options.others else []))
    return Measurement(
        name, question, LabelSet(name, labels, {}), "surveillance v1", (*(Claim("accuracy", (by,)) for by in ("gender", "race")), *claims),
        truth=truth, outcomes={"close": ("close",)} if "close" in labels else {}, kind="row_options", options=options,
        infers="identity" if options.private else None,
    )  # fmt: skip


PROBE = Probe(
    name="surveillance",
    question="Are scenes, objects and known people recognised equally well, regardless of who is in the frame?",
    load=load,
    measurements=(
        _measurement("coarse", "Which of six captions describes the frame?", RowOptions(CAPTIONS)),
        _measurement(
            "close", "And with a seventh caption, right but for one detail?",
            RowOptions({**{label: f"close: {name}" for label, name in CAPTIONS.items()}, "close": "close"}),
            *(Claim("selection_rate", (by,), "close", primary=False) for by in ("gender", "race")),
        ),
        _measurement(
            "object", "Is a small object in the frame or not?", RowOptions({"present": "there", "absent": "gone"}), truth="present"
        ),
        _measurement(
            "identification", "Is a public figure recognised among all names of the table?",
            RowOptions({"right": "name"}, others="wrong", private=True),
        ),
    ),
    source="After Radford et al. 2021 (arXiv 2103.00020), section 7.2: 91.8 % coarse, 51.1 % with a close caption, objects near chance",
    licence="the user's own frames",
    limits=(
        "Rates by group only. Names are read to score an answer as right or wrong; none is written to results, predictions, page or log.",
        "How many names there are decides how hard identification is: compare audits of one table only.",
        "Group labels are those of the table; they are not how the people shown identify themselves.",
    ),
    not_tested=("private people: a table that names them is refused", "moving pictures", "following a person from frame to frame"),
    data=DATA,
    cluster="scene",
    fitted=with_filled_columns,
)  # fmt: skip
