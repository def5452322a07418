"""Whether another implementation reads our PMML and scores it alike: PMML4S, by pypmml.

    python -m benchmarks.exports_peer --config configs/demo.yaml --peer PYTHON [--customers 500]

``PYTHON`` is the interpreter of an environment of its own in which ``pypmml`` is installed (it
needs Java); Echelon does not depend on it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from configs.load import load
from serving.endpoint.served import bundle_of
from serving.scores.export import export, surrogate_of
from serving.scores.population import column
from serving.scores.publication import open_live

PEER = """
import json, sys
from pypmml import Model
model = Model.fromFile(sys.argv[1])
wanted = set(model.inputNames)
rows = [
    {name: value for name, value in row.items() if name in wanted and value is not None}
    for row in json.load(open(sys.argv[2]))
]
print("ANSWERS" + json.dumps([dict(model.predict(row)) for row in rows]))
"""


def by_peer(python: str, document: Path, rows: list[dict[str, float | None]]) -> list[dict]:
    """Return what the other implementation answers for each row."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rows, file)
        file.flush()
        command = [python, "-c", PEER, str(document), file.name]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return list(json.loads(said.split("ANSWERS")[1]))


def main() -> None:
    """Print how many of the customers both place alike."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--customers", type=int, default=500)
    given = parser.parse_args()
    config = load(given.config)
    live = open_live(config.stores.publications)
    segments = bundle_of(live, config).segments
    tree = surrogate_of(live)
    leaves = sum(node.feature is None for node in tree.nodes)
    print(f"tree of tiers, {leaves} leaves: {tree.fidelity:.1%} of the half kept apart are placed")
    print(f"  as they were served (the commonest tier alone: {tree.commonest:.1%})")
    features = live.features().slice(0, given.customers)
    columns = {name: column(features, name) for name in features.column_names[2:]}
    rows = features.drop_columns(["customer_id", "cutoff"]).to_pylist()
    with tempfile.TemporaryDirectory() as folder:
        files = {path.stem: path for path in export(live, segments, "pmml", Path(folder))}
        n = len(features)
        theirs = [one["predicted_tier"] for one in by_peer(given.peer, files["tiers"], rows)]
        same = int((tree.assign(columns, n) == np.array(theirs, dtype=object)).sum())
        print(f"tiers.pmml: {same} of {n} customers placed alike by PMML4S")
        if "segments" in files:
            theirs = [one["segment"] for one in by_peer(given.peer, files["segments"], rows)]
            ours = segments.assign(columns, n).tolist()
            same = sum(a == b for a, b in zip(ours, theirs, strict=True))
            print(f"segments.pmml: {same} of {n} customers placed alike by PMML4S")


if __name__ == "__main__":
    main()
