"""VisoGender in the authors' layout: two tables of tabs, images by IDX, 10 and 20 rows per occupation, a gender and four images missing."""

from tests.support.planted import picture

JOBS = {
    "teacher": ("education", "institutional", "board", "student"), "instructor": ("education", "general_courses", "equipment", "student"),
    "counsellor": ("medical", "mental_health", "notepad", "patient"), "physician": ("medical", "hospital_worker", "stethoscope", "patient"),
    "doctor": ("medical", "hospital_worker", "clipboard", "patient"), "lawyer": ("office", "legal", "desk", "client"),
    "accountant": ("office", "financial", "desk", "client"), "engineer": ("office", "structure", "laptop", "client"),
    "clerk": ("retail", "customer_facing", "cash_register", "customer"), "baker": ("service", "food_service", "mixing_spoon", "customer"),
    "waiter": ("service", "food_service", "tray", "customer"), "painter": ("service", "household", "paint_brush", "customer"),
}  # fmt: skip
MISSING = (5, 70)
"""Positions in each table whose image was not downloaded: of a man at work and of a woman."""
_COMMON = ("IDX", "Sector", "Specialisation", "Occupation")
_PERCEIVED = "Occupation_perceived_gender"
_URL = "URL type (Type NA if can't find)"
HEADERS = {
    "OO": (*_COMMON, "Object", _URL, "LICENSE OK?", _PERCEIVED, "Error codes", "Annotator"),
    "OP": (*_COMMON, "Participant", _URL, "Licence", _PERCEIVED, "Participant_perceived_gender", "Error codes", "Annotator"),
}
NAMES = {"OO": "OO_Visogender_10052025.tsv", "OP": "OP_Visogender_11012024.tsv"}
PAIRS = [(one, other) for one in ("masculine", "feminine") for other in ("masculine", "feminine") for _ in range(5)]


def rows(kind):
    """Return the rows of a table: per occupation five people at work of each gender, or of each pair of genders."""
    table = []
    for job, (sector, specialisation, thing, person) in JOBS.items():
        for genders in PAIRS if kind == "OP" else [(gender,) for gender in ("masculine", "feminine") for _ in range(5)]:
            name = f"{kind}_{len(table) + 1}"
            seen = ("",) if name == "OO_4" else genders
            address = f"https://example.invalid/{name}"
            table.append((name, sector, specialisation, job, thing if kind == "OO" else person, address, "Yes", *seen, "", "A"))
    return table


def make(folder):
    (folder / "images").mkdir()
    number = 0
    for kind, name in NAMES.items():
        table = rows(kind)
        for place, row in enumerate(table):
            image = "PNG" if place % 2 else "JPEG"
            if place not in MISSING:
                (folder / "images" / f"{row[0]}.{'png' if place % 2 else 'jpg'}").write_bytes(picture(number, kind=image))
            number += 1
        (folder / kind).mkdir()
        (folder / kind / name).write_text("\n".join("\t".join(line) for line in (HEADERS[kind], *table)) + "\n", "utf-8")
    return ["--data", str(folder)]
