"""Who may import whom, what may be imported by name, and what an import may cost."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import keras_retinanet

PACKAGE = Path(keras_retinanet.__file__).parent
FILES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    .removesuffix("__init__")
    .rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# A module may import what has a lower rank, and its own folder's modules of its own rank.
RANKS = {
    "": 0,  # the version
    "initializers": 0,
    "losses": 2,
    "utils.boxes": 0,
    "utils.transform": 0,
    "utils.colors": 0,
    "utils.gpu": 0,
    "utils.model": 0,
    "utils": 1,
    "utils.config": 2,
    "layers": 2,
    "models": 3,
    "preprocessing": 3,
    "report": 3,
    "weights": 4,
    "export": 4,
    "evaluation": 4,
    "doctor": 4,
    "predict": 5,
    "callbacks": 5,
    "serve": 6,
    "bin": 7,
}
# Modules that only keep an old name, and the one loader that meets foreign files.
OLD_NAMES = {"utils.eval", "utils.coco_eval", "backend", "backend.backend", "layers._misc"}
EXCEPTIONS = {
    ("models.loading", "weights.fizyr"),
    ("models.loading", "weights.keras_hub_presets"),
    ("models.loading", "weights.readers"),
    ("models.backbone_files", "weights.torch_backbones"),
    ("models.loading", "weights.tensor_files"),
}

# Who may name what; "…/" stands for a whole folder.
BY_NAME = {
    "cv2": {
        "utils.curves",
        "utils.image",
        "utils.image_channels",
        "utils.image_files",
        "utils.resizing",
        "utils.visual_effects",
        "utils.visualization",
        "utils.warp",
        "predict.drawing",  # the files of annotated pictures
        "predict.video",
        "bin.debug_output",  # windows, and the pictures where there are none
    },
    "pycocotools": {"evaluation.coco"},
    "tensorflow": {
        "export.litert_file",
        "export.litert_tail",
        "export.saved_model_file",
        "export.onnx_file",
        "layers.suppression",
        "models.exporting",
        "predict.graph_cache",
        "predict.runner",
        "preprocessing.feed",
        "utils.determinism",
        "utils.devices",
        "utils.gpu",
        "utils.memory",
        "utils.replicas",
    },
    "onnx": {"export.onnx_tail"},
    "safetensors": {"weights.safetensors_files"},
    "yaml": {"preprocessing.yolo_files"},
    "tifffile": {"utils.image_channels", "utils.image_windows"},
    "starlette": {"serve.app", "serve.service", "serve.uploads"},
    "uvicorn": {"serve.server"},
    "prometheus_client": {"serve.metrics"},
    "torch": {"utils.determinism", "utils.memory"},
    "jax": {"predict.on_device", "utils.devices", "utils.memory", "utils.processes"},
}
HEAVY = (
    "numpy",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "cv2",
    "h5py",
    "PIL",
    "pycocotools",
    "safetensors",
    "yaml",
    "tifffile",
)


def rank(module):
    """Return the rank of the longest prefix of `module` that has one."""
    parts = module.split(".") if module else []
    for length in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:length])) in RANKS:
            return RANKS[prefix]
    return RANKS[""] if not parts else None


def folder(module):
    return module.split(".")[0]


def imports(path):
    """Yield the absolute name of every import in a file, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path):
    """Return the modules of the package that a file imports, without the package's name."""
    found = set()
    for name in imports(path):
        if name.split(".")[0] == "keras_retinanet":
            inner = name.removeprefix("keras_retinanet").lstrip(".")
            found.add(inner if inner in FILES else inner.rpartition(".")[0])
    return found


@pytest.mark.parametrize("module", FILES)
def test_modules_import_only_what_stands_below_them(module):
    if module in OLD_NAMES:
        return
    own = rank(module)
    assert own is not None, f"{module} has no rank: say in this test where it stands"
    wrong = [
        other
        for other in own_imports(FILES[module])
        if (module, other) not in EXCEPTIONS
        and not (rank(other) < own or (rank(other) == own and folder(other) == folder(module)))
    ]
    assert not wrong, f"{module} (rank {own}) imports {wrong}"


@pytest.mark.parametrize("module", FILES)
def test_old_names_are_for_users_only(module):
    if module not in OLD_NAMES:
        assert not own_imports(FILES[module]) & OLD_NAMES


@pytest.mark.parametrize(
    ("one", "other"), [("models", "preprocessing"), ("models", "evaluation"), ("layers", "losses")]
)
def test_neighbours_do_not_know_each_other(one, other):
    for module, path in FILES.items():
        pair = {one: other, other: one}.get(folder(module))
        assert pair is None or pair not in {folder(name) for name in own_imports(path)}, module


@pytest.mark.parametrize("library", BY_NAME)
def test_libraries_are_named_only_where_agreed(library):
    users = {
        module
        for module, path in FILES.items()
        if library in {name.split(".")[0] for name in imports(path)}
    }
    assert users <= BY_NAME[library]


def loaded_by(statement):
    """Return which of HEAVY a fresh Python has loaded after `statement`."""
    code = f"{statement}\nimport sys\nprint(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import keras_retinanet") == []


def test_importing_the_commands_loads_nothing_heavy():
    commands = [module for module in FILES if folder(module) == "bin"]
    assert "bin.train" in commands
    assert loaded_by("\n".join(f"import keras_retinanet.{module}" for module in commands)) == []


def test_only_commands_print_or_exit():
    talkative = {}
    for module, path in FILES.items():
        if folder(module) in ("bin", "callbacks"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.exit"):
                talkative.setdefault(module, set()).add(ast.unparse(node.func))
    # 1.0's check_training_model is for scripts, and does both
    assert talkative == {"models": {"print", "sys.exit"}}
