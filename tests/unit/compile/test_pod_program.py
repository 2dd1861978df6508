"""The program of the prepare step, run as a pod runs it, in a directory instead of a root."""

import socket
from types import SimpleNamespace

import init
import pytest
import rotate

NASTY = "@:/%$'\"\\;# x"


def resolver(monkeypatch, getaddrinfo):
    """Names as the program alone sees them: other threads of this process go on with the real ones."""
    fake = SimpleNamespace(getaddrinfo=getaddrinfo, SOCK_STREAM=socket.SOCK_STREAM)
    monkeypatch.setattr(init, "socket", fake)


@pytest.fixture
def facts(tmp_path, monkeypatch):
    secrets = tmp_path / "keystone"
    secrets.mkdir()
    (secrets / "password").write_text(NASTY)
    monkeypatch.setattr(init, "SECRETS", tmp_path)
    monkeypatch.setattr(init, "ROOT", tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text("search openstack.svc.cloud.local svc.cloud.local cloud.local\n")
    host = {"service": "memcached", "port": 11211, "peers": "memcached-peers", "pods": "memcached", "plane": "control"}
    pod = {
        "service": "keystone",
        "site": {"region": "RegionOne", "namespaces": {"control": "openstack"}},
        "hosts": {"memcached": host},
        "members": {"memcached": 2},
        "options": {"datapath": "netdev", "gateway": True},
        "urls": {"keystone": {"service": "keystone", "of": "memcached", "port": 5000, "path": "/v3"}},
    }
    return init.Facts(pod)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${host:memcached}", "memcached.openstack.svc"),
        ("${port:memcached}", "11211"),
        (
            "${members:memcached}",
            "memcached-0.memcached-peers.openstack.svc:11211,memcached-1.memcached-peers.openstack.svc:11211",
        ),
        (
            "${hosts:memcached|wrap='a@*'}",
            "'a@memcached-0.memcached-peers.openstack.svc','a@memcached-1.memcached-peers.openstack.svc'",
        ),
        ("${url:keystone|public}", "http://keystone.openstack.svc:5000/v3"),
        ("${host:memcached|whole}", "memcached.openstack.svc.cloud.local"),
        (
            "${hosts:memcached|whole|wrap=tcp:*:1}",
            ",".join(f"tcp:memcached-{n}.memcached-peers.openstack.svc.cloud.local:1" for n in (0, 1)),
        ),
        ("${option:datapath} ${option:gateway}", "netdev true"),
        ("${site:region}", "RegionOne"),
        ("$my_ip and ${not a placeholder}", "$my_ip and ${not a placeholder}"),
        ("${secret:password|url}", "%40%3A%2F%25%24%27%22%5C%3B%23%20x"),
        ("${secret:password|sql}", "@:/%$''\"\\\\;# x"),
    ],
)
def test_placeholder_is_filled_in(facts, text, expected):
    """
    What a definition names becomes what the pod needs; everything else passes through.
    """
    assert expected == init.fill(text, facts)


def test_members_that_a_client_must_choose_from_have_addresses_that_stay(facts, monkeypatch):
    """
    Each is its own Service's; programs that know no names can use it.
    """
    asked = {f"memcached-{number}.openstack.svc": f"192.0.2.{number}" for number in (0, 1)}
    resolver(monkeypatch, lambda host, *_, **__: [(0, 0, 0, "", (asked[host], 0))])

    assert "tcp:192.0.2.0:1,tcp:192.0.2.1:1" == init.fill("${addresses:memcached|wrap=tcp:*:1}", facts)


@pytest.mark.parametrize(
    ("members", "places"),
    [
        (1, "{username}:{password}@{hostname}:{port}"),
        (2, "{username1}:{password1}@{hostname1}:{port1},{username2}:{password2}@{hostname2}:{port2}"),
    ],
)
def test_template_of_an_address_holds_no_password(facts, members, places):
    """
    Each reader fills it in from an address of its own.
    """
    pod = {**facts.pod, "transports": {"cell": {"vhost": "cell1"}}, "members": {"rabbitmq": members}}

    assert f"{{scheme}}://{places}/cell1" == init.fill("${transport:cell|template}", init.Facts(pod))


def test_address_of_a_name_is_waited_for(facts, monkeypatch, capsys):
    """
    DNS learns a name when its pod begins; the log says what is missing.
    """
    answers = [OSError(-2, "Name or service not known"), [(0, 0, 0, "", ("192.0.2.7", 0))]]

    def resolve(*_, **__):
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    resolver(monkeypatch, resolve)

    assert "192.0.2.7" == init.fill("${host:memcached|ip}", facts)
    said = "waiting for the address of memcached.openstack.svc (Name or service not known)\n"
    assert said == capsys.readouterr().out


def test_written_file_has_its_mode(facts, tmp_path):
    """
    A cookie is 0400 whatever the umask.
    """
    init.write("cookie", {"format": "raw", "mode": "0400", "content": "x"}, facts, tmp_path)

    assert 0o400 == (tmp_path / "cookie").stat().st_mode & 0o777


def test_rotation_promotes_the_staged_key_and_drops_the_oldest():
    """
    The staged key has been everywhere for a day when it becomes the primary one.
    """
    assert {"0": "new", "2": "b", "3": "staged"} == rotate.rotated({"0": "staged", "1": "a", "2": "b"}, 3, "new")
