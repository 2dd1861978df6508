"""An image is uploaded through the Service, read back whole from every pod, and deleted."""

# ruff: noqa: F821 - stands behind openstack.py


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    one, content = cloud(), arguments["nonce"].encode() * 256
    about = {"name": f"kolla-k8s-gate-{arguments['nonce']}", "disk_format": "raw", "container_format": "bare"}
    made = one.want("image", "POST", "/v2/images", about)["id"]
    try:
        one.want("image", "PUT", f"/v2/images/{made}/file", content)
        for place in arguments["places"]:
            url = f"http://{place}/v2/images/{made}/file"
            status, _, found = send("GET", url, None, {"X-Auth-Token": one.token})
            if status != 200 or found != content:
                raise SystemExit(f"{place} does not give what was uploaded: {status}, {len(found)} bytes")
    finally:
        one.ask("image", "DELETE", f"/v2/images/{made}")
    return f"{len(content)} bytes were uploaded and read back from {len(arguments['places'])} pods"
