"""From charts and values to a running cloud: plan, run, judge readiness, gate, report."""
