"""The line a user types, and what comes back."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = str(Path(sys.executable).parent / "kolla-k8s")
SITE = str(ROOT / "values/sites/sandbox.yaml")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments, **environment):
    kept = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    return subprocess.run(
        [TOOL, *arguments], capture_output=True, text=True, check=False, env={**kept, **environment}, cwd=ROOT
    )


def test_help_names_every_command_with_an_example():
    """
    A command that is not there does not appear.
    """
    said = run("--help").stdout

    for command in ("gen-charts", "plan", "install", "status", "why", "uninstall", "check", "publish", "graph"):
        assert command in said
        assert "Example: kolla-k8s" in " ".join(run(command, "--help").stdout.split())


def test_gen_charts_gives_the_same_bytes_in_any_environment(tmp_path):
    """
    Hash seed, locale, time zone and the order in which definitions were written change nothing.
    """
    folders = []
    definitions = sorted(path for path in (ROOT / "service_defs").rglob("*") if path.is_file())
    worlds = [("UTC", "C", definitions), ("Pacific/Auckland", "C.UTF-8", definitions[::-1])]
    for number, (zone, words, order) in enumerate(worlds):
        folder, source = tmp_path / str(number), tmp_path / f"definitions-{number}"
        for path in order:
            copy = source / path.relative_to(ROOT / "service_defs")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        said = ("--definitions", str(source), "--output", str(folder))
        done = run("gen-charts", *said, PYTHONHASHSEED=str(number), TZ=zone, LC_ALL=words, PYTHONUTF8="0")
        assert 0 == done.returncode, done.stderr
        folders.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})

    assert folders[0] == folders[1]


def test_gen_charts_check_finds_a_changed_file(tmp_path):
    """
    Exit 1, the path, and what to do.
    """
    run("gen-charts", "--output", str(tmp_path / "charts"))
    (tmp_path / "charts/keystone/values.yaml").write_text("")

    done = run("gen-charts", "--check", "--output", str(tmp_path / "charts"))

    assert 1 == done.returncode
    assert "charts/keystone/values.yaml: differs from its definition" in done.stderr


def test_explain_tells_who_overrode_whom():
    """
    The last word first, each with file and line.
    """
    done = run(
        "values", "explain", "services.keystone.workloads.api.replicas", "--values", SITE,
        "--values", str(ROOT / "values/sites/replicas.yaml"), "--set", "services.keystone.workloads.api.replicas=3",
    )  # fmt: skip
    lines = done.stdout.splitlines()

    assert "services.keystone.workloads.api.replicas = 3" == lines[0]
    assert lines[1].startswith("  from --set")
    assert "replicas.yaml:6:23" in lines[2]
    assert "all-in-one.yaml" in lines[3]
    assert "the chart keystone" in lines[4]


def test_members_follow_the_replicas_of_a_service():
    """
    Keystone lists every cache there is.
    """
    said = run(
        "values", "render", "keystone", "--values", SITE, "--set", "services.memcached.workloads.server.replicas=3"
    )

    assert "memcached: 3" in said.stdout


@pytest.mark.parametrize("command", ["plan", "install", "status", "check"])
def test_unusable_kubeconfig_is_exit_3(command, tmp_path):
    """
    Something outside cannot be used: the file is named, nothing is tried.
    """
    missing = str(tmp_path / "none")

    done = run(command, "--values", SITE, "--kubeconfig", missing)

    assert 3 == done.returncode, done.stderr
    assert missing in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("status",), ("install",), ("recover", "mariadb"), ("install", "--set", "name=a")])
def test_command_without_a_site_asks_for_one(command):
    """
    Not for the keys that an empty one lacks.
    """
    done = run(*command)

    assert (2, "--values: no site file is named; name one: --values site.yaml\n") == (done.returncode, done.stderr)


def test_unknown_service_is_exit_2():
    """
    With the nearest name.
    """
    done = run("plan", "keystome", "--values", SITE)

    assert (2, 'keystome: no service is called "keystome"; did you mean "keystone"?\n') == (
        done.returncode,
        done.stderr,
    )


def test_publishing_twice_is_quiet_and_a_changed_chart_is_refused(tmp_path):
    """
    What is published never changes; a changed definition needs a new revision.
    """
    charts, target, definitions = tmp_path / "charts", tmp_path / "repository", a_few_definitions(tmp_path)
    compiled = ("--definitions", str(definitions), "--output", str(charts))
    publish = ("publish", "--definitions", str(definitions), "--charts", str(charts), "--to", str(target))
    run("gen-charts", *compiled)
    first, again = run(*publish), run(*publish)
    rename(definitions / "memcached.yaml")
    run("gen-charts", *compiled)

    changed = run(*publish)

    assert "2 of them new" in first.stdout, first.stderr
    assert "0 of them new" in again.stdout
    assert 2 == changed.returncode
    fact = r"memcached 2026\.1\.\d+ is published with other content; raise metadata\.revision in its definition"
    assert re.fullmatch(rf"{target}/memcached-2026\.1\.\d+\.tgz: {fact}\n", changed.stderr)


def a_few_definitions(folder):
    """Two that need nothing else, to change."""
    (folder / "definitions").mkdir()
    for name in ("memcached", "rabbitmq"):
        shutil.copy(ROOT / f"service_defs/{name}.yaml", folder / "definitions")
    return folder / "definitions"


def rename(definition):
    text = definition.read_text()
    definition.write_text(re.sub("title: .*", "title: Another", text))
    assert text != definition.read_text()


def test_stale_chart_is_not_published(tmp_path):
    """
    A changed definition whose chart was not made anew: exit 2 with the way to make it, and nothing is written.
    """
    charts, definitions = tmp_path / "charts", a_few_definitions(tmp_path)
    run("gen-charts", "--definitions", str(definitions), "--output", str(charts))
    rename(definitions / "memcached.yaml")

    done = run(
        "publish", "--definitions", str(definitions), "--charts", str(charts), "--to", str(tmp_path / "repository")
    )

    way_out = f"run `kolla-k8s gen-charts --release 2026.1 --definitions {definitions} --output {charts}`"
    fact = r"differs from its definition(, \d+ more files of this chart too)?"
    assert 2 == done.returncode
    assert re.fullmatch(rf"{charts}/memcached/[\w./]+: {fact}; {way_out}\n", done.stderr)
    assert not (tmp_path / "repository").exists()


def test_chart_without_a_definition_is_not_published(tmp_path):
    """
    Charts from elsewhere: the definitions they were made from have to be named.
    """
    charts, definitions = tmp_path / "charts", a_few_definitions(tmp_path)
    run("gen-charts", "--definitions", str(definitions), "--output", str(charts))
    (definitions / "memcached.yaml").unlink()

    done = run(
        "publish", "--definitions", str(definitions), "--charts", str(charts), "--to", str(tmp_path / "repository")
    )

    fact = f'no definition in {definitions} is called "memcached"'
    assert (2, f"{charts}/memcached: {fact}; name their folder with --definitions\n") == (done.returncode, done.stderr)


def test_chart_that_is_not_ours_is_published_as_it_is(tmp_path):
    """
    It has no definition.
    """
    chart = tmp_path / "charts/other"
    chart.mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: other\nversion: 1.0.0\n")

    done = run("publish", "--charts", str(tmp_path / "charts"), "--to", str(tmp_path / "repository"))

    assert (0, "other-1.0.0.tgz published") == (done.returncode, done.stdout.splitlines()[0])


def test_folder_without_charts_is_exit_3(tmp_path):
    """
    Publishing nothing is no success.
    """
    done = run("publish", "--charts", str(tmp_path), "--to", str(tmp_path / "repository"))

    assert 3 == done.returncode
    assert f"{tmp_path}: holds no chart; run `kolla-k8s gen-charts`, or name a folder with --charts\n" == done.stderr


@pytest.mark.helm
def test_helm_adds_a_published_folder_and_renders_from_it(tmp_path):
    """
    Served by any web server: the index is helm's own format.
    """
    target = tmp_path / "repository"
    run("publish", "--to", str(target))
    handler = functools.partial(Quiet, directory=str(target))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            added = helm(tmp_path, "repo", "add", "ours", f"http://127.0.0.1:{server.server_address[1]}")
            shown = helm(tmp_path, "template", "keystone", "ours/keystone", "-n", "openstack")
        finally:
            server.shutdown()

    assert "has been added" in added
    assert "kind: Deployment" in shown


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_arguments):
        """No log."""


def helm(home, *arguments):
    places = {f"HELM_{kind}_HOME": str(home / kind) for kind in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(
        ["helm", *arguments], capture_output=True, text=True, check=False, env={**os.environ, **places}
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["plan", "install"])
def test_named_service_that_is_disabled_is_exit_2(command, tmp_path):
    """
    With the place that says so, before anything outside is asked; there would be nothing to do, and that is not green.
    """
    site = tmp_path / "site.yaml"
    site.write_text("apiVersion: kolla-k8s.io/v1\nkind: Site\nservices:\n  keystone: {enabled: false}\n")

    done = run(command, "keystone", "--values", str(site), "--kubeconfig", str(tmp_path / "none"))

    way_out = "enable it in the site file, or leave it out"
    assert (2, f'{site}:4:14: services.keystone.enabled: "keystone" is named, and disabled; {way_out}\n') == (
        done.returncode,
        done.stderr,
    )


def test_named_service_that_nobody_asked_for_is_exit_2(tmp_path):
    """
    An alternative, or what want leaves out, is no part of this cloud.
    """
    site = tmp_path / "site.yaml"
    site.write_text("apiVersion: kolla-k8s.io/v1\nkind: Site\n")

    done = run("plan", "neutron-dhcp", "--values", str(site), "--kubeconfig", str(tmp_path / "none"))

    assert 2 == done.returncode
    assert '"neutron-dhcp" is named, and not asked for; enable it in the site file, or leave it out' in done.stderr


@pytest.mark.parametrize("command", ["status", "uninstall"])
def test_disabled_service_can_still_be_looked_at_and_removed(command, tmp_path):
    """
    What is refused here is the cluster alone.
    """
    missing = str(tmp_path / "none")

    done = run(
        command, "keystone", "--values", SITE, "--set", "services.keystone.enabled=false", "--kubeconfig", missing
    )

    assert 3 == done.returncode, done.stderr


def test_graph_of_a_site_holds_what_the_site_has():
    """
    The small site has four services; Keystone needs two of them.
    """
    drawn = run("graph", "--values", SITE)

    assert ["mariadb", "memcached", "rabbitmq", "keystone   mariadb, memcached"] == drawn.stdout.splitlines()


def test_preset_can_say_what_a_site_is_made_of(tmp_path):
    """
    What boots servers comes with all that it needs, and nothing else.
    """
    site = tmp_path / "site.yaml"
    site.write_text("apiVersion: kolla-k8s.io/v1\nkind: Site\npresets: [all-in-one, compute]\n")

    names = {line.split()[0] for line in run("graph", "--values", str(site)).stdout.splitlines()}

    assert {"keystone", "neutron", "neutron-metadata", "nova", "nova-compute", "libvirt", "ovn-controller"} <= names
    assert set() == names & {"cinder", "heat", "horizon"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- cinder-secrets\n", ":1:1: is no map; write Secrets and, below each, its keys"),
        ("cinder-secrets: a\nkeystone-secrets: []\n", ":1:1: cinder-secrets: is no map; write Secrets"),
    ],
)
def test_secrets_that_are_no_maps_are_refused(tmp_path, text, said):
    """
    All of them, before a cluster is asked.
    """
    file = tmp_path / "secrets.yaml"
    file.write_text(text)

    done = run("secrets", "init", "--values", str(ROOT / "values/sites/all-in-one.yaml"), "--from", str(file))

    assert 2 == done.returncode
    assert done.stderr.startswith(f"{file}{said}")
    assert len(text.splitlines()) == len(done.stderr.splitlines())


def test_secret_that_is_no_text_is_refused_before_it_is_stored_for_good(tmp_path):
    """
    What stands there, and what YAML makes of it, are two passwords.
    """
    file = tmp_path / "secrets.yaml"
    keys = ("database-password", "messaging-password", "service-password")
    file.write_text("cinder-secrets:\n  database-password: 007\n  messaging-password:\n  service-password: ''\n")

    done = run("secrets", "init", "--values", str(ROOT / "values/sites/all-in-one.yaml"), "--from", str(file))

    said = ["is no string; put it in quotes"] * 2 + ["is empty; write a value, or leave the key out to have one made"]
    assert 2 == done.returncode
    assert [
        f"{file}:{line}:3: cinder-secrets.{key}: {fact}"
        for line, (key, fact) in enumerate(zip(keys, said, strict=True), 2)
    ] == done.stderr.splitlines()


def test_password_that_no_service_could_use_is_refused_with_its_place(tmp_path):
    """
    Before anything is created: oslo.messaging leaves a / as it is in the address of a broker.
    """
    file = tmp_path / "secrets.yaml"
    file.write_text('cinder-secrets:\n  messaging-password: "a/b"\n  database-password: "a/b"\n  mine: x\n')

    done = run("secrets", "init", "--values", str(ROOT / "values/sites/all-in-one.yaml"), "--from", str(file))

    assert 2 == done.returncode
    fact = "holds a /, which oslo.messaging cannot say in an address; choose another one"
    assert [
        f"{file}:2:3: cinder-secrets.messaging-password: {fact}",
        f"{file}:4:3: cinder-secrets.mine: no chart expects this secret; remove it",
    ] == done.stderr.splitlines()
