"""Packaging. Versions here are lower bounds; requirements.txt pins what is tested."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
COMMANDS = {
    "retinanet-train": "train",
    "retinanet-evaluate": "evaluate",
    "retinanet-convert-model": "convert_model",
    "retinanet-debug": "debug",
    "retinanet-predict": "predict",
}


def read_version():
    """Return the package's version without importing it."""
    text = (ROOT / "keras_retinanet" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)[1]


setup(
    name="keras-retinanet",
    version=read_version(),
    description="RetinaNet object detection on Keras 3",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license_expression="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["keras_retinanet", "keras_retinanet.*"]),
    install_requires=[
        "h5py>=3.11",
        "keras>=3.15",
        "msgspec>=0.19",
        "numpy>=2.0",
        "opencv-python-headless>=4.10",
        "pillow>=11",
        "pycocotools>=2.0.8",
        "pyyaml>=6.0.1",
        "safetensors>=0.4.3",
        "tensorflow>=2.21",
        "tifffile>=2024.8.10",
    ],
    extras_require={
        "anchors": ["scipy>=1.15"],
        "fiftyone": ["fiftyone>=1.0"],
        "int8": ["ai-edge-quantizer>=0.10", "nncf>=3.0"],
        "litert": ["ai-edge-litert>=2.0", "flatbuffers>=25.2"],
        "onnx": ["onnx>=1.17", "onnxruntime>=1.20", "tf2onnx>=1.17"],
        "openvino": ["onnx>=1.17", "openvino>=2025.0", "tf2onnx>=1.17"],
        "ray": ["ray[default,train]>=2.50"],
        "serve": [
            "prometheus-client>=0.21",
            "python-multipart>=0.0.20",
            "starlette>=0.46",
            "uvicorn>=0.34",
        ],
        "supervision": ["supervision>=0.25"],
        "tensorboard": ["tensorboard>=2.19"],
        "gpu": ["tensorflow[and-cuda]>=2.21"],
        "test": ["hypothesis", "pytest", "ruff", "scipy>=1.15", "setuptools>=77"],
    },
    entry_points={
        "console_scripts": [
            f"{command} = keras_retinanet.bin.{module}:console"
            for command, module in COMMANDS.items()
        ]
    },
)
