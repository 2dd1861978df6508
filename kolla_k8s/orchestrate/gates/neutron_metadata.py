"""The node's agent answers at its socket, and Nova's metadata API answers it; where OVN is, it is registered there."""

import configparser
import http.client
import json
import os
import socket
import subprocess
from pathlib import Path

ASK = '["OVN_Southbound",{"op":"select","table":"Chassis_Private","where":[["name","==","%s"]]}]'


def check(arguments):
    """Evidence, or SystemExit with what is wrong."""
    config = configparser.RawConfigParser(strict=False)
    config.read("/etc/neutron/neutron.conf")
    node = os.environ["NODE_NAME"]
    if "ovn" in config and not _is_registered(node, config["ovn"]["ovn_sb_connection"]):
        raise SystemExit(f"the southbound database knows no metadata agent on {node}")
    socket_path = config["DEFAULT"].get("metadata_proxy_socket", "/var/lib/neutron/metadata_proxy")
    agent = _Unix(socket_path, timeout=20)
    header = arguments.get("header", "X-OVN-Network-ID")
    agent.request("GET", "/", headers={"X-Forwarded-For": "192.0.2.1", header: "no-network"})
    if (status := agent.getresponse().status) != 404:
        raise SystemExit(f"the agent answered {status} to a request of a network that is none, not 404")
    host, port = config["DEFAULT"]["nova_metadata_host"], int(config["DEFAULT"]["nova_metadata_port"])
    if "ovn" in config and not Path(socket_path).stat().st_mode & 0o020:
        raise SystemExit(f"proxies may not write to {socket_path}")
    nova = http.client.HTTPConnection(host, port, timeout=20)
    nova.request("GET", "/")
    if (status := nova.getresponse().status) != 200:
        raise SystemExit(f"Nova's metadata API answered {status}")
    return f"the agent on {node} answers, and so does Nova's metadata API"


class _Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.host)


def _is_registered(node, place):
    command = ["ovsdb-client", "--timeout=20", "query", place, ASK % node]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"ovsdb-client ended with {done.returncode}")
    rows = json.loads(done.stdout)[0]["rows"]
    return any("neutron:ovn-metadata-id" in dict(row["external_ids"][1]) for row in rows)
