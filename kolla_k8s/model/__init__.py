"""The nouns: what a service, a site, a chart and a plan are. No I/O, no clock, no process."""
