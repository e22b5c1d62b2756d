"""Whether the processor says that it has bfloat16."""

import pytest

from keras_retinanet.utils import processor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx512f avx512_bf16 amx_tile\n", True),
        ("processor\t: 0\nflags\t\t: fpu avx2\n", False),
        ("Features\t: fp asimd bf16\n", True),
        ("model name: none\n", None),
        (None, None),
    ],
)
def test_flags_are_read(text, expected, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(processor, "INFO", path)
    assert processor.has_bfloat16() is expected
