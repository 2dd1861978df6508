"""What the states of containers prove: the words, the next command, and how long each may stand."""

import pytest

from kolla_k8s.orchestrate.containers import Death, deaths, ended_how, failed_container, of_pod, oldest_back_off
from kolla_k8s.orchestrate.evidence import AT_ONCE_S, NEVER_S, TRANSIENT_S, LogTarget, Remedy, kubectl, short
from tests.unit.orchestrate.objects import crashing, ended, event, job, pod, runs, thing, waits

PULLED = 'rpc error: code = NotFound desc = failed to pull and unpack image "r/k:1": r/k:1: not found'
DENIED = "pull access denied, repository does not exist or may require authorization: authorization failed"
REFUSED = 'Get "https://r/v2/": dial tcp 10.0.0.1:443: connect: connection refused'


def proofs(*statuses, events=(), memory=None, **more):
    return list(of_pod(pod(statuses=list(statuses), **more), events, memory or {}))


def proof(*statuses, **more):
    [one] = proofs(*statuses, **more)
    return one


@pytest.mark.parametrize(
    ("reason", "message", "grace_s"),
    [
        ("ErrImagePull", PULLED, 0.0),
        ("ErrImagePull", "manifest unknown", 0.0),
        ("ErrImagePull", DENIED, 0.0),
        ("ErrImagePull", "unexpected status from HEAD request: 401 Unauthorized", 0.0),
        ("ImagePullBackOff", f"Back-off pulling image: ErrImagePull: {PULLED}", 0.0),
        ("ErrImagePull", "x509: certificate signed by unknown authority", 0.0),
        ("InvalidImageName", "couldn't parse image name", 0.0),
        ("ErrImageNeverPull", "not present with pull policy of Never", 0.0),
        ("ErrImagePull", REFUSED, TRANSIENT_S),
        ("ErrImagePull", "dial tcp: lookup r: no such host", TRANSIENT_S),
        ("ErrImagePull", "unexpected status: 503 Service Unavailable", TRANSIENT_S),
        ("ErrImagePull", "toomanyrequests: 429", TRANSIENT_S),
        ("ImagePullBackOff", "Back-off pulling image", TRANSIENT_S),
        ("RegistryUnavailable", "", TRANSIENT_S),
    ],
)
def test_image_that_cannot_be_had_is_final_but_for_networks(reason, message, grace_s):
    """
    Not found and not allowed are final at first sight; what networks do has 90 seconds.
    """
    found = proof(waits(reason, message))

    assert (grace_s, "image", reason) == (found.grace_s, found.family, found.reason)
    assert "registry/keystone:1" in found.message
    assert "kubectl -n openstack describe pod api-1" == found.command


def test_event_tells_what_a_back_off_hides():
    """
    Older kubelets say only "back-off"; the reason stands in the event about that container.
    """
    one = pod()
    other = event(one, "Failed", DENIED, uid="a", subject={"fieldPath": "spec.containers{other}"})
    telling = event(one, "Failed", PULLED, uid="b", subject={"fieldPath": "spec.containers{api}"})

    found = proof(waits("ImagePullBackOff", "Back-off"), events=[telling, other])

    assert 0.0 == found.grace_s
    assert "not found" in found.message


def test_image_of_an_unknown_container_is_named_by_its_status():
    """
    A container that the spec does not hold (an injected one) still says its image.
    """
    assert "sidecar:2" in proof(waits("ErrImagePull", PULLED, name="injected", image="sidecar:2")).message


@pytest.mark.parametrize(
    ("message", "grace_s", "command"),
    [
        ("couldn't find key password in Secret openstack/db", AT_ONCE_S, "kubectl -n openstack describe secret db"),
        ('secret "db" not found', AT_ONCE_S, "kubectl -n openstack describe secret db"),
        ('configmap "etc" not found', AT_ONCE_S, "kubectl -n openstack describe configmap etc"),
        ("container has runAsNonRoot and image will run as root", AT_ONCE_S, "kubectl -n openstack describe pod api-1"),
        (
            "failed to sync configmap cache: timed out waiting for the condition",
            TRANSIENT_S,
            "kubectl -n openstack describe configmap cache",
        ),
    ],
)
def test_missing_configuration_names_what_is_missing(message, grace_s, command):
    """
    The object and key are in the message, and the next command shows its keys without its values.
    """
    found = proof(waits("CreateContainerConfigError", message))

    assert (grace_s, message) == (found.grace_s, found.message)
    assert command.split()[:4] == found.command.split()[:4]
    if grace_s == AT_ONCE_S:
        assert command == found.command


@pytest.mark.parametrize(
    ("message", "grace_s"),
    [
        ('exec: "uwsgi": executable file not found in $PATH', AT_ONCE_S),
        ("container init was OOM-killed (memory limit too low?)", AT_ONCE_S),
        ("context deadline exceeded", TRANSIENT_S),
    ],
)
def test_command_that_cannot_run_is_final(message, grace_s):
    """
    A missing program stays missing; a slow runtime may recover.
    """
    found = proof(waits("RunContainerError", message))

    assert grace_s == found.grace_s
    assert ("services.keystone.workloads.api.resources" in found.message) is ("OOM" in message)


@pytest.mark.parametrize(
    ("status", "grace_s", "reason", "words"),
    [
        (crashing(1, 0), NEVER_S, "CrashLoopBackOff", "died: exit code 1"),
        (crashing(1, 2), NEVER_S, "CrashLoopBackOff", "died 3 times, exit code 1"),
        (crashing(1, 3), 0.0, "CrashLoopBackOff", "died 4 times, exit code 1"),
        (crashing(0, 3, reason="Completed"), 0.0, "CrashLoopBackOff", "died 4 times, Completed (exit code 0)"),
        (ended(2), NEVER_S, "Error", "died: exit code 2"),
        (ended(1, message="no database\n"), NEVER_S, "Error", "died: exit code 1: no database"),
        (crashing(137, 0, reason="OOMKilled"), NEVER_S, "OOMKilled", "died: OOMKilled (exit code 137)"),
        (crashing(137, 1, reason="OOMKilled"), 0.0, "OOMKilled", "died 2 times, OOMKilled (exit code 137)"),
    ],
)
def test_third_restart_makes_a_crash_final(status, grace_s, reason, words):
    """
    One death is an accident, three restarts are not; memory that ran out twice runs out again.
    """
    found = proof(status)

    assert (grace_s, reason) == (found.grace_s, found.reason)
    assert words == found.message.split("; raise")[0]
    assert found.is_crash
    assert ("services.keystone.workloads.api.resources" in found.message) is (reason == "OOMKilled")


def test_crash_points_at_the_log_of_the_life_that_ended():
    """
    In back-off the last words are in the previous log; of a container that just ended, in its own.
    """
    backing_off, just_ended = proof(crashing(1, 1)), proof(ended(1))

    assert "kubectl -n openstack logs api-1 -c api --previous" == backing_off.command
    assert LogTarget("api-1", "api", is_previous=True) == backing_off.log
    assert "kubectl -n openstack logs api-1 -c api" == just_ended.command
    assert LogTarget("api-1", "api") == just_ended.log


@pytest.mark.parametrize(("codes", "grace_s"), [([1, 1, 1], 0.0), ([2, 1, 1], NEVER_S), ([1, 1], NEVER_S)])
def test_three_deaths_of_the_same_kind_are_final_before_the_third_restart(codes, grace_s):
    """
    The same exit code three times is a cause, different ones may be a start that takes a few tries.
    """
    past = [Death("pod-api-1", "api", str(life), code, "Error") for life, code in enumerate(codes)]

    assert grace_s == proof(crashing(1, 2), memory={("pod-api-1", "api"): past}).grace_s


@pytest.mark.parametrize(
    "status",
    [runs(restartCount=7), runs(ready=True), ended(0, "Completed"), waits("PodInitializing"), {"name": "api"}],
)
def test_container_that_runs_or_has_done_its_work_proves_nothing(status):
    """
    However often it died before: it runs now.
    """
    assert [] == proofs(status)


def test_failing_init_container_is_named():
    """
    The same rules hold for the steps before the start.
    """
    found = proof(waits("PodInitializing"), init=[crashing(1, 3, name="schema-expand")])

    assert ("schema-expand", 0.0) == (found.container, found.grace_s)


def test_deaths_are_counted_for_the_job_over_all_its_pods():
    """
    Each try of a Job is a new pod; the Job is what dies again and again.
    """
    mother = job("boot")
    one = pod(owner=mother, statuses=[ended(3, life="b", lastState=ended(1, life="a")["state"])])

    assert [("job-boot", "a", 1), ("job-boot", "b", 3)] == [(d.owner, d.life, d.exit_code) for d in deaths(one)]


def test_back_off_and_failed_container_are_found():
    """
    The first in the order of running is told.
    """
    one = pod(statuses=[ended(4), ended(5, name="late")], init=[ended(0, name="prepare"), waits("ErrImagePull")])

    assert "ErrImagePull" == oldest_back_off(one)["state"]["waiting"]["reason"]
    assert ("api", 4) == (failed_container(one)[0], failed_container(one)[1]["exitCode"])
    assert (None, None) == (oldest_back_off(pod()), failed_container(pod()))


def test_words_are_bounded_and_commands_complete():
    """
    A message of a megabyte becomes a line; cluster-wide objects need no namespace.
    """
    assert short("x" * 10_000 + "the end").endswith("the end")
    assert len(short("x" * 10_000)) < 700
    assert "exit code 9" == ended_how({"exitCode": 9})
    assert "kubectl describe node n" == kubectl({"kind": "Node", "metadata": {"name": "n"}}, "describe")


def test_proof_names_itself_by_object_container_and_family():
    """
    The same trouble said anew is the same proof; and a rerun knows its remedy.
    """
    found = proof(waits("ErrImagePull", PULLED))

    assert ("pod-api-1", "api", "image") == found.key
    assert "Pod api-1" == found.place
    assert Remedy.REMAKE_POD is found.remedy


def test_limits_field_of_a_pod_without_labels_is_a_pattern():
    """
    Where nothing says the service, the words show what to fill in.
    """
    bare = thing("Pod", "p", spec={}, status={"containerStatuses": [crashing(137, 1, reason="OOMKilled")]})
    [found] = of_pod(bare, (), {})

    assert "services.SERVICE.workloads.WORKLOAD.resources" in found.message
