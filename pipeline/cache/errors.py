"""The errors of this room: no slice left, no space, a worker that died, a cache in use."""

from __future__ import annotations

from pipeline.errors import HilumError


class CacheError(HilumError):
    """Slices could not be prepared."""


class NothingToCacheError(CacheError):
    """No slice of the data set can be read: it is empty, or its folder is gone."""


class CacheSpaceError(CacheError):
    """The disk has no room for the prepared slices."""


class CacheMissingError(CacheError):
    """The prepared slices were asked for before they were made."""


class CacheNotFoundError(CacheError):
    """There is no cache of this name."""


class CacheBusyError(CacheError):
    """A cache that is being built or read can't be removed."""
