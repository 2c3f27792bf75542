"""ONNX files that are refused by what they say; nothing here is run."""

import itertools
import time

import numpy as np
import pytest

from strictio.errors import DataError, UnsafeError
from strictio.weights.onnx_file import check_onnx

onnx = pytest.importorskip("onnx")
make_node = pytest.importorskip("onnx.helper").make_node
X = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 4, 4])
Y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 48])
MANY = 2**38
"""A terabyte in float32."""


def constant(name, values, dtype=np.int64):
    return onnx.numpy_helper.from_array(np.asarray(values, dtype), name)


def inner(*nodes):
    return onnx.helper.make_graph(nodes, "inner", [], [])


def model(*nodes, weights=()):
    """A classifier that flattens its images, and `nodes`."""
    graph = onnx.helper.make_graph([make_node("Flatten", ["x"], ["y"]), *nodes], "g", [X], [Y], weights)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)


def saved(tmp_path, *nodes, weights=()):
    return write(tmp_path, model(*nodes, weights=weights).SerializeToString())


def write(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    return tmp_path / "m.onnx"


# ---- what is checked is what runs ------------------------------------------------------------------------------------------------------


def test_the_format_of_onnxruntime_is_refused_even_where_the_file_is_onnx_as_well(tmp_path):
    hostile = onnx.ModelProto(ir_version=8, producer_name="ORTM")
    content = hostile.SerializeToString() + model().SerializeToString()
    assert content[4:8] == b"ORTM"
    assert onnx.load_model_from_string(content).graph.node[0].op_type == "Flatten"
    with pytest.raises(UnsafeError, match="onnxruntime's own format") as error:
        check_onnx(write(tmp_path, content))
    assert ".onnx file" in error.value.fix


def test_only_the_checked_graph_is_kept_to_be_run(tmp_path):
    stranger = model()
    stranger.metadata_props.add(key="ort_config", value="{}")
    stranger.training_info.add().algorithm.node.append(make_node("Loop", ["n", ""], ["z"], body=inner()))
    stranger.producer_name = "stranger"
    kept = check_onnx(write(tmp_path, stranger.SerializeToString() + b"\xfa\x7f\x02hi")).checked  # and a field that onnx does not know
    assert b"hi" not in kept
    assert sorted(field.name for field, _ in onnx.load_model_from_string(kept).ListFields()) == ["graph", "ir_version", "opset_import"]


def test_settings_of_onnxruntime_and_repeated_keys_leave_the_description_of_external_data(tmp_path):
    (tmp_path / "m.data").write_bytes(bytes(16))
    outside = model(weights=[constant("w", [1, 2])])
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", "../x"), ("location", "m.data"), ("length", "16"), ("prepacked_1", "m.data;0;99;0")):
        tensor.external_data.add(key=key, value=value)
    (kept,) = onnx.load_model_from_string(check_onnx(write(tmp_path, outside.SerializeToString())).checked).graph.initializer
    assert {entry.key: entry.value for entry in kept.external_data} == {"location": "m.data", "length": "16"}
    assert len(kept.external_data) == 2


# ---- work without end ------------------------------------------------------------------------------------------------------------------


def test_functions_are_refused_at_once_and_named(tmp_path):
    """Each calls the next one twice: 2^40 operators in a few kilobytes."""
    imports, names = [onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("f", 1)], [f"f{number}" for number in range(40)]
    twice = [
        onnx.helper.make_function(
            "f", name, ["a"], ["b"], [make_node(of, ["a"], ["c"], domain="f"), make_node(of, ["c"], ["b"], domain="f")], imports
        )
        for name, of in itertools.pairwise(names)
    ]
    twice.append(onnx.helper.make_function("f", names[-1], ["a"], ["b"], [make_node("Identity", ["a"], ["b"])], imports))
    whole = model(make_node("f0", ["x"], ["z"], domain="f"))
    whole.functions.extend(twice)
    path, start = write(tmp_path, whole.SerializeToString()), time.process_time()
    assert path.stat().st_size < 6000
    with pytest.raises(UnsafeError, match="functions of its own") as error:
        check_onnx(path)
    assert time.process_time() - start < 0.5
    assert "f0, f1, f2 and 37 more" in error.value.why
    assert "inline_local_functions" in error.value.fix


def test_a_function_under_the_name_of_an_operator_is_refused(tmp_path):
    """The graph calls Flatten, and the file says what that is."""
    imports = [onnx.helper.make_opsetid("", 18)]
    whole = model()
    whole.functions.append(onnx.helper.make_function("", "Flatten", ["a"], ["b"], [make_node("Identity", ["a"], ["b"])], imports))
    with pytest.raises(UnsafeError, match="functions of its own"):
        check_onnx(write(tmp_path, whole.SerializeToString()))


@pytest.mark.parametrize("operator", ["Loop", "Scan", "SequenceMap", "OperatorOfTomorrow"])
@pytest.mark.parametrize("nested", [False, True])
def test_operators_that_repeat_a_graph_are_refused(tmp_path, operator, nested):
    node = make_node(operator, ["n", ""], ["z"], body=inner(make_node("Identity", ["x"], ["y"])))
    node = make_node("If", ["c"], ["z"], then_branch=inner(), else_branch=inner(node)) if nested else node
    with pytest.raises(UnsafeError, match=f"operator {operator}") as error:
        check_onnx(saved(tmp_path, node, weights=[constant("n", 2**62)]))
    assert "torch.onnx.export" in error.value.fix


def test_a_branch_is_read(tmp_path):
    branch = onnx.helper.make_graph([make_node("Relu", ["x"], ["r"])], "inner", [], [onnx.helper.make_empty_tensor_value_info("r")])
    node = make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    assert check_onnx(saved(tmp_path, node, weights=[constant("c", True, bool)])).last["y"] == "Flatten"


# ---- memory without end ----------------------------------------------------------------------------------------------------------------

ARRAYS = {
    "ConstantOfShape": ([], {}, [constant("a", [MANY])]),
    "Expand": (["x"], {}, [constant("a", [1, MANY, 3, 4, 4])]),
    "Tile": (["x"], {}, [constant("a", [MANY, 1, 1, 1])]),
    "Range": ([], {}, [constant("a", 0), constant("b", MANY), constant("c", 1)]),
    "Resize": (["x", "", ""], {}, [constant("a", [1, 3, MANY, 4])]),
    "Pad": (["x"], {}, [constant("a", [0, 0, MANY, 0, 0, 0, 0, 0])]),
    "RandomNormal": ([], {"shape": [MANY]}, []),
    "OneHot": ([], {}, [constant("a", [1]), constant("b", MANY), constant("c", [0, 1])]),
    "ConvTranspose": (["x"], {"strides": [MANY, 1]}, [constant("a", np.ones((3, 1, 1, 1)), np.float32)]),
}


@pytest.mark.parametrize("operator", ARRAYS)
@pytest.mark.parametrize("nested", [False, True])
def test_an_array_that_constants_make_too_large_is_refused(tmp_path, operator, nested):
    inputs, attributes, weights = ARRAYS[operator]
    node = make_node(operator, [*inputs, *(weight.name for weight in weights)], ["z"], **attributes)
    node = make_node("If", ["c"], ["q"], then_branch=inner(node), else_branch=inner()) if nested else node
    with pytest.raises(UnsafeError, match="array that is too large") as error:
        check_onnx(saved(tmp_path, node, weights=weights))
    assert f"operator {operator}" in error.value.why


def test_arrays_that_double_forty_times_are_refused_whatever_size_the_file_states(tmp_path):
    names = ["x", *(f"c{number}" for number in range(40))]
    whole = model(*(make_node("Concat", [a, a], [b], axis=0) for a, b in itertools.pairwise(names)))
    whole.graph.value_info.append(onnx.helper.make_tensor_value_info("c0", onnx.TensorProto.FLOAT, [1, 3, 4, 4]))
    with pytest.raises(UnsafeError, match="array that is too large"):
        check_onnx(write(tmp_path, whole.SerializeToString()))


def test_a_sparse_weight_of_a_terabyte_is_refused(tmp_path):
    whole = model()
    sparse = onnx.helper.make_sparse_tensor(constant("s", [1.0], np.float32), constant("i", [0]), [MANY])
    whole.graph.sparse_initializer.append(sparse)
    with pytest.raises(UnsafeError, match="array that is too large"):
        check_onnx(write(tmp_path, whole.SerializeToString()))


@pytest.mark.parametrize(
    ("sides", "says"),
    [
        ([-1], "'w' has a negative size"), ([-2, -4], "'w' has a negative size"), ([MANY], "'w' is larger than its file"),
        ([1] * 65, "'w' has too many dimensions"),
    ],
)  # fmt: skip
def test_the_stated_size_of_a_weight_is_checked(tmp_path, sides, says):
    weight = constant("w", [1.0], np.float32)
    weight.dims[:] = sides
    with pytest.raises(DataError, match=says):
        check_onnx(saved(tmp_path, weights=[weight]))


@pytest.mark.parametrize("parts", [1, 2**40])
def test_a_split_into_other_parts_than_it_has_is_refused(tmp_path, parts):
    """It takes all memory, or ends the process: in onnx and in onnxruntime."""
    with pytest.raises(DataError, match="inconsistent") as error:
        check_onnx(saved(tmp_path, make_node("Split", ["x"], ["z", "q"], axis=1, num_outputs=parts)))
    assert "2 outputs" in error.value.why


def test_weights_that_are_large_in_earnest_are_counted(tmp_path):
    weights = [
        constant("w", np.zeros((600, 600)), np.float32),
        constant("none", []),
        onnx.helper.make_tensor("p", onnx.TensorProto.INT4, [8], b"\0" * 4, raw=True),
    ]
    assert check_onnx(saved(tmp_path, weights=weights)).parameters == 360_008
