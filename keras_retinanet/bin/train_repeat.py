"""--from config.json: a run once more, from the file that it wrote into its folder.

The file holds "command", the words of the run, and "options", all options as they were settled.
The words make the run; the options then undo what defaults have become since, and give the seed
that was drawn.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

OPTION = "--from"
# what belongs to the one run, or follows from options that may be given anew
_OWN = {"run_name", "given", "notices", "facts", "folder", "words", "repeat", "resume"}
_FOLLOWING = {
    "batch_size": ("lr", "warmup_steps"),
    "accumulate": ("lr", "warmup_steps"),
    "epochs": ("lr_steps", "mosaic_off", "warmup_steps"),
    "steps": ("warmup_steps",),
}


@dataclass(frozen=True)
class Repeated:
    """A command line in which --from is replaced by what its file says.

    Attributes:
        words: of the run in the file, less its --run-name, then the further ones.
        options: of that run, settled; {} without --from.
        further: the words given beside --from.
    """

    words: list
    options: dict = field(default_factory=dict)
    further: tuple = ()


def expanded(words):
    """Return the `Repeated` of a command line, which may begin with --from FILE.

    Raises:
        ValueError: the file is not of a run.
    """
    if not words or words[0].split("=")[0] != OPTION:
        return Repeated(words)
    _, equals, path = words[0].partition("=")
    further = words[1:] if equals else words[2:]
    if not equals:
        path = words[1] if len(words) > 1 else ""
    config = read_config(path)
    return Repeated([*_without_name(config["command"]), *further], config["options"], further)


def read_config(path):
    """Return {"command": [word], "options": {name: value}} of the file `path`."""
    file = Path(path)
    if file.is_dir():
        file = file / "config.json"
    if not file.is_file():
        raise ValueError(
            f"{OPTION} {path}: no such file; name the config.json in the folder of a run"
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        command = [str(word) for word in config["command"]]
        return {"command": command, "options": dict(config["options"])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{OPTION} {path}: not the config.json of a run ({error!r}); name one that "
            "retinanet-train wrote"
        ) from None


def _without_name(words):
    """Return `words` less --run-name and its value: a run's folder is its own."""
    kept, skip = [], False
    for word in words:
        if skip or word.split("=")[0] == "--run-name":
            skip = not skip and word == "--run-name"
            continue
        kept.append(word)
    return kept


def restore(args, repeated, parser):
    """Set the options that are not given anew as they were in the run.

    Args:
        args: of the command, checked.
        repeated: of `expanded`.
        parser: of the command.
    """
    actions = parser._option_string_actions
    found = {word.split("=")[0] for word in repeated.further}
    further = {actions[word].dest for word in found if word in actions}
    if "recipe" in further:  # which leaves everything open
        return
    open_names = {name for one in further for name in _FOLLOWING.get(one, ())}
    for name, value in repeated.options.items():
        if hasattr(args, name) and name not in _OWN | open_names | further:
            setattr(args, name, value)
