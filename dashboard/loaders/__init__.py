"""Cached reading for the pages, one module a page (`loaders/explore.py`, ...); what they share is here.

Values from `st.cache_data` are shared between sessions and must not be changed in place. A loader takes the
workspace's root as a string and the modification time of what it reads (`stamp`), so that a file that another
process rewrote is read again.
"""

from dashboard.loaders.shared import datasets, jobs, runs, stamp, workspace

__all__ = ["datasets", "jobs", "runs", "stamp", "workspace"]
