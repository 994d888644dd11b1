"""Campaigns: faults injected for minutes, under load, into the real service over a real PostgreSQL.

`make campaign` runs them at full length, `make campaign NAME=terminated_backends` one of them; each prints what it
injected and what it counted. `test_short_forms.py` runs each for seconds, as a part of the suite.
"""
