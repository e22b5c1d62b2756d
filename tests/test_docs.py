"""The documentation says what the code does: options, defaults, links, snippets, modules."""

import argparse
import ast
import re
import shlex
from pathlib import Path

import pytest

from keras_retinanet.bin import convert_model, debug, evaluate, predict, train_options

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMANDS = {
    "retinanet-train": train_options,
    "retinanet-evaluate": evaluate,
    "retinanet-convert-model": convert_model,
    "retinanet-debug": debug,
    "retinanet-predict": predict,
}
# options of other programs: pip, ruff, curl, examples/
FOREIGN_OPTIONS = {
    *("--no-deps", "--wheel-dir", "--check", "--data-binary", "--dist", "--sizes"),
    *("--size", "--grpc", "--model", "--gpus", "--formats", "--torchvision"),
    # of SLURM
    *("--nodes", "--ntasks", "--ntasks-per-node", "--gpus-per-task", "--requeue"),
    "--kill-on-bad-exit",
}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9](?![\w-])")
ROW = re.compile(r"^\| (`--[^|]*) \| ([^|]*) \|", re.MULTILINE)


def text_of(path):
    return path.read_text(encoding="utf-8")


def named(path):
    return str(path.relative_to(ROOT))


def blocks(path, *languages):
    """Return the contents of a page's fenced blocks in one of the languages."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text_of(path), re.MULTILINE | re.DOTALL)
    return [content for language, content in found if language in languages]


def section(path, title):
    """Return the text under a heading of the second order."""
    return re.split(r"^## ", text_of(path).split(f"\n## {title}\n", 1)[1], flags=re.MULTILINE)[0]


def subparsers(parser):
    """Yield (dataset word, parser) of a command's sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def own_actions(parser):
    """Return {option: action} of what a parser's help shows, less --help."""
    return {
        option: action
        for action in parser._actions
        for option in action.option_strings
        if action.help != "==SUPPRESS==" and action.dest != "help"
    }


def documented_defaults(text):
    """Yield ([option, …], default cell) of the rows of option tables."""
    for names, cell in ROW.findall(text):
        yield OPTION.findall(names), cell


def check_default(action, cell, where):
    """Assert that a table's cell says what the parser does.

    A number or word in `code` is the parser's default, "on" and "off" are switches; other text is
    worked out from something else, so the parser must have none.
    """
    if action.nargs == 0:
        on = action.default if action.const is not False else not action.default
        assert cell in ("on", "off") or action.default is None, where
        assert cell not in ("on", "off") or (cell == "on") == bool(on), where
    elif re.fullmatch(r"`[^`]+`", cell):
        assert str(action.default) == cell.strip("`"), where
    else:
        assert action.default in (None, ""), where


def slugs(path):
    """Return the anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    named_places = set(re.findall(r'<a id="([\w-]+)"></a>', text_of(path)))
    return named_places | {heading.replace(" ", "-") for heading in kept}


def command_lines():
    """Return every command of ours that a page shows in a block, and the page."""
    lines = []
    for page in PAGES:
        for block in blocks(page, "sh"):
            joined = block.replace("\\\n", " ").splitlines()
            lines += [(page, line) for line in joined if line.startswith("retinanet-")]
    return lines


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_option_on_a_page_is_an_option_of_a_command(page):
    known = {
        option for module in COMMANDS.values() for option in module.make_parser().known_options()
    }
    assert set(OPTION.findall(text_of(page))) <= known | FOREIGN_OPTIONS


@pytest.mark.parametrize(("page", "line"), command_lines(), ids=lambda item: str(item)[-60:])
def test_every_command_line_on_a_page_parses(page, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "measured").mkdir()
    command, *words = shlex.split(line)
    assert COMMANDS[command].parse_args(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_commands_has_every_option_with_its_default(command):
    rows = list(documented_defaults(section(ROOT / "docs" / "commands.md", command)))
    actions = own_actions(COMMANDS[command].make_parser())
    assert {option for options, _ in rows for option in options} == set(actions)
    for options, cell in rows:
        check_default(actions[options[0]], cell, f"{command} {options[0]}")


def test_the_page_of_commands_has_every_dataset_and_its_options():
    page = section(ROOT / "docs" / "commands.md", "Datasets")
    rows = {option: cell for options, cell in documented_defaults(page) for option in options}
    found = {}
    for module in list(COMMANDS.values()):
        parser = module.make_parser()
        general = set(own_actions(parser))
        for word, dataset in subparsers(parser):
            assert f"\n| `{word}` |" in page
            own = own_actions(dataset)
            found |= {option: own[option] for option in own.keys() - general}
    assert rows.keys() == found.keys()
    for option, cell in rows.items():
        check_default(found[option], cell, option)


def test_the_defaults_that_differ_from_1_0_are_the_parsers():
    text = section(ROOT / "docs" / "coming-from-1.0.md", "Defaults of options that differ")
    rows = re.findall(
        r"^\| `(retinanet-[\w-]+) (--[\w-]+)` \| [^|]* \| ([^|]*) \|", text, re.MULTILINE
    )
    assert len(rows) == text.count("\n| `retinanet-") > 0
    for command, option, cell in rows:
        action = own_actions(COMMANDS[command].make_parser())[option]
        if action.nargs == 0:
            assert cell == f"`{action.default}`", option
        else:
            check_default(action, cell, f"{command} {option}")


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), target
        assert not anchor or anchor in slugs(path), target


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_snippet_of_python_compiles_and_its_imports_exist(page):
    for snippet in blocks(page, "python"):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                exec(ast.unparse(node), {})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_tells_to_install_from_an_index_by_name(page):
    assert not re.search(r"pip install (-U |--upgrade )?keras[-_]retinanet", text_of(page))


def test_the_architecture_page_names_every_module_and_only_those():
    page = section(ROOT / "docs" / "architecture.md", "Folders")
    package = ROOT / "keras_retinanet"
    modules = {
        path.relative_to(package).with_suffix("").as_posix()
        for path in package.rglob("*.py")
        if path.stem != "__init__"
    }
    rows = re.findall(r"^\| `(\w+(?:/\w+)?)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(modules)
