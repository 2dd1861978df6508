"""Write the references that are made from the model and from the commands; ``--check`` only compares.

Run as ``python docs/generate.py``: definition and site schemas, the pages made from them, the list of
commands, and the drawing of what needs what.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from typer.testing import CliRunner

from kolla_k8s import cli, errors
from kolla_k8s.model.service import Service
from kolla_k8s.model.site import Site

HERE = Path(__file__).parent / "reference"


def main() -> None:
    """Write, or compare and exit 1."""
    pages = {
        "service.schema.json": _json(Service),
        "site.schema.json": _json(Site),
        "definition.md": _page("Service definition", Service),
        "site.md": _page("Site file", Site),
        "commands.md": _commands(),
        "exit-codes.md": _exit_codes(),
        "services.svg": CliRunner().invoke(cli.app, ["graph", "--format", "svg"]).stdout,
        "../../values/reference.yaml": _knobs_page(),
    }
    stale = [name for name, text in pages.items() if not _same(HERE / name, text)]
    if "--check" in sys.argv:
        sys.exit(f"docs/reference: {', '.join(stale)} differ; run `make docs`" if stale else 0)
    HERE.mkdir(exist_ok=True)
    for name in stale:
        (HERE / name).write_text(pages[name], encoding="utf-8")
    print(f"{len(pages)} pages, {len(stale)} changed")  # noqa: T201


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _json(model: type[BaseModel]) -> str:
    return json.dumps(model.model_json_schema(by_alias=True), indent=1, sort_keys=True) + "\n"


def _page(title: str, model: type[BaseModel]) -> str:
    schema = model.model_json_schema(by_alias=True)
    parts = [(model.__name__, schema), *sorted(schema.get("$defs", {}).items())]
    lines = [f"# {title}", "", "Made from the model by `make docs`. Unknown keys are errors.", ""]
    for name, part in parts:
        if "properties" in part:
            lines += [f"## {name}", "", _flat(part.get("description", "")), "", *_table(part), ""]
        elif "enum" in part:
            lines += [f"## {name}", "", f"{_flat(part.get('description', ''))} One of {_type(part)}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(part: dict[str, Any]) -> list[str]:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, about in part["properties"].items():
        is_needed = key in part.get("required", ())
        default = "**needed**" if is_needed else f"`{json.dumps(about.get('default'))}`"
        rows.append(f"| `{key}` | {_type(about)} | {_flat(default)} | {_flat(about.get('description', ''))} |")
    return rows


def _type(about: dict[str, Any]) -> str:
    if "$ref" in about:
        name = about["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in about:
        return " or ".join(_type(option) for option in about["anyOf"])
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    if about.get("type") == "object" and isinstance(about.get("additionalProperties"), dict):
        return f"map of {_type(about['additionalProperties'])}"
    if "enum" in about:
        return ", ".join(f"`{choice}`" for choice in about["enum"])
    return f"`{about['const']}`" if "const" in about else str(about.get("type", "any"))


def _knobs_page() -> str:
    schema = Site.model_json_schema(by_alias=True)
    about = "Every knob of a site file with its type, default and meaning; made from the model by `make docs`."
    lines = _comment(f"{about} It is no preset: copy what you need, for a site that says all overrides every preset.")
    return "\n".join([*lines, *_knobs(schema, schema["$defs"])]) + "\n"


def _knobs(part: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """Each key as YAML with its default, below what it means; of what is left out, as comments, what it would hold."""
    lines = []
    for key, about in part["properties"].items():
        inner = parts[found[0]] if (found := re.findall(r'"#/\$defs/(\w+)"', json.dumps(about))) else {}
        meaning = _flat(about.get("description") or inner.get("description") or "").rstrip(".")
        lines += ["", *_comment(f"{_kind(about)}: {meaning}")]
        if "$ref" in about:
            lines += [f"{key}:", *_shifted(_knobs(inner, parts))]
            continue
        default = about.get("const", about.get("default"))
        lines.append(f"{key}: {json.dumps(default)}" + ("  # needed" if key in part.get("required", ()) else ""))
        if inner:
            held = _shifted(_knobs(inner, parts))
            entry = held if "anyOf" in about else ["  NAME:", *_shifted(held)]
            lines += [f"# {line}" for line in (f"{key}:", *entry)]
    return lines


def _kind(about: dict[str, Any]) -> str:
    return re.sub(r"\[\w+\]\(#\w+\)|object", "map", _type(about)).replace("`", "")


def _shifted(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines if line]


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 110)]


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


def _commands() -> str:
    lines = ["# Commands", "", "Made from `--help` by `make docs`.", ""]
    _describe(typer.main.get_command(cli.app), "kolla-k8s", lines)
    return "\n".join(lines).rstrip() + "\n"


def _describe(command: Any, name: str, lines: list[str]) -> None:
    if getattr(command, "commands", None):
        for sub, inner in command.commands.items():
            _describe(inner, f"{name} {sub}", lines)
        return
    lines += [f"## {name}", "", _flat(command.help or ""), ""]
    for parameter in command.params:
        spelled = ", ".join(parameter.opts)
        lines.append(f"- `{spelled}`: {_flat(getattr(parameter, 'help', None) or '')}")
    lines.append("")


def _exit_codes() -> str:
    found: dict[int, list[str]] = {0: ["Done, or nothing to do."]}
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.KollaK8sError):
            found.setdefault(kind.exit_code, []).append(f"`{kind.__name__}`: {_flat(kind.__doc__ or '')}")
    found[141] = ["Whoever read the output has gone away, as `head` does."]
    rows = [f"| {code} | {' '.join(texts)} |" for code, texts in sorted(found.items())]
    return "\n".join(["# Exit codes", "", "| code | meaning |", "|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    main()
