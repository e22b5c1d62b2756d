"""Files in int8: which operators compute in it, what weights become, and that little is lost."""

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.export.between import between
from keras_retinanet.export.precision import INT8, Precision
from keras_retinanet.predict import Detector
from tests.export.test_proven import FORMS, finding
from tests.models.tiny import tiny_network

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
    ),
]
SIZE = (96, 128)


def test_operators_between_convolutions():
    """normalise → a → relu → b → decode, and b's neighbour c, which is last, too."""
    after = {
        "normalise": ["a"],
        "a": ["relu"],
        "relu": ["b", "c"],
        "b": ["decode"],
        "c": ["decode"],
        "decode": [],
        "shape": ["decode"],
    }
    before = {name: [one for one in after if name in after[one]] for name in after}
    inner, last = between("abc", before.get, after.get)
    assert inner == {"a", "relu"} and last == {"b", "c"}


def pictures(count=4):
    rng = np.random.default_rng(3)
    return tuple(rng.integers(0, 256, (*SIZE, 3), np.uint8) for _ in range(count))


@pytest.fixture(scope="module")
def detector():
    """Return a detector that finds something in noise."""
    return models.convert_model(finding(tiny_network()), score_threshold=0.1, max_detections=30)


def passes(path):
    return {"passed": True, "line": "AP 0.5 of the detector, 0.5 of the file"}


@pytest.fixture(scope="module", params=FORMS, ids=FORMS.values())
def written(request, detector, tmp_path_factory):
    """Return a file in int8 of the detector, and the same in float32."""
    from keras_retinanet.export.proven import export

    pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
    pytest.importorskip(FORMS[request.param], reason="the extra is not installed")
    library = {".xml": "nncf", ".tflite": "ai_edge_quantizer"}.get(request.param)
    if library:
        pytest.importorskip(library, reason="the extra int8 is not installed")
    folder = tmp_path_factory.mktemp("int8")
    small, whole = folder / f"small{request.param}", folder / f"whole{request.param}"
    size = SIZE if request.param == ".tflite" else None
    report = export(detector, small, size=size, judge=passes, precision=Precision(INT8, pictures()))
    assert report["precision"] == "int8" and report["passed"] and report["rows"] > 0
    assert report["line"] == "AP 0.5 of the detector, 0.5 of the file"
    export(detector, whole, size=size)
    return small, whole


def kernels_in_int8(path):
    """Return how many kernels of a file are int8, and how many are float32."""
    if path.suffix == ".onnx":
        onnx = pytest.importorskip("onnx")
        types = [(t.data_type, np.prod(t.dims)) for t in onnx.load(path).graph.initializer]
        int8, float32 = onnx.TensorProto.INT8, onnx.TensorProto.FLOAT
    elif path.suffix == ".xml":
        nodes = pytest.importorskip("openvino").Core().read_model(path).get_ops()
        constants = [node.output(0) for node in nodes if node.get_type_name() == "Constant"]
        types = [
            (one.get_element_type().get_type_name(), np.prod(tuple(one.get_shape())))
            for one in constants
        ]
        int8, float32 = "i8", "f32"
    else:
        schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
        graph = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0).subgraphs[0]
        constant = [t for t in graph.tensors if len(t.shape) == 4 and "conv" in t.name.decode()]
        types = [(t.type, np.prod(t.shape)) for t in constant if t.buffer]
        int8, float32 = schema.TensorType.INT8, schema.TensorType.FLOAT32
    large = [kind for kind, size in types if size >= 1024]
    return large.count(int8), large.count(float32)


def test_kernels_are_whole_numbers(written):
    small, whole = written
    assert kernels_in_int8(small)[0] >= 7 and not kernels_in_int8(whole)[0]
    ending = ".bin" if small.suffix == ".xml" else small.suffix
    sizes = [path.with_suffix(ending).stat().st_size for path in (small, whole)]
    assert sizes[1] - sizes[0] > 20_000


def test_detections_are_like_those_in_float32(written):
    """Of scores far enough apart: the best of each picture is the same, at nearly its place."""
    small, whole = (Detector(path, threshold=0.1, resize=False) for path in written)
    found, truth = ([one.predict(picture)[0] for picture in pictures()] for one in (small, whole))
    near = []
    for mine, other in zip(found, truth, strict=True):
        assert len(mine) > 3
        gaps = np.abs(mine.boxes[None] - other.boxes[:, None]).max(axis=2)
        same = mine.labels[None] == other.labels[:, None]
        near.append(np.where(same, gaps, np.inf).min(axis=1))
    assert np.median(np.concatenate(near)) < 2  # pixels


def test_only_last_convolutions_of_a_litert_file_are_float32(written):
    path, _ = written
    if path.suffix != ".tflite":
        pytest.skip("of LiteRT's files")
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph, codes = model.subgraphs[0], [code.builtinCode for code in model.operatorCodes]
    made = [op for op in graph.operators if codes[op.opcodeIndex] == schema.BuiltinOperator.CONV_2D]
    types = [graph.tensors[op.outputs[0]].type for op in made]
    levels, heads = 3, 2
    assert types.count(schema.TensorType.FLOAT32) == levels * heads
    assert types.count(schema.TensorType.INT8) == len(types) - levels * heads > 10


def test_weights_are_the_nearest_of_255_for_each_channel():
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    from keras_retinanet.export.small_weights import with_small_weights

    rng = np.random.default_rng(0)
    kernel = (
        rng.normal(size=(8, 16, 3, 3)).astype(np.float32)
        * np.arange(8, dtype=np.float32)[:, None, None, None]
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Conv", ["x", "w"], ["y"])],
        "one",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 16, 9, 9])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 8, 7, 7])],
        [onnx.numpy_helper.from_array(kernel, "w")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    small = with_small_weights(model, INT8)
    onnx.checker.check_model(small, full_check=True)
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    levels, scales = found["w/int8"], found["w/scale"]
    assert levels.dtype == np.int8 and set(found) == {"w/int8", "w/scale"}
    assert (np.abs(levels[1:]).max(axis=(1, 2, 3)) == 127).all() and not levels[0].any()
    gaps = np.abs(levels * scales - kernel).max(axis=(1, 2, 3))
    assert (gaps <= scales.reshape(-1) * 0.5001).all()
    picture = rng.normal(size=(1, 16, 9, 9)).astype(np.float32)
    session = pytest.importorskip("onnxruntime").InferenceSession
    again = [
        session(one.SerializeToString()).run(None, {"x": picture})[0] for one in (model, small)
    ]
    np.testing.assert_allclose(again[1], again[0], atol=0.03 * np.abs(again[0]).max())
