"""What `tests.support.capture` runs: the commands, and made-up files that are the same at every call."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
EXIT, STDOUT, STDERR = "exit_code.txt", "stdout.txt", "stderr.txt"
FACTS = ("results.json", "comparison.json")
TABLES = ROOT.parent / "shared" / "clip_fairface"


def commands(out, models):
    """Return what is run, by the name of the capture; a later one may need an earlier one."""
    faces = Path(os.environ.get("FAIRFACE_TEST_DIR", ROOT.parent / "shared" / "fairface"))
    files = out / "files"
    emoji, balanced = f"--model={models / 'emoji' / 'ckpt.pt'}", f"--model={models / 'emoji-balanced' / 'ckpt.pt'}"
    found = {}

    def audit(name, *words):
        found[name] = ["audit.run", *map(str, words), f"--out={out / name}"]

    def external(name, file, *words):
        audit(name, f"--predictions={file if isinstance(file, Path) else files / file}", *words)

    def compare(name, *words):
        found[name] = ["audit.compare", *map(str, words), f"--out={out / name}"]

    asked = "role.accuracy by gender"
    gates = (f"gap[{asked}] > 0.1", f"rate[{asked} for woman] < 0.5", "gap > 0.9", "verdict == disparity")
    said = [f"--fail-on={gate}" for gate in gates]
    audit("demo", emoji, balanced, "--probe=emoji", "--what-if=all", "--include-examples=2", "--by=gender,tone", *said)
    audit(
        "fairface",
        emoji,
        "--probe=fairface",
        f"--data={faces}",
        "--untrained-control",
        "--by=race,gender,age",
        "--min-group-size=5",
        "--what-if=all",
    )
    sampled = ("--limit=120", "--seed=3", "--min-group-size=5", f"--exclude={files / 'exclude-faces.txt'}", "--fail-on=gap > 0.1")
    audit("fairface-limited", emoji, "--probe=fairface", f"--data={faces}", *sampled)
    external("again-demo", out / "demo" / "predictions.parquet", "--probe=emoji")
    external("again-demo-by-rule", out / "demo" / "predictions.parquet", "--attributes=gender,tone", "--alpha=0.1")
    by_race, by_gender = "[predictions.accuracy by race]", "[predictions.accuracy by gender]"
    for table, question in (("vit-b-16-openai.race", "race"), ("vit-h-14-laion2b.race", "race"), ("vit-l-14-laion2b.gender", "gender")):
        short = f"clip-{table[:5]}-{question}"
        external(short, TABLES / f"{table}.csv", *([f"--fail-on=gap{by_race} > 0.2"] if question == "race" else ["--depth=3"]))
        external(f"{short}-probe", f"{table}.csv", "--probe=fairface", "--by=race,gender,age")
    for which in ("before", "after", "third"):
        gate = [f"--fail-on=gap{by_race} > 0.05", f"--fail-on=ratio{by_gender} < 0.5", "--require-conclusive"]
        external(f"plain-{which}", f"plain-{which}.csv", "--depth=3", "--tolerance=0.1", *(gate if which == "before" else []))
        external(f"nested-{which}", f"nested-{which}.csv", "--cluster=family", "--min-group-size=20", f"--fail-on={gates[2]}")
        external(f"crossed-{which}", f"crossed-{which}.csv", "--cluster=person", "--outcome=good:high=yes", "--seed=5")
    external("excluded", "plain-before.csv", f"--exclude={files / 'exclude.txt'}", "--attributes=race,gender")
    external("excluded-nested", "nested-before.csv", f"--exclude={files / 'exclude.txt'}", "--cluster=family", "--outcome=bad:low=no")
    external("scores", "scores.csv", "--outcome=harm:low=thief", "--outcome=care=nurse,doctor", "--depth=3", "--min-group-size=50")
    external("scores-only", "scores-only.parquet", "--outcome=harm:low=thief", "--fail-on=gap > 0.3")
    external("questions", "questions.csv", "--attributes=race,gender,region", "--min-group-size=10")
    external("no-truth", "no-truth.csv", "--depth=1", "--alpha=0.01")
    external("equal", "equal.csv", "--fail-on=gap > 0.2", "--tolerance=0.08")
    external("repeated", "repeated.csv", "--cluster=id")
    compare("compare-demo", out / "demo")
    compare("compare-clip", out / "clip-vit-b-race", out / "clip-vit-h-race")
    compare("compare-plain", *(out / f"plain-{which}" for which in ("before", "after", "third")))
    compare("compare-nested", out / "nested-before", out / "nested-after")
    compare("compare-crossed", out / "crossed-before", out / "crossed-third", "--tolerance=0.2", "--seed=9")
    steps = [models / "emoji" / f"{name}.pt" for name in ("step-000000", "step-000090", "step-000180", "ckpt")]
    compare("series", *steps, "--probe=emoji", "--series")

    # What stands beside an audit and a comparison.
    def other(name, command, *words):
        if name in ("plan", "index"):  # which write a file, not a folder
            (out / name).mkdir(parents=True, exist_ok=True)
        found[name] = ["audit", command, *map(str, words)]

    audit("people", emoji, "--suite=people", f"--data={faces}", "--min-group-size=5")
    audit("text-only", emoji, "--probe=text_only")
    audit("few-shot", emoji, "--probe=fewshot")
    audit("limits", emoji, "--probe=limits")
    audit("robustness", emoji, "--probe=robustness")
    external("captions", "captions.csv", "--texts=text:caption", "--attributes=race,gender")
    external("tags", "tags.csv", "--tags=tags", "--attributes=race,gender")
    other("mitigation", "mitigate", emoji, "--probe=emoji", f"--out={out / 'mitigation'}")
    other("watch", "watch", files / "plain-before.csv", "--attributes=race", f"--out={out / 'watch'}")
    other("plan", "plan", f"--predictions={files / 'plain-before.csv'}", f"--out={out / 'plan' / 'plan.lock.json'}")
    other("verify", "verify", out / "plain-before")
    other("index", "index", out, f"--out={out / 'index' / 'index.html'}")
    for form in ("cyclonedx", "in-toto", "github", "profile.csv", "profile.html"):
        other(f"convert-{form}", "convert", out / "plain-before", f"--to={form}")
    other("words", "words", "emoji", "--probe=emoji", f"--out={out / 'words'}")
    other("probes", "probes", "show", "fairface")
    if not faces.is_dir():
        print(f"skipped: fairface, fairface-limited, people: no folder {faces}", flush=True)
        del found["fairface"], found["fairface-limited"], found["people"]
    return found


def run(words, out):
    """Run a module in a process of its own, and keep what it prints and its exit code in `out`; return whether it came to an end."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    print(f"{time.monotonic() - began:6.1f} s  exit {done.returncode}  {out.name}", flush=True)
    if done.returncode not in (0, 1):
        print(done.stderr[-2000:], flush=True)
        return False
    out.mkdir(parents=True, exist_ok=True)
    for name, text in ((STDOUT, done.stdout), (STDERR, done.stderr), (EXIT, f"{done.returncode}\n")):
        (out / name).write_text(text, "utf-8")
    return True


RACES = {"Black": 0.2, "East Asian": 0.25, "Indian": 0.1, "White": 0.35, "Latino": 0.06, "Tiny": 0.005, "": 0.035}


def _people(rng, n):
    """Rows with uneven groups: a small one, a tiny one, and values that are missing."""
    return pd.DataFrame({
        "id": [f"p{i:05d}" for i in range(n)],
        "race": rng.choice(list(RACES), n, p=list(RACES.values())),
        "gender": rng.choice(["Female", "Male"], n, p=[0.45, 0.55]),
        "region": rng.choice(["North", "South", "East"], n, p=[0.6, 0.3, 0.1]),
    })  # fmt: skip


def _answer(rng, frame, labels, harder=0.15, name=""):
    """Add true answers and given ones, which are wrong more often for one race and for women in the South."""
    truth = np.random.default_rng(len(labels)).choice(labels, len(frame))  # the same for every model
    wrong = 0.1 + harder * (frame.race == "Black") + 0.1 * ((frame.gender == "Female") & (frame.region == "South"))
    given = np.where(rng.random(len(frame)) < wrong, rng.choice(labels, len(frame)), truth)
    return frame.assign(**{f"y_true{name}": truth, f"y_pred{name}": given})


def _scored(rng, frame, labels):
    """Add probabilities that mostly favour the answer given; those of some rows all but tie."""
    raw = rng.random((len(frame), len(labels))) + 1.5 * (frame.y_pred.to_numpy()[:, None] == np.array(labels))
    raw[::50] = 1 + 1e-7 * rng.random((len(raw[::50]), len(labels)))
    shares = (raw / raw.sum(axis=1, keepdims=True)).round(8)
    return frame.assign(**{f"score:{label}": shares[:, place] for place, label in enumerate(labels)})


def make_files(folder):
    """Write the files, the same at every call."""
    folder.mkdir(parents=True, exist_ok=True)
    people = _people(np.random.default_rng(1), 2400)
    made = {}
    for which, harder in (("before", 0.15), ("after", 0.02), ("third", 0.3)):
        rng = np.random.default_rng([2, int(harder * 100)])
        made[f"plain-{which}.csv"] = _answer(rng, people, ["no", "yes"], harder)
        nested = made[f"plain-{which}.csv"].assign(family=[f"f{i // 4}" for i in range(len(people))])
        nested[["race", "gender"]] = nested.groupby("family")[["race", "gender"]].transform("first")
        made[f"nested-{which}.csv"] = nested.assign(y_pred=nested.groupby(["family", "y_true"]).y_pred.transform("first"))
        person = np.random.default_rng(3).integers(0, 300, len(people))
        made[f"crossed-{which}.csv"] = made[f"plain-{which}.csv"].assign(person=[f"c{i}" for i in person])
    rng = np.random.default_rng(4)
    labels = ["doctor", "nurse", "thief", "teacher"]
    scored = _scored(rng, _answer(rng, _people(rng, 1500), labels), labels)
    made["scores.csv"] = scored.drop(columns="id").assign(y_true=scored.y_true.where(rng.random(len(scored)) > 0.03, ""))
    made["scores-only.parquet"] = scored.drop(columns=["y_pred", "y_true"])
    two = _answer(rng, _answer(rng, _people(rng, 1200), labels, name=":job"), ["calm", "cross", "glad"], name=":mood")
    made["questions.csv"] = two.drop(columns="y_true:mood")
    made["no-truth.csv"] = _answer(rng, _people(rng, 900), labels).drop(columns="y_true")
    ids, truth = [f"s{i}" for i in range(3000)], rng.choice(["cup", "glass"], 3000)
    cups = pd.DataFrame({"id": ids, "hand": ["left", "right"] * 1500, "y_true": truth})
    made["equal.csv"] = cups.assign(y_pred=np.where(np.arange(3000) % 20 < 2, "glass", cups.y_true))
    made["repeated.csv"] = _answer(rng, _people(rng, 800), ["no", "yes"]).assign(id=[f"r{i // 2}" for i in range(800)])
    who = _people(rng, 600)
    role = rng.choice(["nurse", "pilot", "a person"], 600, p=[0.3, 0.3, 0.4])
    wears = np.where((who.gender == "Female") & (rng.random(600) < 0.4), "smiling in a red dress", "at work")
    made["captions.csv"] = who.assign(**{"text:caption": [f"a photo of {who} {how}" for who, how in zip(role, wears, strict=True)]})
    made["tags.csv"] = who.assign(tags=[f"{first};{then}" for first, then in zip(role, rng.choice(["city", "sea"], 600), strict=True)])
    for table in TABLES.glob("*.*.csv"):  # with the column of answers called after the question, as the probe wants it
        made[table.name] = pd.read_csv(table, dtype=str).rename(columns={"y_pred": f"y_pred:{table.name.split('.')[-2]}"})
    for name, frame in made.items():
        frame.to_parquet(folder / name, index=False) if name.endswith("parquet") else frame.to_csv(folder / name, index=False)
    (folder / "exclude.txt").write_text("# not to be audited\n" + "".join(f"p{i:05d}\n" for i in range(0, 300, 3)) + "nobody\n")
    (folder / "exclude-faces.txt").write_text("train/1.jpg\ntrain/3.jpg\nnobody\n")
