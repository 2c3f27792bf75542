"""Model specs: which form is which, what a wrong one is told, and the hub, played by a small server on this machine."""

import json
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import audit.models
from audit.errors import DataError, MachineError, UnsafeError, UsageError
from audit.models import hub, single_file
from audit.models.huggingface import encoder as huggingface_encoder
from audit.models.open_clip import encoder as open_clip_encoder
from strictio.hub import OFFLINE_VARIABLES, TIMEOUT_S, hub_fault
from strictio.model_folders.check import check_folder
from tests.support.model_folders import refused

COMMIT = "c0ffee" * 6 + "c0ff"
FILES = {
    "config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}", "preprocessor_config.json": b"{}",
    "pytorch_model.bin": b"a pickle", "modeling_evil.py": b"import os", "README.md": b"hello", "onnx/model.onnx": b"...",
}  # fmt: skip


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Run in a folder of its own, and only note what would be loaded."""
    monkeypatch.chdir(tmp_path)
    calls = []
    monkeypatch.setattr(single_file, "load", lambda path, **more: calls.append(("file", str(path), more)))
    monkeypatch.setattr(open_clip_encoder, "load", lambda text, **more: calls.append(("open_clip", text, more)))
    monkeypatch.setattr(open_clip_encoder, "load_folder", lambda path, **more: calls.append(("open_clip folder", str(path), more)))
    monkeypatch.setattr(huggingface_encoder, "load", lambda path, **more: calls.append(("folder", str(path), more)))
    monkeypatch.setattr(
        hub, "fetch", lambda name, revision: calls.append(("hub", name, revision)) or Path("models--o--n/snapshots") / COMMIT
    )
    return tmp_path, calls


def load(spec, **more):
    return audit.models.load(spec, device="cpu", dtype="float32", **more)


def test_a_file_holds_weights_and_a_folder_a_hugging_face_model(inside):
    folder, calls = inside
    for name in ("runs", "clip"):
        (folder / name).mkdir()
    (folder / "runs" / "ckpt.pt").write_bytes(b"")
    (folder / "clip" / "config.json").write_text("{}")
    load("runs/ckpt.pt")
    load("runs")
    load("clip")
    load(str(folder / "clip"))
    settings = {"device": "cpu", "dtype": "float32"}
    assert calls == [
        ("file", "runs/ckpt.pt", {"name": "runs/ckpt.pt", **settings, "model_args": None}),
        ("file", "runs/ckpt.pt", {"name": "runs", **settings, "model_args": None}),
        ("folder", "clip", {"name": "clip", **settings}),
        ("folder", str(folder / "clip"), {"name": f"{folder.name}/clip", **settings}),
    ]


@pytest.mark.parametrize(
    ("spec", "name", "revision"),
    [
        ("hf:openai/clip-vit-base-patch32", "openai/clip-vit-base-patch32", None),
        ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch32", None),
        ("hf:org/name@v1.0", "org/name", "v1.0"), (f"org/name@{COMMIT}", "org/name", COMMIT),
        ("hf:org/name@refs/pr/3", "org/name", "refs/pr/3"),
    ],
)  # fmt: skip
def test_a_name_of_the_hub_is_fetched_and_loaded_from_its_folder(inside, spec, name, revision):
    _, calls = inside
    load(spec)
    assert calls[0] == ("hub", name, revision)
    kind, folder, more = calls[1]
    assert (kind, folder) == ("folder", f"models--o--n/snapshots/{COMMIT}")
    assert (more["name"], more["revision"], str(more["inside"])) == (name, COMMIT, "models--o--n")


def test_a_folder_of_that_name_comes_before_the_hub(inside):
    folder, calls = inside
    (folder / "openai" / "clip").mkdir(parents=True)
    load("openai/clip")
    assert [call[0] for call in calls] == ["folder"]
    load("hf:openai/clip")
    assert [call[0] for call in calls] == ["folder", "hub", "folder"]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "clip",
        "hf:",
        "hf:clip",
        "hf:a/b/c",
        "hf:../etc/passwd",
        "org/na me",
        "hf:org/name@",
        "a/b@c d",
        "a\0b",
        "hf:" + "a" * 200 + "/b",
    ],
)
def test_a_malformed_spec_is_a_usage_error_that_names_the_forms(inside, spec):
    error = refused(spec, UsageError, "unknown model spec")
    assert error.exit_code == 2
    assert "hf:ORG/NAME[@REV]" in error.fix
    assert inside[1] == []


def test_an_open_clip_name_goes_to_open_clip_and_so_does_its_folder(inside):
    folder, calls = inside
    load("open_clip:ViT-B-32,runs/laion.pt", model_args={"mean": "0,0,0"})
    load("open_clip:ViT-B-32,laion2b_e16")
    (folder / "model").mkdir()
    (folder / "model" / "open_clip_config.json").write_text("{}")
    load("model")
    load("open_clip:model")
    files = [("open_clip", "ViT-B-32,runs/laion.pt"), ("open_clip", "ViT-B-32,laion2b_e16")]
    assert [call[:2] for call in calls] == [*files, ("open_clip folder", "model"), ("open_clip folder", "model")]
    assert [call[2]["name"] for call in calls] == ["ViT-B-32 runs/laion.pt", "ViT-B-32 laion2b_e16", "model", "model"]
    assert calls[0][2]["model_args"] == {"mean": "0,0,0"}
    (folder / "model" / "config.json").write_text("{}")
    load("model")
    assert calls[-1][0] == "folder"


@pytest.mark.parametrize("spec", ["model", "hf:org/name", "org/name"])
def test_nothing_is_stated_about_a_model_that_says_it_itself(inside, spec):
    (inside[0] / "model").mkdir()
    refused(spec, UsageError, "activation cannot be set", model_args={"activation": "gelu"})
    assert inside[1] == []


def test_other_schemes_are_told_what_there_is(inside):
    assert "unknown scheme https:" in refused("https://example.invalid/model.pt", UsageError).why
    assert "did you mean hf?" in refused("hff:org/name", UsageError, "hff").why


@pytest.mark.parametrize(
    "spec", ["runs/emoji/ckpt.pt", "runs/ckpt.pt", "ckpt.pt", "./clip", "/nowhere/clip", "runs/clip", "model.safetensors"]
)
def test_a_path_that_does_not_exist_names_what_is_beside_it(inside, spec):
    folder, calls = inside
    (folder / "runs" / "older").mkdir(parents=True)
    error = refused(spec, DataError, "no such file or folder")
    assert error.exit_code == 3
    assert len(error.why) < 200
    assert ("older/" if spec.startswith("runs/") else "runs/" if not spec.startswith("/") else "the folder / holds") in error.why
    assert calls == []


def test_of_a_full_folder_a_few_names_are_shown_and_an_empty_one_is_called_so(inside):
    folder, _ = inside
    (folder / "full").mkdir()
    (folder / "empty").mkdir()
    for number in range(40):
        (folder / "full" / f"step-{number:02}").mkdir()
    assert "step-07/ and 32 more" in refused("full/zzz.pt", DataError).why
    assert "holds step-" in refused("full/step-7", DataError).why
    assert "the folder empty/ is empty" in refused("empty/ckpt.pt", DataError).why
    assert refused("what is this", UsageError).why == "nothing here has that name"
    assert "did you mean emp" in refused("emti?", UsageError).why
    (folder / "emoji-model").mkdir()
    assert "did you mean emoji-model?" in refused("emoji-modle", UsageError).why


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/runs/emoji/ckpt.pt", "emoji/ckpt.pt"), ("emoji/ckpt.pt", "emoji/ckpt.pt"), ("ckpt.pt", "ckpt.pt"),
        ("../ckpt.pt", "ckpt.pt"), ("/home/alice/ckpt.pt", "ckpt.pt"), ("/home/alice/runs/ckpt.pt", "runs/ckpt.pt"),
    ],
)  # fmt: skip
def test_a_model_is_called_by_its_last_two_names_and_never_by_the_users(monkeypatch, path, name):
    monkeypatch.setenv("HOME", "/home/alice")
    assert audit.models.spec.shown_name(Path(path)) == name


def test_importing_the_encoders_imports_no_torch():
    code = "import sys, audit.models.spec; sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'huggingface_hub')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


# The hub.


class Hub(BaseHTTPRequestHandler):
    """Serves one public model, and notes what was asked and with which token."""

    def log_message(self, *_):
        pass

    def answer(self):
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        api, path = "/api/models/org/model", self.path.split("?")[0]
        files = self.server.files
        if path in (api, f"{api}/revision/main", f"{api}/revision/{COMMIT}"):
            self.send(json.dumps({"id": "org/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}).encode())
        elif path.startswith(f"{api}/tree/"):
            tree = [{"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in files.items()]
            self.send(json.dumps(tree).encode())
        elif path.startswith("/org/model/resolve/") and (name := path.removeprefix(f"/org/model/resolve/{COMMIT}/")) in files:
            self.send(files[name], {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})
        else:
            self.send(b"{}", status=404, headers={"X-Error-Code": "RepoNotFound"})

    do_GET = do_HEAD = answer  # noqa: N815

    def send(self, body, headers=None, status=200):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


def use(monkeypatch, endpoint, cache, offline=False):
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    close_session()
    for name in OFFLINE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in {"ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": offline, "HF_HUB_DISABLE_XET": True}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server(tmp_path, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.asked, server.files = [], dict(FILES)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    use(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "hub")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_only_safetensors_json_and_vocabularies_are_downloaded_and_no_token_is_sent(server):
    folder = hub.fetch("org/model", None)
    assert folder.name == COMMIT
    names = ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"]
    assert sorted(path.name for path in folder.rglob("*")) == names
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert {token for _, token in server.asked} == {None}


def test_a_downloaded_model_is_used_when_the_hub_is_gone(server, monkeypatch, tmp_path, caplog):
    folder = hub.fetch("org/model", None)
    server.asked.clear()
    assert hub.fetch("org/model", COMMIT) == folder
    assert server.asked == []  # a commit never changes: nothing to ask
    use(monkeypatch, "http://127.0.0.1:9", tmp_path / "hub", offline=True)
    assert hub.fetch("org/model", None) == folder
    assert "downloaded before" in caplog.text
    # The links of the hub's cache may lead to its files.
    check_folder(folder, folder.parents[1])
    if (folder / "config.json").is_symlink():
        with pytest.raises(UnsafeError, match="leaves"):
            check_folder(folder, folder)


def test_a_model_without_safetensors_is_not_downloaded_and_one_that_the_hub_does_not_have_is_bad_data(server):
    del server.files["model.safetensors"]
    with pytest.raises(DataError, match="no safetensors"):
        hub.fetch("org/model", None)
    assert not any("resolve" in path for path, _ in server.asked)
    folder = hub.fetch("org/model", None, ("tokenizer.json",), weights=False)
    assert [path.name for path in folder.iterdir()] == ["tokenizer.json"]  # only the files that were asked for
    with pytest.raises(DataError, match="no public model org/modle") as caught:
        hub.fetch("org/modle", None)
    assert "hf download org/modle --local-dir DIR" in caught.value.fix


def unreachable_error(name="org/model"):
    started = time.monotonic()
    with pytest.raises(MachineError, match=f"{name} is not on this machine") as caught:
        audit.models.load(f"hf:{name}")
    assert time.monotonic() - started < 20  # well below the library's own retries, and no matter how busy the machine
    assert caught.value.exit_code == 5
    assert f"hf download {name} --local-dir DIR" in caught.value.fix
    return caught.value


@pytest.mark.parametrize("offline", [True, False])
def test_a_hub_that_is_switched_off_or_refuses_is_said_at_once(tmp_path, monkeypatch, offline):
    use(monkeypatch, "http://127.0.0.1:9", tmp_path / "hub", offline=offline)
    unreachable_error()


def hang(*_, **__):
    time.sleep(1)
    raise OSError("no answer")


@pytest.mark.parametrize("part", ["hub", "name server"])
def test_a_part_that_never_answers_is_given_up_within_seconds(tmp_path, monkeypatch, part):
    monkeypatch.setattr(hub, "hub_fault", partial(hub_fault, timeout_s=0.3))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "hub")
        if part == "name server":
            monkeypatch.setattr(socket, "getaddrinfo", hang)
        assert "did not answer within 0.3 s" in unreachable_error().why


def test_the_hub_has_at_most_five_seconds():
    assert max(TIMEOUT_S, hub.TIMEOUT_S) < 5
