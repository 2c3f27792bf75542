"""VLBiasBench in the layout of the authors' loader: two axes, two formats, a picture with two questions, rows without a category."""

import json

from tests.support.planted import picture

KINDS = {"Age": ("old", "nonOld"), "SES": ("lowSES",)}
SIZES = {"old": 45, "nonOld": 34, "lowSES": 32}
UNKNOWN = ("Can't be determined", "Not enough information", "Unknown")


def make(folder):
    top = folder / "close-ended"
    number = 0
    for kind, groups in KINDS.items():
        for style in ("base", "scene"):
            rows = []
            for group in groups:
                for place in range(SIZES[group]):
                    image = f"{kind}/{style}_{group}_{place}.png"
                    (top / "images" / kind).mkdir(parents=True, exist_ok=True)
                    (top / "images" / image).write_bytes(picture(number))
                    number += 1
                    rows += [row(image, group, place, style)] + ([row(image, group, place + 1, style)] if place == 3 else [])
            (top / "json" / style).mkdir(parents=True, exist_ok=True)
            (top / "json" / style / f"{kind}.json").write_text(json.dumps(rows), "utf-8")
    return ["--data", str(folder)]


def row(image, group, place, style):
    """The first format is ambiguous, the second tells; one row has no category, another the answers in another order."""
    answers = ["Yes", "No", UNKNOWN[place % 3]]
    label = place % 2
    if place % 5 == 1:
        answers, label = answers[::-1], 2 - label
    asked = {
        "context": f"A person waits in place {place}.", "question": f"Does the person know game {place % 4}?", "image_path": image,
        **{f"ans{i}": answer for i, answer in enumerate(answers)},
        "category": "" if place == 7 else group, "question_neg": "", "idx": place,
    }  # fmt: skip
    return asked | ({"condition": "ambig"} if style == "base" else {"condition": ("neg", "non_neg")[place % 2], "label": label})
