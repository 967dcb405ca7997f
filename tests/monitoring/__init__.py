"""Alerting rules and dashboard of a trial, made from the table of metrics.

`python -m tests.monitoring` writes helm/shadowstream/files and the generated part of docs/operations.md anew.
"""
