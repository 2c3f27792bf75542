"""ONNX files: the scores of a plain session, and neither preprocessing nor labels are guessed."""

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from audit.errors import DataError, UnsafeError, UsageError
from audit.measure.zero_shot import probabilities_of_logits
from audit.models import load
from strictio.child.process import Child
from strictio.child.serve import read_shared
from strictio.weights import onnx_session
from strictio.weights.onnx_file import check_onnx
from tests.support.classifiers import SIDE, exported, folder, softmax
from tests.support.command import command
from tests.support.forked import Forked
from tests.support.model_folders import noise_and_colours, refused
from tests.support.notes import sentences

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
STATED = {"mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25", "interpolation": "bilinear", "resize_mode": "squash"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with its ONNX file, and the same file alone with a list of labels."""
    path = folder(tmp_path_factory.mktemp("onnx") / "vit", labels=("a", "b", "c"))
    alone = tmp_path_factory.mktemp("alone") / "model.onnx"
    exported(path)
    exported(path, alone)
    (alone.parent / "labels.txt").write_text("a\nb\nc\n")
    return path, alone


def probabilities(classifier, images):
    return probabilities_of_logits(classifier.encode_images(images).astype(float), classifier.record)


def stated(alone, **more):
    return {"labels": str(alone.parent / "labels.txt"), "scores": "softmax", **STATED, **more}


def test_beside_its_folder_it_gives_the_probabilities_of_the_folder(files):
    path, _ = files
    images = noise_and_colours((300, 64))
    by_folder, by_file = load(str(path)), load(f"onnx:{path / 'model.onnx'}")
    assert by_file.labels == by_folder.labels
    np.testing.assert_allclose(probabilities(by_file, images), probabilities(by_folder, images), atol=1e-5)


def test_with_stated_preprocessing_it_gives_the_scores_of_a_plain_session(files):
    _, alone = files
    images = noise_and_colours((300, 64))
    classifier = load(str(alone), model_args=stated(alone))
    assert classifier.labels == ("a", "b", "c")
    prepared = np.stack([np.asarray(image.resize((SIDE, SIDE), 2), np.float32) for image in images]) / 255
    prepared = ((prepared - 0.5) / 0.25).transpose(0, 3, 1, 2).astype(np.float32)
    (logits,) = onnxruntime.InferenceSession(str(alone)).run(None, {"pixel_values": prepared})
    np.testing.assert_allclose(probabilities(classifier, images), softmax(logits.astype(float)), atol=1e-5)
    said = " ".join(sentences(classifier.record.notes))
    assert "interpolation is bilinear" in said
    assert str(alone.parent) not in said, "a report names no folder"


@pytest.mark.parametrize("missing", ["labels", "scores", *STATED])
def test_what_is_not_stated_is_not_guessed(files, missing):
    _, alone = files
    given = {name: value for name, value in stated(alone).items() if name != missing}
    error = refused(alone, UsageError, f"not stated for this ONNX file: {missing}", model_args=given)
    assert "preprocessor_config.json" in error.fix


def test_a_graph_that_ends_in_a_softmax_states_its_scores_itself(files, tmp_path):
    path, _ = files
    model = onnx.load(path / "model.onnx")
    model.graph.node.append(onnx.helper.make_node("Softmax", ["logits"], ["shares"], axis=-1))
    model.graph.output[0].name = "shares"
    onnx.save(model, tmp_path / "shares.onnx")
    (tmp_path / "labels.txt").write_text("a\nb\nc\n")
    given = {**stated(tmp_path / "shares.onnx"), "labels": str(tmp_path / "labels.txt")}
    images, (ends, plain) = noise_and_colours((300, 64)), (dict(given), stated(files[1]))
    del ends["scores"]
    own = probabilities(load(f"onnx:{tmp_path / 'shares.onnx'}", model_args=ends), images)
    np.testing.assert_allclose(own, probabilities(load(f"onnx:{files[1]}", model_args=plain), images), atol=1e-5)
    refused(files[1], DataError, "not probabilities that sum to 1", model_args={**plain, "scores": "probabilities"})


def test_a_graph_for_one_image_at_a_time_is_run_one_at_a_time(files, tmp_path):
    _, alone = files
    model = onnx.load(alone)
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.shape.dim[0].ClearField("dim_param")
        tensor.type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, tmp_path / "one.onnx")
    images = noise_and_colours((300, 64))
    one, many = (load(f"onnx:{file}", model_args=stated(alone)) for file in (tmp_path / "one.onnx", alone))
    np.testing.assert_allclose(one.encode_images(images), many.encode_images(images), atol=1e-5)


def test_another_number_of_labels_is_refused(files, tmp_path):
    (tmp_path / "four.txt").write_text("a\nb\nc\nd\n")
    refused(files[1], DataError, "returns 3 scores per image, and 4 labels", model_args=stated(files[1], labels=str(tmp_path / "four.txt")))


def test_a_size_that_the_graph_does_not_take_is_refused(files):
    refused(files[1], DataError, "size does not fit", model_args=stated(files[1], size="64"))


def test_an_unknown_setting_and_a_half_precision_are_refused(files):
    refused(files[1], UsageError, "unknown setting", model_args={"activation": "gelu"})
    refused(files[1], UsageError, "--dtype", dtype="bfloat16")


def test_the_preprocessing_of_a_graph_of_any_size_is_stated_with_its_size(files, tmp_path):
    model = onnx.load(files[1])
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    onnx.save(model, tmp_path / "any.onnx")
    refused(f"onnx:{tmp_path / 'any.onnx'}", UsageError, "ONNX file: size", model_args=stated(files[1]))
    assert load(f"onnx:{tmp_path / 'any.onnx'}", model_args=stated(files[1], size=str(SIDE))).labels == ("a", "b", "c")


# ---- refused before anything is run ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("external", [False, True])
def test_onnxruntime_gets_the_checked_graph_alone_and_is_told_its_format(files, tmp_path, monkeypatch, external):
    layout = {"save_as_external_data": True, "location": "m.data", "size_threshold": 0} if external else {}
    onnx.save(onnx.load(files[1]), tmp_path / "m.onnx", **layout)
    model = onnx.load(tmp_path / "m.onnx", load_external_data=False)
    model.ClearField("producer_name")
    model.ClearField("producer_version")
    late = onnx.ModelProto(producer_name="ORTM").SerializeToString()  # the bytes 5 to 8, were its fields in their usual order
    assert onnx.load_model_from_string(model.SerializeToString() + late).SerializeToString()[4:8] == b"ORTM"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString() + late)
    given, ask = [], Child.ask

    def record(child, request, *rest):
        content = read_shared(child.file, request["length"]) if request["do"] == "load" else b""
        answer = ask(child, request, *rest)
        given.append((content, answer.get("format")))
        return answer

    monkeypatch.setattr(Child, "ask", record)
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *_, **__: pytest.fail("it ran in this process"))
    images = noise_and_colours((300, 64))
    scores = load(f"onnx:{tmp_path / 'm.onnx'}", model_args=stated(files[1])).encode_images(images)
    np.testing.assert_array_equal(scores, load(f"onnx:{files[1]}", model_args=stated(files[1])).encode_images(images))
    assert given[0] == (check_onnx(tmp_path / "m.onnx").checked, "ONNX")
    assert b"ORTM" not in given[0][0]


def multiplying(path, times):
    """A classifier of a few kilobytes that multiplies a matrix of 2,000 x 2,000 with itself, again and again."""
    helper, values = onnx.helper, np.array([2000, 2000], np.int64)
    nodes = [helper.make_node("ConstantOfShape", ["shape"], ["m0"]), helper.make_node("GlobalAveragePool", ["pixel_values"], ["pooled"])]
    nodes += [helper.make_node("ReduceMean", ["pixel_values"], ["mean"], keepdims=1), helper.make_node("Add", ["m0", "mean"], ["a0"])]
    nodes += [helper.make_node("MatMul", [f"a{at}", f"a{at}"], [f"a{at + 1}"]) for at in range(times)]
    nodes += [helper.make_node("ReduceMean", [f"a{times}"], ["last"], keepdims=1), helper.make_node("Mul", ["pooled", "last"], ["all"])]
    nodes += [helper.make_node("Flatten", ["all"], ["logits"])]
    inputs = [helper.make_tensor_value_info("pixel_values", onnx.TensorProto.FLOAT, ["n", 3, SIDE, SIDE])]
    outputs = [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", 3])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [onnx.numpy_helper.from_array(values, "shape")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def test_a_graph_that_computes_for_too_long_is_refused(files, tmp_path, monkeypatch):
    multiplying(tmp_path / "m.onnx", 2000)
    monkeypatch.setattr(onnx_session, "RUN_PER_IMAGE_S", 0.5)
    began = time.monotonic()
    refused(f"onnx:{tmp_path / 'm.onnx'}", UnsafeError, "the graph of the ONNX file does not end", model_args=stated(files[1]))
    assert time.monotonic() - began < 10


def test_a_graph_that_takes_too_much_memory_is_refused(files, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_session, "physical_memory", lambda: 2**24 // 3 * 4)
    multiplying(tmp_path / "m.onnx", 2)
    refused(f"onnx:{tmp_path / 'm.onnx'}", UnsafeError, "takes too much memory", model_args=stated(files[1]))


@pytest.mark.slow
def test_a_signal_ends_a_command_while_a_graph_computes(files, tmp_path):
    multiplying(tmp_path / "m.onnx", 2000)
    script = "import sys; from strictio.stop_requests import stopping; from audit.models import load; print('ready', flush=True)\n"
    script += f"with stopping(): load({f'onnx:{tmp_path}/m.onnx'!r}, model_args={stated(files[1])!r})"
    with Forked([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "ready\n"
        children = ["ps", "-ww", "-o", "args=", "--ppid", str(running.pid)]
        while "onnx_child" not in subprocess.run(children, capture_output=True, text=True, check=False).stdout:
            time.sleep(0.1)
        time.sleep(1)
        running.terminate()
        began = time.monotonic()
        assert "Stopped" in running.communicate(timeout=30)[1]
    assert time.monotonic() - began < 3


def test_the_format_of_onnxruntime_and_functions_end_the_command_with_4(files, tmp_path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "own.onnx")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(files[1], sess_options=options)
    whole = onnx.load(files[1])
    node = onnx.helper.make_node("Identity", ["a"], ["b"])
    whole.functions.append(onnx.helper.make_function("f", "mine", ["a"], ["b"], [node], [onnx.helper.make_opsetid("", 17)]))
    onnx.save(whole, tmp_path / "functions.onnx")
    for name, says in (("own", "onnxruntime's own format"), ("functions", "functions of its own")):
        done = command("--model", f"onnx:{tmp_path / name}.onnx", "--probe", "emoji", "--out", tmp_path / "out")
        assert (done.returncode, says in done.stderr) == (4, True)


def changed(files, tmp_path, change):
    model = onnx.load(files[1])
    change(model)
    onnx.save(model, tmp_path / "changed.onnx")
    return f"onnx:{tmp_path / 'changed.onnx'}"


def test_a_custom_operator_is_refused(files, tmp_path):
    def change(model):
        model.opset_import.append(onnx.helper.make_opsetid("com.mine", 1))
        model.graph.node[0].domain = "com.mine"

    refused(changed(files, tmp_path, change), UnsafeError, "custom operator: com.mine", model_args=stated(files[1]))


def test_external_data_outside_the_folder_is_refused(files, tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "weights").write_bytes(bytes(10**6))

    def change(model, location):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.append(onnx.StringStringEntryProto(key="location", value=location))

    for location in ("../weights", "/etc/hostname", "", "sub/weights", "..", "a\\b"):
        spec = changed(files, tmp_path / "inside", lambda model, location=location: change(model, location))
        refused(spec, UnsafeError, "external data outside the folder", model_args=stated(files[1]))
    (tmp_path / "inside" / "weights").symlink_to(tmp_path / "weights")
    spec = changed(files, tmp_path / "inside", lambda model: change(model, "weights"))
    refused(spec, UnsafeError, "leaves the folder", model_args=stated(files[1]))


def test_external_data_beside_the_file_are_read_and_part_of_its_hash(files, tmp_path):
    onnx.save(onnx.load(files[1]), tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    images = noise_and_colours((300, 64))
    inside, beside = (load(f"onnx:{file}", model_args=stated(files[1])) for file in (files[1], tmp_path / "m.onnx"))
    np.testing.assert_array_equal(beside.encode_images(images), inside.encode_images(images))
    content = bytearray((tmp_path / "m.data").read_bytes())
    content[100] ^= 1
    (tmp_path / "m.data").write_bytes(content)
    assert load(f"onnx:{tmp_path / 'm.onnx'}", model_args=stated(files[1])).record.sha256 != beside.record.sha256
    (tmp_path / "m.data").write_bytes(content[:100])
    refused(f"onnx:{tmp_path / 'm.onnx'}", DataError, "not inside m.data", model_args=stated(files[1]))


def test_a_loop_is_refused(files, tmp_path):
    def change(model):
        body = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "body", [], [])
        model.graph.node.append(onnx.helper.make_node("Loop", ["n", ""], ["z"], body=body))

    refused(changed(files, tmp_path, change), UnsafeError, "operator Loop", model_args=stated(files[1]))


def test_a_custom_operator_inside_a_branch_is_refused(files, tmp_path):
    def change(model):
        body = onnx.helper.make_graph([onnx.helper.make_node("Mine", ["x"], ["y"], domain="com.mine")], "body", [], [])
        model.graph.node.append(onnx.helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body))

    refused(changed(files, tmp_path, change), UnsafeError, "com.mine.Mine", model_args=stated(files[1]))


@pytest.mark.parametrize("content", [b"", b"not onnx" * 100, b"\x08\x07" + b"\xff" * 100])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    refused(f"onnx:{tmp_path / 'x.onnx'}", DataError)


def test_a_configuration_beside_it_that_asks_for_code_is_refused(files, tmp_path):
    copy = shutil.copytree(files[0], tmp_path / "copy")
    processor = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps({**processor, "auto_map": {"AutoImageProcessor": "x.P"}}))
    refused(f"onnx:{copy / 'model.onnx'}", UnsafeError, "asks for code")
