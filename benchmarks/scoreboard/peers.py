"""Purchase models of other packages, each run by an interpreter that has it.

They need versions of their own, so they live in an environment of their own
(``make peers`` creates it from ``benchmarks/peers.txt``).
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.anchor import VALUE_INPUTS
from training.dataset import Dataset

Vector = NDArray[np.float64]
FOLDER = Path(__file__).parent.parent
SCRIPTS = {"lifetimes": "lifetimes_peer.py", "pymc_marketing": "pymc_peer.py"}
MODELS = {
    "lifetimes BG/NBD": ("lifetimes", "bg_nbd"),
    "lifetimes MBG/NBD": ("lifetimes", "mbg_nbd"),
    "lifetimes Pareto/NBD": ("lifetimes", "pareto_nbd"),
    "PyMC-Marketing BG/NBD, MAP": ("pymc_marketing", "bg_nbd"),
    "PyMC-Marketing Pareto/NBD, MAP": ("pymc_marketing", "pareto_nbd"),
}
"""What users of both packages fit; with Gamma-Gamma of the same package for value."""
QUICK = tuple(name for name in MODELS if name != "PyMC-Marketing Pareto/NBD, MAP")
"""Those that fit thousands of customers within two minutes."""
SECONDS = 600


@dataclass(frozen=True)
class Forecast:
    """What a peer said of each customer; ``None`` for everything if it was not run."""

    expected: Vector | None = None
    value: Vector | None = None
    inactive: Vector | None = None
    why_not: str | None = None


class Peers:
    """Runs the peers beside our own work, one process at a time.

    Args:
        python: an interpreter that has the packages; ``None`` runs nothing.
    """

    def __init__(self, python: Path | None) -> None:
        self.python = python
        self._beside = ThreadPoolExecutor(1)

    def forecasts(
        self, names: Iterable[str], customers: Dataset, horizon_days: int
    ) -> dict[str, Future[Forecast]]:
        """Return what the peers ``names`` will have said of the buyers ``customers``."""
        x, recency, tenure, mean = (customers.columns(VALUE_INPUTS)[n] for n in VALUE_INPUTS)
        columns = {"frequency": x, "recency": recency, "tenure": tenure, "spend": mean}
        return {name: self._beside.submit(self._ask, name, columns, horizon_days) for name in names}

    def _ask(self, name: str, columns: Mapping[str, Vector], horizon_days: int) -> Forecast:
        package, kind = MODELS[name]
        if self.python is None:
            return Forecast(why_not="no interpreter given")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "columns.npz")
            np.savez(path, horizon_days=horizon_days, **columns)
            script = FOLDER / SCRIPTS[package]
            command = [str(self.python), "-W", "ignore", str(script), kind, str(path)]
            return _answered(command)


def collected(asked: Mapping[str, Future[Forecast]]) -> dict[str, Forecast]:
    """Return all forecasts, when they have come; one that was not run is printed as such."""
    said = {name: future.result() for name, future in asked.items()}
    for name, forecast in said.items():
        if forecast.why_not is not None:
            print(f"not run: {name}: {forecast.why_not}", flush=True)
    return said


def _answered(command: list[str]) -> Forecast:
    """Return the forecast that ``command`` prints, or why there is none."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        return Forecast(why_not=f"{command[0]} does not exist")
    except subprocess.TimeoutExpired:
        return Forecast(why_not=f"had not ended after {SECONDS} s")
    if run.returncode:
        return Forecast(why_not=(run.stderr.strip().splitlines() or ["it said nothing"])[-1])
    said = json.loads(run.stdout.strip().splitlines()[-1])
    columns = {name: np.array(said[name]) for name in ("expected", "value", "inactive")}
    spoilt = [name for name, values in columns.items() if not np.isfinite(values).all()]
    return Forecast(why_not=f"gave no number for {spoilt}") if spoilt else Forecast(**columns)
