"""Where the page is found: addresses for this machine and others, and their QR codes."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

#: Addresses in networks of each kind, and one for documentation that only the default route leads
#: to: towards each the system has an address of its own.
_TOWARDS = {
    socket.AF_INET: ("192.0.2.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "192.168.1.1"),
    socket.AF_INET6: ("2001:db8::1",),
}


def url_here(host: str, address: str, port: int) -> str:
    """Where a browser on this machine finds what listens on an address, by the name of ``host``."""
    bound = ipaddress.ip_address(address.split("%")[0])
    if bound.is_unspecified:
        host = "127.0.0.1" if _takes_ipv4(address) else "::1"
    return _url(host, port)


def urls_elsewhere(address: str, port: int) -> list[str]:
    """Where other machines find it; none where it listens to this one alone."""
    bound = ipaddress.ip_address(address.split("%")[0])
    if bound.is_loopback or bound.is_link_local:
        return []
    if not bound.is_unspecified:
        return [_url(address, port)]
    found = _own_addresses(socket.AF_INET) if _takes_ipv4(address) else []
    if bound.version == 6:
        found += _own_addresses(socket.AF_INET6)
    return [_url(own, port) for own in found]


def qr_code(url: str) -> list[list[int]]:
    """The modules of a QR code, 1 is dark, with the light border that it needs."""
    import segno

    return [[*row] for row in segno.make_qr(url, error="l").matrix_iter()]


def _takes_ipv4(unspecified: str) -> bool:
    return ":" not in unspecified or socket.has_dualstack_ipv6()


def _own_addresses(family: socket.AddressFamily) -> list[str]:
    """This machine's addresses in its networks, that of the default route first."""
    found = []
    for towards in _TOWARDS[family]:
        # Without a route there is none; to connect a socket of datagrams sends nothing.
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((towards, 9))
            found.append(asked.getsockname()[0])
    return [own for own in dict.fromkeys(found) if not ipaddress.ip_address(own).is_loopback]


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
