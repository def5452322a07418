"""The manifest of a bundle: what must be in it, signed, and checked before anything is parsed.

``manifest.json`` lists every other file with its SHA-256 digest; ``manifest.sig`` is the Ed25519
signature of the manifest's bytes in hexadecimal. Nothing here loads a model.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict

from configs.errors import ModelError
from configs.version import VERSION
from features.stored.generation import files_in
from training.signing import is_signed_by, key_id

FORMAT = 1
"""Raised when the files of a bundle change their form."""
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
LARGEST_MANIFEST_BYTES = 1_000_000
LIBRARIES = ("lightgbm", "numpy", "pyarrow", "scikit-learn", "scipy")
AGAIN = "Train again, or promote another version"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileDigest(_Frozen):
    """What a file must be: its SHA-256 in hexadecimal and its length."""

    sha256: str
    n_bytes: int


class Manifest(_Frozen):
    """What a bundle is and where it came from.

    Attributes:
        format: form of the files, see ``FORMAT``.
        as_of: the last day of the records that the models know.
        cutoffs: target → cutoffs learnt from.
        versions: ``features`` (their fingerprint), ``policy`` (its name).
        provenance: where the data came from: the records generation, digests of its files.
        libraries: package → version that made the bundle.
        signed_by: id of the key.
        files: name → digest of every file but the manifest and its signature.
    """

    format: int
    created_at: AwareDatetime
    as_of: dt.date
    cutoffs: dict[str, tuple[dt.date, ...]]
    versions: dict[str, str]
    provenance: dict[str, str]
    libraries: dict[str, str]
    signed_by: str
    files: dict[str, FileDigest]


@dataclass(frozen=True)
class Verified:
    """A bundle's bytes, checked; ``digest`` is the SHA-256 of the manifest, hence of it all."""

    digest: str
    manifest: Manifest
    files: Mapping[str, bytes]


def manifest_of(
    files: Mapping[str, bytes],
    key: Ed25519PublicKey,
    as_of: dt.date,
    cutoffs: Mapping[str, tuple[dt.date, ...]],
    versions: Mapping[str, str],
    provenance: Mapping[str, str],
) -> Manifest:
    """Return the manifest of ``files``, made now, to be signed with the private half of ``key``."""
    return Manifest(
        format=FORMAT,
        created_at=dt.datetime.now(dt.UTC),
        as_of=as_of,
        cutoffs=dict(cutoffs),
        versions=dict(versions),
        provenance=dict(provenance),
        libraries=libraries(),
        signed_by=key_id(key),
        files={
            name: FileDigest(sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
            for name, content in sorted(files.items())
        },
    )


def write_signed(
    folder: Path, files: Mapping[str, bytes], manifest: Manifest, key: Ed25519PrivateKey
) -> None:
    """Write ``files`` to the empty ``folder`` with their manifest and its signature.

    Raises:
        ModelError: the folder is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ModelError(f"{folder} is not empty; what is signed needs a folder of its own")
    text = canonical_json(manifest.model_dump(mode="json"))
    signature = key.sign(text).hex().encode() + b"\n"
    for name, content in {**files, MANIFEST_FILE: text, SIGNATURE_FILE: signature}.items():
        (folder / name).write_bytes(content)


def canonical_json(value: Any) -> bytes:
    """Return ``value`` as JSON, the same bytes for the same value: keys sorted, no NaN."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def provenance_of(records: Path) -> dict[str, str]:
    """Return the name of a records generation, and of each of its Parquet files SHA-256 and rows.

    Keys are ``records``, ``data.<table>`` and ``rows.<table>``.
    """
    files = {one.stem: files_in(one) for one in sorted(records.glob("*.parquet"))}
    digests = {f"data.{name}": _digest_of_all(parts) for name, parts in files.items()}
    rows = {
        f"rows.{name}": str(sum(pq.read_metadata(part).num_rows for part in parts))
        for name, parts in files.items()
    }
    return {"records": records.name, **digests, **rows}


def _digest_of_all(parts: Sequence[Path]) -> str:
    """Return the SHA-256 of a file; of several, that of theirs."""
    digests = [digest_of(part) for part in parts]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def verified(folder: Path, key: Ed25519PublicKey) -> Verified:
    """Return the manifest and the bytes of every other file, all of them checked.

    Raises:
        ModelError: the signature is not by ``key``, a file is missing, altered or unknown, or the
            bundle is of another format.
    """
    text = _signed_manifest(folder, key)
    manifest = _manifest_in(folder, text)
    present = {file.name for file in folder.iterdir()} - {MANIFEST_FILE, SIGNATURE_FILE}
    if unknown := sorted(present - manifest.files.keys()):
        raise ModelError(
            f"{folder} has {len(unknown)} file(s) that nobody signed, first {unknown[0]!r}. {AGAIN}"
        )
    if missing := sorted(manifest.files.keys() - present):
        raise ModelError(f"{folder} lacks {len(missing)} file(s), first {missing[0]!r}. {AGAIN}")
    files = {name: _checked(folder / name, digest) for name, digest in manifest.files.items()}
    return Verified(hashlib.sha256(text).hexdigest(), manifest, files)


def libraries() -> dict[str, str]:
    """Return package → version of what makes and reads models here."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    installed = {name: version(name) for name in LIBRARIES}
    return {"python": python, "echelon": VERSION, **installed}


def changed_libraries(manifest: Manifest) -> str:
    """Return which libraries differ from those that made the bundle, in words."""
    now = libraries()
    changed = [
        f"{name} {then} then, {now.get(name)} now"
        for name, then in manifest.libraries.items()
        if now.get(name) != then
    ]
    return "; ".join(changed) if changed else "No library changed since"


def _signed_manifest(folder: Path, key: Ed25519PublicKey) -> bytes:
    text = _small_file(folder / MANIFEST_FILE)
    signature = _small_file(folder / SIGNATURE_FILE)
    if not is_signed_by(key, _unhexed(signature), text):
        raise ModelError(
            f"{folder / SIGNATURE_FILE} is not the signature of {MANIFEST_FILE} by the key "
            f"{key_id(key)}: the bundle was altered, or signed on another machine. {AGAIN}; to "
            "trust another machine's models, copy its signing.pub into the folder of keys"
        )
    return text


def _manifest_in(folder: Path, text: bytes) -> Manifest:
    found = json.loads(text).get("format")
    if found != FORMAT:
        raise ModelError(
            f"{folder} is a bundle of format {found!r}; this version of Echelon "
            f"({VERSION}) reads format {FORMAT}. Train again with this version"
        )
    return Manifest.model_validate_json(text)


def _small_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_MANIFEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(
            f"{path} does not exist, so {path.parent} is no bundle. {AGAIN}"
        ) from error
    if len(content) > LARGEST_MANIFEST_BYTES:
        raise ModelError(f"{path} is larger than a manifest can be. {AGAIN}")
    return content


def _unhexed(text: bytes) -> bytes:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return b""


def _checked(path: Path, expected: FileDigest) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != expected.n_bytes:
        raise ModelError(f"{path} was altered: it has not the length that was signed. {AGAIN}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != expected.sha256:
        raise ModelError(f"{path} was altered: its SHA-256 is not the one signed. {AGAIN}")
    return content
