import pytest
from hypothesis import given
from hypothesis import strategies as st

from kolla_k8s.errors import UserFilesError
from kolla_k8s.yamlio import dump, load, loads

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: no", "no"),
        ("a: on", "on"),
        ("a: 010", 10),
        ("a: 12:30:45", "12:30:45"),
        ("a: 1_000", "1_000"),
        ("a: 1.5", 1.5),
        ('a: "1.10"', "1.10"),
        ("a: 0o17", 15),
        ("a: 0x1F", 31),
        ("a: true", True),
        ("a: ~", None),
        ("a: 2026-11-23", "2026-11-23"),
    ],
)
def test_scalars_follow_yaml_1_2(text, expected):
    """
    Norway is a country, leading zeros are decimal, dates are strings.
    """
    assert expected == loads(text, "f").data["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", 'f:2:1: the key "a" is there already, in line 1; keep one of them'),
        ("a: !!python/name:os 1", 'f:1:4: has the tag "tag:yaml.org,2002:python/name:os"; write plain YAML'),
        ("a: [1\n", "f:2:1: did not find expected ',' or ']'; correct the YAML"),
        ("1: 2", 'f:1:1: a key is a string, not "1"; put it in quotes'),
        ("a: \u202e1", "f:1:4: holds an invisible character (right-to-left override); delete it"),
        ("a: \x00", "f:1:4: holds an invisible character (U+0000); delete it"),
        ("a: &x {b: *x}", "f:1:4: holds itself through an alias; write the values out"),
        ("a: {<<: {b: 1}}", "f:1:5: merge keys are not understood by everyone; write the values out"),
        ("---\na: 1\n---\nb: 2\n", "f:3:1: begins a second document; one document a file"),
        ("a:\n\t- x\n", "f:2:1: a tab cannot stand here; use spaces"),
        ("a: @x", "f:1:4: found character that cannot start any token; correct the YAML"),
        ("a: \u061c1", "f:1:4: holds an invisible character (arabic letter mark); delete it"),
        ('a: ["\\u202e1"]', "f:1:5: holds an invisible character (right-to-left override); delete its escape"),
        ('"a\\0": 1', "f:1:1: holds an invisible character (U+0000); delete its escape"),
        ("[" * 5000, "f:1:65: is nested deeper than 64 levels; flatten it"),
        (BOMB, "f:1:16: grows more than tenfold through aliases; write the values out"),
        ("a: &a x\nb: [" + "*a, " * 1001 + "]", "f:2:4005: has more than 1000 aliases; write the values out"),
        (b"a: \xff", "f:1:1: is not UTF-8; save it as UTF-8"),
        ("x" * (5 * 1024 * 1024 + 1), "f: is larger than 5 MiB; split it"),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused(text, expected):
    """
    Each refusal has its place, the fact and a way out.
    """
    with pytest.raises(UserFilesError) as caught:
        loads(text, "f")
    assert expected == str(caught.value)


def test_every_key_and_item_has_a_place():
    """
    Line and column, of keys and of items of lists; of the nearest parent for what is missing.
    """
    document = loads("a:\n  b: [x, y]\n", "f")

    assert "f:2:3" == document.place(("a", "b"))
    assert "f:2:10" == document.place(("a", "b", 1))
    assert "f:2:3" == document.place(("a", "b", "missing"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(alphabet="ab:#-'\" \n", max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=3),
    )
)
def test_what_is_written_reads_back_the_same(data):
    """
    Writing and reading are each other's inverse.
    """
    assert data == loads(dump({"data": data}), "f").data["data"]


def test_file_that_cannot_be_read_is_a_problem_like_others(tmp_path):
    """
    With what the system says, so that it stands beside what is wrong in other files.
    """
    with pytest.raises(UserFilesError, match="cannot be read: Is a directory; check the path and its rights"):
        load(tmp_path)
