"""Audits in Weights & Biases, offline, and in MLflow, in a local folder: the numbers, tables and page of the audit."""

import json
import sys
import time

import pandas as pd
import pytest

import audit
from audit.errors import MachineError, UsageError
from audit.extensions.trackers.log import numbers
from audit.results import to_json
from audit.testing import FakeEncoder, four_faces, gender_probe
from tests.contrastive.training.test_wandb import history, records


def run(**options):
    return audit.audit(FakeEncoder(), gender_probe(None), data=four_faces(40), draws=99, **options)


def written(folder, most_s=60):
    """Return the points of a finished run; the service of wandb may write them only after its `finish` has returned."""
    end = time.monotonic() + most_s
    while not (points := history(folder)[1]) and time.monotonic() < end:
        time.sleep(0.1)
    return points


@pytest.mark.slow
def test_wandb_has_the_gaps_tables_and_page_and_an_open_run_stays_open(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed (pip install wandb)")
    from wandb.proto import wandb_internal_pb2

    for name in ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    done = run(log_to="wandb")
    assert wandb.run is None  # its own run is finished
    (point,) = written(tmp_path).values()
    assert {name: point[name] for name in numbers(done)} == numbers(done)
    # Black: 40 of 80 right, White: 80 of 80.
    assert point["gap/fake/faces/gender/accuracy/race"] == 0.5
    for name, frame in (("rates", done.by_group()), ("findings", done.metrics)):
        (path,) = tmp_path.glob(f"wandb/offline-run-*/files/media/table/{name}_*.table.json")
        assert len(json.loads(path.read_text("utf-8"))["data"]) == len(frame)
    files = set()
    for path in tmp_path.glob("wandb/offline-run-*/*.wandb"):
        for content in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            files |= {entry.path for entry in record.request.log_artifact.artifact.manifest.contents}
            files |= {entry.path for entry in record.artifact.manifest.contents}
    assert {"report.html", "results.json"} <= files
    assert not any("predictions" in name for name in files)
    with wandb.init(project="mine", settings=wandb.Settings(console="off", silent=True)) as mine:
        run(log_to="wandb")
        assert wandb.run is mine


def test_mlflow_has_the_gaps_tables_and_page(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (pip install mlflow-skinny)")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # mlflow-skinny has no database
    monkeypatch.chdir(tmp_path)
    done = run(log_to="mlflow")
    (logged,) = mlflow.search_runs(experiment_names=["vlm-audit"], output_format="list")
    assert logged.data.metrics == numbers(done)
    assert logged.data.params["seed"] == "0"
    folder = mlflow.artifacts.download_artifacts(run_id=logged.info.run_id, dst_path=str(tmp_path))
    assert (tmp_path / "results.json").read_text("utf-8") == to_json(done.results), folder
    assert len(pd.read_csv(tmp_path / "tables" / "rates.csv")) == len(done.by_group())
    assert "<!doctype html>" in (tmp_path / "report.html").read_text("utf-8").lower()


def test_a_missing_tracker_is_named_before_any_work(monkeypatch):
    model = FakeEncoder()
    monkeypatch.setitem(sys.modules, "mlflow", None)  # importing it then fails, as if it were absent
    with pytest.raises(UsageError, match="--log-to mlflow needs the package mlflow") as caught:
        audit.audit(model, gender_probe(None), data=four_faces(40), log_to=["mlflow"])
    assert caught.value.fix == "python -m pip install mlflow-skinny"
    assert not model.calls
    with pytest.raises(UsageError, match="invalid log to"):
        run(log_to="tensorboard")


def test_a_tracker_that_fails_after_the_audit_is_named_and_the_audit_is_complete(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed (pip install wandb)")

    def refused(**_):
        raise wandb.errors.CommError("no server answers")

    monkeypatch.setattr(wandb, "init", refused)
    with pytest.raises(MachineError, match="the audit is complete, but wandb did not take it") as caught:
        run(log_to="wandb", out=tmp_path / "out")
    assert "no server answers" in caught.value.why
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "STATUS").read_text().startswith("complete")
