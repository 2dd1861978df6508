"""Sections that a site names itself: a second backend, a store, a protocol."""

from __future__ import annotations

import pytest

from tests.unit.site.test_nodes_of_their_own import loaded, refused

NFS = "{volume_driver: cinder.volume.drivers.nfs.NfsDriver, volume_backend_name: fast}"
MEDIATED = "devices: {enabled_mdev_types: 'nvidia-35, nvidia-36'}"
BACKENDS = 'DEFAULT: {enabled_backends: "nfs,fast"}'


def of(service, file, content):
    return f"services: {{{service}: {{config: {{{file}: {{{content}}}}}}}}}\n"


def on_a_node(content):
    said = f"{{match: {{names: [a]}}, services: {{cinder-volume: {{config: {{cinder.conf: {{{content}}}}}}}}}}}"
    return f"nodes: {{x: {said}}}\n"


@pytest.mark.parametrize(
    "text",
    [
        of("cinder-volume", "cinder.conf", f"{BACKENDS}, fast: {NFS}"),
        of("cinder-volume", "cinder.conf", BACKENDS) + on_a_node(f"fast: {NFS}"),
        on_a_node(f"{BACKENDS}, fast: {NFS}"),
        of(
            "glance",
            "glance-api.conf",
            'DEFAULT: {enabled_backends: "file:file,old:http"}, old: {https_insecure: true}',
        ),
        of("glance", "glance-api.conf", "DEFAULT: {enabled_backends: file}, file: {filesystem_store_datadir: /a}"),
        of("keystone", "keystone.conf", 'auth: {methods: "password,openid"}, openid: {remote_id_attribute: A}'),
        of("keystone", "keystone.conf", 'auth: {methods: "password,token"}, token: {expiration: 3600}'),
        of("nova-compute", "nova.conf", f"{MEDIATED}, mdev_nvidia-36: {{device_addresses: '0000:86:00.0'}}"),
    ],
)
def test_section_that_an_option_of_the_file_names_is_taken(shipped, tmp_path, text):
    """
    Whichever layer names it; a section that the release knows stays what it is.
    """
    assert loaded(shipped, tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            of("cinder-volume", "cinder.conf", f"{BACKENDS}, fast: {{nfs_shares_confg: /a}}"),
            '[fast] has no option "nfs_shares_confg"; did you mean "nfs_shares_config"?',
        ),
        (
            of("cinder-volume", "cinder.conf", f"{BACKENDS}, fats: {NFS}"),
            'there is no section "fats"; did you mean "fast"?',
        ),
        (of("keystone", "keystone.conf", 'auth: {methods: ""}, openid: {x: 1}'), 'there is no section "openid"'),
        (on_a_node(f"fast: {NFS}"), 'there is no section "fast"'),
        (of("nova-compute", "nova.conf", f"{MEDIATED}, mdev_nvidia-37: {{}}"), 'did you mean "mdev_nvidia-36"?'),
        (of("nova-compute", "nova.conf", f"{MEDIATED}, mdev_nvidia-36: {{address: a}}"), 'has no option "address"'),
        (of("nova-compute", "nova.conf", "'mdev_*': {device_addresses: a}"), 'there is no section "mdev_*"'),
    ],
)
def test_section_that_nobody_reads_is_refused(shipped, tmp_path, text, said):
    """
    As any other is.
    """
    assert any(said in line for line in refused(shipped, tmp_path, text)), refused(shipped, tmp_path, text)
