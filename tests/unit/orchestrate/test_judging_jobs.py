from kolla_k8s.orchestrate.judge import Judge
from kolla_k8s.orchestrate.ready import State
from kolla_k8s.orchestrate.store import Store
from kolla_k8s.orchestrate.view import view_of

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "keystone-bootstrap-1", "namespace": "openstack", "uid": "j", "generation": 1},
    "status": {"active": 1},
}


def a_pod_of_the_job(exit_code):
    state = {"terminated": {"exitCode": exit_code, "reason": "Error"}} if exit_code else {"running": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "keystone-bootstrap-1-x",
            "namespace": "openstack",
            "uid": "p",
            "ownerReferences": [{"kind": "Job", "uid": "j"}],
        },
        "spec": {},
        "status": {"phase": "Failed", "initContainerStatuses": [{"name": "schema-expand", "state": state}]},
    }


def judged(*things):
    store = Store()
    for thing in things:
        store.put(thing)
    return Judge().look(view_of(store, "openstack", "keystone", [JOB]), 0.0)


def test_first_failed_pod_of_a_job_is_final():
    """
    Steps repeat by themselves what may pass; a pod that ended is proof enough, whatever the Job still intends.
    """
    judgement = judged(JOB, a_pod_of_the_job(exit_code=1))

    assert State.FAILED is judgement.state
    assert "schema-expand" == judgement.cause.container


def test_running_job_is_waited_for():
    """
    Started is not done.
    """
    judgement = judged(JOB, a_pod_of_the_job(exit_code=0))

    assert State.WAITING is judgement.state
