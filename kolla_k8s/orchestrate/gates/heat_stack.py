"""A stack is made and deleted: a random word, and a handle whose user lives in the domain of stacks."""

# ruff: noqa: F821 - stands behind openstack.py

TEMPLATE = {
    "heat_template_version": "2021-04-16",
    "resources": {
        "word": {"type": "OS::Heat::RandomString"},
        "handle": {"type": "AWS::CloudFormation::WaitConditionHandle"},
    },
    "outputs": {"word": {"value": {"get_attr": ["word", "value"]}}, "signal": {"value": {"get_resource": "handle"}}},
}
PREFIX = "kolla-k8s-gate-"
GONE = 404


def check(arguments):
    """Evidence, or SystemExit with what is wrong; stacks that a killed gate left go too."""
    one, name = cloud(), PREFIX + arguments["nonce"]
    for old in one.want("orchestration", "GET", "/stacks")["stacks"]:
        if old["stack_name"].startswith(PREFIX):
            one.ask("orchestration", "DELETE", f"/stacks/{old['stack_name']}/{old['id']}")
    about = {"stack_name": name, "template": TEMPLATE, "timeout_mins": 5}
    path = f"/stacks/{name}/{one.want('orchestration', 'POST', '/stacks', about)['stack']['id']}"
    try:
        made = one.until(lambda: _ended(one, path), f"stack {name} is made")
        if made["stack_status"] != "CREATE_COMPLETE":
            raise SystemExit(f"stack {name} is {made['stack_status']}: {made['stack_status_reason'][:300]}")
        outputs = {output["output_key"]: output.get("output_value") for output in made["outputs"]}
        if not all(outputs.values()):
            raise SystemExit(f"stack {name} has no {' and no '.join(key for key in outputs if not outputs[key])}")
    finally:
        one.ask("orchestration", "DELETE", path)
    one.until(lambda: _is_gone(one, path), f"stack {name} is gone")
    return f"a stack was made and deleted; a server of it would signal to {_origin(outputs['signal'])}"


def _origin(url):
    where, word, _ = url.partition("/waitcondition/")
    if not word:
        raise SystemExit(f"a handle's address is none: {url[:100]}")
    return where


def _ended(one, path):
    stack = one.want("orchestration", "GET", path)["stack"]
    return None if stack["stack_status"].endswith("IN_PROGRESS") else stack


def _is_gone(one, path):
    status, answer = one.ask("orchestration", "GET", path)
    if status != GONE and answer["stack"]["stack_status"] == "DELETE_FAILED":
        raise SystemExit(f"a stack cannot be deleted: {answer['stack']['stack_status_reason'][:300]}")
    return status == GONE or answer["stack"]["stack_status"] == "DELETE_COMPLETE"
