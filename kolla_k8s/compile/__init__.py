"""From service definitions to Helm charts: load, validate, resolve, render, write."""
