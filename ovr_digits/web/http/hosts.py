"""Which names and addresses the service answers to: what keeps other sites from reaching it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\s]+)(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Hosts:
    """The hosts that are served.

    A site elsewhere can have its own name lead to this machine (DNS rebinding),
    and its script then reads what the service answers; its name in ``Host`` gives
    it away. So names are served only if listed. Addresses cannot be made to
    lead elsewhere; those served are the loopback's and the one listened on, or all
    where the service listens on all.

    Attributes
    ----------
    names : frozenset of str
        In small letters.
    address : Address
        That is listened on.
    """

    names: frozenset[str]
    address: Address

    def serve(self, header: str) -> bool:
        """Whether a ``Host`` header, whose port does not matter, is one of these."""
        match = _HOST.fullmatch(header.strip().lower())
        if match is None:
            return False
        name = match[1].removesuffix(".")
        try:
            address = ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in self.names
        return address.is_loopback or self.address.is_unspecified or address == self.address


def served_hosts(address: str, names: Iterable[str]) -> Hosts:
    """``localhost``, some more names, and what goes with the address that is listened on."""
    wanted = (name.lower().removesuffix(".") for name in names)
    return Hosts(frozenset({"localhost", *wanted}), ipaddress.ip_address(address.split("%")[0]))


def is_loopback(header: str) -> bool:
    """Whether a ``Host`` header leads every machine to itself."""
    match = _HOST.fullmatch(header.strip().lower())
    if match is None:
        return True
    name = match[1].removesuffix(".").strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an ``Origin`` header names the site that a ``Host`` header does."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host.strip().lower()
