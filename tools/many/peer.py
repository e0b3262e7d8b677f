"""What a machine shows the others, and what it asks of them: TLS with the cluster's own certificates, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from distributed import Security

from layers.common.errors import RarError
from tools.common.addresses import SCHEDULER_PORT, in_url, is_loopback
from tools.many.authority import AUTHORITY, CERTIFICATE, KEY

ROLES = ("scheduler", "worker", "client")
MAKE = "make them on one machine with make many-certificates, and copy the folder to each"


@dataclass(frozen=True)
class SchedulerAddress:
    """Where a scheduler is, and TLS for those who call it; None: without."""

    host: str
    port: int
    security: Security | None

    def __str__(self) -> str:
        return f"{'tls' if self.security else 'tcp'}://{in_url(self.host)}:{self.port}"


def for_address(host: str, certificates: Path) -> Security | None:
    """TLS for whoever listens on `host`, by the folder of certificates; None: there is none, and none is needed.

    RarError when other machines can reach the address and there are no certificates, or when they are no good.
    """
    if certificates.is_dir():
        return _security(certificates)
    if is_loopback(host):
        return None
    there = f"there are no certificates at {certificates}"
    raise RarError(f"{host} can be reached from other machines, and {there}: {MAKE}")


def for_scheduler(address: str, certificates: Path) -> SchedulerAddress:
    """Of tls://HOST:PORT, tcp://HOST:PORT or HOST. RarError as `for_address`, and for tcp:// to another machine."""
    wanted = f"give tls://HOST:{SCHEDULER_PORT}, as make many-scheduler prints it"
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname or "", parts.port or SCHEDULER_PORT
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("", "tcp", "tls"):
        raise RarError(f"{address} is no address of a scheduler: {wanted}")
    if parts.scheme == "tcp":
        if not is_loopback(host):
            raise RarError(f"{address} is another machine, and without TLS: {wanted}")
        return SchedulerAddress(host, port, None)
    security = for_address(host, certificates)
    if parts.scheme == "tls" and not security:
        raise RarError(f"{address} wants certificates, and there are none at {certificates}: {MAKE}")
    return SchedulerAddress(host, port, security)


def _security(folder: Path) -> Security:
    authority, certificate, key = (folder / name for name in (AUTHORITY, CERTIFICATE, KEY))
    shown = {f"tls_{role}_cert": str(certificate) for role in ROLES} | {f"tls_{role}_key": str(key) for role in ROLES}
    security = Security(require_encryption=True, tls_ca_file=str(authority), **shown)
    try:
        open_to_others = key.stat().st_mode & 0o077
        shown_to_others: Any = x509.load_pem_x509_certificate(certificate.read_bytes())
        ends = shown_to_others.not_valid_after_utc
        security.get_connection_args("worker")  # reads all three
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise RarError(f"{folder} holds no certificates that can be used ({error}): {MAKE}") from None
    if open_to_others:
        raise RarError(f"others can read {key}: chmod 600 it, or make new certificates, if somebody has read it")
    if ends < datetime.now(UTC):
        raise RarError(f"the certificates in {folder} were good until {ends:%Y-%m-%d}: {MAKE}")
    return security
