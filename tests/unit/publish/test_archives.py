"""Archives of charts: one chart, one archive, whichever Python made it."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib

import pytest

from kolla_k8s.errors import OutsideError
from kolla_k8s.publish.package import package, zipped


@pytest.fixture
def chart(tmp_path):
    folder = tmp_path / "keystone"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: keystone\nversion: 2026.1.1\n")
    (folder / "templates/a.yaml").write_text("a: 1\n")
    return folder


def test_header_names_neither_time_nor_system():
    """
    Python's own differs: 3.11 and 3.12 say Unix, later ones say nothing.
    """
    assert bytes.fromhex("1f8b08000000000002ff") == zipped(b"x" * 100)[:10]


@pytest.mark.parametrize("content", [b"", b"a", b"chart\n" * 100_000])
def test_any_gzip_reads_it(content):
    """
    Checksum and length included.
    """
    assert content == gzip.decompress(zipped(content))


def test_archive_holds_the_files_below_the_name_of_the_chart(chart):
    """
    As helm wants it, without time, owner or mode of this machine.
    """
    made = package(chart)
    with tarfile.open(fileobj=io.BytesIO(made.content)) as archive:
        members = archive.getmembers()

    assert ["keystone/Chart.yaml", "keystone/templates/a.yaml"] == [member.name for member in members]
    assert {(0o644, 0, 0, "")} == {(member.mode, member.mtime, member.uid, member.uname) for member in members}
    assert "keystone-2026.1.1.tgz" == made.file_name


@pytest.mark.parametrize("level", [0, 1, 9])
def test_other_compression_is_no_other_content(chart, level):
    """
    Another zlib may make other bytes of the same files.
    """
    made = package(chart)

    assert made.is_in(gzip.compress(made.tar, compresslevel=level, mtime=1))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tar: gzip.compress(tar.replace(b"a: 1", b"a: 2")),
        lambda tar: gzip.compress(tar + b"\0"),
        lambda tar: gzip.compress(tar)[:-1],
        lambda tar: gzip.compress(tar)[:100],
        lambda _: b"no archive",
        lambda _: b"",
    ],
    ids=["changed", "longer", "no trailer", "cut", "other", "empty"],
)
def test_changed_or_damaged_archive_is_other_content(chart, spoil):
    """
    Nothing is taken for published that nobody could install.
    """
    made = package(chart)

    assert not made.is_in(spoil(made.tar))


def test_no_more_is_unpacked_than_shows_the_difference(chart):
    """
    A small archive of a huge file fills no memory.
    """
    deflate = zlib.compressobj(wbits=31)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()

    assert not package(chart).is_in(bomb)


def test_link_is_refused(chart):
    """
    It would lead out of the chart.
    """
    (chart / "link").symlink_to("/etc/hostname")

    with pytest.raises(OutsideError, match="link: is a link, which a chart must not hold; replace it by a file"):
        package(chart)
