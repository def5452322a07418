"""Mutated model files: none reaches LightGBM in the serving process.

    python -m benchmarks.reliability.mutations [--count 10000] [--config my.yaml]

Model files of a bundle are damaged in nine ways by somebody who has not the key, every tenth time
with the digest put right in the manifest, and read as the endpoint reads them, in this process. A
bundle must be refused before a process is started for it and before
LightGBM is given a byte: both are replaced here by traps. Mutations that leave the bytes as they
were are drawn again.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import lightgbm
import numpy as np

from benchmarks.reliability.company import Company
from benchmarks.reliability.page import Proof, main
from configs.errors import ModelError
from serving.scores.publication import open_live
from training import checked
from training.checked import read_checked
from training.manifest import MANIFEST_FILE, SIGNATURE_FILE, digest_of
from training.signing import public_key

COUNT = 10_000
SEED = 11
Mutation = Callable[[bytearray, np.random.Generator], None]


def flip_bit(content: bytearray, rng: np.random.Generator) -> None:
    content[_place(content, rng)] ^= 1 << int(rng.integers(8))


def set_byte(content: bytearray, rng: np.random.Generator) -> None:
    content[_place(content, rng)] = int(rng.integers(256))


def cut_off(content: bytearray, rng: np.random.Generator) -> None:
    del content[_place(content, rng) :]


def cut_out(content: bytearray, rng: np.random.Generator) -> None:
    place = _place(content, rng)
    del content[place : place + int(rng.integers(1, 200))]


def put_in(content: bytearray, rng: np.random.Generator) -> None:
    place = _place(content, rng)
    content[place:place] = rng.bytes(int(rng.integers(1, 200)))


def append(content: bytearray, rng: np.random.Generator) -> None:
    content += rng.bytes(int(rng.integers(1, 200)))


def zero(content: bytearray, rng: np.random.Generator) -> None:
    place = _place(content, rng)
    end = min(len(content), place + int(rng.integers(1, 4096)))
    content[place:end] = bytes(end - place)


def swap_blocks(content: bytearray, rng: np.random.Generator) -> None:
    one, other = sorted((_place(content, rng), _place(content, rng)))
    size = min(64, other - one, len(content) - other)
    content[one : one + size], content[other : other + size] = (
        content[other : other + size],
        content[one : one + size],
    )


def change_number(content: bytearray, rng: np.random.Generator) -> None:
    """Change a digit: the file stays a model that can be read."""
    digits = [place for place, byte in enumerate(content) if 48 <= byte <= 57]
    if digits:
        content[digits[int(rng.integers(len(digits)))]] = 48 + int(rng.integers(10))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bit, set_byte, cut_off, cut_out, put_in, append, zero, swap_blocks, change_number,
)  # fmt: skip


def _place(content: bytearray, rng: np.random.Generator) -> int:
    return int(rng.integers(max(1, len(content))))


@contextmanager
def mutated(folder: Path, model: str, rng: np.random.Generator, number: int) -> Iterator[str]:
    """Damage the bundle in ``folder`` within the block; give the name of the way.

    Every tenth time the damaged file's digest is put into the manifest, too: who has not the key
    cannot sign it.
    """
    way = MUTATIONS[number % len(MUTATIONS)]
    path, manifest = folder / model, folder / MANIFEST_FILE
    before, listed = path.read_bytes(), manifest.read_bytes()
    content = bytearray(before)
    while bytes(content) == before:
        way(content, rng)
    path.write_bytes(content)
    is_listed = number % 10 == 9
    if is_listed:
        said = json.loads(listed)
        said["files"][model] = {"sha256": digest_of(path), "n_bytes": len(content)}
        manifest.write_text(json.dumps(said))
    try:
        yield way.__name__ + (", digest put into the manifest" if is_listed else "")
    finally:
        path.write_bytes(before)
        manifest.write_bytes(listed)


def models_in(folder: Path) -> list[str]:
    """Return the files that LightGBM would read, or all but the manifest where it reads none."""
    names = {file.name for file in folder.iterdir()} - {MANIFEST_FILE, SIGNATURE_FILE}
    return sorted(name for name in names if name.endswith(".txt")) or sorted(names)


def prove(made: Company, folder: Path, count: int) -> Proof:
    """Return what came of reading ``count`` damaged bundles."""
    rng = np.random.default_rng(SEED)
    version = open_live(made.publications).manifest.terms.model
    bundle = folder / "bundle"
    shutil.copytree(sorted(made.config.stores.bundles.glob(f"{version}*"))[-1], bundle)
    key, verdicts = public_key(made.config.stores.keys), folder / "no-verdicts"
    files = models_in(bundle)
    ways: Counter[str] = Counter()
    accepted: list[str] = []
    with (
        patch.object(lightgbm, "Booster", side_effect=AssertionError) as booster,
        patch.object(checked, "check_in_child", side_effect=AssertionError) as child,
    ):
        for number in range(count):
            with mutated(bundle, files[number % len(files)], rng, number) as way:
                ways[way] += 1
                try:
                    read_checked(bundle, key, verdicts)
                    accepted.append(way)
                except ModelError:
                    pass
                except AssertionError:
                    accepted.append(way)
    broken = [f"{len(accepted)} were not refused, first: {accepted[0]}"] if accepted else []
    return Proof(
        "mutations",
        "No mutated model file reaches LightGBM in the serving process",
        {
            "bundles read with a mutated model file": count,
            "ways of mutation": len(ways),
            "refused by digest or signature": count - len(accepted),
            "given to LightGBM in this process": booster.call_count,
            "processes started to check them": child.call_count,
        },
        tuple(broken),
    )


if __name__ == "__main__":
    main("mutations", COUNT, prove, __doc__)
