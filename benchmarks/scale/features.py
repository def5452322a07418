"""All features that a configuration asks for, at several cutoffs, written to disk.

    python -m benchmarks.scale.features CONFIG OUT --cutoffs 20634 20606

The matrix stays in the folder OUT.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from configs.files import live_generation
from configs.load import load
from features.build import write_matrix
from features.catalogue import select
from features.sources import open_engine, open_records


def main() -> None:
    """Write the features and print how many rows there are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cutoffs", type=int, nargs="+", required=True)
    asked = parser.parse_args()
    config = load(asked.config, os.environ)
    folder = live_generation(config.stores.records)
    if folder is None:
        raise SystemExit("nothing is taken in yet")
    records = open_records(open_engine(config.engine), folder)
    features = select(config.features)
    matrix = write_matrix(records, features, asked.cutoffs, asked.out, config.engine)
    print(f"{matrix.count():,} rows of {len(features)} features")


if __name__ == "__main__":
    main()
