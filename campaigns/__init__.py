"""Campaigns inject faults into the real service and a real PostgreSQL, under load, for minutes to an hour.

`make campaign` runs all of them at full length; `make campaign NAME=terminated_backends` runs service. Each prints the
injected faults, the measurements, and every expectation that did not hold. The test suite runs each for a few seconds
(`tests/campaigns/test_short_forms.py`).
"""
