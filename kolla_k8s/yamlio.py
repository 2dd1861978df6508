"""Read YAML strictly and know where everything stood; write it plainly.

The only importer of a YAML library. Scalars follow YAML 1.2's core schema (``no`` is a string, ``010`` is ten), and
whatever two readers could understand differently is refused: duplicate keys, tags, merge keys, several documents,
invisible characters. libyaml's parser is used because it is fast and gives positions; see docs/adr/0007.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from kolla_k8s.errors import Problem, UserFilesError

MAX_BYTES = 5 * 1024 * 1024
MAX_DEPTH = 64
MAX_ALIASES = 1000
MAX_EXPANSION = 10
MAX_KEY = 1024

_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]{1,400}"), int),
    (re.compile(r"0o[0-7]{1,400}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,400}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SPECIAL_FLOATS = {".inf": float("inf"), "-.inf": float("-inf"), "+.inf": float("inf"), ".nan": float("nan")}
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u0085\u2028\u2029]"
)

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content as plain data, and the line and column of each key and item."""

    name: str
    data: Any
    positions: dict[Keys, tuple[int, int]] = field(default_factory=dict, repr=False)

    def place(self, path: Keys) -> str:
        """Spell ``file:line:column`` of a path; of its nearest parent when it is not in the file."""
        while path and path not in self.positions:
            path = path[:-1]
        line, column = self.positions.get(path, (1, 1))
        return f"{self.name}:{line}:{column}"


def spell(path: Keys) -> str:
    """Write a path as people do.

    >>> spell(("spec", "needs", "start", 0))
    'spec.needs.start[0]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def is_text(value: str) -> bool:
    """Whether a string came from UTF-8: bytes that are none are read as surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def load(path: Path) -> Document:
    """Read a file; raises ``UserFilesError`` for what is in it, and when it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        fact = f"cannot be read: {error.strerror}"
        raise UserFilesError([Problem(str(path), "", fact, "check the path and its rights")]) from error
    return loads(content, str(path))


def loads(content: bytes | str, name: str) -> Document:
    """Read YAML from memory; ``name`` stands for the file in places."""
    text = _decoded(content.encode() if isinstance(content, str) else content, name)
    try:
        _check_shape(text, name)
        node = yaml.compose(text, Loader=yaml.CBaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        if mark and _is_tab(text, mark):
            raise _refused(place, "a tab cannot stand here", "use spaces") from None
        raise _refused(place, str(error.problem or "is not YAML"), "correct the YAML") from None
    except yaml.YAMLError as error:
        raise _refused(name, f"is not YAML: {error}".splitlines()[0], "correct the YAML") from None
    reader = _Reader(name)
    data = reader.value(node, ()) if node else None
    if reader.problems:
        raise UserFilesError(reader.problems)
    return Document(name, data, reader.positions)


def _is_tab(text: str, mark: yaml.Mark) -> bool:
    line = text.split("\n")[mark.line : mark.line + 1]
    return bool(line) and line[0][mark.column : mark.column + 1] == "\t"


def _refused(place: str, fact: str, way_out: str) -> UserFilesError:
    return UserFilesError([Problem(place, "", fact, way_out)])


def _decoded(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise _refused(name, "is larger than 5 MiB", "split it")
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(f"{name}:{line}:1", "is not UTF-8", "save it as UTF-8") from None
    if match := _INVISIBLE.search(text):
        before = text[: match.start()]
        place = f"{name}:{before.count(chr(10)) + 1}:{match.start() - before.rfind(chr(10))}"
        raise _refused(place, _invisible(match), "delete it")
    return text


def _invisible(match: re.Match[str]) -> str:
    said = unicodedata.name(match[0], "").lower() or f"U+{ord(match[0]):04X}"
    return f"holds an invisible character ({said})"


def _check_shape(text: str, name: str) -> None:
    """Refuse bombs before anything is built: parsing events needs no recursion and no memory."""
    depth = aliases = documents = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.AliasEvent():
                aliases += 1
            case yaml.DocumentStartEvent():
                documents += 1
            case _:
                continue
        mark = event.start_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        if depth > MAX_DEPTH:
            raise _refused(place, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
        if aliases > MAX_ALIASES:
            raise _refused(place, f"has more than {MAX_ALIASES} aliases", "write the values out")
        if documents > 1:
            raise _refused(place, "begins a second document", "one document a file")


class _Reader:
    """Builds plain data from nodes, notes positions, and gathers problems."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.positions: dict[Keys, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self.seen: set[int] = set()
        self.open: set[int] = set()
        self.built = 0

    def value(self, node: yaml.Node, path: Keys) -> Any:
        """Build the value of a node."""
        self.positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        self._count(node)
        if node.tag not in {"tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"}:
            self._problem(node, f'has the tag "{node.tag}"', "write plain YAML")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self.open:
            self._problem(node, "holds itself through an alias", "write the values out")
            return None
        self.open.add(id(node))
        built = self._map(node, path) if isinstance(node, yaml.MappingNode) else self._list(node.value, path)
        self.open.discard(id(node))
        return built

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        """Value of a scalar; escapes in double quotes may spell characters that the file does not hold."""
        if node.style == '"' and (match := _INVISIBLE.search(node.value)):
            self._problem(node, _invisible(match), "delete its escape")
        return _scalar(node)

    def _count(self, node: yaml.Node) -> None:
        self.seen.add(id(node))
        self.built += 1
        if self.built > 1000 and self.built > MAX_EXPANSION * len(self.seen):
            place = f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
            raise _refused(place, "grows more than tenfold through aliases", "write the values out")

    def _list(self, items: list[yaml.Node], path: Keys) -> list[Any]:
        return [self.value(item, (*path, number)) for number, item in enumerate(items)]

    def _map(self, node: yaml.MappingNode, path: Keys) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in built:
                line = self.positions[(*path, key)][0]
                self._problem(key_node, f'the key "{key}" is there already, in line {line}', "keep one of them")
            self.positions[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            built[key] = self.value(value_node, (*path, key))
        return built

    def _key(self, node: yaml.Node) -> str | None:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if key == "<<":
            self._problem(node, "merge keys are not understood by everyone", "write the values out")
        elif not isinstance(key, str):
            self._problem(node, f"a key is a string, not {_spelled(node)}", "put it in quotes")
        else:
            return key
        return None

    def _problem(self, node: yaml.Node, fact: str, way_out: str) -> None:
        place = f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
        self.problems.append(Problem(place, "", fact, way_out))


def _spelled(node: yaml.Node) -> str:
    return f'"{node.value}"' if isinstance(node, yaml.ScalarNode) else "a structure"


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style:
        return text
    if text in _WORDS:
        return _WORDS[text]
    for pattern, convert in _NUMBERS:
        if pattern.fullmatch(text):
            return convert(text)
    return _SPECIAL_FLOATS.get(text.lower(), text)


_TAG = "tag:yaml.org,2002:"
_BREAKS = re.compile("[\n\x85\u2028\u2029]")
_IN_FLOW = re.compile(r"[-\w ./@%+$()=~]+|'[^\n]*'|\"[^\n]*\"")
_BREAK = "\n  "  # of a block of text; empty lines of it have no indentation


def dump(data: Any) -> str:
    """Write plain data as YAML that 1.1 and 1.2 readers understand alike; maps in the order given, no anchors.

    Each scalar is written by the library, and once however often it stands in the data; see docs/adr/0007.
    """
    lines: list[str] = []
    _write(lines, "", "", data)
    return "".join(lines)


def _write(lines: list[str], lead: str, indent: str, data: Any) -> None:
    """Append a structure or a scalar: ``lead`` stands before its first line, ``indent`` before the others."""
    if not isinstance(data, dict | list | tuple):
        text = _text.__wrapped__(data) if isinstance(data, float) else _text(data)  # 0.0 equals -0.0
        lines.append(f"{lead}{text.replace(_BREAK, _BREAK + indent) if _BREAK in text else text}\n")
    elif not data:
        lines.append(f"{lead}{'{}' if isinstance(data, dict) else '[]'}\n")
    elif isinstance(data, dict):
        for key, item in data.items():
            name = _text(key, is_key=True)
            head = f"{lead}{name}:" if len(name) <= MAX_KEY else f"{lead}? {name}\n{indent}:"
            if isinstance(item, dict | list | tuple) and item:
                lines.append(f"{head}\n")
                inner = f"{indent}  " if isinstance(item, dict) else indent
                _write(lines, inner, inner, item)
            else:
                _write(lines, f"{head} ", indent, item)
            lead = indent
    else:
        for item in data:
            inner = f"{indent}  " if isinstance(item, dict | list | tuple) else indent
            _write(lines, f"{lead}- ", inner, item)
            lead = indent


def one_line(data: Any) -> str:
    """Write a scalar, or a map of such, on one line; empty where that would need other quotes, or is no such thing.

    >>> one_line({"name": "tmp", "emptyDir": {}})
    '{name: tmp, emptyDir: {}}'
    """
    if isinstance(data, dict):
        parts = [(one_line(key), one_line(item)) for key, item in data.items()]
        return f"{{{', '.join(map(': '.join, parts))}}}" if all(all(part) for part in parts) else ""
    text = "" if isinstance(data, list | tuple | float) else _text(data)
    return text if _IN_FLOW.fullmatch(text) else ""


@lru_cache(maxsize=10_000, typed=True)
def _text(scalar: Any, *, is_key: bool = False) -> str:
    """Spell a scalar as it stands in a map or a list; lines after the first are indented by two.

    A text of several lines is a block, but quoted on one line where it is a key or has breaks that editors hide.
    """
    node: Any = yaml.representer.SafeRepresenter().represent_data(scalar)
    if isinstance(scalar, str) and _BREAKS.search(scalar):
        node.style = "|" if not is_key and set(_BREAKS.findall(scalar)) == {"\n"} else '"'
    items = yaml.SequenceNode(f"{_TAG}seq", [node, yaml.ScalarNode(f"{_TAG}int", "0")], flow_style=False)
    text: str = yaml.serialize(items, Dumper=yaml.CSafeDumper, width=1_000_000, allow_unicode=True)
    return text.removeprefix("- ").removesuffix("...\n").removesuffix("\n- 0\n")  # dots: the end of a document


def manifest(text: str) -> list[dict[str, Any]]:
    """Objects of a manifest that helm wrote: several documents, empty ones left out."""
    return [item for item in yaml.load_all(text, Loader=yaml.CSafeLoader) if item]
