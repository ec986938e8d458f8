"""Pseudonyms for identifiers from DICOM headers: one person, one name, which tells nobody who it is."""

from __future__ import annotations

import hashlib
import hmac
import re

# What anonymisers write in the place of an id: not one person, but everybody.
_NOBODY = frozenset({"", "anon", "anonym", "anonymous", "anonymized", "anonymised", "none", "unknown", "na"})


def pseudonym(value: str | None, *, key: bytes | None, kind: str) -> str | None:
    """Return a keyed pseudonym (HMAC-SHA256, 60 bits) of an identifier, None where there is none.

    Args:
        value: PatientID or a UID; leading and trailing blanks don't count. Placeholders such as "ANONYMOUS",
            which many people share, are no identifier.
        key: the workspace's key; None gives None, so that an identifier never leaves a header bare.
        kind: "patient", "study" or "series"; its first letter begins the pseudonym.
    """
    identifier = (value or "").strip().strip("\0")
    if key is None or re.sub(r"[\W_0]+", "", identifier.lower()) in _NOBODY:
        return None
    digest = hmac.new(
        key, f"{kind}:{identifier}".encode("utf-8", "surrogateescape"), hashlib.sha256
    ).hexdigest()
    return f"{kind[0].upper()}-{digest[:15]}"
