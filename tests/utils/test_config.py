"""The --config file: 1.0's sections, ours, and one clear line for all that is wrong with it."""

import pytest

from keras_retinanet.utils.anchors import AnchorParameters
from keras_retinanet.utils.config import (
    ConfigError,
    grid_text,
    parse_anchor_parameters,
    parse_grid,
    parse_network,
    parse_pyramid_levels,
    read_config_file,
)

WHOLE = """
[anchor_parameters]
sizes   = 32 64 128 256 512
strides = 8 16 32 64 128
ratios  = 0.5 1 2 3
scales  = 1 1.2 1.6
[pyramid_levels]
levels = 3 4 5 6 7
[network]
pyramid_features = 64
head_layers = 2
"""
ANCHORS = "[anchor_parameters]\nsizes = 32\nstrides = 8\nratios = 1\nscales = 1\n"


@pytest.fixture
def config(tmp_path):
    """Return f(text) -> the config of a file with it."""

    def read(text):
        path = tmp_path / "config.ini"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_config_file(path)

    return read


def test_a_whole_file_is_read(config):
    found = config(WHOLE)
    assert parse_anchor_parameters(found) == AnchorParameters(
        (32, 64, 128, 256, 512), (8, 16, 32, 64, 128), (0.5, 1, 2, 3), (1, 1.2, 1.6)
    )
    assert parse_pyramid_levels(found) == [3, 4, 5, 6, 7]
    assert parse_network(found) == {"pyramid_features": 64, "head_layers": 2}


def test_an_empty_file_is_all_defaults(config):
    found = config("")
    assert parse_anchor_parameters(found) == AnchorParameters.default
    assert parse_pyramid_levels(found) is None
    assert parse_network(found) == {}
    grid = {"anchor_params": AnchorParameters.default, "pyramid_levels": None}
    assert parse_grid(found, "config.ini") == grid


def test_double_spaces_commas_and_a_byte_order_mark_are_accepted(config):
    text = "\ufeff" + WHOLE.replace("3 4 5 6 7", "3,  4,5   6 7").replace("\n", "\r\n")
    assert parse_pyramid_levels(config(text)) == [3, 4, 5, 6, 7]


# Each case: the text, and what the one line of the error must say.
BAD = {
    "an unknown section": ("[anchors]\n", "unknown section [anchors]; there are anchor_parameters"),
    "an unknown key": ("[pyramid_levels]\nlevel = 3\n", "unknown key 'level' in [pyramid_levels]"),
    "incomplete anchors": ("[anchor_parameters]\nsizes = 1\n", "lacks strides, ratios, scales"),
    "no levels": ("[pyramid_levels]\n", "[pyramid_levels] lacks levels"),
    "no section at all": ("sizes = 3\n", "not a configuration file"),
    "a section twice": ("[network]\n[network]\n", "not a configuration file"),
    "no text": (b"\xff\xfe\x00\x81", "not a configuration file"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_files_are_refused_in_one_line_with_their_path(config, tmp_path, text, message):
    with pytest.raises(ConfigError) as caught:
        config(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "config.ini"))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.ini: no such configuration file"):
        read_config_file(tmp_path / "nowhere.ini")
    with pytest.raises(ConfigError, match="not a configuration file"):
        read_config_file(tmp_path)


BAD_VALUES = {
    "text for a number": (
        ANCHORS.replace("ratios = 1", "ratios = one"),
        parse_anchor_parameters,
        r"\[anchor_parameters\] ratios must be numbers. Received: 'one'",
    ),
    "nothing for a number": (
        ANCHORS.replace("ratios = 1", "ratios ="),
        parse_anchor_parameters,
        "ratios is empty",
    ),
    "a negative size": (
        ANCHORS.replace("sizes = 32", "sizes = -32"),
        parse_anchor_parameters,
        "sizes must be positive",
    ),
    "two sizes for a stride": (
        ANCHORS.replace("sizes = 32", "sizes = 32 64"),
        parse_anchor_parameters,
        "2 sizes .* 1 strides",
    ),
    "a level with a fraction": (
        "[pyramid_levels]\nlevels = 3 4.5\n",
        parse_pyramid_levels,
        "levels must be whole numbers. Received: '3 4.5'",
    ),
    "a width of nothing": (
        "[network]\nhead_features = 0\n",
        parse_network,
        r"head_features must be one positive number: \[0\]",
    ),
    "two depths": (
        "[network]\nhead_layers = 1 2\n",
        parse_network,
        r"head_layers must be one positive number: \[1, 2\]",
    ),
    "one size for five levels": (
        ANCHORS,
        lambda config: parse_grid(config, "config.ini"),
        "config.ini: 1 anchor sizes for 5 pyramid levels",
    ),
}


@pytest.mark.parametrize(("text", "parse", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_quoted(config, text, parse, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse(config(text))
    assert "\n" not in str(caught.value)


def test_a_written_grid_is_read_back_and_the_rest_is_kept(config, tmp_path):
    anchors = AnchorParameters((16, 32.5), (4, 8), (0.523, 1, 1.911), (2 ** (1 / 3),))
    text = grid_text(anchors, (2, 3), config(WHOLE))
    path = tmp_path / "written.ini"
    path.write_text(text)
    read = read_config_file(path)
    grid = parse_grid(read, path)
    assert grid["pyramid_levels"] == [2, 3]
    for name in ("sizes", "strides", "ratios", "scales"):
        values = getattr(anchors, name)
        assert getattr(grid["anchor_params"], name) == pytest.approx(tuple(values), rel=1e-11)
    assert parse_network(read) == {"pyramid_features": 64, "head_layers": 2}
    assert "[network]" not in grid_text(anchors, (2, 3))
