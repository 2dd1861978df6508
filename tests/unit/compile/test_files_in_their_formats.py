"""Content written in each format of a configuration file, and read back by the rules of its reader."""

import configparser
import json

import formats
import pytest
from hypothesis import given
from hypothesis import strategies as st

NASTY = "@:/%$'\"\\;# x"


def fill(text, escape=str):
    """The one placeholder there is, replaced by the worst of passwords."""
    return text.replace("SECRET", escape(NASTY))


def test_dollar_of_a_secret_is_escaped_for_oslo():
    """
    Oslo reads $x as another option; a password must survive it.
    """
    text = formats.render({"format": "ini", "content": {"a": {"p": "SECRET"}}}, fill)

    assert f"[a]\np = {NASTY.replace('$', '$$')}\n" == text


def test_list_becomes_a_multi_valued_option():
    """
    Options that may stand several times are lists.
    """
    text = formats.render(
        {"format": "ini", "content": {"pci": {"device_spec": ["a", "b"]}, "DEFAULT": {"x": None}}}, fill
    )

    assert "[DEFAULT]\n\n[pci]\ndevice_spec = a\ndevice_spec = b\n" == text


def test_pymysql_reads_back_the_password():
    """
    PyMySQL's own rules give the password back, letter for letter.
    """
    text = formats.render({"format": "pymysql", "content": {"client": {"password": "SECRET"}}}, fill)
    parser = configparser.RawConfigParser()
    parser.read_string(text)

    assert NASTY == parser["client"]["password"][1:-1]


def test_line_break_in_an_option_is_refused():
    """
    A value cannot open a section of its own.
    """
    with pytest.raises(SystemExit, match="line break"):
        formats.render({"format": "ini", "content": {"a": {"b": "c\n[evil]"}}}, fill)


def test_json_keeps_structure_and_quotes():
    """
    A secret in JSON is a string, whatever it holds.
    """
    text = formats.render({"format": "json", "content": {"users": [{"password": "SECRET"}]}}, fill)

    assert {"users": [{"password": NASTY}]} == json.loads(text)


def scan(line):
    """MariaDB's own reading of an option's value: cut at a # outside quotes, then strip the outer quotes."""
    mark, escaped, kept = "", False, ""
    for letter in line:
        if letter in "'\"" and not escaped:
            mark = letter if not mark else ("" if mark == letter else mark)
        if letter == "#" and not mark:
            break
        escaped = bool(mark) and letter == "\\" and not escaped
        kept += letter
    kept = kept.strip()
    inner = kept[1:-1] if len(kept) > 1 and kept[0] == kept[-1] and kept[0] in "'\"" else kept
    return inner.replace("\\\\", "\\")


@given(st.text(alphabet="ab@:/%$'\"\\;# ", min_size=1, max_size=12))
def test_my_cnf_value_survives_or_is_refused(text):
    """
    No password is ever changed silently by MariaDB's option files.
    """
    try:
        written = formats._my_cnf_value(text)
    except SystemExit:
        return

    assert text == scan(written)


@pytest.mark.parametrize("file_format", ["json", "yaml"])
def test_null_leaves_a_key_out_of_json(file_format):
    """
    As it does an option elsewhere: that is how a site deletes one.
    """
    file = {"format": file_format, "content": {"a": None, "b": {"c": None, "d": [None, 1]}}}

    assert {"b": {"d": [None, 1]}} == json.loads(formats.render(file, fill))


def test_per_cent_sign_of_a_secret_is_escaped_for_uwsgi():
    """
    It has magic variables of its own, which a definition may use and a secret may not.
    """
    content = {"uwsgi": {"a": "SECRET %n", "b": None}, "gone": None}

    text = formats.render({"format": "uwsgi", "content": content}, fill)

    assert f"[uwsgi]\na = {NASTY.replace('%', '%%')} %n\n" == text


def test_my_cnf_knows_flags_and_quotes():
    """
    An option without a value, a plain one, and one that needs quotes.
    """
    content = {"mysqld": {"skip-name-resolve": True, "port": 3306, "password": "pa'ss"}}

    text = formats.render({"format": "my.cnf", "content": content}, fill)

    assert '[mysqld]\npassword = "pa\'ss"\nport = 3306\nskip-name-resolve\n' == text


def test_password_that_my_cnf_cannot_say_ends_the_program():
    """
    Better no file than a password cut short.
    """
    with pytest.raises(SystemExit, match="quotes and # in an order that MariaDB's option files cannot say"):
        formats.render({"format": "my.cnf", "content": {"client": {"password": "\"#'#"}}}, fill)
