"""The signature of a bundle: who made it, and that nobody changed it since.

Ed25519 (Bernstein, Duif, Lange, Schwabe, Yang 2011; RFC 8032). The private key never leaves the
folder of keys; a machine that only serves has the public key alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from configs.errors import ModelError
from configs.files import flush_to_disk, sweep_drafts, write_text

PRIVATE_FILE = "signing.pem"
PUBLIC_FILE = "signing.pub"


def signing_key(keys: Path) -> Ed25519PrivateKey:
    """Return the private key in the folder ``keys``, created at the first call, once.

    Two processes that call at once get the same key. The public key is written beside it.

    Raises:
        ModelError: the key file is damaged, is no Ed25519 key, or others may read it.
    """
    path = keys / PRIVATE_FILE
    sweep_drafts(keys)
    if not path.exists():
        _create(path)
    _refuse_if_others_may_read(path)
    key = _private(path)
    _write_public(keys / PUBLIC_FILE, key)
    return key


def public_key(keys: Path) -> Ed25519PublicKey:
    """Return the public key in the folder ``keys``.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    path = keys / PUBLIC_FILE
    try:
        return public_key_of(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} does not exist, so no bundle can be checked. `echelon train` makes a key; to "
            "serve what another machine trained, copy its signing.pub here"
        ) from error
    except ModelError as error:
        raise ModelError(f"{path}: {error}. Copy it again from where models are trained") from error


def public_key_of(pem: bytes) -> Ed25519PublicKey:
    """Return the public key written as ``pem``.

    Raises:
        ModelError: ``pem`` is no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ModelError(f"this is no public key ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ModelError(f"this is a {type(key).__name__}, not an Ed25519 public key")
    return key


def pem_of(key: Ed25519PublicKey) -> bytes:
    """Return the public key as PEM text."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """Return sixteen hexadecimal digits that name a key."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def is_signed_by(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """Return whether ``signature`` (64 bytes) is that of ``message`` under ``key``."""
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _create(path: Path) -> None:
    """Write a new key beside ``path`` and link it there, unless another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.draft")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        flush_to_disk(draft)
        os.link(draft, path)
        flush_to_disk(path.parent)
    except FileExistsError:
        return
    finally:
        draft.unlink(missing_ok=True)


def _refuse_if_others_may_read(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ModelError(
            f"{path} may be read by others (mode {mode:04o}), so they could sign models. "
            f"Run `chmod 600 {path}`; if somebody else has read it, delete it and train again"
        )


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ModelError(
            f"{path} is damaged or no private key ({error}). Restore it from a backup; without "
            "one, delete it with signing.pub and train again: models signed by it stay readable "
            "only under its own signing.pub"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ModelError(f"{path} is a {type(key).__name__}, not an Ed25519 private key")
    return key


def _write_public(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the public key where it is missing; a different one there is a mistake to look at."""
    pem = pem_of(key.public_key())
    if not path.exists():
        write_text(path, pem.decode("ascii"))
    elif path.read_bytes() != pem:
        raise ModelError(
            f"{path} is not the public half of {path.with_name(PRIVATE_FILE)}. Models signed now "
            f"would be refused. Delete {path} to have it written again, or restore the private key"
        )
