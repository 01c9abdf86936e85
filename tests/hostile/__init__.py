"""Hostile files, requests, mirrors and moments; what is marked ``long`` runs in test-long."""

from __future__ import annotations

import os

#: Seconds that each of the long forms may take of those that could go on for ever.
LONG_SECONDS = float(os.environ.get("OVR_DIGITS_LONG_SECONDS", "60"))
