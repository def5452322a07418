"""A bundle: one folder with everything that one model version needs, signed, without pickles.

``manifest.json`` lists every other file with its SHA-256 digest; ``manifest.sig`` is the Ed25519
signature of the manifest's bytes. Both are checked before anything else is parsed, because a
damaged LightGBM text crashes its process. What is parsed are the very bytes that were checked.

Run as ``python -m training.bundle FOLDER`` with a public key on standard input, this module checks
a bundle in a process of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from pydantic import AwareDatetime, BaseModel, ConfigDict

from configs.errors import EchelonError, ModelError
from configs.schema import Config
from features.spec import Feature
from training.described import DescribedFeature, described
from training.evaluate import Evaluation
from training.fitted import Fitted, Reference, column_values
from training.intervals import Intervals
from training.models import Model, read_model
from training.policy import Policy
from training.redaction import redacted
from training.segments import Segments
from training.signing import is_signed_by, key_id, pem_of, public_key_of

if TYPE_CHECKING:
    from features.sentiment import SentimentModel

FORMAT = 1
"""Raised when the files of a bundle change their form."""
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "manifest.sig"
LARGEST_MANIFEST_BYTES = 1_000_000
LIBRARIES = ("echelon", "lightgbm", "numpy", "pyarrow", "scikit-learn", "scipy")
GOLDEN_TOLERANCE = 1e-12
"""Largest difference of a golden link score, relative to the larger of 1 and the score."""
CHECK_SECONDS = 300
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


class Golden(_Frozen):
    """Feature rows of real customers, without their ids, and the link scores they must give."""

    columns: dict[str, tuple[float | None, ...]]
    links: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Bundle:
    """A bundle read and verified; ``digest`` is the SHA-256 of its manifest, hence of it all."""

    digest: str
    manifest: Manifest
    models: Mapping[str, Model]
    policy: Policy
    segments: Segments
    intervals: Intervals
    sentiment: SentimentModel | None
    features: tuple[DescribedFeature, ...]
    reference: Reference
    evaluation: Evaluation
    golden: Golden
    config: Mapping[str, Any]

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Names of every feature to build for scoring, in order."""
        return tuple(feature.name for feature in self.features)

    def check_features(self, features: tuple[Feature, ...]) -> None:
        """Check that ``features`` compute what the models learnt from.

        Raises:
            ModelError: a declaration changed since.
        """
        from features.catalogue import fingerprint

        now, then = fingerprint(features), self.manifest.versions["features"]
        if now != then:
            raise ModelError(
                f"the features declared now ({now[:12]}) are not those that the model learnt from "
                f"({then[:12]}). Train again, or go back to the version of Echelon that made the "
                f"model ({self.manifest.libraries['echelon']})"
            )


def write_bundle(
    fitted: Fitted,
    folder: Path,
    key: Ed25519PrivateKey,
    provenance: Mapping[str, str],
    config: Config,
) -> Manifest:
    """Write ``fitted`` to the empty folder ``folder``, signed, and return its manifest.

    Args:
        fitted: what training ended in.
        folder: created if missing; must be empty.
        key: signs the manifest.
        provenance: where the data came from, see :func:`provenance_of`.
        config: kept beside the models, passwords left out.

    Raises:
        ModelError: the folder is not empty, or what was written does not read back the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ModelError(f"{folder} is not empty; a bundle needs a folder of its own")
    files = _files_of(fitted, config)
    manifest = _manifest_of(fitted, files, key, provenance)
    text = _json(manifest.model_dump(mode="json"))
    signature = key.sign(text).hex().encode() + b"\n"
    for name, content in {**files, MANIFEST_FILE: text, SIGNATURE_FILE: signature}.items():
        (folder / name).write_bytes(content)
    check_golden(read_bundle(folder, key.public_key()))
    return manifest


def provenance_of(records: Path) -> dict[str, str]:
    """Return the name of a records generation and the SHA-256 of each of its Parquet files."""
    digests = {f"data.{file.stem}": digest_of(file) for file in sorted(records.glob("*.parquet"))}
    return {"records": records.name, **digests}


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def verified_files(folder: Path, key: Ed25519PublicKey) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the bytes of every other file, all of them checked.

    Raises:
        ModelError: the signature is not by ``key``, a file is missing, altered or unknown, or the
            bundle is of another format.
    """
    manifest = _verified_manifest(folder, key)
    present = {file.name for file in folder.iterdir()} - {MANIFEST_FILE, SIGNATURE_FILE}
    if unknown := sorted(present - manifest.files.keys()):
        raise ModelError(
            f"{folder} has {len(unknown)} file(s) that no one signed: {unknown[0]!r}. {AGAIN}"
        )
    if missing := sorted(manifest.files.keys() - present):
        raise ModelError(f"{folder} lacks {len(missing)} file(s), first {missing[0]!r}. {AGAIN}")
    return manifest, {name: _checked(folder / name, is_) for name, is_ in manifest.files.items()}


def read_bundle(folder: Path, public_key: Ed25519PublicKey) -> Bundle:
    """Return the bundle in ``folder``; LightGBM sees no byte before all are checked.

    Raises:
        ModelError: see :func:`verified_files`; or a file is of a form that this version of
            Echelon does not know.
    """
    manifest, files = verified_files(folder, public_key)
    try:
        return _parsed(manifest, files, digest_of(folder / MANIFEST_FILE))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{folder} is signed and whole, but made by Echelon {manifest.libraries['echelon']} in "
            f"a form that this version ({version('echelon')}) does not know: {error}. {AGAIN}"
        ) from error


def check_golden(bundle: Bundle) -> None:
    """Check that the models give the link scores they gave when they were made.

    Raises:
        ModelError: a score differs; with the libraries that changed since.
    """
    columns = {name: _floats(values) for name, values in bundle.golden.columns.items()}
    for target, model in bundle.models.items():
        then = np.array(bundle.golden.links[target])
        now = model.link_score(columns)
        off = np.abs(now - then) > GOLDEN_TOLERANCE * np.maximum(1.0, np.abs(then))
        if off.any() or not np.isfinite(now).all():
            row = int(np.argmax(off))
            raise ModelError(
                f"the {target} model does not give what it gave when it was made: {off.sum()} of "
                f"{len(then)} golden rows differ (row {row}: {now[row]!r}, then {then[row]!r}). "
                f"{_changed_libraries(bundle.manifest)}. {AGAIN}"
            )


def check_in_child(folder: Path, public_key: Ed25519PublicKey) -> None:
    """Load the bundle and its golden rows in a process of its own, where a crash does no harm.

    Raises:
        ModelError: the child refused the bundle, crashed, or did not end in five minutes.
    """
    command = [sys.executable, "-P", "-m", "training.bundle", str(folder)]
    try:
        child = subprocess.run(
            command, input=pem_of(public_key), capture_output=True, timeout=CHECK_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"loading {folder} did not end within {CHECK_SECONDS} seconds. {AGAIN}"
        ) from error
    said = child.stderr.decode("utf-8", "replace").strip()
    if child.returncode == ModelError.exit_code:
        raise ModelError(said)
    if child.returncode != 0:
        last = said.splitlines()[-1] if said else "it said nothing"
        raise ModelError(
            f"loading {folder} ended its process with code {child.returncode} ({last}). {AGAIN}"
        )


def _files_of(fitted: Fitted, config: Config) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for model in fitted.models.values():
        files |= model.to_files()
    parts = {
        "policy": fitted.policy,
        "segments": fitted.segments,
        "intervals": fitted.intervals,
        "reference": fitted.reference,
        "evaluation": fitted.evaluation,
        "golden": _golden_of(fitted),
    }
    files |= {f"{name}.json": _json(part.model_dump(mode="json")) for name, part in parts.items()}
    files["features.json"] = _json([described(f).model_dump() for f in fitted.features])
    files["config.json"] = _json(redacted(config))
    if fitted.sentiment is not None:
        files["sentiment.json"] = fitted.sentiment.to_json().encode()
    return files


def _golden_of(fitted: Fitted) -> Golden:
    names = dict.fromkeys(name for model in fitted.models.values() for name in model.inputs)
    columns = {name: column_values(fitted.golden, name) for name in names}
    links = {target: column_values(fitted.golden, f"{target}_link") for target in fitted.models}
    return Golden(
        columns={
            name: tuple(None if np.isnan(value) else float(value) for value in values)
            for name, values in columns.items()
        },
        links={target: tuple(values.tolist()) for target, values in links.items()},
    )


def _manifest_of(
    fitted: Fitted,
    files: Mapping[str, bytes],
    key: Ed25519PrivateKey,
    provenance: Mapping[str, str],
) -> Manifest:
    from features.catalogue import fingerprint

    return Manifest(
        format=FORMAT,
        created_at=dt.datetime.now(dt.UTC),
        as_of=fitted.as_of,
        cutoffs=dict(fitted.cutoffs),
        versions={"features": fingerprint(fitted.features), "policy": fitted.policy.name},
        provenance=dict(provenance),
        libraries=_libraries(),
        signed_by=key_id(key.public_key()),
        files={
            name: FileDigest(sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
            for name, content in sorted(files.items())
        },
    )


def _verified_manifest(folder: Path, key: Ed25519PublicKey) -> Manifest:
    text = _small_file(folder / MANIFEST_FILE)
    signature = _small_file(folder / SIGNATURE_FILE)
    if not is_signed_by(key, _unhexed(signature), text):
        raise ModelError(
            f"{folder / SIGNATURE_FILE} is not the signature of {MANIFEST_FILE} by the key "
            f"{key_id(key)}: the bundle was altered, or signed on another machine. {AGAIN}; to "
            "trust another machine's models, copy its signing.pub into the folder of keys"
        )
    content = json.loads(text)
    if content.get("format") != FORMAT:
        raise ModelError(
            f"{folder} is a bundle of format {content.get('format')!r}; this version of Echelon "
            f"({version('echelon')}) reads format {FORMAT}. Train again with this version"
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


def _parsed(manifest: Manifest, files: Mapping[str, bytes], digest: str) -> Bundle:
    features = json.loads(files["features.json"])
    golden = Golden.model_validate_json(files["golden.json"])
    return Bundle(
        digest=digest,
        manifest=manifest,
        models={target: read_model(target, files) for target in golden.links},
        policy=Policy.model_validate_json(files["policy.json"]),
        segments=Segments.model_validate_json(files["segments.json"]),
        intervals=Intervals.model_validate_json(files["intervals.json"]),
        sentiment=_sentiment(files.get("sentiment.json")),
        features=tuple(DescribedFeature.model_validate(feature) for feature in features),
        reference=Reference.model_validate_json(files["reference.json"]),
        evaluation=Evaluation.model_validate_json(files["evaluation.json"]),
        golden=golden,
        config=json.loads(files["config.json"]),
    )


def _sentiment(text: bytes | None) -> SentimentModel | None:
    if text is None:
        return None
    from features.sentiment import SentimentModel

    return SentimentModel.from_json(text.decode())


def _libraries() -> dict[str, str]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    return {"python": python, **{name: version(name) for name in LIBRARIES}}


def _changed_libraries(manifest: Manifest) -> str:
    now = _libraries()
    changed = [
        f"{name} {then} then, {now.get(name)} now"
        for name, then in manifest.libraries.items()
        if now.get(name) != then
    ]
    return "; ".join(changed) if changed else "No library changed since"


def _floats(values: tuple[float | None, ...]) -> Any:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
    return text.encode() + b"\n"


def _main(folder: Path) -> int:
    """Check the bundle in ``folder`` against the public key on standard input."""
    try:
        check_golden(read_bundle(folder, public_key_of(sys.stdin.buffer.read())))
    except EchelonError as error:
        print(error, file=sys.stderr)
        return ModelError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
