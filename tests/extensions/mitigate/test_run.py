"""From a planted gap to a changed checkpoint on disk, through the command's own function: what it says, writes and refuses."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import audit
from audit.data.assemble import fingerprint
from audit.errors import DataError, MachineError, UsageError
from audit.extensions.mitigate.halves import split_seed
from audit.extensions.mitigate.options import MitigateRequest
from audit.extensions.mitigate.page import render_mitigation
from audit.extensions.mitigate.record import FILE
from audit.extensions.mitigate.run import mitigate
from audit.extensions.mitigate.sentences import loading
from audit.extensions.mitigate.terminal import mitigation_lines
from audit.linear_maps import unit
from audit.measure.embedded import fit_half
from audit.models import load
from tests.extensions.mitigate.planted_clip import FINDING, KINDS, Planted

FAST = {"draws": 499}


@pytest.fixture(scope="module")
def planted():
    return Planted(n=1200)


@pytest.fixture(scope="module")
def model(planted, tmp_path_factory):
    return planted.checkpoint(tmp_path_factory.mktemp("model") / "ckpt.pt")


@pytest.fixture(scope="module")
def done(planted, model, tmp_path_factory):
    """A run with the default method: its result and its folder."""
    out = tmp_path_factory.mktemp("mitigated") / "out"
    return mitigate(str(model), planted.probe(), out, fail_on=["change > 0.1"], **FAST)


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def gaps(dataset, answers):
    recall = pd.Series(answers == "cup")[dataset["kind"].to_numpy() == "cup"]
    by_side = recall.groupby(dataset["side"].to_numpy()[dataset["kind"].to_numpy() == "cup"]).mean()
    return by_side.max() - by_side.min()


def test_the_planted_model_gives_the_planted_embeddings(planted, model):
    encoder = load(str(model))
    texts = encoder.encode_texts(list(planted.prompts))
    wanted = np.stack(list(planted.prompts.values()))
    cosines = (texts * wanted).sum(axis=1) / np.linalg.norm(texts, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 1 - 1e-6


@pytest.mark.slow
def test_a_shared_direction_is_mitigated(planted, done):
    facts = done.facts
    assert (facts.outcome, [note.code for note in facts.reasons], done.exit_code) == ("better", [], 0)
    assert (facts.plan.method, facts.plan.question, facts.plan.chosen) == ("mean-difference-within-class", FINDING, "planned")
    change = next(change for change in facts.comparison.changes if change.id == FINDING)
    assert change.gap.before.value > 0.4
    assert change.gap.after.value < 0.1
    assert facts.capability.code == "higher"
    assert facts.capability.after > 0.9
    assert [control.p for control in facts.controls] == [0.01, 0.01]
    assert [row.method for row in facts.tried] == [facts.plan.method, *facts.plan.others]
    assert all(row.gap.after.value < 0.2 for row in facts.tried)
    assert facts.fold.difference < 2e-6
    assert sum(moved.gained for moved in facts.moved) > 100 > sum(moved.lost for moved in facts.moved)
    assert facts.plan.seed == split_seed(planted.dataset().fingerprint)
    half = fit_half(facts_units(planted), facts.plan.seed)
    assert (facts.fitted.images, facts.shown.images) == (half.sum(), (~half).sum())


def facts_units(planted):
    """Images are independent: a unit is the content of a picture, as the decoder hashes it."""
    from audit.embedding.embed import embed_images
    from audit.testing import FakeEncoder

    return embed_images(FakeEncoder(), planted.dataset(), None, batch_size=64, max_skip=0).contents


@pytest.mark.slow
def test_numbers_are_those_of_two_audits_of_the_shown_half(planted, model, done, tmp_path):
    """`run --exclude FITTED` on both, and `compare`: to the last digit."""
    dataset = planted.dataset()
    half = fit_half(facts_units(planted), done.facts.plan.seed)
    fitted = [str(name) for name, fit in zip(dataset.attributes.index, half, strict=True) if fit]
    audits = [audit.audit(str(spec), planted.probe(), data=dataset, exclude=fitted, **FAST) for spec in (model, done.directory)]
    comparison = audits[0].compare(audits[1]).facts.comparisons[0]
    for ours, theirs in zip(done.facts.comparison.changes, comparison.changes, strict=True):
        assert (ours.gap, ours.by_group, ours.pairs) == (theirs.gap, theirs.by_group, theirs.pairs)
    row = done.facts.tried[0].gap  # computed by mapping embeddings, without the written model
    assert replace(row, p_adjusted=0.0) == replace(comparison.changes[0].gap, p_adjusted=0.0)


def test_what_was_written(model, done):
    assert sorted(path.name for path in done.directory.iterdir()) == [
        "README.md", "ckpt.pt", "mitigation.json", "mitigation.npy", "report.html",
    ]  # fmt: skip
    text = (done.directory / "mitigation.json").read_text("utf-8")
    assert FILE.from_json(text) == done.facts
    assert load(str(done.directory)).record.sha256 == done.facts.fold.written == sha256(done.directory / "ckpt.pt")
    assert done.facts.fold.source == sha256(model)
    assert done.facts.fold.changed == ("text_projection", "visual.proj")
    loaded = {"DIR": str(done.directory), "pictures": [Image.new("RGB", (16, 16))], "prompts": ["a cup"]}
    exec(loading(done.facts.fold.form, done.facts.compared.sides[1].model.kind), loaded)
    assert loaded["images"].shape == loaded["texts"].shape == (1, 64)
    card = (done.directory / "README.md").read_text("utf-8")
    assert "Better. " in card
    assert " is smaller: " in card
    page = (done.directory / "report.html").read_text("utf-8")
    assert page == done.to_html() == render_mitigation(FILE.from_json(text))
    words = {word.strip(".,") for word in (text + card + mitigation_lines(done.facts)).lower().replace('"', " ").split()}
    assert not words & {"debiased", "fair", "fixed", "unbiased"}


def test_the_stored_map_is_what_was_done_to_the_embeddings(planted, model, done):
    matrix, texts = np.load(done.directory / "mitigation.npy", allow_pickle=False), list(planted.prompts)
    before, after = (unit(load(str(spec)).encode_texts(texts)) for spec in (model, done.directory))
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, unit(before @ matrix.T), atol=2e-6)


def test_the_terminal_says_outcome_cost_and_controls(done):
    lines = mitigation_lines(done.facts)
    assert lines.startswith("↓ Better. ")
    said = " ".join(lines.split())
    assert "by side is smaller: " in said
    assert "Accuracy (kind) went from " in said
    assert "Of 99 tries with random directions, 0 leave a gap as small or smaller (p = .010)." in said
    assert "Other methods, not exported:" in lines


def test_gates_on_the_change_count_for_the_exit_code(planted, model, done, tmp_path):
    (gate,) = done.facts.compared.gates
    assert (gate.expression, gate.outcome, done.exit_code) == ("change > 0.1", "held", 0)
    breached = replace(gate, checks=tuple(replace(check, outcome="breached") for check in gate.checks))
    compared = replace(done.facts.compared, gates=(breached,))
    assert replace(done, facts=replace(done.facts, compared=compared)).exit_code == 1
    with pytest.raises(UsageError, match="kinds"):
        mitigate(str(model), planted.probe(), tmp_path / "out", fail_on=["change[kinds.accuracy by side] > 0.02"], **FAST)


# ---- other outcomes


@pytest.mark.slow
def test_a_gap_that_grows_is_worse_and_the_model_is_written_all_the_same(tmp_path):
    planted = Planted("compensating", n=2400)
    done = mitigate(
        str(planted.checkpoint(tmp_path / "ckpt.pt")), planted.probe(), tmp_path / "out", method="leace", fail_on=["change > 0.02"], **FAST
    )
    assert (done.outcome, done.exit_code) == ("worse", 1)
    assert "gap_grew" in [note.code for note in done.facts.reasons]
    assert [gate.outcome for gate in done.facts.compared.gates] == ["breached"]
    assert mitigation_lines(done.facts).startswith("▲ Worse. ")
    assert load(str(done.directory)).record.sha256 == done.facts.fold.written


@pytest.mark.slow
def test_nothing_planted_is_nothing_shown(tmp_path):
    planted = Planted("nothing", n=1200)
    spec, probe = str(planted.checkpoint(tmp_path / "ckpt.pt")), planted.probe()
    done = mitigate(spec, probe, tmp_path / "out", **FAST)
    assert (done.outcome, done.exit_code) == ("no change shown", 0)
    assert "gap_not_smaller" in [note.code for note in done.facts.reasons]
    again = mitigate(spec, probe, tmp_path / "again", require="better", **FAST)
    assert again.exit_code == 1
    assert [(run.method, run.outcome) for run in again.facts.earlier] == [("mean-difference-within-class", "no change shown")]
    assert "There was one earlier run on the same data" in " ".join(mitigation_lines(again.facts).split())


# ---- no leak


@pytest.mark.slow
def test_the_shown_half_does_not_reach_the_weights(planted, model, done, tmp_path):
    """Other labels, groups and pictures there: the exported weights are equal to the bit."""
    dataset = planted.dataset()
    half = fit_half(facts_units(planted), done.facts.plan.seed)
    shown, rng = np.flatnonzero(~half), np.random.default_rng(0)
    attributes = dataset.attributes.copy()
    for name in attributes:
        attributes.iloc[shown, attributes.columns.get_loc(name)] = rng.permutation(attributes[name].to_numpy()[shown])
    # The seed of the split depends on the table: the same split needs the same fingerprint.
    changed = replace(dataset, attributes=attributes)
    other = replace(planted.probe(), load=lambda _: changed)
    again = mitigate(str(model), other, tmp_path / "out", **FAST)
    assert again.facts.fold.written == done.facts.fold.written
    assert again.facts.comparison.changes != done.facts.comparison.changes
    assert fingerprint(attributes) != dataset.fingerprint


@pytest.mark.slow
def test_the_same_run_twice_gives_the_same_weights_and_numbers(planted, model, done, tmp_path):
    again = mitigate(str(model), planted.probe(), tmp_path / "out", **FAST)
    for name in ("fold", "comparison", "controls", "tried", "capability", "outcome"):
        one, other = getattr(done.facts, name), getattr(again.facts, name)
        assert one == other or name == "comparison"
    assert again.facts.comparison.changes == done.facts.comparison.changes


# ---- questions and refusals


@pytest.mark.slow
def test_a_question_by_name_and_the_worst_of_the_fitted_half(planted, model, tmp_path):
    named = mitigate(str(model), planted.probe(), tmp_path / "named", question="kind.accuracy by side", method="projection", **FAST)
    assert (named.facts.plan.question, named.facts.plan.chosen) == ("kind/accuracy/side", "named")
    worst = mitigate(str(model), planted.probe(), tmp_path / "worst", question="worst", method="projection", **FAST)
    assert (worst.facts.plan.question, worst.facts.plan.chosen) == (FINDING, "worst")


@pytest.mark.slow
def test_the_text_tower_alone(planted, model, tmp_path):
    done = mitigate(str(model), planted.probe(), tmp_path / "out", towers="text", **FAST)
    assert done.facts.fold.changed == ("text_projection",)
    assert done.facts.outcome == "better"  # the map is orthogonal: the order of texts is that of both towers


def test_a_question_about_the_group_itself_is_refused(planted, model, tmp_path):
    probe = planted.probe()
    (asked,) = probe.measurements
    sides = replace(
        asked.label_set, labels=("left", "right"), prompts=dict(zip(("left", "right"), ((text,) for text in planted.pairs[0]), strict=True))
    )
    claims = (replace(asked.claims[1], by=("side",)),)
    about = replace(asked, name="side", truth="side", label_set=sides, claims=claims, outcomes={})
    with pytest.raises(UsageError, match="'side/accuracy/side' cannot be mitigated") as caught:
        mitigate(str(model), replace(probe, measurements=(about,), what_ifs=()), tmp_path / "out", question="side.accuracy by side")
    assert "its answer is the side" in caught.value.why
    assert not (tmp_path / "out").exists()


def test_too_few_images_and_an_existing_folder_are_refused(planted, model, tmp_path):
    with pytest.raises(DataError, match="fewer than two groups of 'side' have 2000 images"):
        mitigate(str(model), planted.probe(), tmp_path / "out", min_group_size=1000)
    (tmp_path / "taken").mkdir()
    with pytest.raises(UsageError, match="exists already"):
        mitigate(str(model), planted.probe(), tmp_path / "taken")
    for missing in ({"model": ""}, {"probe": None}, {"out": None}):
        with pytest.raises(UsageError, match=f"--{next(iter(missing))} is missing"):
            MitigateRequest(**({"model": "m", "probe": "emoji", "out": tmp_path / "x"} | missing))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]


@pytest.mark.slow
def test_a_failure_leaves_no_folder(planted, model, tmp_path, monkeypatch):
    """A full disk while the weights are written; another program's change while they are judged."""
    import audit.extensions.mitigate.run as module

    before = sha256(model)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_describe", full)
    with pytest.raises(MachineError, match="cannot be written"):
        mitigate(str(model), planted.probe(), tmp_path / "out", **FAST)
    monkeypatch.setattr(module.fold, "largest_difference", lambda *_: 0.1)
    with pytest.raises(Exception, match="does not give the embeddings that it should"):
        mitigate(str(model), planted.probe(), tmp_path / "out", **FAST)
    assert list(tmp_path.iterdir()) == []
    assert sha256(model) == before


def test_the_command(planted, model, tmp_path, capsys):
    from audit.extensions.mitigate.command import main

    folder = tmp_path / "data"
    folder.mkdir()
    dataset = planted.dataset()
    for name, content in zip(dataset.attributes.index, dataset.images, strict=True):
        (folder / f"{name}.png").write_bytes(content)
    dataset.attributes.rename_axis("file").rename(index=lambda name: f"{name}.png").reset_index().to_csv(folder / "table.csv", index=False)
    probe = tmp_path / "cups.py"
    probe.write_text(
        "from audit.data import load_dataset\nfrom audit.data.schema import Schema\n"
        "from audit.types import Claim, LabelSet, Measurement, Probe\n"
        f"KINDS = {KINDS!r}\nLABELS = LabelSet('kinds', KINDS, { {name: (planted.text[f'a {name}'],) for name in KINDS}!r})\n"
        "CLAIMS = (Claim('true_positive_rate', ('side',), 'cup'), Claim('accuracy', ('side',)))\n"
        "ASKED = Measurement('kind', 'Which?', LABELS, 'made v1', CLAIMS, truth='kind', outcomes={'cup': ('cup',)})\n"
        "def load(options):\n    return load_dataset(options.location, Schema(), name='things', licence='none')\n"
        "PROBE = Probe('cups', 'Which?', load, (ASKED,), 'made by the test', 'none', (), ('all else',))\n"
    )
    words = ["--model", str(model), "--probe", str(probe), "--data", str(folder / "table.csv"), "--out", str(tmp_path / "out")]
    assert main([*words, "--method", "leace"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("↓ Better. ")
    assert printed.out.rstrip().endswith("report.html")
    facts = json.loads((tmp_path / "out" / "mitigation.json").read_text())
    assert facts["command"][:2] == ["vlm-audit mitigate", "--model"]
    assert str(tmp_path) not in json.dumps(facts)
    assert main(words) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*words[:-1], str(tmp_path / "other"), "--model-args", "activation=gelu"]) == 2
    assert "--model-args activation cannot be set for a checkpoint of this project" in capsys.readouterr().err
