"""A run step by step: exact resume, divergence, what is held out, the log and the stop request."""

import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from contrastive.checkpoint.file import load
from contrastive.loss.dense import info_nce
from contrastive.training import loop
from contrastive.training.evaluate import held_out, recall
from contrastive.training.logs import EventLog, StopRequest
from strictio.folders import Folder
from tests.support.training import COLOURED_SHAPES, after, assert_same_bytes, logged_events, prepared, saved_and_resumed

pytestmark = pytest.mark.usefixtures("one_thread", "shapes_prepared_once")

RUN = COLOURED_SHAPES


@pytest.mark.slow
def test_stopped_anywhere_and_taken_up_is_the_same_run(run):
    inputs = prepared(run)
    straight, _ = after(inputs, 9)
    for stop in (1, 4, 8):
        training, _ = after(inputs, stop)
        again = saved_and_resumed(training, inputs)
        assert again.step == stop
        after(inputs, 9 - stop, again)
        assert_same_bytes(again.model.state_dict(), straight.model.state_dict())


@pytest.mark.slow
def test_checkpoints_that_stay_are_those_that_the_run_passed_through(run, tmp_path):
    inputs = prepared(run, "run.keep_every=4", "optim.steps=10")
    training = loop.start(inputs)
    with StopRequest() as stop:
        loop.run_training(training, inputs, stop, quiet=True)
    loop.finish(training, inputs)

    left = sorted(path.name for path in (tmp_path / "out").glob("*.pt"))
    assert left == ["ckpt.pt", "step-000000.pt", "step-000004.pt", "step-000008.pt"]
    straight, _ = after(inputs, 4)
    kept, last = (load(tmp_path / "out" / name) for name in ("step-000004.pt", "ckpt.pt"))
    assert_same_bytes(kept.model.state_dict(), straight.model.state_dict())
    assert (kept.step, last.step, kept.training) == (4, 10, None)
    assert kept.account["identity"] == last.account["identity"]


def test_the_seed_decides(run):
    numbers = [after(prepared(run, f"run.seed={seed}"), 1)[1][0]["loss"] for seed in (0, 0, 1)]
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.slow
def test_what_is_held_out_is_never_trained_on(run):
    inputs, seen = prepared(run), []

    class Watched(type(inputs.pairs)):
        def batch(self, rows, *rest):
            seen.extend(rows.tolist())
            return super().batch(rows, *rest)

    after(replace(inputs, pairs=Watched(**vars(inputs.pairs))), 28)  # an epoch has 27 steps
    assert set(seen) == set(inputs.train_rows.tolist())
    assert not set(seen) & set(inputs.held_out_rows.tolist())


def test_held_out_measures_of_a_known_model(run, monkeypatch):
    inputs = prepared(run)
    model = loop.start(inputs).model
    rows = np.arange(20)
    measures = held_out(model.train(), inputs.pairs, rows, inputs.preprocess)
    assert not model.training  # batch norm by its running statistics: what is measured does not depend on who is in the batch
    model.eval()
    pixels, ids = inputs.pairs.plain(rows)
    with torch.no_grad():
        image, text, scale = model(inputs.preprocess.normalise(pixels), ids)
    assert measures["loss"] == pytest.approx(info_nce(image, text, scale).item(), rel=1e-5)
    assert measures["text_to_image_recall@5"] == recall(text @ image.T, 5)
    monkeypatch.setattr("contrastive.training.evaluate.MOST", 20)  # of many the first are measured
    assert held_out(model, inputs.pairs, np.arange(100), inputs.preprocess) == measures


@pytest.mark.slow
def test_measuring_on_the_way_changes_nothing_and_is_logged(run, tmp_path):
    ends = []
    for every in (0, 5):
        out = tmp_path / f"out{every}"
        inputs = prepared(run, f"run.eval_every={every}", f"run.out={out}", "run.kg_co2e_per_kwh=0.4")
        training = loop.start(inputs)
        loop.run_training(training, inputs, StopRequest(), quiet=True)
        loop.finish(training, inputs)
        ends.append(load(out / "ckpt.pt"))
    assert_same_bytes(ends[0].model.state_dict(), ends[1].model.state_dict())
    found = [line for line in logged_events(tmp_path / "out5") if line["event"] in ("held_out", "end")]
    assert [line["step"] for line in found] == [5, 10, 12]
    assert found[0].keys() - {"event", "step"} == found[2]["held_out"].keys()
    assert found[0]["loss"] != found[1]["loss"]
    assert not any(line["event"] == "held_out" for line in logged_events(tmp_path / "out0"))
    assert ends[0].account["kg_co2e"] is None  # no counter here: nothing is made up
    assert found[2]["compute"]["samples"] == ends[1].account["compute"]["samples"] == 12 * 48


def test_recall_by_hand():
    # Row 0: own column best. Row 1: one column better. Row 2: all tied, which counts against it.
    similarity = torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.0], [0.2, 0.2, 0.2]])
    assert [recall(similarity, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])


def test_a_journal_drops_what_lies_beyond_the_saved_state_and_a_torn_line(tmp_path):
    log = EventLog(tmp_path / "log.jsonl", Folder.of(tmp_path))
    log.begin(0)
    for step in (1, 2, 3):
        log.write("step", step=step)
    with log.path.open("a") as file:
        file.write('{"event": "st')
    log.begin(2)
    log.write("step", step=3)
    assert [line["step"] for line in logged_events(tmp_path)] == [1, 2, 3]
    with log.path.open("a") as file:
        file.write('[4]\n{"step": 4}\n')
    log.begin(9)  # what this program did not write, and what follows, is void, too
    assert [line["step"] for line in logged_events(tmp_path)] == [1, 2, 3]
    log.begin(0)
    assert log.path.read_text() == ""


def test_divergence_stops_the_run_and_keeps_the_last_good_state(run, tmp_path):
    inputs = prepared(run)
    training, _ = after(inputs, 5)
    loop.save_run(training, inputs)
    good = (tmp_path / "out" / "ckpt.pt").read_bytes()
    with torch.no_grad():
        training.model.text_projection[0, 0] = torch.nan
    before = {name: tensor.detach().clone() for name, tensor in training.model.named_parameters()}
    words = r"diverged in step 6: loss nan.*\nwhy: .*the last good state, after step 5, is in"
    with pytest.raises(loop.VlmAuditError, match=words) as caught:
        loop.run_training(training, inputs, StopRequest(), quiet=True)
    assert caught.value.exit_code == 70
    assert (tmp_path / "out" / "ckpt.pt").read_bytes() == good
    assert_same_bytes(dict(training.model.named_parameters()), before)


def test_a_second_request_stops_at_once_but_for_a_process_of_several():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest(patient=True) as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert stop.signal == signal.SIGINT
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
