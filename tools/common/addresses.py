"""Addresses to listen on, and who can reach them."""

from __future__ import annotations

import ipaddress

SCHEDULER_PORT = 8786  # Dask's usual one


def is_loopback(host: str) -> bool:
    """True when only this machine can reach the address; a name other than localhost may be anybody's."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def in_url(host: str) -> str:
    """The host as it stands in a URL, an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
