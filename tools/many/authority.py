"""A certificate authority for one cluster, and the certificate that every machine of it shows the others."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from layers.common.errors import RarError

AUTHORITY, CERTIFICATE, KEY = "ca.pem", "peer.pem", "peer-key.pem"
SKEW = timedelta(hours=1)  # by which the clocks of two machines may differ
BOTH_ENDS = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]  # each calls and is called


def write(folder: Path, days: int) -> None:
    """Make the folder with what `made` makes, for its owner alone. RarError when it is there already."""
    if folder.exists():
        raise RarError(f"{folder} is there already: remove it, or give another, CERTIFICATES=DIR")
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    part.mkdir(mode=0o700, parents=True)
    try:
        for name, content in made(days).items():
            with open(os.open(part / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:  # noqa: PTH123
                file.write(content)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def made(days: int) -> dict[str, bytes]:
    """PEM files by name: the authority's certificate, one that it has signed, and the key of that; curve P-256.

    The authority's own key is nowhere: nobody can add a certificate later.
    """
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _begun("authority", authority_key, days, signs=True)
    identity = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity)
    peer = _begun("peer", key, days, signs=False).add_extension(x509.ExtendedKeyUsage(BOTH_ENDS), critical=False)
    return {
        AUTHORITY: _signed(authority.add_extension(identity, critical=False), authority_key),
        CERTIFICATE: _signed(peer.add_extension(issuer, critical=False), authority_key),
        KEY: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }


def _begun(role: str, key: ec.EllipticCurvePrivateKey, days: int, *, signs: bool) -> x509.CertificateBuilder:
    """signs: certificates, and nothing else; otherwise connections, and nothing else."""
    now = datetime.now(UTC)
    others = ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"]
    none = dict.fromkeys([*others, "encipher_only", "decipher_only"], False)
    return (
        x509.CertificateBuilder()
        .issuer_name(_name("authority"))
        .subject_name(_name(role))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=signs, path_length=0 if signs else None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not signs, key_cert_sign=signs, **none), critical=True)
    )


def _name(role: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"RAR many pictures, {role}")])


def _signed(certificate: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return bytes(certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
