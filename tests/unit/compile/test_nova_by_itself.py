"""What Nova does without a user's request, or long after it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["nova", "nova-compute"])
def test_nova_works_on_volumes_without_a_user(shipped, name):
    """
    It asks Cinder as its own user then.
    """
    said = shipped[name].spec.config["nova.conf"].content["cinder"]

    assert ("password", "nova", "${site:region}") == tuple(
        said[key] for key in ("auth_type", "username", "os_region_name")
    )
