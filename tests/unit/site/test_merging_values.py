import json
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kolla_k8s.errors import UserFilesError
from kolla_k8s.site.merge import Layers, overlaid
from kolla_k8s.site.options import set_document
from kolla_k8s.yamlio import loads

VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
MAPS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(MAPS)
def test_merging_with_nothing_changes_nothing_but_nulls(base):
    """
    An empty layer says nothing.
    """
    assert base == overlaid(base, {})


@pytest.mark.helm
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=MAPS, over=MAPS)
def test_merges_as_helm_does(tmp_path, base, over):
    """
    Helm itself, asked with the same two layers, gives the same values.
    """
    (tmp_path / "templates").mkdir(exist_ok=True)
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
    (tmp_path / "templates" / "v.yaml").write_text("v: {{ toJson .Values | quote }}\n")
    for name, layer in {"one": base, "two": over}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(layer))
    files = ["-f", str(tmp_path / "one.json"), "-f", str(tmp_path / "two.json")]
    said = subprocess.run(["helm", "template", str(tmp_path), *files], capture_output=True, text=True, check=True)
    theirs = json.loads(loads(said.stdout.split("\n", 2)[2], "helm").data["v"])

    ours = overlaid(base, over)

    assert theirs == ours


def test_history_knows_who_overrode_whom():
    """
    Every word on a value is kept, the oldest first.
    """
    layers = Layers()
    layers.add(loads("a: {b: 1}", "one.yaml"))
    layers.add(loads("\na: {b: 2}", "two.yaml"))

    said = [(word.place, word.value) for word in layers.history["a", "b"]]

    assert [("one.yaml:1:5", 1), ("two.yaml:2:5", 2)] == said


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("a.b=1", {"a": {"b": 1}}),
        ("a=true,b=null", {"a": True, "b": None}),
        (r"a\.b=c", {"a.b": "c"}),
        ("a={x,y}", {"a": ["x", "y"]}),
        ("a=01", {"a": "01"}),
        (r"a=x\,y", {"a": "x,y"}),
    ],
)
def test_set_reads_as_helms(argument, expected):
    """
    Dots lead into maps, commas separate, a backslash takes the meaning away.
    """
    assert expected == set_document(argument).data


@pytest.mark.parametrize("argument", ["a=1,a.b=2", "x=1,a.b=1,a.b.c=2", "a={1},a.b=2"])
def test_set_below_a_value_is_refused(argument):
    """
    A word, or a list, has no keys.
    """
    with pytest.raises(UserFilesError, match=r'"[a.bc]+" lies below what has a value already; give one of the two'):
        set_document(argument)


def test_set_without_a_value_is_refused():
    """
    A word that assigns nothing is a mistake.
    """
    with pytest.raises(UserFilesError, match="is no assignment; write --set"):
        set_document("a.b")
