"""Options that a release does not know are problems of the definition that says them."""

from __future__ import annotations

import json

import pytest

from kolla_k8s.errors import UserFilesError
from tests.conftest import catalog_of
from tests.unit.compile.defined import a_definition, write

KNOWN = {
    "DEFAULT": ["debug", "use_json", "use_stderr"],
    "login": ["auth_type"],
    "oslo_middleware": ["enable_proxy_headers_parsing"],
}


def refused(folder, oslo, content, known=(), **more):
    """Problems of a definition whose one file says this, where DEFAULT has these options besides."""
    lists = folder / "options/2026.1"
    lists.mkdir(parents=True)
    (lists / "one.json").write_text(json.dumps({**KNOWN, "DEFAULT": [*KNOWN["DEFAULT"], *known]}))
    file = {"path": "/a", "format": "ini", "oslo": oslo, "content": content, **more}
    with pytest.raises(UserFilesError) as error:
        catalog_of(write(folder, a_definition("one", config={"a.conf": file})))
    return str(error.value).replace(f"{folder}/", "").splitlines()


def test_unknown_section_and_option_are_named_with_the_nearest(tmp_path):
    """
    What a login takes is known without a list; a section that an option names takes what another takes.
    """
    mine = {"debug": 1, "us_json": 2}
    content = {"DEFAULT": {"debg": 1}, "elsewhere": {"x": 1}, "login": {"username": "a"}, "mine": mine}

    said = refused(tmp_path, {"options": "one", "like": {"mine": "DEFAULT"}}, content)

    assert 3 == len(said)
    assert said[2].endswith('content.mine.us_json: [mine] has no option "us_json"; did you mean "use_json"?')
    assert said[0].endswith('content.DEFAULT.debg: [DEFAULT] has no option "debg"; did you mean "debug"?')
    assert 'there is no section "elsewhere"' in said[1]


def test_section_that_the_content_names_itself_is_known(tmp_path):
    """
    A second backend takes the options of every backend; of one that nothing lists nobody reads a word.
    """
    lists = {"stores": " fast:login, slow:DEFAULT", "methods": ["mine"]}
    content = {
        "DEFAULT": lists,
        "fast": {"username": "a"},
        "slow": {"debug": 1, "username": "b"},
        "mine": {"use_json": 1},
        "lost": {"debug": 1},
    }
    oslo = {"options": "one", "named-by": {"DEFAULT/stores": "*", "DEFAULT/methods": "DEFAULT", "login/x": "DEFAULT"}}

    said = [line.partition("content.")[2] for line in refused(tmp_path, oslo, content, known=("stores", "methods"))]

    assert 2 == len(said)
    assert 'slow.username: [slow] has no option "username"' in said[0]
    assert 'lost: there is no section "lost"' in said[1]


def test_variants_are_looked_at_too(tmp_path):
    """
    Whatever option of the site chooses them.
    """
    variants = {"v": {"when": {}, "content": {"DEFAULT": {"debux": True}}}}

    (said,) = refused(tmp_path, {"options": "one"}, {}, variants=variants)

    assert 'variants.v.content.DEFAULT.debux: [DEFAULT] has no option "debux"' in said


def test_section_is_like_one_of_the_list(tmp_path):
    """
    Or its options could not be known.
    """
    (said,) = refused(tmp_path, {"options": "one", "like": {"mine": "logn"}}, {"mine": {"x": 1}})[:1]

    assert said.endswith('oslo.like.mine: no section is called "logn"; did you mean "login"?')


def test_section_that_an_option_names_is_like_one_of_the_list(tmp_path):
    """
    Unless the option says itself of what type it is.
    """
    (said,) = refused(tmp_path, {"options": "one", "named-by": {"DEFAULT/a": "logn", "DEFAULT/b": "*"}}, {})

    assert said.endswith('oslo.named-by.DEFAULT/a: no section is called "logn"; did you mean "login"?')


def test_list_that_is_not_there_is_named_once(tmp_path):
    """
    Nothing is held against a list that nobody has.
    """
    (said,) = refused(tmp_path, {"options": "two"}, {"x": {"y": 1}})

    assert 'no list of options is called "two"; known: one' in said
