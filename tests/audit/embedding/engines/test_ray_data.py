"""One small audit on a Ray cluster of this machine, in a process of its own: Ray warns, and warnings are errors here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import command

pytest.importorskip("ray", reason="ray is not installed (pip install 'vlm-audit[ray]')")

FACES = """from dataclasses import replace
from audit.testing import four_faces, gender_probe, png

FACES = four_faces(20)
IMAGES = [png(("lime", (250, row, 3))[row % 3 > 0]) for row in range(80)]
IMAGES[7] = b"no picture"
DATA = replace(FACES, images=IMAGES)
PROBE = replace(gender_probe(DATA), load=lambda options: DATA)
"""
COLOURS = """import os
from audit.testing import AXES, FakeEncoder


class Colours(FakeEncoder):
    def __init__(self, broken="no"):
        super().__init__(AXES)
        del self.record
        if broken == "elsewhere" and os.getpid() != int(os.environ["DRIVER"]):
            raise ValueError("no such model here")
"""
RUN = """import os, sys
os.environ["DRIVER"] = str(os.getpid())
from audit.embed import main

asked = ["--model", "colours.py:Colours", "--probe", "faces.py", "--max-skip", "0.02", "--engine", "ray", "--ray-actors", "1,2"]
print(main(asked), main(asked), main([*asked, "--cache-root", "other", "--model-args", "broken=elsewhere"]))
"""


def test_a_ray_cluster_fills_the_cache_and_the_findings_are_those_of_one_process(tmp_path, monkeypatch):
    (tmp_path / "faces.py").write_text(FACES)
    (tmp_path / "colours.py").write_text(COLOURS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), "RAY_TMPDIR": "/tmp", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, env=environment, timeout=300, check=False)
    *lines, codes = done.stdout.splitlines()
    assert codes == "0 0 3", done.stderr[-3000:]
    assert "79 of 80 images and 2 texts in the cache (54 new), 1 left out (not an image)" in lines[0]
    assert "(0 new)" in lines[1]
    assert "no such model here" in done.stderr

    results = []
    for place in ("cache", "fresh"):
        monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / place))
        asked = ("--model", "colours.py:Colours", "--probe", "faces.py", "--max-skip", "0.02", "--min-group-size", 5)
        assert command(*asked, "--out", f"of-{place}").returncode == 0
        found = json.loads((tmp_path / f"of-{place}" / "results.json").read_text())
        del found["timing"], found["command"]
        results.append(found)
    assert results[0] == results[1]
    assert "embedded 0 images, 79 from the cache" in (tmp_path / "of-cache" / "run.log").read_text()
