"""VisoGender in the authors' layout: two tables of tabs, images by IDX, one gender missing, two images rotten."""

from tests.support.planted import picture

JOBS = {
    "teacher": ("education", "board", "student"),
    "baker": ("service", "mixing_spoon", "customer"),
    "lawyer": ("office", "desk", "client"),
}
URL = "URL type (Type NA if can't find)"


def make(folder):
    (folder / "images").mkdir()
    ends = {"OO": "OO_Visogender_10052025.tsv", "OP": "OP_Visogender_11012024.tsv"}
    number = 0
    for kind, name in ends.items():
        other, licence = ("Object", "LICENSE OK?") if kind == "OO" else ("Participant", "Licence")
        second = ["Participant_perceived_gender"] if kind == "OP" else []
        header = [
            "IDX",
            "Sector",
            "Specialisation",
            "Occupation",
            other,
            URL,
            licence,
            "Occupation_perceived_gender",
            *second,
            "Error codes",
        ]
        lines = ["\t".join([*header, "Annotator"])]
        for place in range(80):
            job = list(JOBS)[place % 3]
            sector, thing, person = JOBS[job]
            genders = ["masculine" if place < 45 else "feminine"]
            genders += ["masculine" if place % 9 < 4 else "feminine"] if kind == "OP" else []
            if kind == "OO" and place == 3:
                genders = [""]
            row = f"{kind}_{place + 1}"
            fields = [
                row,
                sector,
                "made_up",
                job,
                thing if kind == "OO" else person,
                f"https://example.invalid/{row}",
                "Yes",
                *genders,
                "",
                "A",
            ]
            lines.append("\t".join(fields))
            if place not in (5, 70):
                (folder / "images" / f"{row}.{'png' if place % 2 else 'jpg'}").write_bytes(
                    picture(number, kind="PNG" if place % 2 else "JPEG")
                )
            number += 1
        (folder / kind).mkdir()
        (folder / kind / name).write_text("\n".join(lines) + "\n", "utf-8")
    return ["--data", str(folder)]
