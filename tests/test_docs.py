"""What the documents say is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from kolla_k8s import cli
from kolla_k8s.model.service import Service
from kolla_k8s.model.site import Site
from kolla_k8s.yamlio import loads

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    """
    Relative links name files that are there.
    """
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())

    assert [] == [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_names_a_command(page):
    """
    No page promises a command, a subcommand or an option that is not there.
    """
    assert [] == [line for line in command_lines(page.read_text()) if not is_known(line)]


@pytest.mark.parametrize(
    "text",
    ["See `kolla-k8s genconfig`.", "    kolla-k8s genconfig\n", "```\n$ sudo kolla-k8s genconfig\n```\n",
     "`kolla-k8s values genconfig`", "`kolla-k8s plan --genconfig`"],
)  # fmt: skip
def test_command_that_is_not_there_is_found_wherever_it_stands(text):
    """
    In a sentence, in a block, below a group, as an option.
    """
    assert [False] == [is_known(line) for line in command_lines(text)]


def command_lines(text):
    """What follows ``kolla-k8s`` in code: spans, indented lines and fenced blocks."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    spans = [span.replace("\n", " ") for span in re.findall(r"`([^`\n]+\n?[^`\n]*)`", prose)]
    code = [*fenced, *re.findall(r"^ {4,}.*$", prose, re.MULTILINE), *spans]
    return [line for part in code for line in re.findall(r"\bkolla-k8s +([^|&;#\n]+)", part)]


def is_known(line):
    """Whether the words before the first option lead to a command, and it has every option."""
    command, words = typer.main.get_command(cli.app), line.split()
    while getattr(command, "commands", None) and words and re.fullmatch("[a-z][a-z-]*", words[0]):
        command = command.commands.get(words.pop(0))
    if command is None:
        return False
    known = {"--help", *(option for parameter in command.params for option in parameter.opts)}
    return {word.partition("=")[0] for word in words if word.startswith("-")} <= known


def test_every_make_target_of_the_readme_exists():
    """
    The two commands, and the rest.
    """
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for page in PAGES for target in re.findall(r"^\s+make ([a-z0-9-]+)", page.read_text(), re.MULTILINE)
    }

    assert set() == named - targets


def test_index_leads_to_every_page():
    """
    A page that nothing names is not found.
    """
    named = set(re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs/index.md").read_text()))
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]

    assert [] == [str(page) for page in pages if page.parts[0] not in ("adr", "index.md") and str(page) not in named]


def test_readme_names_every_preset():
    """
    With what it says.
    """
    presets = {path.stem for path in (ROOT / "values/presets").glob("*.yaml")}

    assert presets == set(re.findall(r"^\| `([\w-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))


def test_reference_of_sites_says_the_defaults():
    """
    It is a site file itself, of nothing but defaults.
    """
    said = loads((ROOT / "values/reference.yaml").read_text(), "reference.yaml").data

    assert Site.model_validate({"apiVersion": "kolla-k8s.io/v1", "kind": "Site"}) == Site.model_validate(said)


def test_every_knob_of_a_site_has_a_meaning():
    """
    Its own, or that of the part it holds.
    """
    schema = Site.model_json_schema(by_alias=True)
    parts = [schema, *schema["$defs"].values()]
    knobs = {key: about for part in parts for key, about in part.get("properties", {}).items()}

    assert [] == [key for key, about in knobs.items() if "description" not in about and "$ref" not in str(about)]


def test_example_definition_of_contributing_is_valid():
    """
    What a newcomer copies works.
    """
    text = (ROOT / "CONTRIBUTING.md").read_text()
    example = next(block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "kind: Service" in block)

    assert "memcached" == Service.model_validate(loads(example, "CONTRIBUTING.md").data).name


def test_examples_in_help_parse():
    """
    Each command's example has options that the command knows.
    """
    for name, command in typer.main.get_command(cli.app).commands.items():
        for sub in getattr(command, "commands", {"": command}).values():
            example = re.search(r"Example: kolla-k8s (.*)", sub.help or "")
            assert example, name
            words = [word for word in shlex.split(example[1]) if word.startswith("--")]
            assert set() == set(words) - {option for parameter in sub.params for option in parameter.opts}


def test_reference_names_every_exit_code():
    """
    Those of errors, and those that the program ends with by itself.
    """
    pattern = r"(?:exit_code(?:: ClassVar\[int\])? = |\bsys\.exit\(|\bExit\()(\d+)"
    code = [path.read_text() for path in (ROOT / "kolla_k8s").glob("*.py")]
    code += [path.read_text() for path in (ROOT / "kolla_k8s/cli").rglob("*.py")]
    page = (ROOT / "docs/reference/exit-codes.md").read_text()
    used = {number for text in code for number in re.findall(pattern, text)}

    assert {"0", *used} == set(re.findall(r"^\| (\d+) \| .", page, re.MULTILINE))


def test_version_is_printed():
    """
    One place, one word.
    """
    assert "0.1.0\n" == CliRunner().invoke(cli.app, ["--version"]).stdout
