"""What counts as out of memory, and how much memory is free."""

import pytest

from keras_retinanet.utils import memory
from tests.backends import out_of_memory

MEMINFO = "MemTotal:  8000 kB\nMemAvailable:  5000 kB\n"


def test_the_backends_own_error_is_out_of_memory():
    assert memory.is_out_of_memory(out_of_memory())


def test_an_error_that_came_from_one_is_one():
    with pytest.raises(RuntimeError) as raised:
        try:
            raise MemoryError
        except MemoryError as error:
            raise RuntimeError("the step failed") from error
    assert memory.is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "error", [None, ValueError("RESOURCE_EXHAUSTED"), RuntimeError("shapes differ")]
)
def test_other_errors_are_not(error):
    assert not memory.is_out_of_memory(error)


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


V2 = "sys/fs/cgroup/memory"
V1 = "sys/fs/cgroup/memory/memory"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"proc/meminfo": MEMINFO}, 5000 * 1024),
        ({"proc/meminfo": MEMINFO, f"{V2}.max": "max\n", f"{V2}.current": "9\n"}, 5000 * 1024),
        ({"proc/meminfo": MEMINFO, f"{V2}.max": "900\n", f"{V2}.current": "200\n"}, 700),
        ({f"{V1}.limit_in_bytes": "900", f"{V1}.usage_in_bytes": "100"}, 800),
    ],
    ids=["unknown", "system", "container without limit", "container", "cgroups 1"],
)
def test_what_is_free_is_the_least_of_system_and_container(files, free, tmp_path):
    write(tmp_path, files)
    assert memory.available(tmp_path) == free


def test_this_process_holds_some_memory():
    assert memory.peak_of_process() > 10 * 1024**2
    assert memory.peak_of_device() is None or memory.peak_of_device() >= 0
