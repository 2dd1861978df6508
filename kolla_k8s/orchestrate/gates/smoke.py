"""One step of a user's path through the cloud; ``arguments``: the step, who logs in, and what earlier steps made.

Everything made is called like the run, so that ``clean`` also finds what a step made before it failed.
"""

# ruff: noqa: F821 - stands behind openstack.py
import base64
from urllib.parse import quote

GONE = 404
GIB = 1 << 30


def check(arguments):
    """What the step found, as JSON: ``{"said": line, "made": {...}}``."""
    one = Cloud(arguments["login"])
    said, made = STEPS[arguments["step"]](one, arguments)
    return json.dumps({"said": said, "made": made})


def image(one, arguments):
    """Upload what the guest is started from, or find the image that was named."""
    guest, name = arguments["guest"], arguments["name"]
    if guest.get("image-name"):
        found = one.want("image", "GET", f"/v2/images?name={quote(guest['image-name'], safe='')}")["images"]
        if not found:
            raise SystemExit(f"there is no image called {guest['image-name']}")
        return f"{guest['image-name']} is there", _facts(found[0])
    if guest.get("image"):
        about = {"disk_format": guest["format"], "container_format": "bare"}
        return "uploaded", _facts(_upload(one, f"{name}-image", about, guest["image"]))
    kernel = _upload(one, f"{name}-kernel", {"disk_format": "aki", "container_format": "aki"}, guest["kernel"])
    ramdisk = _upload(one, f"{name}-ramdisk", {"disk_format": "ari", "container_format": "ari"}, guest["ramdisk"])
    started = {"kernel_id": kernel["id"], "ramdisk_id": ramdisk["id"], "os_command_line": "console=ttyS0 quiet"}
    disk = {"disk_format": "raw", "container_format": "bare", **started}
    made = _upload(one, f"{name}-image", disk, base64.b64encode(bytes(1 << 20)).decode())
    return "kernel, ramdisk and disk uploaded", _facts(made)


def _facts(found):
    """The image, and how many GiB its disk takes; Glance gives bytes, and knows them of what it has looked into."""
    size = max(found.get("virtual_size") or 0, found.get("size") or 0)
    return {"image": found["id"], "disk": max(1, found.get("min_disk") or 0, -(-size // GIB))}


def _upload(one, name, about, content):
    made = one.want("image", "POST", "/v2/images", {"name": name, "visibility": "private", **about})
    one.want("image", "PUT", f"/v2/images/{made['id']}/file", base64.b64decode(content))
    found = one.want("image", "GET", f"/v2/images/{made['id']}")
    if found["status"] != "active":
        raise SystemExit(f"image {name} is {found['status']} after its upload")
    return found


def flavor(one, arguments):
    """A small flavor of its own, with a disk that holds the image."""
    ram, disk = arguments["guest"]["memory"], arguments["made"]["disk"]
    wanted = {"name": arguments["name"], "ram": ram, "vcpus": 1, "disk": disk}
    made = one.want("compute", "POST", "/flavors", {"flavor": wanted})["flavor"]
    return f"{ram} MiB, 1 vCPU, {disk} GiB", {"flavor": made["id"]}


def network(one, arguments):
    """A network."""
    net = one.want("network", "POST", "/v2.0/networks", {"network": {"name": arguments["name"]}})["network"]
    return f"MTU {net.get('mtu')}", {"network": net["id"]}


def subnet(one, arguments):
    """Addresses of the network."""
    about = {"name": arguments["name"], "network_id": arguments["made"]["network"], "ip_version": 4}
    wanted = {**about, "cidr": arguments["guest"]["cidr"]}
    made = one.want("network", "POST", "/v2.0/subnets", {"subnet": wanted})["subnet"]
    return wanted["cidr"], {"subnet": made["id"]}


def port(one, arguments):
    """A port with an address, in a security group that lets ping in."""
    made, name = arguments["made"], arguments["name"]
    group = one.want("network", "POST", "/v2.0/security-groups", {"security_group": {"name": name}})["security_group"]
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "icmp", "ethertype": "IPv4"}
    one.want("network", "POST", "/v2.0/security-group-rules", {"security_group_rule": rule})
    wanted = {"name": name, "network_id": made["network"], "security_groups": [group["id"]]}
    found = one.want("network", "POST", "/v2.0/ports", {"port": wanted})["port"]
    address = found["fixed_ips"][0]["ip_address"]
    return address, {"port": found["id"], "address": address}


def server(one, arguments):
    """A server, wanted ACTIVE."""
    made = arguments["made"]
    wanted = {
        "name": arguments["name"],
        "imageRef": made["image"],
        "flavorRef": made["flavor"],
        "networks": [{"port": made["port"]}],
    }
    there = one.want("compute", "GET", f"/servers?name={arguments['name']}")["servers"]
    identifier = (
        there[0]["id"] if there else one.want("compute", "POST", "/servers", {"server": wanted})["server"]["id"]
    )

    def active():
        about = one.want("compute", "GET", f"/servers/{identifier}")["server"]
        if about["status"] == "ERROR":
            raise SystemExit(f"server is in ERROR: {(about.get('fault') or {}).get('message', 'no reason given')}")
        return about if about["status"] == "ACTIVE" else None

    about = one.until(active, "server ACTIVE", arguments["patience_s"])
    host = about.get("OS-EXT-SRV-ATTR:host", "")
    return f"ACTIVE on {host}", {"server": identifier, "host": host}


def console(one, arguments):
    """The console shows the address that DHCP gave and the name that only metadata can tell."""
    made = arguments["made"]
    path = f"/servers/{made['server']}/action"

    def told():
        text = one.want("compute", "POST", path, {"os-getConsoleOutput": {"length": 200}})["output"]
        return made["address"] in text and arguments["name"] in text and text

    try:
        text = one.until(told, "address and name on the console", arguments["patience_s"])
    except SystemExit as error:
        text = one.want("compute", "POST", path, {"os-getConsoleOutput": {"length": 8}})["output"]
        raise SystemExit(f"{error}; its last lines: {text.strip()[-400:]!r}") from None
    lines = [line.strip() for line in reversed(text.splitlines())]
    told = [next(line for line in lines if mark in line) for mark in (made["address"], arguments["name"])]
    return "; ".join(told)[:200], {}


def floating(one, arguments):
    """A floating IP on the server, by a router to the external network, where there is one."""
    made, name = arguments["made"], arguments["name"]
    outside = one.want("network", "GET", "/v2.0/networks?router:external=true")["networks"]
    if not outside:
        return "no external network, no floating IP", {}
    net = outside[0]
    wanted = {"name": name, "external_gateway_info": {"network_id": net["id"]}}
    there = _named(one, "network", "/v2.0/routers", "routers", name)
    router = there[0] if there else one.want("network", "POST", "/v2.0/routers", {"router": wanted})["router"]
    if not there:
        path = f"/v2.0/routers/{router['id']}/add_router_interface"
        one.want("network", "PUT", path, {"subnet_id": made["subnet"]})
    wanted = {"floating_network_id": net["id"], "port_id": made["port"], "description": name}
    there = one.want("network", "GET", f"/v2.0/floatingips?description={name}")["floatingips"]
    found = (
        there[0] if there else one.want("network", "POST", "/v2.0/floatingips", {"floatingip": wanted})["floatingip"]
    )

    def up():
        return one.want("network", "GET", f"/v2.0/floatingips/{found['id']}")["floatingip"]["status"] == "ACTIVE"

    one.until(up, "floating IP ACTIVE", arguments["patience_s"])
    return f"{found['floating_ip_address']} of {net['name']}", {"floating": found["floating_ip_address"]}


def clean(one, arguments):
    """Delete everything called like the run and see it gone."""
    name = arguments["name"]
    _clean_routes(one, name)
    _clean_servers(one, name, arguments["patience_s"])
    for _, service, path in _things(one, name):
        one.ask(service, "DELETE", path)
    left = [what for what, _, _ in _things(one, name)]
    if left:
        raise SystemExit(f"still there: {', '.join(left)}")
    return "nothing is left", {}


def _things(one, name):
    """Everything called like the run but servers, in the order in which it can go: what, its service, its path."""
    for found in one.want("network", "GET", f"/v2.0/floatingips?description={name}")["floatingips"]:
        yield f"floating IP {found['floating_ip_address']}", "network", f"/v2.0/floatingips/{found['id']}"
    for kind in ("routers", "ports", "subnets", "networks", "security-groups"):
        for found in _named(one, "network", f"/v2.0/{kind}", kind.replace("-", "_"), name):
            yield f"{kind[:-1].replace('-', ' ')} {name}", "network", f"/v2.0/{kind}/{found['id']}"
    for found in one.want("compute", "GET", "/flavors")["flavors"]:
        if found["name"] == name:
            yield f"flavor {name}", "compute", f"/flavors/{found['id']}"
    for found in one.want("image", "GET", "/v2/images?limit=1000")["images"]:
        if str(found["name"]).startswith(f"{name}-"):
            yield f"image {found['name']}", "image", f"/v2/images/{found['id']}"


def _clean_routes(one, name):
    for found in one.want("network", "GET", f"/v2.0/floatingips?description={name}")["floatingips"]:
        one.ask("network", "DELETE", f"/v2.0/floatingips/{found['id']}")
    for router in _named(one, "network", "/v2.0/routers", "routers", name):
        for subnet in _named(one, "network", "/v2.0/subnets", "subnets", name):
            path = f"/v2.0/routers/{router['id']}/remove_router_interface"
            one.ask("network", "PUT", path, {"subnet_id": subnet["id"]})


def _clean_servers(one, name, patience_s):
    for found in _named(one, "compute", "/servers", "servers", name):
        path = f"/servers/{found['id']}"
        one.ask("compute", "DELETE", path)
        one.until(lambda path=path: one.ask("compute", "GET", path)[0] == GONE, f"{name} gone", patience_s)
        left = one.want("placement", "GET", f"/allocations/{found['id']}")["allocations"]
        if left:
            raise SystemExit(f"placement still holds an allocation of server {found['id']}")


def _named(one, service, path, key, name):
    return [found for found in one.want(service, "GET", f"{path}?name={name}")[key] if found["name"] == name]


STEPS = {step.__name__: step for step in (image, flavor, network, subnet, port, server, console, floating, clean)}
