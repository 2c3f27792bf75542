"""What must not matter, and what must, through the command: rows, names, labels, copies, lengths of embeddings."""

import json

import numpy as np
import pandas as pd
import pytest

from audit.run import main

GROUPS = {"Black": 0.8, "Indian": 0.95, "White": 0.9}


def table(rows=600):
    """Two attributes, two labels with scores, right at the rate of the group; the same for every test."""
    source = np.random.default_rng(11)
    race = np.array(list(GROUPS))[source.integers(len(GROUPS), size=rows)]
    truth = source.integers(2, size=rows)
    right = source.random(rows) < np.array([GROUPS[name] for name in race])
    yes = np.where(right, truth, 1 - truth) == 1
    sure = source.integers(6, 10, size=rows) / 10  # 0.6 to 0.9: no tie
    return pd.DataFrame(
        {
            "id": [f"{row}.png" for row in range(rows)],
            "race": race,
            "gender": np.array(["Female", "Male"])[source.integers(2, size=rows)],
            "y_true": np.array(["no", "yes"])[truth],
            "score:no": np.where(yes, 1 - sure, sure).round(1),
            "score:yes": np.where(yes, sure, 1 - sure).round(1),
        }
    )


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Give a function that runs the command on rows and returns results.json; a repeated question is answered from memory."""
    known: dict[tuple[str, ...], str] = {}
    folder = tmp_path_factory.mktemp("predictions")

    def audited(rows, *flags):
        text = rows.to_csv(index=False)
        if (text, *flags) not in known:
            (folder / "p.csv").write_text(text)
            assert main(["--predictions", str(folder / "p.csv"), "--out", str(folder / "out"), *flags]) == 0
            known[text, *flags] = (folder / "out" / "results.json").read_text()
        return json.loads(known[text, *flags])

    return audited


def without_file(results):
    """Return the results without the clock and the hash of the file's bytes."""
    results.pop("timing")
    for audit in results["audits"]:
        audit["model"].pop("sha256")
        audit["model"].pop("fingerprint")
    return results


def findings(results):
    return {finding["id"]: finding for finding in results["audits"][0]["findings"]}


@pytest.mark.slow
def test_permuted_rows_give_the_identical_json(audited):
    rows = table()
    order = np.random.default_rng(1).permutation(len(rows))
    assert without_file(audited(rows.iloc[order])) == without_file(audited(rows))
    rows = table().drop(columns="id")  # without identifiers too
    assert without_file(audited(rows[::-1])) == without_file(audited(rows))


@pytest.mark.slow
def test_renamed_groups_give_renamed_results(audited):
    # In the same order, so that the same shuffles are drawn.
    names = {"Black": "Group 1", "Indian": "Group 2", "White": "Group 3"}
    rows = table()
    renamed = rows.assign(race=rows["race"].map(names))
    expected = json.dumps(findings(audited(rows)))
    for old, new in names.items():
        expected = expected.replace(f'"{old}"', f'"{new}"').replace(f"{old} ", f"{new} ").replace(f"{old},", f"{new},")
    assert findings(audited(renamed)) == json.loads(expected)


@pytest.mark.slow
def test_groups_named_in_another_order_have_the_same_rates_and_nearly_the_same_p(audited):
    rows = table()
    turned = rows.assign(race=rows["race"].map({"Black": "z", "Indian": "y", "White": "x"}))
    before, after = (findings(audited(each))["predictions/accuracy/race"] for each in (rows, turned))
    rate = lambda finding: sorted((cell["n"], cell["events"], cell["low"], cell["high"]) for cell in finding["by_group"])  # noqa: E731
    assert rate(before) == rate(after)
    assert before["gap"]["value"] == after["gap"]["value"]
    assert before["gap"]["p"] == pytest.approx(after["gap"]["p"], abs=0.01)
    assert before["verdict"] == after["verdict"] == "disparity"


@pytest.mark.slow
def test_reordered_labels_change_nothing_but_their_order(audited):
    rows = table()
    columns = [*rows.columns[:-2], "score:yes", "score:no"]
    # Of two labels the last is asked about, so the claims are named.
    first, second = (audited(each, "--outcome", "hired=yes") for each in (rows, rows[columns]))
    assert findings(first) == findings(second)
    assert [each["audits"][0]["measurements"][0]["labels"] for each in (first, second)] == [["no", "yes"], ["yes", "no"]]


@pytest.mark.slow
def test_copied_rows_keep_every_rate_and_narrow_every_interval_or_add_nothing_where_the_picture_is_named(audited):
    rows = table()
    copies = pd.concat([rows.assign(id=rows["id"] + f"#{copy}") for copy in range(4)])
    once, often = findings(audited(rows)), findings(audited(copies))
    for finding, copied, cell, again in cells_of(once, often):
        assert (again["value"], again["n"]) == (cell["value"], 4 * cell["n"])
        assert again["high"] - again["low"] < 0.6 * (cell["high"] - cell["low"])
        assert copied["gap"]["value"] == pytest.approx(finding["gap"]["value"])
    once, often = (findings(audited(each, "--cluster", "id")) for each in (rows, pd.concat([rows] * 4)))
    for finding, copied, cell, again in cells_of(once, often):
        assert (again["value"], again["clusters"]) == (pytest.approx(cell["value"]), cell["clusters"])
        if finding["shares"]:
            continue  # at equal true shares images count by weights
        assert (again["low"], again["high"]) == pytest.approx((cell["low"], cell["high"]), abs=1e-9)
        assert (copied["gap"]["p"], copied["verdict"]) == (finding["gap"]["p"], finding["verdict"])


def cells_of(once, often):
    """Give every finding of two audits, with each of its groups in both."""
    for name, finding in once.items():
        for cell, again in zip(finding["by_group"], often[name]["by_group"], strict=True):
            yield finding, often[name], cell, again


@pytest.mark.slow
def test_single_images_as_clusters_are_nearly_images(audited):
    rows = table()
    plain, clustered = (findings(audited(rows, *flags))["predictions/accuracy/race"] for flags in ((), ("--cluster", "id")))
    for cell, alone in zip(plain["by_group"], clustered["by_group"], strict=True):
        assert (alone["low"], alone["high"]) == pytest.approx((cell["low"], cell["high"]), abs=4e-3)
    assert clustered["gap"]["p"] == pytest.approx(plain["gap"]["p"], abs=0.01)
    assert clustered["verdict"] == plain["verdict"]


@pytest.mark.slow
def test_a_removed_group_changes_only_itself_the_overall_rate_and_the_gaps(audited):
    rows = table()
    all_three, two = (findings(audited(each))["predictions/accuracy/race"] for each in (rows, rows[rows["race"] != "Indian"]))
    # The baseline is the commonest true answer of all images, which may change with them.
    same = lambda cell: {key: value for key, value in cell.items() if key != "baseline"}  # noqa: E731
    assert [same(cell) for cell in all_three["by_group"] if cell["group"] != ["Indian"]] == [same(cell) for cell in two["by_group"]]


@pytest.mark.slow
def test_swapped_labels_exchange_the_true_rates(audited):
    """What is the true positive rate of "yes" is the true negative rate of "no": 1 - its false positive rate."""
    rows = table()
    yes, no = (findings(audited(rows, "--outcome", f"it={label}")) for label in ("yes", "no"))
    ours, theirs = (each[f"predictions/{name}_positive_rate[it]/race"]["by_group"] for each, name in ((yes, "true"), (no, "false")))
    for cell, mirror in zip(ours, theirs, strict=True):
        assert (cell["n"], cell["events"]) == (mirror["n"], mirror["n"] - mirror["events"])


@pytest.mark.slow
def test_merged_equal_groups_keep_the_rates_of_the_others(audited):
    rows = table()
    merged = rows.assign(race=rows["race"].replace({"White": "Other", "Indian": "Other"}))
    finding = findings(audited(merged))["predictions/accuracy/race"]
    apart = {tuple(cell["group"]): cell for cell in findings(audited(rows))["predictions/accuracy/race"]["by_group"]}
    together = {tuple(cell["group"]): cell for cell in finding["by_group"]}
    assert together["Black",] == apart["Black",]
    assert together["Other",]["events"] == apart["White",]["events"] + apart["Indian",]["events"]


@pytest.mark.slow
def test_longer_embeddings_and_permuted_label_rows_give_the_same_findings(tmp_path):
    """The image side of the model times four, and the label file backwards: same answers, only the weights have another hash."""
    import torch
    from PIL import Image

    from contrastive.checkpoint.file import Checkpoint, save
    from contrastive.model.clip import CLIP
    from contrastive.model.preprocess import Preprocess
    from contrastive.model.presets import preset
    from contrastive.model.tokenizer import train_bpe

    tokenizer = train_bpe(["a photo of a person"], vocab_size=520, context=77)
    config = preset("tiny-conv", vocab_size=tokenizer.vocab_size, context=77)
    model = CLIP(config, torch.Generator().manual_seed(0)).eval()
    checkpoint = Checkpoint(model, Preprocess(config.vision.image_size), tokenizer, data_card="random")
    save(tmp_path / "ckpt.pt", checkpoint)
    folder = tmp_path / "faces"
    (folder / "val").mkdir(parents=True)
    lines = []
    for number in range(40):
        Image.new("RGB", (32, 32), (number * 6, 255 - number * 6, 128)).save(folder / "val" / f"{number}.png")
        lines.append(f"val/{number}.png,20-29,{('Female', 'Male')[number % 2]},{('White', 'Black')[number // 20]}")

    def run(rows):
        (folder / "labels.csv").write_text("\n".join(["file,age,gender,race", *rows]) + "\n")
        command = ["--model", str(tmp_path / "ckpt.pt"), "--probe", "fairface", "--data", str(folder), "--out", str(tmp_path / "out")]
        assert main([*command, "--min-group-size", "5"]) == 0
        return json.loads((tmp_path / "out" / "results.json").read_text())

    first, backwards = run(lines), run(lines[::-1])
    assert first.pop("timing") != backwards.pop("timing")
    assert first == backwards
    with torch.no_grad():
        model.visual.proj.mul_(4.0)  # a power of two: no digit changes
    save(tmp_path / "ckpt.pt", checkpoint)
    longer = run(lines)
    assert longer["audits"][0]["model"]["sha256"] != first["audits"][0]["model"]["sha256"]
    assert longer["audits"][0]["findings"] == first["audits"][0]["findings"]
