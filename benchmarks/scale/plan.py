"""What a run costs at a million, a hundred million and a billion customers, from measured rates.

    python -m benchmarks.scale.plan [--customers 1m,100m,1000m] [--cores-a-machine 32]

Reads what `python -m benchmarks.scale` and `python -m benchmarks.spark` measured, and writes
``benchmarks/results/scale_plan.md``. Everything that is assumed and not measured is an option and
stands in the page.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale.__main__ import sizes
from benchmarks.scale.bars import Sizes, growth, is_measured, largest
from benchmarks.scale.results import sizes_in
from configs.files import write_text

STEPS = {"intake": "intake", "features_1": "features", "publication": "publication"}
"""Stages that grow with the customers, and what Spark's measurement calls them."""
KEPT = {"simulate": "source files", "intake": "records", "publication": "publication"}
SECONDS_AN_HOUR = 3_600


@dataclass(frozen=True)
class Assumed:
    """What is not measured.

    Attributes:
        hours: within which a run has to end.
        cores_a_machine: of a cluster's machine.
        used: share of a cluster's cores that work on average.
        spark_factor: processor time of Spark over DuckDB's, for steps not measured on both.
        price_of_core_hour, price_of_gib_month: in any currency.
        driver_mib_a_second: at which one machine streams a publication's files together.
    """

    hours: float
    cores_a_machine: int
    used: float
    spark_factor: float
    price_of_core_hour: float
    price_of_gib_month: float
    driver_mib_a_second: float


@dataclass(frozen=True)
class Rates:
    """What one size measured.

    Attributes:
        customers: the size.
        events: of all of them.
        cpu_seconds: of each step, whole.
        wall_seconds: of each step and of training, as long as they took on the machine measured.
        exponents: how processor time grows with customers, never taken below 1.
        proportional: steps measured at one size alone, and taken to grow in proportion.
        training_cpu_seconds: whole; it does not grow beyond ``training.max_rows``.
        kept_gib: on disk, by what.
        spark: processor time of Spark over DuckDB's, by step; only those measured.
        spark_customers: the size at which, by step.
    """

    customers: int
    events: int
    cpu_seconds: Mapping[str, float]
    wall_seconds: Mapping[str, float]
    exponents: Mapping[str, float]
    proportional: frozenset[str]
    training_cpu_seconds: float
    kept_gib: Mapping[str, float]
    spark: Mapping[str, float]
    spark_customers: Mapping[str, int]

    def cpu_hours(self, customers: int) -> float:
        """Return processor hours of a run on one machine."""
        times = customers / self.customers
        growing = (self.cpu_seconds[step] * times ** self.exponents[step] for step in STEPS)
        return (sum(growing) + self.training_cpu_seconds) / SECONDS_AN_HOUR

    def hours_alone(self, customers: int) -> float:
        """Return how long a run takes on the machine that was measured."""
        times = customers / self.customers
        growing = (self.wall_seconds[step] * times ** self.exponents[step] for step in STEPS)
        return (sum(growing) + self.wall_seconds["training"]) / SECONDS_AN_HOUR

    def spark_hours(self, customers: int, assumed: Assumed) -> float:
        """Return processor hours of a run by Spark; models are learnt on the driver."""
        times = customers / self.customers
        growing = (
            seconds * times * self.spark.get(step, assumed.spark_factor)
            for step, seconds in self.cpu_seconds.items()
        )
        return (sum(growing) + self.training_cpu_seconds) / SECONDS_AN_HOUR

    def gib(self, what: str, customers: int) -> float:
        """Return what is kept on disk."""
        return self.kept_gib[what] * customers / self.customers


def rates_of(found: Sizes, spark: Mapping[str, Any]) -> Rates:
    """Return the rates of the largest size of which every step was measured.

    Raises:
        SystemExit: there is none.
    """
    whole = largest(found, ("simulate", *STEPS, "training"))
    if whole is None:
        raise SystemExit("no size was measured whole: run `python -m benchmarks.scale` first")
    size, one = whole
    grown = {step: growth(found, step, "cpu_seconds") for step in STEPS}
    factors = _spark_factors(spark)
    return Rates(
        customers=size,
        events=one["simulate"]["events"],
        cpu_seconds={step: one[step]["cpu_seconds"] for step in STEPS},
        wall_seconds={step: one[step]["wall_seconds"] for step in (*STEPS, "training")},
        exponents={step: max(exponent or 1.0, 1.0) for step, exponent in grown.items()},
        proportional=frozenset(step for step, exponent in grown.items() if exponent is None),
        training_cpu_seconds=one["training"]["cpu_seconds"],
        kept_gib={name: one[name]["kept_gib"] for name in KEPT},
        spark={step: factor for step, (factor, _) in factors.items()},
        spark_customers={step: size for step, (_, size) in factors.items()},
    )


def _spark_factors(spark: Mapping[str, Any]) -> dict[str, tuple[float, int]]:
    """Return the factors of the largest size that both engines finished, and that size."""
    factors = {}
    for step, called in STEPS.items():
        for size in sorted(spark, key=int):
            by = spark[size].get(called, {})
            if is_measured(by, "spark") and is_measured(by, "duckdb"):
                factor = by["spark"]["cpu_seconds"] / by["duckdb"]["cpu_seconds"]
                factors[step] = (factor, int(size))
    return factors


def page(rates: Rates, customers: list[int], assumed: Assumed) -> str:
    """Return the plan in Markdown."""
    lines = [
        "# What a run costs",
        "",
        "`python -m benchmarks.scale.plan`. A run is intake of everything, features as of today, "
        f"training and publication with reasons, from {rates.events / rates.customers:.0f} events "
        "a customer.",
        "",
        "| customers | on | processor hours | hours | cost of a run | files: "
        + ", ".join(KEPT.values())
        + " | a month of files |",
        "|---:|---|---:|---:|---:|---|---:|",
        *(_row(rates, size, assumed) for size in customers),
        "",
        "**Measured**, "
        + f"at {rates.customers:,} customers: "
        + "; ".join(
            f"{step.removesuffix('_1')} {1e6 * seconds / rates.customers:,.0f} µs of processor a "
            f"customer, {_grows(rates, step)}"
            for step, seconds in rates.cpu_seconds.items()
        )
        + f"; training {rates.training_cpu_seconds:,.0f} s, which does not grow: "
        "`training.max_rows` bounds it. Spark's processor time over DuckDB's, what starting it "
        f"takes included: {_spark(rates)}.",
        "",
        f"**Assumed**: a run has to end within {assumed.hours:g} hours, else Spark takes it (more "
        "cores in one machine were not measured nor counted on); machines of a cluster have "
        f"{assumed.cores_a_machine} cores, of which {assumed.used:.0%} work on average; a "
        f"processor hour costs {assumed.price_of_core_hour:g} and a GiB "
        f"{assumed.price_of_gib_month:g} a month; Spark takes {assumed.spark_factor:g} times the "
        "processor time of DuckDB where both were not measured; Spark's work is proportional to "
        "customers; the driver streams a "
        f"publication together at {assumed.driver_mib_a_second:g} MiB a second.",
        "",
        _next_limit(rates, customers, assumed),
        "",
    ]
    return "\n".join(lines)


def _grows(rates: Rates, step: str) -> str:
    if step in rates.proportional:
        return "taken to grow in proportion, for it was measured at one size"
    return f"growing as customers^{rates.exponents[step]:.2f}"


def _spark(rates: Rates) -> str:
    told = (
        f"{step.removesuffix('_1')} {factor:.1f} at {rates.spark_customers[step]:,} customers"
        for step, factor in rates.spark.items()
    )
    return ", ".join(told) or "not measured"


def _row(rates: Rates, customers: int, assumed: Assumed) -> str:
    hours, core_hours = rates.hours_alone(customers), rates.cpu_hours(customers)
    on = "one machine, as measured"
    if hours > assumed.hours:
        core_hours = rates.spark_hours(customers, assumed)
        of_machine = assumed.cores_a_machine * assumed.used
        driver = driver_hours(rates, customers, assumed)
        machines = math.ceil(core_hours / (of_machine * max(assumed.hours - driver, 1.0)))
        on = f"Spark on {machines:,} machines of {assumed.cores_a_machine} cores"
        hours = core_hours / (machines * of_machine) + driver
    gib = [rates.gib(name, customers) for name in KEPT]
    return (
        f"| {customers:,} | {on} | {core_hours:,.1f} | {hours:,.1f} "
        f"| {core_hours * assumed.price_of_core_hour:,.2f} "
        f"| {', '.join(f'{one:,.1f} GiB' for one in gib)} "
        f"| {sum(gib) * assumed.price_of_gib_month:,.2f} |"
    )


def driver_hours(rates: Rates, customers: int, assumed: Assumed) -> float:
    """Return how long the driver takes to put a publication's files together."""
    mib = rates.gib("publication", customers) * 1024
    return mib / assumed.driver_mib_a_second / SECONDS_AN_HOUR


def _next_limit(rates: Rates, customers: list[int], assumed: Assumed) -> str:
    told = "; ".join(
        f"{size:,} customers: {rates.gib('publication', size):,.0f} GiB, "
        f"{driver_hours(rates, size, assumed):,.1f} hours"
        for size in customers
    )
    return (
        "**The next limit** is the driver, which alone puts the parts of a publication together "
        f"into the files that API and console read ({told}). However many machines there are, a "
        "run is not shorter than that; beyond it a publication has to stay in parts."
    )


def main() -> None:
    """Write and print the plan."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=sizes, default=sizes("1m,100m,1000m"))
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--cores-a-machine", type=int, default=32)
    parser.add_argument("--used", type=float, default=0.7)
    parser.add_argument("--spark-factor", type=float, default=10)
    parser.add_argument("--price-of-core-hour", type=float, default=0.05)
    parser.add_argument("--price-of-gib-month", type=float, default=0.02)
    parser.add_argument("--driver-mib-a-second", type=float, default=100)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    asked = vars(parser.parse_args())
    customers, results = asked.pop("customers"), asked.pop("results")
    spark_path = results / "spark.json"
    spark = json.loads(spark_path.read_text(encoding="utf-8")) if spark_path.is_file() else {}
    rates = rates_of(sizes_in(results / "scale.json"), spark)
    told = page(rates, customers, Assumed(**asked))
    write_text(results / "scale_plan.md", told)
    print(told)


if __name__ == "__main__":
    main()
