"""A company of its own for a proof: publications to swap between, and damaged bundles."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from benchmarks.serving.company import company as simulated
from configs.files import live_generation, make_live
from configs.load import load
from configs.schema import Config
from serving.access.keys import create
from serving.champions.live_records import live_records
from serving.endpoint.state import open_state
from serving.scores.publication import MANIFEST_FILE, open_live
from serving.scores.publish import publish
from training.additive import AdditiveModel
from training.bundle import Bundle, read_bundle
from training.manifest import SIGNATURE_FILE, canonical_json, manifest_of, write_signed
from training.signing import public_key, signing_key

DAYS_BETWEEN = 28
WAYS = ("truncated", "flipped", "wrong_golden")
SHIFT = 0.05
"""By how much the churn model of the second version differs, on its link scale."""


@dataclass(frozen=True)
class Company:
    """A company that a proof may do anything to.

    Attributes:
        path: its configuration.
        config: the same, read.
        headers: of requests, with a key that may ask everything a proof asks.
    """

    path: Path
    config: Config
    headers: Mapping[str, str]

    @property
    def publications(self) -> Path:
        """The store of publications."""
        return self.config.stores.publications

    def live(self) -> str:
        """Return the name of the live publication."""
        folder = live_generation(self.publications)
        assert folder is not None
        return folder.name

    def make_live(self, name: str) -> None:
        """Point at the publication called ``name``."""
        make_live(self.publications, name)


def company(given: Path | None, root: Path, customers: int = 500) -> Company:
    """Return a copy of the company configured in ``given``, or one simulated and trained here.

    Args:
        given: a configuration with a live publication.
        root: an empty folder.
        customers: how many to simulate.
    """
    if given is None:
        made = simulated(None, root, customers)
        return Company(made.path, made.config, _key(made.config))
    before = load(given)
    shutil.copytree(before.stores.root, root / "store")
    content = yaml.safe_load(given.read_text(encoding="utf-8"))
    content["stores"] = {**(content.get("stores") or {}), "root": str(root / "store")}
    path = root / "company.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return Company(path, load(path), _key(load(path)))


def _key(config: Config) -> dict[str, str]:
    """Return the headers of a new key."""
    with closing(open_state(config.stores)) as state:
        return {"Authorization": f"Bearer {create(state, 'reliability', 'data_scientist').text}"}


def good_publications(made: Company) -> list[str]:
    """Return three publications: as it was, four weeks earlier, and of a second version."""
    first = made.live()
    config, version = made.config, open_live(made.publications).manifest.terms.model
    bundle = read_bundle(_bundle_folder(made, first), public_key(config.stores.keys))
    records = live_records(config)
    as_of = bundle.manifest.as_of - dt.timedelta(days=DAYS_BETWEEN)
    earlier = publish(config.model_copy(update={"as_of": as_of}), bundle, version, records).name
    second = second_version(made, bundle)
    changed = publish(config, second, second_name(version), records).name
    made.make_live(first)
    return [first, earlier, changed]


def second_name(version: str) -> str:
    """Return the version after ``version``, which no registry knows.

    >>> second_name("12")
    '12next'
    """
    return f"{version}next"


def second_version(made: Company, bundle: Bundle) -> Bundle:
    """Return a bundle whose churn model says a little more, signed, in the store of bundles."""
    folder = _bundle_folder(made, made.live())
    files = {name: (folder / name).read_bytes() for name in bundle.manifest.files}
    churn = bundle.models["churn"]
    if isinstance(churn, AdditiveModel):
        files |= replace(churn, intercept=churn.intercept + SHIFT).to_files()
        golden = json.loads(files["golden.json"])
        golden["links"]["churn"] = [link + SHIFT for link in golden["links"]["churn"]]
        files["golden.json"] = canonical_json(golden)
    version = open_live(made.publications).manifest.terms.model
    target = made.config.stores.bundles / second_name(version)
    _sign(made, bundle, files, target)
    return read_bundle(target, public_key(made.config.stores.keys))


def bad_publications(made: Company, like: str, each: int, seed: int) -> dict[str, list[str]]:
    """Return names of publications whose bundles are damaged, by way.

    Args:
        made: the company.
        like: the publication that they are copies of, by a bundle of its own.
        each: how many of each way.
        seed: of where the damage is.
    """
    rng = np.random.default_rng(seed)
    source = _bundle_folder(made, like)
    bad: dict[str, list[str]] = {way: [] for way in WAYS}
    for way in WAYS:
        for number in range(each):
            version = f"{way}{number}"
            target = made.config.stores.bundles / version
            if way == "wrong_golden":
                bundle = read_bundle(source, public_key(made.config.stores.keys))
                _sign(made, bundle, wrong_golden(source, bundle, number), target)
            else:
                shutil.copytree(source, target)
                damage(target, way, rng)
            bad[way].append(_named(made, like, version))
    return bad


def damage(folder: Path, way: str, rng: np.random.Generator) -> None:
    """Cut a file of the bundle off, or turn one bit of it."""
    files = sorted(file for file in folder.iterdir() if file.stat().st_size)
    file = files[int(rng.integers(len(files)))]
    content = bytearray(file.read_bytes())
    place = int(rng.integers(len(content)))
    if way == "truncated":
        del content[place:]
    else:
        content[place] ^= 1 << int(rng.integers(8))
    file.write_bytes(content)


def wrong_golden(folder: Path, bundle: Bundle, number: int) -> dict[str, bytes]:
    """Return the bundle's files with golden predictions that its models do not give."""
    files = {name: (folder / name).read_bytes() for name in bundle.manifest.files}
    golden = json.loads(files["golden.json"])
    target = sorted(golden["links"])[number % len(golden["links"])]
    golden["links"][target][number % len(golden["links"][target])] += 1e-6
    return files | {"golden.json": canonical_json(golden)}


def _bundle_folder(made: Company, publication: str) -> Path:
    manifest = json.loads((made.publications / publication / MANIFEST_FILE).read_text())
    version = manifest["terms"]["model"]
    bundles = made.config.stores.bundles
    return sorted([*bundles.glob(version), *bundles.glob(f"{version}-*")])[-1]


def _sign(made: Company, bundle: Bundle, files: Mapping[str, bytes], target: Path) -> None:
    key = signing_key(made.config.stores.keys)
    then = bundle.manifest
    manifest = manifest_of(
        files, key.public_key(), then.as_of, then.cutoffs, then.versions, then.provenance
    )
    write_signed(target, files, manifest, key)


def _named(made: Company, like: str, version: str) -> str:
    """Copy a publication so that it names the bundle of ``version`` by its digest."""
    source = made.publications / like
    target = made.publications / f"{like}-{version}"
    shutil.copytree(source, target, copy_function=os.link)
    manifest = json.loads((source / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["id"], manifest["terms"]["model"] = target.name, version
    if version.startswith("wrong_golden"):
        manifest["bundle"] = _digest(made.config.stores.bundles / version)
    (target / MANIFEST_FILE).unlink()
    (target / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return target.name


def _digest(bundle: Path) -> str:
    from training.manifest import digest_of

    assert (bundle / SIGNATURE_FILE).is_file()
    return digest_of(bundle / MANIFEST_FILE)
