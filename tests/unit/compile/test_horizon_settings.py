"""Horizon's settings as Python reads them: what the definition says of the public address."""

from __future__ import annotations

import json

import pytest


def read(text, settings):
    """Run ``local_settings.py`` with a settings file in the place of the pod's."""
    space: dict[str, object] = {}
    path, place = "/etc/openstack-dashboard/settings.json", str(settings)
    assert path in text
    exec(compile(text.replace(path, place), "local_settings.py", "exec"), space)  # noqa: S102 - ours
    return space


@pytest.mark.parametrize(
    ("url", "host", "is_secure"),
    [
        ("https://horizon.example.org", "horizon.example.org", True),
        ("http://horizon.one.svc:8080", "horizon.one.svc", False),
    ],
)
def test_cookies_are_as_safe_as_the_public_address(shipped, tmp_path, url, host, is_secure):
    """
    Its host name may ask; and a secret survives whatever it holds.
    """
    secret = "a'\"\\${x}%\n#"
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"ALLOWED_HOSTS": ["horizon"], "PUBLIC_URL": url, "SECRET_KEY": secret}))

    said = read(shipped["horizon"].spec.config["local_settings.py"].content, settings)

    assert ["horizon", host] == said["ALLOWED_HOSTS"]
    assert (is_secure, is_secure) == (said["CSRF_COOKIE_SECURE"], said["SESSION_COOKIE_SECURE"])
    assert secret == said["SECRET_KEY"]
