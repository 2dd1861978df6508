from kolla_k8s.compile.render import render_chart
from kolla_k8s.model.catalog import Catalog


def test_order_of_definitions_changes_no_byte(shipped):
    """
    Whoever lists the files, in whatever order, gets the same charts.
    """
    backwards = Catalog(shipped.release, dict(reversed(shipped.services.items())))

    for name in shipped.services:
        assert render_chart(shipped, name) == render_chart(backwards, name)


def test_every_input_of_later_issues_compiles(wide):
    """
    What Nova, OVN and Octavia need can be said in the language.
    """
    charts = {name: render_chart(wide, name) for name in ("nova", "nova-compute", "ovn", "octavia")}

    assert "templates/conductor-statefulset.yaml" in charts["nova"].files
    assert "templates/compute-daemonset.yaml" in charts["nova-compute"].files
    assert "templates/nb-peers-service.yaml" in charts["ovn"].files
    assert "templates/bootstrap-job.yaml" in charts["octavia"].files


def test_no_chart_holds_a_function_that_depends_on_the_moment(wide):
    """
    Two renders give the same bytes: nothing looks up, rolls dice or asks the clock.
    """
    texts = [text for name in wide.services for text in render_chart(wide, name).files.values()]

    for word in ("lookup ", "randAlpha", "genCA", " now ", "{{ tpl", "{{- tpl"):
        assert [] == [text for text in texts if word in text and not text.startswith('"""')], word
