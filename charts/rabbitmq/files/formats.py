"""Write a configuration file's content in its format, so that its reader gets back what was meant.

Shipped beside ``init.py``, and as plain as it. Each format quotes what its own reader would misread; what a format
cannot say at all ends the program with a sentence that does not repeat the value, for it may be a secret. Placeholders
are none of its business: ``fill(text, escape)`` replaces them, with what comes in made to fit by ``escape``.
"""

import json
import re


def render(file, fill):
    """Text of one configuration file: ``file`` has ``format`` and ``content``."""
    return {"ini": _ini, "uwsgi": _uwsgi, "my.cnf": _my_cnf, "pymysql": _pymysql, "sysctl": _sysctl, "raw": _raw}.get(
        file["format"], _json
    )(file["content"], fill)


def plain(value):
    """A value of an option as text: booleans in small letters."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sections(content, line):
    ordered = sorted(content, key=lambda section: (section != "DEFAULT", section))
    return "\n".join(
        f"[{section}]\n"
        + "".join(
            line(key, item)
            for key, value in sorted((content[section] or {}).items())
            for item in (value if isinstance(value, list) else [value])
            if item is not None
        )
        for section in ordered
        if content[section] is not None
    )


def _one_line(value):
    if "\n" in value or "\r" in value:
        raise SystemExit("a value of an option holds a line break, which its file's format cannot say")
    return value


def _ini(content, fill):
    def line(key, value):
        text = _one_line(fill(plain(value), lambda found: found.replace("$", "$$")))
        needs_quotes = text != text.strip() or (len(text) > 1 and text[0] == text[-1] and text[0] in "\"'")
        return f'{key} = "{text}"\n' if needs_quotes else f"{key} = {text}\n"

    return _sections(content, line)


def _uwsgi(content, fill):
    return _sections(content, lambda k, v: f"{k} = {_one_line(fill(plain(v), lambda s: s.replace('%', '%%')))}\n")


def _sysctl(content, fill):
    return "".join(f"{k} = {_one_line(fill(plain(v)))}\n" for k, v in sorted(content.items()) if v is not None)


def _pymysql(content, fill):
    """PyMySQL's option files: quotes around a value are taken off, and nothing inside is special."""
    return _sections(content, lambda k, v: f'{k} = "{_one_line(fill(plain(v)))}"\n')


def _my_cnf(content, fill):
    def line(key, value):
        if value is True or value == "":
            return f"{key}\n"
        return f"{key} = {_my_cnf_value(_one_line(fill(plain(value))))}\n"

    return _sections(content, line)


def _my_cnf_value(text):
    if re.fullmatch(r"[-\w./:,+*%@=?&;() ]*", text) and text == text.strip():
        return text
    escaped = text.replace("\\", "\\\\")
    for mark in ('"', "'"):
        if _survives(mark + escaped + mark):
            return mark + escaped + mark
    raise SystemExit("a secret holds quotes and # in an order that MariaDB's option files cannot say")


def _survives(quoted):
    """MariaDB cuts an option at a # that its scan believes to stand outside quotes."""
    mark, escaped = "", False
    for letter in quoted:
        if letter in "'\"" and not escaped:
            mark = letter if not mark else ("" if mark == letter else mark)
        if letter == "#" and not mark:
            return False
        escaped = bool(mark) and letter == "\\" and not escaped
    return True


def _raw(content, fill):
    return fill(content)


def _json(content, fill):
    return json.dumps(_deep(content, fill), indent=2, sort_keys=True) + "\n"


def _deep(value, fill):
    if isinstance(value, dict):
        return {key: _deep(item, fill) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_deep(item, fill) for item in value]
    return fill(value) if isinstance(value, str) else value
