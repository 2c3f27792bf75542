"""Makes the logs that the tests read, with the tools that write them: Inspect and lm-evaluation-harness.

Run in an environment of its own, once, and commit what it writes; no test needs the tools::

    python3.12 -m venv scratch && scratch/bin/pip install inspect_ai==0.3.285 lm_eval==0.4.13 datasets every-eval-ever==0.3.0
    scratch/bin/python -m tests.extensions.logs.make_logs tests/extensions/logs/made inspect_ai lm_eval every_eval_ever

Replies are planned (`tests.support.planned_replies`), so that every number in the tests can be worked out. No model is run. Dates,
identifiers of runs and ids of messages differ between two runs of this script; what the tests read does not. It also writes
``expected.json``: the same rows as the tools' own readers give them, with which the tests compare ours.

lmms-eval's evaluation needs models: its own writer saves samples here that its own function for POPE has scored, in an environment with
torch (``… make_logs.py OUT lmms_eval``). Every Eval Ever's lines are written here and checked with the schema in its package. VLMEvalKit
is not on the package registry.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import socket
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.planned_replies import N, gender, race, reply, truth

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def metadata(i):
    return {"gender": gender(i), "race": race(i), "person": f"p{i // 4}"}


# ---- Inspect -------------------------------------------------------------------------------------------------------------------------


def samples(n=N, ask="Is the person a doctor? yes or no"):
    from inspect_ai.dataset import Sample

    return [Sample(id=f"img{i:03}", input=ask, target=truth(i), metadata=metadata(i)) for i in range(n)]


def odd_samples():
    """Metadata that nest, that are None, and that some samples lack."""
    odd = samples(8)
    odd[0].metadata |= {"place": {"city": "X", "tags": ["a", "b"]}, "note": None}
    del odd[1].metadata["race"]
    for i in (2, 3):
        odd[i].metadata["race"] = None
    return odd


def pictures(shuffle=False):
    """Questions about an image with three options, which may be in another order for each."""
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText

    image = [ChatMessageUser(content=[ContentText(text="Who is shown?"), ContentImage(image=PIXEL)])]
    options = ["a nurse", "a doctor", "a chef"]
    held = [Sample(id=i + 1, input=image, choices=options, target="ABC"[i % 3], metadata={"gender": gender(i)}) for i in range(8)]
    if shuffle:
        data = MemoryDataset(held)
        data.shuffle_choices(seed=3)
        held = list(data)
    return held


def offline_model(texts=("yes",) * 1000):
    """Inspect's model for tests, which gives these texts; tokens are not counted, because the tool would download a vocabulary for it."""
    from inspect_ai.model import ModelOutput, get_model

    async def count_text_tokens(text):
        return len(text)

    model = get_model("mockllm/model", custom_outputs=[ModelOutput.from_content("mockllm/model", text) for text in texts], memoize=False)
    model.api.count_text_tokens = count_text_tokens
    return model


def letters():
    """A model that answers by letters; once it gives none."""
    texts = [f"ANSWER: {letter}" if letter else "I cannot tell." for letter in ("A", "B", "C", "", "B", "A", "C", "A")]
    return offline_model(texts)


def planned(by_id, fail=(), long=()):
    """A solver that gives the planned reply to a sample; it fails, or goes on until a limit, for the listed ones."""
    from inspect_ai.model import ChatMessageUser, ModelOutput
    from inspect_ai.solver import solver

    @solver
    def replies():
        async def solve(state, generate):
            said = by_id[state.sample_id]
            if state.sample_id in fail:
                raise RuntimeError("the service is not available")
            while state.sample_id in long:
                state.messages.append(ChatMessageUser(content="and?"))
                state = await generate(state)
            state.output = ModelOutput.from_content("planned", said[(state.epoch - 1) % len(said)] if isinstance(said, list) else said)
            state.messages.append(state.output.message)
            return state

        return solve

    return replies()


def graded():
    """A scorer that gives every value in turn, C, I, P and N, and records no answer."""
    from inspect_ai.scorer import Score, accuracy, scorer

    @scorer(metrics=[accuracy()])
    def grades():
        async def score(state, target):
            return Score(value="CIPN"[int(state.sample_id) % 4])

        return score

    return grades()


def tasks():
    """Name -> a task, and options of the run."""
    from inspect_ai import Task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import choice, includes, match
    from inspect_ai.solver import multiple_choice

    def people(name, held, solver, scorer, **options):
        return Task(dataset=MemoryDataset(held, name="people"), solver=solver, scorer=scorer, name=name, **options)

    said = {f"img{i:03}": reply(i) for i in range(N)}
    twice = {f"img{i:03}": [reply(i), truth(i)] for i in range(40)}
    long = {f"img{i:03}": f"I looked at picture {i} and say {truth(i) if i < 8 else 'I give up'}." for i in range(64)}
    failing = {f"img{i:03}" for i in (0, 4, 8, 12)}
    two = [Sample(id=f"img{i:03}", input="?", target=["yes", "yeah"] if i % 2 else "no", metadata=metadata(i)) for i in range(8)]
    numbered = [Sample(id=i, input="?", target="yes", metadata=metadata(i)) for i in range(40)]
    return {
        "people": (people("people", samples(), planned(said), match()), {}),
        "epochs": (people("epochs", samples(40), planned(twice), [match(), includes()], epochs=2), {}),
        "choices": (
            people("choices", pictures(), multiple_choice(), choice()), {"model": letters(), "log_images": False, "max_samples": 1}
        ),
        "shuffled": (
            people("shuffled", pictures(shuffle=True), multiple_choice(), choice()),
            {"model": letters(), "log_images": False, "max_samples": 1},
        ),
        "odd": (people("odd", odd_samples(), planned(said), match()), {}),
        "failures": (
            people("failures", samples(16), planned(said, failing, {"img001"}), match(), fail_on_error=False, message_limit=6), {}
        ),
        "broken": (people("broken", samples(16), planned(said, {"img009"}), match()), {"max_samples": 1}),
        "targets": (people("targets", two, planned(said), match()), {}),
        "graded": (people("graded", numbered, planned(dict.fromkeys(range(40), "a text")), graded()), {}),
        "texts": (people("texts", samples(64), planned(long), includes()), {}),
    }  # fmt: skip


def write_log(made, options, targets):
    """Run a task, and write its log without what takes space (events) or names this machine."""
    from inspect_ai import eval as run
    from inspect_ai.log import read_eval_log, write_eval_log

    with tempfile.TemporaryDirectory() as folder:
        (log,) = run(made, log_dir=folder, display="none", log_level="error", **{"model": offline_model(), **options})
        log = read_eval_log(log.location)
    log.eval.revision, log.eval.task_file, log.eval.run_id, log.eval.model_args = None, None, "run", {}
    for sample in log.samples or ():
        sample.events, sample.store, sample.timelines = [], {}, None
        if sample.error:
            sample.error.traceback = sample.error.traceback_ansi = "…"
            sample.error_retries = None
    if log.error:
        log.error.traceback = log.error.traceback_ansi = "…"
    for target in targets:
        write_eval_log(log, str(target))


def inspect_logs(out: Path) -> dict[str, object]:
    from inspect_ai.log import read_eval_log_samples

    expected = {}
    for name, (made, options) in tasks().items():
        target = out / f"{name}.eval"
        write_log(made, options, [target, *([out / "choices.json"] if name == "choices" else [])])
        expected[name] = [
            {
                "id": sample.id, "epoch": sample.epoch, "target": sample.target, "metadata": sample.metadata,
                "error": bool(sample.error), "limit": bool(sample.limit),
                "scores": {key: [score.value, score.answer] for key, score in (sample.scores or {}).items()},
            }
            for sample in read_eval_log_samples(str(target), all_samples_required=False)
        ]  # fmt: skip
    return expected


# ---- lm-eval -------------------------------------------------------------------------------------------------------------------------

QUESTIONS = {
    "faces_choice": {  # the longer choice is likelier per character than as a whole: acc and acc_norm differ for some
        "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}", "doc_to_target": "label",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "faces_words": {
        "output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "truth",
        "generation_kwargs": {"until": ["\n"]},
        "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}],
        "filter_list": [
            {"name": "strict", "filter": [{"function": "regex", "regex_pattern": "answer is (yes|no)"}, {"function": "take_first"}]},
            {"name": "whole", "filter": [{"function": "take_first"}]},
        ],
    },
    "faces_repeats": {
        "output_type": "generate_until", "doc_to_text": "{{question}}", "doc_to_target": "truth", "repeats": 3,
        "generation_kwargs": {"until": ["\n"]}, "metric_list": [{"metric": "exact_match"}],
        "filter_list": [
            {
                "name": "vote",
                "filter": [
                    {"function": "regex", "regex_pattern": "answer is (yes|no)"}, {"function": "majority_vote"}, {"function": "take_first"},
                ],
            }
        ],
    },
    "faces_gold": {  # several choices are right
        "output_type": "multiple_choice", "doc_to_text": "{{question}}", "doc_to_choice": "{{choices}}", "doc_to_target": "{{golds}}",
        "metric_list": [{"metric": "acc"}],
    },
    "faces_context": {  # as Winogrande: the contexts differ, and the text is one
        "output_type": "multiple_choice", "doc_to_text": "label", "doc_to_choice": "{{contexts}}", "doc_to_target": "rest",
        "metric_list": [{"metric": "acc"}],
    },
    "faces_likelihood": {  # how likely one text is: corpus metrics
        "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "question",
        "metric_list": [{"metric": "word_perplexity"}],
    },
}  # fmt: skip


def document(i):
    return {
        "id": f"img{i:03}", "question": f"Is the person in picture {i} a doctor?", "choices": ["yes", "no way"], "truth": truth(i),
        "label": int(truth(i) == "no"), "golds": [0, 1] if i % 8 == 0 else [int(truth(i) == "no")],
        "contexts": ["The nurse", "The doctor"], "rest": "was tired.", **metadata(i), "note": None, "place": {"city": "X"},
    }  # fmt: skip


def planned_lm():
    """A model of lm-eval that gives the planned reply, and a likelihood of -2 to it and of -6 to another choice."""
    from lm_eval.api.model import LM

    class Planned(LM):
        def loglikelihood(self, requests):
            return [(self._likelihood(request), False) for request in requests]

        def _likelihood(self, request):
            i, (context, text) = request.doc_id, request.args
            if text.strip() == "was tired.":
                return -2.0 if ("nurse" in context) == (reply(i) == "yes") else -4.0
            if i % 16 == 5:  # "no way" is likelier per character, "yes" as a whole
                return {"yes": -2.0, "no way": -2.5}[text.strip()]
            return -2.0 if text.strip() == {"yes": "yes", "no": "no way"}[reply(i)] else -6.0

        def loglikelihood_rolling(self, requests):
            return [-10.0 for _ in requests]

        def generate_until(self, requests):
            said = {"yes": "The answer is yes.", "no": "The answer is no."}
            return ["I would rather not say." if request.doc_id % 32 == 9 else said[reply(request.doc_id)] for request in requests]

    return Planned()


def lm_eval_logs(out: Path) -> dict[str, object]:
    """The samples of each question; of the totals one file, without the commit of the folder that this ran in."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    expected, no_others = {}, TaskManager(include_defaults=False)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "people.jsonl"
        data.write_text("".join(json.dumps(document(i)) + "\n" for i in range(N)))
        where = {
            "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test",
            "metadata": {"version": 1.0},
        }  # fmt: skip
        for task, config in QUESTIONS.items():
            results = simple_evaluate(
                model=planned_lm(), tasks=[{"task": task, **where, **config}], log_samples=True, bootstrap_iters=0,
                limit={"faces_choice": N, "faces_words": 64}.get(task, 24), task_manager=no_others,
            )  # fmt: skip
            tracker = EvaluationTracker(output_path=str(Path(name) / "out"))
            tracker.general_config_tracker.model_name = tracker.general_config_tracker.model_name_sanitized = "planned"
            samples = results.pop("samples")
            tracker.save_results_aggregated(results=results, samples=samples)
            tracker.save_results_samples(task_name=task, samples=samples[task])
            expected[task] = results["results"][task]
        for path in (Path(name) / "out").rglob("samples_*.jsonl"):
            shutil.copy(path, out / path.name)
        for path in (Path(name) / "out").rglob("results_*.json"):
            totals = json.loads(path.read_text())
            if "faces_choice" in totals["results"]:
                (out / path.name).write_text(json.dumps({**totals, "git_hash": None, "configs": {}}, indent=1))
    return expected


# ---- lmms-eval, Every Eval Ever ------------------------------------------------------------------------------------------------------


def lmms_eval_logs(out: Path) -> None:
    """POPE's questions: scored by the tool's function, saved by its tracker."""
    from lmms_eval.loggers.evaluation_tracker import EvaluationTracker
    from lmms_eval.tasks.pope.utils import pope_process_results

    samples = []
    for i in range(N):
        doc = {"question_id": str(1000 + i), "question": "Is there a doctor in the image?", "answer": truth(i)}
        said = reply(i).title()
        samples.append(
            {
                "doc_id": i, "doc": doc, "target": truth(i), "arguments": [doc["question"]], "resps": [[said]], "filtered_resps": [said],
                "token_counts": [None], "doc_hash": "0" * 64, **pope_process_results(doc, [said]),
            }
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        tracker = EvaluationTracker(output_path=name)
        tracker.general_config_tracker.model_name_sanitized, tracker.date_id = "planned", "20261129_101500"
        tracker.save_results_samples(task_name="pope", samples=samples)
        (path,) = Path(name).rglob("*.jsonl")
        shutil.copy(path, out / path.name)
    (out / "pope.csv").write_text(
        "doc_id,question_id,gender,race,answer\n" + "".join(f"{i},{1000 + i},{gender(i)},{race(i)},{truth(i)}\n" for i in range(N))
    )


def every_eval_ever_logs(out: Path) -> None:
    """Instances with groups in their metadata, checked by the package's schema, and the totals beside them."""
    import every_eval_ever
    import jsonschema

    schema = json.loads((Path(every_eval_ever.__file__).parent / "schemas" / "instance_level_eval.schema.json").read_text())
    lines = []
    for i in range(N):
        said = "" if i == 0 else reply(i)
        line = {
            "schema_version": "0.3.0", "evaluation_id": "faces/planned/1", "model_id": "org/planned", "evaluation_name": "exact_match",
            "sample_id": f"img{i:03}", "interaction_type": "single_turn",
            "input": {"raw": "Is the person a doctor?", "reference": [truth(i)]}, "output": {"raw": [said]},
            "answer_attribution": [
                {"turn_idx": 0, "source": "output.raw", "extracted_value": said, "extraction_method": "exact_match", "is_terminal": True}
            ],
            "evaluation": {"score": float(said == truth(i)), "is_correct": said == truth(i)},
            "error": "time-out" if i == 1 else None, "metadata": {"gender": gender(i), "race": race(i)},
        }  # fmt: skip
        jsonschema.validate(line, schema)
        lines.append(json.dumps(line) + "\n")
    (out / "5f0c_samples.jsonl").write_text("".join(lines))


# ---- all -----------------------------------------------------------------------------------------------------------------------------


def check_private(out: Path) -> None:
    """Stop if a file names this machine, its user or a folder of it."""
    import zipfile_zstd  # noqa: F401  (lets zipfile read the members; comes with inspect_ai)

    secrets = [f'"{socket.gethostname()}"', tempfile.gettempdir(), str(Path.home()), str(Path.cwd())]
    for path in out.iterdir():
        if path.suffix == ".eval":
            with zipfile.ZipFile(path) as archive:
                content = b"".join(archive.read(name) for name in archive.namelist())
        else:
            content = path.read_bytes()
        named = [secret for secret in secrets if secret.encode() in content]
        assert not named, f"{path.name} names {named}"


PARTS = {"inspect_ai": inspect_logs, "lm_eval": lm_eval_logs, "lmms_eval": lmms_eval_logs, "every_eval_ever": every_eval_ever_logs}


def main() -> None:
    out, names = Path(sys.argv[1]), sys.argv[2:] or list(PARTS)
    out.mkdir(parents=True, exist_ok=True)
    os.environ["HF_HUB_OFFLINE"] = "1"
    known = out / "expected.json"
    expected = json.loads(known.read_text()) if known.is_file() else {"versions": {}}
    for name in names:
        expected[name] = PARTS[name](out)
        expected["versions"][name] = importlib.metadata.version(name)
    known.write_text(json.dumps(expected, separators=(",", ":"), sort_keys=True, default=str) + "\n")
    check_private(out)
    print(f"{len(list(out.iterdir()))} files, {sum(path.stat().st_size for path in out.iterdir()):,} bytes: {expected['versions']}")  # noqa: T201


if __name__ == "__main__":
    main()
