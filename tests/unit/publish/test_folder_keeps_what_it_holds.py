"""A folder of published charts: what lies there stays as it is."""

from __future__ import annotations

import fcntl
import gzip
import os
from dataclasses import replace

import pytest

from kolla_k8s.errors import HeldError, OutsideError, UserFilesError
from kolla_k8s.publish.folder import INDEX, publish_to_folder
from kolla_k8s.publish.package import Package, digest, zipped
from kolla_k8s.yamlio import load


def a_package(tar=b"files", name="keystone", version="2026.1.1"):
    return Package({"apiVersion": "v2", "name": name, "version": version}, tar, zipped(tar))


def entries(folder, name="keystone"):
    return load(folder / INDEX).data["entries"][name]


def test_published_again_nothing_is_written(tmp_path):
    """
    Neither archive nor index.
    """
    first = publish_to_folder([a_package()], tmp_path)
    before = {path.name: path.stat() for path in tmp_path.iterdir()}

    assert ["keystone-2026.1.1.tgz"] == first
    assert [] == publish_to_folder([a_package()], tmp_path)
    assert before == {path.name: path.stat() for path in tmp_path.iterdir()}


def test_archive_of_another_zlib_is_the_same(tmp_path):
    """
    It stays as it was published, for its digest is in the index and in lock files.
    """
    publish_to_folder([replace(a_package(), content=gzip.compress(b"files", 1))], tmp_path)
    before = (tmp_path / "keystone-2026.1.1.tgz").read_bytes()

    assert [] == publish_to_folder([a_package()], tmp_path)
    assert before == (tmp_path / "keystone-2026.1.1.tgz").read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "index.yaml:1:1: is no map"),
        ("", "index.yaml:1:1: is no map"),
        ("a: 1", 'entries: the key "entries" is missing'),
        ("entries: [1]", r"index.yaml:1:1: entries: is no map: \[1\]"),
        ("entries: {nova: [null]}", r"nova\[0\]: is no map"),
        (
            "entries: {nova: [{name: nova, version: 1.0}]}",
            r"digest: the key \"digest\" is missing; add it\n.*version: is no string: 1.0; put it in quotes",
        ),
        ("entries: {nova: [{name: ../nova, version: '1', digest: a}]}", "'../nova' does not match"),
    ],
)
def test_index_that_is_none_stays_as_it_is(tmp_path, text, said):
    """
    Everything that is wrong with it is named, and nothing is published beside it.
    """
    (tmp_path / INDEX).write_text(text)

    with pytest.raises(UserFilesError, match=said):
        publish_to_folder([a_package()], tmp_path)

    assert [INDEX] == [path.name for path in tmp_path.iterdir()]
    assert text == (tmp_path / INDEX).read_text()


def test_time_that_is_none_is_told_before_anything_is_written(tmp_path, monkeypatch):
    """
    An archive without its entry in the index would be found by nobody.
    """
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")

    with pytest.raises(UserFilesError, match="SOURCE_DATE_EPOCH: 'yesterday' is no time; write seconds since 1970"):
        publish_to_folder([a_package()], tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_newer_version_stands_first(tmp_path):
    """
    The older one stays in the index.
    """
    publish_to_folder([a_package()], tmp_path)
    publish_to_folder([a_package(version="2026.1.2")], tmp_path)

    assert ["2026.1.2", "2026.1.1"] == [entry["version"] for entry in entries(tmp_path)]


def test_other_content_is_refused_and_nothing_is_written(tmp_path):
    """
    Also what would be new stays out.
    """
    publish_to_folder([a_package()], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(UserFilesError, match=r"tgz: keystone 2026.1.1 is published with other content; raise "):
        publish_to_folder([a_package(b"other"), a_package(name="nova")], tmp_path)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_lost_index_lets_nothing_be_overwritten(tmp_path):
    """
    What counts is the archive that lies there.
    """
    publish_to_folder([a_package()], tmp_path)
    (tmp_path / INDEX).unlink()

    with pytest.raises(UserFilesError, match=r"keystone 2026.1.1 is published with other content"):
        publish_to_folder([a_package(b"other")], tmp_path)


def test_lost_index_is_made_again_for_what_lies_there(tmp_path):
    """
    With the digest of the archive as it is.
    """
    publish_to_folder([replace(a_package(), content=gzip.compress(b"files", 1))], tmp_path)
    (tmp_path / INDEX).unlink()
    before = (tmp_path / "keystone-2026.1.1.tgz").read_bytes()

    assert ["keystone-2026.1.1.tgz"] == publish_to_folder([a_package()], tmp_path)
    assert before == (tmp_path / "keystone-2026.1.1.tgz").read_bytes()
    assert [digest(before)] == [entry["digest"] for entry in entries(tmp_path)]


def test_lost_archive_comes_back(tmp_path):
    """
    When it is the one that the index names.
    """
    publish_to_folder([a_package()], tmp_path)
    (tmp_path / "keystone-2026.1.1.tgz").unlink()

    assert ["keystone-2026.1.1.tgz"] == publish_to_folder([a_package()], tmp_path)
    assert a_package().content == (tmp_path / "keystone-2026.1.1.tgz").read_bytes()
    assert 1 == len(entries(tmp_path))


def test_lost_archive_of_another_digest_is_not_replaced(tmp_path):
    """
    Nobody can tell what it held.
    """
    publish_to_folder([a_package()], tmp_path)
    (tmp_path / "keystone-2026.1.1.tgz").unlink()

    with pytest.raises(UserFilesError, match=r"is in the index, and its archive is gone; put it back, or raise "):
        publish_to_folder([a_package(b"other")], tmp_path)


def test_second_publisher_is_told_to_wait(tmp_path):
    """
    Two at once could lose an entry of the index.
    """
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(HeldError, match="another run is publishing there; wait for it and repeat"):
            publish_to_folder([a_package()], tmp_path)
    finally:
        os.close(handle)

    assert ["keystone-2026.1.1.tgz"] == publish_to_folder([a_package()], tmp_path)


def test_place_that_cannot_be_written_is_named(tmp_path):
    """
    With what the system says of it.
    """
    (tmp_path / "file").touch()

    with pytest.raises(OutsideError, match=r"file/charts: cannot be written: Not a directory; see disk and rights"):
        publish_to_folder([a_package()], tmp_path / "file/charts")
