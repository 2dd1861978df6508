"""The outside: helm, the Kubernetes API, the clock. One importer for each outside library."""
