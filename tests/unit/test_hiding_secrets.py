"""Known secrets are hidden wherever they stand, in whatever spelling."""

from __future__ import annotations

import base64
import io
import json
import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolla_k8s.redact import HIDDEN, SHORTEST, Redactor

NASTY = "p@ss:/w%o'r\"d\\;# <&>ä$1"
SPELLINGS = {
    "plain": NASTY,
    "base64": base64.b64encode(NASTY.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(NASTY.encode()).decode(),
    "base64 without padding": base64.b64encode(NASTY.encode()).decode().rstrip("="),
    "in a URL": f"mysql://u:{quote(NASTY, safe='')}@h",
    "in a path": quote(NASTY),
    "in a form": quote_plus(NASTY),
    "in JSON": json.dumps({"a": NASTY}),
    "in JSON with letters": json.dumps({"a": NASTY}, ensure_ascii=False),
    "in JSON in JSON": json.dumps(json.dumps({"a": NASTY})),
    "in Go's JSON": json.dumps(NASTY, ensure_ascii=False)
    .replace("<", "\\u003c")
    .replace(">", "\\u003e")
    .replace("&", "\\u0026"),
    "in SQL": "SET PASSWORD = '" + NASTY.replace("\\", "\\\\").replace("'", "''") + "'",
    "in an oslo file": f"password = {NASTY.replace('$', '$$')}",
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_secret_is_hidden_in_every_spelling(text: str) -> None:
    """
    Nothing of the secret's own letters is left.
    """
    hidden = Redactor([NASTY])(f"before {text} after")

    assert HIDDEN in hidden
    assert "ss" not in hidden.removeprefix("before ").replace("PASSWORD", "").replace("password", "")
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@given(st.text(min_size=SHORTEST).filter(lambda text: text.strip() == text))
def test_any_secret_is_hidden(secret: str) -> None:
    """
    Whatever the letters are.
    """
    assert HIDDEN == Redactor([secret])(secret)
    assert f'"{HIDDEN}"' == Redactor([secret])(json.dumps(secret))


def test_longer_secret_goes_first() -> None:
    """
    A secret that begins another leaves no rest of it.
    """
    assert HIDDEN == Redactor(["secret", "secret-and-more"])("secret-and-more")


def test_secret_of_a_file_is_known_without_its_last_newline() -> None:
    """
    A value read from a file ends its line; where it is used it does not.
    """
    assert f"key={HIDDEN}" == Redactor(["from-a-file\n"])("key=from-a-file")


def test_secret_that_is_no_text_is_hidden_where_text_spells_it() -> None:
    """
    A key of raw bytes: base64 in an object, per cent signs in a URL.
    """
    data = b"\xff\xfe key of bytes"

    redact = Redactor([data.decode(errors="surrogateescape")])

    assert f"{HIDDEN} and {HIDDEN}" == redact(f"{base64.b64encode(data).decode()} and {quote(data)}")


def test_short_values_are_words() -> None:
    """
    Hiding every "1" and "root" would hide the message.
    """
    assert "root is 1" == Redactor(["root", "1", ""])("root is 1")


def test_later_secrets_are_learned() -> None:
    """
    Secrets that the run makes are hidden from then on, and the earlier ones still.
    """
    redact = Redactor(["the-first"])
    redact.add(["the-second"])

    assert f"{HIDDEN} {HIDDEN}" == redact("the-first the-second")


def test_log_hides_secrets_in_messages_arguments_and_tracebacks() -> None:
    """
    Set as the filter of a handler, nothing of a record gets past it.
    """
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(Redactor(["hunter2!"]))
    logger = logging.getLogger("kolla_k8s.test")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        int("hunter2! in an error")
    except ValueError:
        logger.exception("with %s and %d", "hunter2!", 7)
    finally:
        logger.removeHandler(handler)

    text = out.getvalue()
    assert text.startswith(f"with {HIDDEN} and 7\nTraceback")
    assert f"ValueError: invalid literal for int() with base 10: '{HIDDEN} in an error'" in text
    assert "hunter2" not in text
