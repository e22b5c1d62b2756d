"""Exported files, opened by the libraries that will run them: levels in, rows out.

`open_file(path)` gives an object with
- `facts`: what the file says of itself, as `models.snapshot.facts_of`;
- `detect(levels [B, H, W, C])` -> boxes [B, D, 4], scores [B, D], labels [B, D]; levels are red
  first where there are three channels. Of a file that leaves suppression to others, all boxes
  [B, N, 4] and scores [B, N, K].
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

from keras_retinanet.export.libraries import library
from keras_retinanet.export.litert_file import IDENTIFIER, metadata_of
from keras_retinanet.export.openvino_file import FACTS_OF_IR
from keras_retinanet.export.saved_model_file import SavedModelFile
from keras_retinanet.models.snapshot import MEMBER
from keras_retinanet.utils.saved_models import is_saved_model

DETECTIONS = "detections"
NAMES = {DETECTIONS: ("boxes", "scores", "labels"), "all-boxes": ("boxes", "scores")}


def _facts(text, path, outputs):
    """Return the facts of a file's metadata.

    Raises:
        ValueError: it has none: another program wrote it; or it gives something else.
    """
    if text is None:
        raise ValueError(
            f"{path}: has no profile of keras_retinanet in its metadata; "
            "name a file that retinanet-convert-model wrote"
        )
    facts = json.loads(text)
    if facts.get("outputs", DETECTIONS) != outputs:
        raise ValueError(
            f"{path}: gives {facts['outputs']}, not {outputs}; convert the snapshot "
            "again without --no-nms and --trt"
        )
    return facts


class OnnxFile:
    """An ONNX file in ONNX Runtime, on the CPU.

    Raises:
        ValueError: it is no ONNX file, or none of ours, or ONNX Runtime is not installed.
    """

    def __init__(self, path, outputs=DETECTIONS):
        runtime = library("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors; it warns of every initializer that it folds
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its own classes, which derive from nothing in common
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: ONNX Runtime cannot open it: {reason}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.facts = _facts(metadata.get(MEMBER), path, outputs)
        self._names = NAMES[outputs]
        self.version = f"onnxruntime {runtime.__version__}"

    def detect(self, levels):
        """Return boxes, scores and labels of a batch."""
        (given,) = self._session.get_inputs()
        return self._session.run(list(self._names), {given.name: levels})


class OpenVinoFile:
    """OpenVINO's two files in OpenVINO, on the CPU, in float32 unless `bfloat16`.

    Raises:
        ValueError: they cannot be read, are none of ours, or OpenVINO is not installed.
    """

    def __init__(self, path, outputs=DETECTIONS, bfloat16=False):
        openvino = library("openvino", "openvino")
        try:
            model = openvino.Core().read_model(str(path))
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ValueError(f"{path}: OpenVINO cannot open it: {reason}") from error
        has = model.has_rt_info(FACTS_OF_IR)
        text = model.get_rt_info(FACTS_OF_IR).astype(str) if has else None
        self.facts = _facts(text, path, outputs)
        self._names = NAMES[outputs]
        # without the hint it computes in bfloat16 where the processor can
        options = {"INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32"}
        self._compiled = openvino.Core().compile_model(model, "CPU", options)
        self.version = f"openvino {openvino.__version__.split('-')[0]}"

    def detect(self, levels):
        """Return boxes, scores and labels of a batch."""
        found = self._compiled([levels])
        return [found[name] for name in self._names]


class LiteRtFile:
    """A LiteRT file in LiteRT, on all processors.

    Raises:
        ValueError: it is no LiteRT file, or none of ours, or LiteRT is not installed.
    """

    def __init__(self, path, outputs=DETECTIONS):
        interpreter = library("ai_edge_litert.interpreter", "litert").Interpreter
        content = Path(path).read_bytes()
        try:
            if content[4:8] != IDENTIFIER:
                raise ValueError("it is no model of LiteRT")
            opened = interpreter(model_content=content, num_threads=os.cpu_count())
            opened.allocate_tensors()
            text = metadata_of(content)
        except Exception as error:  # its own, and those of a damaged file's structure
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ValueError(f"{path}: LiteRT cannot open it: {reason}") from error
        self.facts = _facts(text, path, outputs)
        self._names = NAMES[outputs]
        self._run = opened.get_signature_runner()
        self.version = f"ai-edge-litert {version('ai-edge-litert')}"

    def detect(self, levels):
        """Return boxes, scores and labels of a batch of the file's size."""
        found = self._run(images=levels)
        return [found[name] for name in self._names]


FILES = {".onnx": OnnxFile, ".xml": OpenVinoFile, ".tflite": LiteRtFile}


def can_bfloat16(path):
    """Return whether a file's runtime computes in bfloat16 where it is told to."""
    return FILES.get(Path(path).suffix.lower()) is OpenVinoFile


def open_file(path, outputs=DETECTIONS, bfloat16=False):
    """Return an exported file, opened; see the top of this file.

    Args:
        path: of the file, or of a SavedModel, which gives detections.
        outputs: key of `NAMES`, what it must give.
        bfloat16: whether it computes in that, where `can_bfloat16`.

    Raises:
        ValueError: it cannot be opened, or gives something else.
    """
    if is_saved_model(path):
        return SavedModelFile(path)
    more = {"bfloat16": True} if bfloat16 else {}
    return FILES[Path(path).suffix.lower()](path, outputs, **more)
