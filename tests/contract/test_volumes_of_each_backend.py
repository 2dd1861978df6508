"""What presets make of the services that volumes go through, under the real helm: no server of NFS, no volume group."""

from __future__ import annotations

import subprocess

import kubernetes_validate
import pytest

from kolla_k8s.cli.cloud import Source, load_cloud
from kolla_k8s.yamlio import dump, manifest
from tests.conftest import ROOT
from tests.contract.rendered import contents, pod_files

pytestmark = pytest.mark.helm
SHARE = r"services.cinder-volume.options.nfs-shares=192.0.2.5:/volumes"
ISCSI = {"/etc/iscsi": True, "/run/lock/iscsi": False, "/var/lib/iscsi": False}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Objects of a service in the cloud of all in one and a preset, each valid."""
    folder = tmp_path_factory.mktemp("values")
    clouds = {}

    def render(preset, service):
        if preset not in clouds:
            site = folder / f"{preset}.yaml"
            site.write_text(f"apiVersion: kolla-k8s.io/v1\nkind: Site\npresets: [all-in-one, {preset}]\n")
            clouds[preset] = load_cloud(Source([site], [SHARE] if preset == "nfs" else []))
        values = folder / f"{preset}-{service}.yaml"
        values.write_text(dump(clouds[preset].wanted.values[service]))
        command = ["helm", "template", service, str(ROOT / "charts" / service), "--values", str(values)]
        items = manifest(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for item in items:
            kubernetes_validate.validate(item, "1.34", strict=True)
        return items

    return render


def pod(items, kind):
    """The pod of the only workload of a kind."""
    (found,) = (item["spec"]["template"]["spec"] for item in items if item["kind"] == kind)
    return found


def mounts(container):
    return {mount["mountPath"]: mount for mount in container["volumeMounts"]}


def files(items):
    (pod,) = pod_files(items).values()
    return contents(pod)


def test_lvm_is_served_on_each_node_that_has_the_label(rendered):
    """
    A DaemonSet with the node's kernel, each under the name of its node.
    """
    items = rendered("lvm", "cinder-volume")
    spec, said = pod(items, "DaemonSet"), files(items)["cinder.conf"]

    assert {"kolla-k8s.io/volume": "true"} == spec["nodeSelector"]
    assert spec["hostNetwork"]
    assert spec["hostIPC"]
    assert spec["containers"][0]["securityContext"]["privileged"]
    assert {"/dev", "/etc/target", "/run/lock/lvm", "/run/udev", "/sys/kernel/config", *ISCSI} <= set(
        mounts(spec["containers"][0])
    )
    assert ("lvm", "${node:name}") == (said["DEFAULT"]["enabled_backends"], said["DEFAULT"]["host"])
    assert "lioadm" == said["lvm"]["target_helper"]
    assert "nfs" not in said
    assert not [item for item in items if item["kind"] in {"StatefulSet", "NetworkPolicy"}]


def test_nfs_is_served_by_one_pod_under_a_name_that_is_no_nodes(rendered):
    """
    So its volumes are served still when it moves; it has nothing of the node but its network.
    """
    items = rendered("nfs", "cinder-volume")
    spec, said = pod(items, "StatefulSet"), files(items)

    assert "nfs" == said["cinder.conf"]["DEFAULT"]["host"]
    assert {"path": said["cinder.conf"]["nfs"]["nfs_shares_config"]} == {
        "path": next(path for path in mounts(spec["containers"][0]) if path.endswith("nfs_shares"))
    }
    assert "${option:nfs-shares}\n" == said["nfs_shares"]
    assert spec["hostNetwork"]
    assert not [volume for volume in spec["volumes"] if "hostPath" in volume]
    assert not [item for item in items if item["kind"] == "DaemonSet"]


def test_what_nova_mounts_from_nfs_reaches_the_guests_process(rendered):
    """
    Out of nova-compute's pod by the node into libvirt's; steps before only see it.
    """
    compute = pod(rendered("nfs", "nova-compute"), "DaemonSet")
    libvirt = pod(rendered("nfs", "libvirt"), "DaemonSet")
    place = "/var/lib/nova-mnt"
    steps = [step for step in compute["initContainers"] if place in mounts(step)]

    assert place == files(rendered("nfs", "nova-compute"))["nova.conf"]["libvirt"]["nfs_mount_point_base"]
    assert "Bidirectional" == mounts(compute["containers"][0])[place]["mountPropagation"]
    assert "HostToContainer" == mounts(libvirt["containers"][0])[place]["mountPropagation"]
    assert {"HostToContainer"} == {mounts(step)[place]["mountPropagation"] for step in steps}
    assert not set(ISCSI) & set(mounts(compute["containers"][0]))


def test_nova_and_iscsid_see_the_same_sessions(rendered):
    """
    Name, records and locks of the node; in its network they find each other.
    """
    compute, iscsid = (pod(rendered("lvm", name), "DaemonSet") for name in ("nova-compute", "iscsid"))
    sources = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in compute["volumes"]}

    assert compute["hostNetwork"]
    assert iscsid["hostNetwork"]
    assert compute["nodeSelector"] == iscsid["nodeSelector"]
    assert set(ISCSI) <= set(mounts(iscsid["containers"][0]))
    for path, is_read_only in ISCSI.items():
        mount = mounts(compute["containers"][0])[path]
        assert (path, is_read_only) == (sources[mount["name"]], mount.get("readOnly", False))


@pytest.mark.parametrize("service", ["nova-compute", "libvirt"])
def test_cloud_of_ceph_has_nothing_of_it(rendered, service):
    """
    QEMU itself speaks with Ceph.
    """
    paths = mounts(pod(rendered("ceph", service), "DaemonSet")["containers"][0])

    assert not {"/var/lib/nova-mnt", *ISCSI} & set(paths)
