"""Files of other runtimes give what the detector gives, or are set aside."""

import json

import keras
import numpy as np
import pytest

from keras_retinanet import models
from keras_retinanet.models.snapshot import profile_of
from keras_retinanet.predict import Detector
from tests import sketch
from tests.models.tiny import tiny_network

pytest.importorskip("tf2onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="files are written by way of TensorFlow"
)
FORMS = {".onnx": "onnxruntime", ".xml": "openvino", ".tflite": "ai_edge_litert"}
LARGE_KERNELS = 20_000  # numbers in the larger kernels of `tiny_network`, at least
SHAPES = {".tflite": {"size": (99, 133), "batch": 2}}  # the others take any


def finding(network, scale=30):
    """Return `network` with last layers whose scores and boxes are all different."""
    rng = np.random.default_rng(0)
    for name, spread in (("classification", scale), ("regression", scale / 10)):
        layer = network.get_layer(f"{name}_submodel").get_layer(f"pyramid_{name}")
        layer.kernel.assign(rng.normal(0, spread, layer.kernel.shape))
    return network


@pytest.fixture(scope="module")
def detector():
    """Return a detector that finds something in noise."""
    return models.convert_model(finding(tiny_network()), score_threshold=0.1, max_detections=30)


@pytest.fixture(scope="module", params=FORMS, ids=FORMS.values())
def exported(request, detector, tmp_path_factory):
    """Return a file of the detector, and its report."""
    from keras_retinanet.export.proven import export

    pytest.importorskip(FORMS[request.param], reason="the extra is not installed")
    path = tmp_path_factory.mktemp("exported") / f"o{request.param}"
    return path, export(detector, path, **SHAPES.get(request.param, {}))


def test_a_file_is_proven_at_two_sizes_and_two_batch_sizes(exported):
    path, report = exported
    assert report["passed"] and report["rows"] > 30, report["line"]
    is_fixed = path.suffix in SHAPES
    assert len({tuple(case["size"]) for case in report["cases"]}) == (1 if is_fixed else 2)
    assert {case["batch"] for case in report["cases"]} == ({2} if is_fixed else {1, 2})
    written = json.loads((path.parent / "o.report.json").read_text())
    assert written["rows"] == report["rows"] and written["runtime"].startswith(
        FORMS[path.suffix].replace("_", "-")
    )
    left = {"o.report.json", path.name} | ({"o.bin"} if path.suffix == ".xml" else set())
    assert {file.name for file in path.parent.iterdir()} == left


def test_the_detector_class_opens_it(exported, detector):
    path, _ = exported
    picture = np.random.default_rng(5).integers(0, 256, (99, 133, 3), np.uint8)
    options = {"threshold": 0.1, "resize": False}
    mine = Detector(detector, **options).predict(picture)[0]
    found = Detector(path, **options)
    assert found.profile.anchors == profile_of(detector).anchors
    other = found.predict(picture)[0]
    assert len(mine.scores) > 3
    np.testing.assert_allclose(other.boxes, mine.boxes, atol=0.01)
    np.testing.assert_allclose(other.scores, mine.scores, atol=1e-4)
    np.testing.assert_array_equal(other.labels, mine.labels)


def test_openvino_computes_in_bfloat16_where_it_is_told_to(exported):
    path, _ = exported
    if path.suffix != ".xml":
        with pytest.raises(ValueError, match=f"{path.name}: cannot take bfloat16; use the snap"):
            Detector(path, bfloat16=True)
        return
    picture = np.random.default_rng(5).integers(0, 256, (99, 133, 3), np.uint8)
    exact, low = (Detector(path, threshold=0.1, resize=False, bfloat16=one) for one in (0, 1))
    assert (exact.precision, low.precision) == ("float32", "bfloat16")
    scores = [one.predict(picture)[0].scores[:5] for one in (exact, low)]
    np.testing.assert_allclose(*scores, atol=0.1)


@pytest.mark.parametrize(
    "option", [{"nms_threshold": 0.3}, {"agnostic": True}, {"soft_nms": "linear"}]
)
def test_what_a_file_cannot_do_is_refused(exported, option):
    path, _ = exported
    with pytest.raises(ValueError, match=f"{path.name}: cannot take .*; use the snapshot"):
        Detector(path, **option)


def test_folders_of_the_user_stay_as_they_are(detector, tmp_path, monkeypatch):
    """One in the place of a SavedModel, and one in the place of a rejected one."""
    from keras_retinanet.export import gate
    from keras_retinanet.export.proven import FOLDER, export

    kept = [tmp_path / name / "diary.txt" for name in ("saved", "other.rejected")]
    for path in kept:
        path.parent.mkdir()
        path.write_text("mine")
    with pytest.raises(ValueError, match="is a folder with files in it"):
        export(detector, tmp_path / "saved", kind=FOLDER)
    monkeypatch.setattr(gate, "BOX_TOLERANCE", -1.0)
    with pytest.raises(OSError, match=r"other\.rejected"):
        export(detector, tmp_path / "other", kind=FOLDER)
    assert [path.read_text() for path in kept] == ["mine", "mine"]
    assert not (tmp_path / "other").exists()


def test_pictures_given_as_files_are_compared_too(detector, tmp_path, monkeypatch):
    from keras_retinanet.export.proven import FOLDER, Rejected, export
    from keras_retinanet.models import exporting

    report = export(detector, tmp_path / "saved", kind=FOLDER)
    assert report["passed"] and len(report["cases"]) == 4 + 2  # two sizes, alone and in pairs
    rows = sum(case["rows"] for case in report["cases"][4:])
    assert rows > 5 and f"; {rows} of them in pictures given as files" in report["line"]
    right = exporting._of_bytes

    def shifted(serve, profile):
        of_bytes = right(serve, profile)
        return lambda files: {
            key: value + 0.2 if key == "boxes" else value for key, value in of_bytes(files).items()
        }

    monkeypatch.setattr(exporting, "_of_bytes", shifted)
    with pytest.raises(Rejected, match=r"; \d+ have no like; \d+ of them in pictures"):
        export(detector, tmp_path / "other", kind=FOLDER)


def test_another_programs_file_is_refused(tmp_path):
    (tmp_path / "o.onnx").write_bytes(b"no protobuf")
    with pytest.raises(ValueError, match=r"o\.onnx: ONNX Runtime cannot open it"):
        Detector(tmp_path / "o.onnx")


def test_a_file_that_does_something_else_is_set_aside(detector, tmp_path, monkeypatch):
    from keras_retinanet.export import onnx_tail, proven

    right = onnx_tail.thresholds

    def wrong(tail, score_threshold=None):
        return right(tail, score_threshold) | {"iou_threshold": [0.01]}

    monkeypatch.setattr(onnx_tail, "thresholds", wrong)
    with pytest.raises(proven.Rejected, match=r"have no like.*kept as o\.onnx\.rejected"):
        proven.export(detector, tmp_path / "o.onnx")
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"o.onnx.rejected", "o.report.json"}
    assert not json.loads((tmp_path / "o.report.json").read_text())["passed"]


@pytest.mark.parametrize("form", [".onnx", ".tflite"])
def test_a_network_that_finds_nothing_is_proven_at_a_lower_threshold(form, tmp_path):
    from keras_retinanet.export.proven import export

    pytest.importorskip(FORMS[form], reason="the extra is not installed")
    with sketch.known():
        network = models.backbone(sketch.NAME).retinanet(
            3, pyramid_features=8, head_features=8, head_layers=1
        )
    detector = models.convert_model(finding(network, 0.5), score_threshold=0.9999)
    report = export(detector, tmp_path / f"o{form}", size=(96, 128), batch=2)
    assert report["passed"] and 0 < report["score_threshold"] < 0.99
    assert [case["size"] for case in report["cases"]] == [(96, 128)] * 2


@pytest.mark.parametrize("form", FORMS, ids=FORMS.values())
def test_all_boxes_become_the_detections_that_they_stand_for(form, detector, tmp_path):
    """Of a detector with numbers of its own, which the file leaves to others."""
    from keras_retinanet.export.proven import export

    pytest.importorskip(FORMS[form], reason="the extra is not installed")
    path = tmp_path / f"all{form}"
    given = {"outputs": "all-boxes", **SHAPES.get(form, {})}
    report = export(detector, path, **given)
    assert report["passed"] and report["rows"] > 30
    assert report["line"].endswith("; all boxes and scores, suppressed as the detector does")
    with pytest.raises(ValueError, match="gives all-boxes, not detections"):
        Detector(path)
    if form != ".onnx":
        return
    strict = models.convert_model(
        finding(tiny_network(), 0.5), score_threshold=0.9999, max_detections=7, nms=False
    )
    report = export(strict, path, **given)
    assert report["passed"] and {case["rows"] for case in report["cases"]} <= {7, 14}


def test_boxes_that_are_suppressed_otherwise_are_set_aside(detector, tmp_path, monkeypatch):
    """The operator's numbers are part of the proof."""
    from keras_retinanet.export import onnx_file
    from keras_retinanet.export.proven import Rejected, export

    right = onnx_file.trt_model

    def wrong(tail):
        model = right(tail)
        iou = next(one for one in model.graph.node[-1].attribute if one.name == "iou_threshold")
        iou.f = 0.01
        return model

    monkeypatch.setitem(onnx_file.TAILS, "trt", wrong)
    with pytest.raises(Rejected, match=r"have no like.*kept as trt\.onnx\.rejected"):
        export(detector, tmp_path / "trt.onnx", outputs="trt")


def test_what_tensorrts_operator_is_given_becomes_the_detections(detector, tmp_path):
    import onnx

    from keras_retinanet.export.proven import export

    report = export(detector, tmp_path / "trt.onnx", outputs="trt")
    graph = onnx.load(tmp_path / "trt.onnx").graph
    last = graph.node[-1]
    assert last.op_type == "EfficientNMS_TRT" and len(graph.output) == 4
    values = {one.name: onnx.helper.get_attribute_value(one) for one in last.attribute}
    assert (values["max_output_boxes"], values["score_activation"]) == (30, 1)
    assert values["score_threshold"] == pytest.approx(0.1)
    assert report["passed"] and report["rows"] > 30 and "in TensorRT alone" in report["line"]
    assert {one.name for one in tmp_path.iterdir()} == {"trt.onnx", "trt.report.json"}


def test_half_precision_halves_the_weights_where_accuracy_says_so(exported, detector, tmp_path):
    """Rows are compared, too, but do not count; what is judged is the file itself."""
    from keras_retinanet.export.precision import Precision
    from keras_retinanet.export.proven import Rejected, export

    whole, _ = exported
    form, seen = whole.suffix, []

    def judge(path):
        picture = np.random.default_rng(5).integers(0, 256, (99, 133, 3), np.uint8)
        seen.append(len(Detector(path, threshold=0.1, resize=False).predict(picture)[0]))
        return {"passed": form != ".onnx", "line": "AP 0.5 of the detector, 0.4 of the file"}

    half = tmp_path / f"h{form}"
    options = {"precision": Precision("half"), "judge": judge} | SHAPES.get(form, {})
    if form == ".onnx":
        with pytest.raises(Rejected, match="0.4 of the file. It is kept as"):
            export(detector, half, **options)
        assert not half.exists()
        half = half.with_name("h.onnx.rejected")
    else:
        report = export(detector, half, **options)
        assert report["passed"] and report["precision"] == "half"
        assert report["line"].endswith("AP 0.5 of the detector, 0.4 of the file")
    assert seen[0] > 3
    weights = [path.with_suffix(".bin") if form == ".xml" else path for path in (whole, half)]
    saved = [path.stat().st_size for path in weights]
    assert saved[0] - saved[1] > 1.5 * LARGE_KERNELS


def test_half_weights_are_the_nearest_and_all_else_stays(detector):
    from onnx import numpy_helper

    from keras_retinanet.export.onnx_file import onnx_model
    from keras_retinanet.export.small_weights import with_small_weights

    whole = onnx_model(detector)
    half = with_small_weights(whole, "half")
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (whole, half)
    )
    changed = [name for name in after if name.endswith("/half")]
    assert len(changed) >= 10
    for name in changed:
        np.testing.assert_array_equal(after[name], before[name[:-5]].astype(np.float16))
    left = before.keys() - {name[:-5] for name in changed}
    assert all(np.array_equal(after[name], before[name]) for name in left)


@pytest.mark.parametrize("size", [(99, 133), (64, 96), (1, 95)])
def test_a_network_that_pads_by_itself_is_padded_as_before(size):
    """Of sides that are no multiple, and of such that are."""
    from keras_retinanet.export.dense import dense_function
    from keras_retinanet.export.onnx_file import onnx_model
    from keras_retinanet.layers.padding import PadToMultiple

    session = pytest.importorskip("onnxruntime").InferenceSession
    padded = models.convert_model(finding(tiny_network(first=PadToMultiple(32))))
    model = onnx_model(padded, outputs="all-boxes").SerializeToString()
    levels = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
    boxes, logits = (np.asarray(value) for value in dense_function(padded)(levels))
    found = session(model).run(["boxes", "scores"], {"images": levels})
    np.testing.assert_allclose(found[0], boxes, atol=1e-3)
    np.testing.assert_allclose(found[1], 1 / (1 + np.exp(-logits)), atol=1e-4)
