"""What is installed: a wheel of every module, five commands, pins that meet the lower bounds."""

import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import keras_retinanet

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "retinanet-train": "train",
    "retinanet-evaluate": "evaluate",
    "retinanet-convert-model": "convert_model",
    "retinanet-debug": "debug",
    "retinanet-predict": "predict",
}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build a wheel from a copy of the checkout; return its files, a dict of bytes."""
    source = tmp_path_factory.mktemp("checkout")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "keras_retinanet", source / "keras_retinanet", ignore=ignored)
    command = [sys.executable, "setup.py", "--quiet", "bdist_wheel"]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (path,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def in_metadata(wheel, name):
    return wheel[f"keras_retinanet-{keras_retinanet.__version__}.dist-info/{name}"]


def pins(*names):
    """Return {package: version} of requirements files, each line of which must be a pin."""
    lines = [line for name in names for line in (ROOT / name).read_text().splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_the_wheel_names_the_distribution_and_version_of_the_package(wheel):
    metadata = message_from_bytes(in_metadata(wheel, "METADATA"))
    assert metadata["Name"] == "keras-retinanet"
    assert metadata["Version"] == keras_retinanet.__version__ == "2.0.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_the_wheel_holds_every_module_and_nothing_else(wheel):
    modules = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "keras_retinanet").rglob("*.py")
    }
    assert {name for name in wheel if ".dist-info/" not in name} == modules


def test_the_wheel_installs_the_five_commands(wheel):
    parser = ConfigParser()
    parser.read_string(in_metadata(wheel, "entry_points.txt").decode())
    assert dict(parser["console_scripts"]) == {
        command: f"keras_retinanet.bin.{module}:console" for command, module in COMMANDS.items()
    }


@pytest.mark.parametrize("module", COMMANDS.values())
def test_every_command_runs_from_a_checkout(module, tmp_path):
    command = [sys.executable, "-P", ROOT / "bin" / f"{module}.py", "--help"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage:")


def test_every_requirement_is_pinned_to_a_version_that_it_allows(wheel):
    metadata = message_from_bytes(in_metadata(wheel, "METADATA"))
    requirements = [Requirement(text) for text in metadata.get_all("Requires-Dist")]
    needed = {each.name: each.specifier for each in requirements if each.marker is None}
    pinned = pins("requirements.txt")
    assert needed.keys() == pinned.keys()
    assert all(pinned[name] in specifier for name, specifier in needed.items())


def test_the_files_for_tests_are_pins_too():
    pinned = pins("requirements-dev.txt", "requirements-backends.txt")
    assert {"ruff", "pytest", "hypothesis", "jax", "jaxlib", "torch"} <= pinned.keys()
