"""The same features as Echelon computes them, by their declarations: started as a command is."""

from __future__ import annotations

from benchmarks.scale.contest.subset import SUBSET, Task, task
from configs.garbage import look_for_garbage_seldom


def compute(asked: Task) -> None:
    """Write the table: a folder, one file a cutoff."""
    look_for_garbage_seldom()
    from configs.load import load
    from features.build import write_matrix
    from features.catalogue import by_name
    from features.sources import open_engine, open_records

    limits = {"threads": asked.threads, "memory_limit_gib": asked.memory_gib}
    engine = load(None, {}).engine.model_copy(update=limits)
    records = open_records(open_engine(engine), asked.records)
    known = by_name()
    features = [known[name] for name in SUBSET]
    write_matrix(records, features, asked.cutoffs, asked.out, engine)


if __name__ == "__main__":
    compute(task())
