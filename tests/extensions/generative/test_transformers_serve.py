"""A real server: `transformers serve` with a tiny model made on the spot, which writes what the same model writes in this process."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
import torch

import audit
from audit.extensions.endpoint.model import opened
from audit.extensions.endpoint.settings import EndpointSettings
from audit.measure.asked.questionnaire import questionnaire
from audit.models import load
from audit.types import REFUSAL, UNPARSED, Manner
from probes.faces.fairface import PROBE
from tests.probes.made import fairface, pairs
from tests.support.generative_models import llava
from tests.support.model_folders import noise, saved

pytest.importorskip("fastapi", reason="the server is not installed (pip install 'transformers[serving]')")
pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow

WORDS = ("man", "woman", "unclear")
GENDER = next(m.asked for m in questionnaire(PROBE, 0, Manner(outcomes=(REFUSAL, UNPARSED))).probe.measurements if m.name == "gender")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model whose first token is one of three words, by the image."""
    torch.manual_seed(0)
    made, processor = llava()
    head = made.lm_head.weight
    tokens = [processor.tokenizer.convert_tokens_to_ids(f"Ġ{word}") for word in WORDS]
    assert None not in tokens
    with torch.no_grad():
        rows = torch.randn(len(tokens), head.shape[1])
        head.zero_()
        head[tokens] = 20 * rows
    return saved(tmp_path_factory.mktemp("served") / "tiny", made, processor)


@pytest.fixture(scope="module")
def url(model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    server = subprocess.Popen([*command, "--device", "cpu"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, server.communicate()[0].decode()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.communicate()


def test_text_is_what_the_same_model_writes_in_this_process(model, url, tmp_path):
    images = noise(*[(48, 40)] * 12, seed=1)
    local = load(str(model))
    written = [text for (text,) in local.write(images, [GENDER.text])]
    settings = EndpointSettings(url, log=tmp_path / "a.log", max_new_tokens=1, patience_s=60.0)
    with opened(str(model), settings, tmp_path) as served:
        assert served.terms.mode == "text"  # it refuses logprobs and schemas by name
        rows = served.log_likelihoods(images, [GENDER])
    first = [re.match(r"\w+", text)[0] for text in written]
    assert len(set(first)) > 1  # the image decides
    answers = np.array([*GENDER.options, *GENDER.outcomes])[rows.argmax(axis=1)]
    assert answers.tolist() == first


@pytest.mark.parametrize(("probe", "data"), [("pairs", pairs), ("fairface", fairface)])
def test_probes_run_end_to_end(probe, data, model, url, tmp_path):
    (tmp_path / "data").mkdir()
    location = data.make(tmp_path / "data")[1]
    given = {"base_url": url, "answer_log": tmp_path / "a.log", "max_new_tokens": 1, "limit": 12, "min_group_size": 2, "draws": 99}
    found = audit.audit(f"api:{model}", probe, data=location, no_inference=True, **given)
    endpoint = found.results.audits[0].account
    assert endpoint.mode == "text"
    assert endpoint.images > 5
    assert endpoint.answers >= endpoint.images
    again = audit.audit(f"api:{model}", probe, data=location, no_inference=True, replay=True, **given)
    assert again.results.audits == found.results.audits


def test_system_one_takes_images(model, url):
    """The server's typed decisions: probabilities of the options by their letters, in a prompt of its own; no mode of ours."""

    def decided(image):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        assets = {"img-1": {"data_base64": base64.b64encode(buffer.getvalue()).decode()}}
        asked = {"who": {"type": "choice", "instructions": "Who is shown?", "criteria": {"man": None, "woman": None}}}
        body = {"model": str(model), "state": "img-1", "assets": assets, "questions": asked}
        request = Request(f"{url}/systemone", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["answers"]["who"]["probabilities"]

    first, second = map(decided, noise((48, 40), (48, 40)))
    assert sorted(first) == sorted(second) == ["man", "woman"]
    assert sum(first.values()) == pytest.approx(1, abs=1e-5)
