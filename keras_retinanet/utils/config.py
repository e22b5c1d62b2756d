"""Reading the `--config` file: anchors, pyramid levels, width and depth of the network.

    [anchor_parameters]
    sizes   = 32 64 128 256 512
    strides = 8 16 32 64 128
    ratios  = 0.5 1 2
    scales  = 1 1.2 1.6

    [pyramid_levels]
    levels = 3 4 5 6 7

    [network]
    pyramid_features = 256
    head_features = 256
    head_layers = 4

Every section may be left out; keras-retinanet 1.0 knew the first two.
"""

import configparser
import io
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from keras_retinanet.utils.anchors import DEFAULT_LEVELS, AnchorParameters

ANCHORS, LEVELS, NETWORK = "anchor_parameters", "pyramid_levels", "network"
KEYS = {
    ANCHORS: ("sizes", "strides", "ratios", "scales"),
    LEVELS: ("levels",),
    NETWORK: ("pyramid_features", "head_features", "head_layers"),
}


class ConfigError(ValueError):
    """A configuration file that cannot be used, with its path and a remedy."""


def _check(path, config):
    """Raise ConfigError for unknown sections and keys, and for incomplete anchors."""
    for section in config.sections():
        if section not in KEYS:
            raise ConfigError(f"{path}: unknown section [{section}]; there are {', '.join(KEYS)}")
        for key in config[section]:
            if key not in KEYS[section]:
                raise ConfigError(
                    f"{path}: unknown key {key!r} in [{section}]; there are "
                    f"{', '.join(KEYS[section])}"
                )
    for section in (ANCHORS, LEVELS):
        missing = (
            [key for key in KEYS[section] if key not in config[section]]
            if (section in config)
            else []
        )
        if missing:
            raise ConfigError(f"{path}: [{section}] lacks {', '.join(missing)}")


def read_config_file(config_path):
    """Return the checked ConfigParser of the file at `config_path`.

    Raises:
        ConfigError: the file is missing, malformed, or has unknown or missing keys.
    """
    path = Path(config_path)
    config = configparser.ConfigParser()
    try:
        config.read_string(path.read_text(encoding="utf-8-sig"), source=str(path))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a configuration file: {reason}") from error
    _check(path, config)
    return config


@contextmanager
def named(path):
    """Put the file's name, if there is a file, in front of an error about what it says."""
    try:
        yield
    except ValueError as error:
        if not path or str(path) in str(error):
            raise
        raise ConfigError(f"{path}: {error}") from error


def _numbers(config, section, key, kind):
    text = config[section][key]
    try:
        values = [kind(word) for word in text.replace(",", " ").split()]
    except ValueError as error:
        wanted = "whole numbers" if kind is int else "numbers"
        raise ConfigError(f"[{section}] {key} must be {wanted}. Received: {text!r}") from error
    if not values:
        raise ConfigError(f"[{section}] {key} is empty")
    return values


def parse_anchor_parameters(config):
    """Return the AnchorParameters of `config`, the default without its section."""
    if ANCHORS not in config:
        return AnchorParameters.default
    try:
        return AnchorParameters(
            **{key: _numbers(config, ANCHORS, key, float) for key in KEYS[ANCHORS]}
        )
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"[{ANCHORS}] {error}") from error


def over(anchors, config):
    """Return `anchors` with what the section of `config` says; what it cannot say stays."""
    if ANCHORS not in config:
        return anchors
    given = parse_anchor_parameters(config)
    return replace(anchors, **{key: getattr(given, key) for key in KEYS[ANCHORS]})


def parse_pyramid_levels(config):
    """Return the levels of `config` as a list of int, None without its section."""
    return _numbers(config, LEVELS, "levels", int) if LEVELS in config else None


def grid_text(anchor_params, levels, config=None):
    """Return the text of a configuration file with this grid, and the rest of `config`."""
    written = configparser.ConfigParser()
    if config is not None:
        written.read_dict(config)
    values = asdict(anchor_params)
    written[ANCHORS] = {key: _words(values[key]) for key in KEYS[ANCHORS]}
    written[LEVELS] = {"levels": _words(levels)}
    stream = io.StringIO()
    written.write(stream)
    return stream.getvalue().rstrip("\n") + "\n"


def _words(values):
    return " ".join(f"{value:.12g}" for value in values)


def parse_network(config):
    """Return {"pyramid_features": …} with the keys that the [network] section has."""
    if NETWORK not in config:
        return {}
    found = {}
    for key in config[NETWORK]:
        values = _numbers(config, NETWORK, key, int)
        if len(values) != 1 or values[0] < 1:
            raise ConfigError(f"[{NETWORK}] {key} must be one positive number: {values}")
        found[key] = values[0]
    return found


def parse_grid(config, path):
    """Return {"anchor_params", "pyramid_levels"} of `config`, checked to go together."""
    anchors = parse_anchor_parameters(config)
    levels = parse_pyramid_levels(config)
    number = len(levels or DEFAULT_LEVELS)
    if number != len(anchors.sizes):
        raise ConfigError(
            f"{path}: {len(anchors.sizes)} anchor sizes for {number} pyramid levels; "
            "give one size and one stride for each level"
        )
    return {"anchor_params": anchors, "pyramid_levels": levels}
