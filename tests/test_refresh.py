"""The daily refresh: what is published is what taking in and scoring everything gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from benchmarks.refresh import LAST, LATE, TABLES, come, differences, split
from configs.load import load
from configs.schema import Config
from features.intake import take_in
from features.sources import date_of
from serving.pipeline import refresh, score
from serving.scores.carried import Carried, carried_over
from serving.scores.publication import open_live


def company(given: Path, folder: Path, store: str, as_of: int) -> Config:
    """Return the small company with its exports as folders, and a store of its own."""
    content = yaml.safe_load(given.read_text(encoding="utf-8"))
    if not (folder / store).exists():
        shutil.copytree(content["stores"]["root"], folder / store)
    content |= {"data": str(folder / "data"), "stores": {"root": str(folder / store)}}
    content["as_of"] = str(date_of(as_of))
    for name in TABLES:
        content["sources"][name][0]["path"] = name
    path = folder / f"{store}.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return load(path, {})


def test_late_records_and_the_next_day_are_published_as_by_a_whole_run(
    small_company: Path, tmp_path: Path
) -> None:
    exports = Path(yaml.safe_load(small_company.read_text(encoding="utf-8"))["data"])
    last, share = split(exports, tmp_path / "data")
    assert 0 < share < 0.05
    daily = company(small_company, tmp_path, "daily", last - 1)
    take_in(daily)
    score(daily)
    shutil.copytree(tmp_path / "daily", tmp_path / "whole")
    for parts, day in (([LATE], last - 1), ([LATE, LAST], last)):
        come(tmp_path / "data", parts)
        renewed = refresh(company(small_company, tmp_path, "daily", day))
        assert renewed.taken.whole == {}
        assert renewed.taken.customers is not None
        assert 0 < len(renewed.taken.customers) < 500
        whole = company(small_company, tmp_path, "whole", day)
        take_in(whole)
        score(whole)
        found = differences(tmp_path / "daily", tmp_path / "whole")
        assert found == {"numbers": 0.0, "words": 0, "sentences": 0}
        live, anew = (open_live(tmp_path / one / "publications") for one in ("daily", "whole"))
        assert live.features().equals(anew.features())
        assert live.reasons().equals(anew.reasons())
    # features are lent on the same day only, to what was added to the same records
    taken = renewed.taken
    digest = renewed.publication.manifest.bundle
    assert carried_over(whole, digest, taken) is None


def test_customers_computed_anew_stand_among_the_others_by_id(tmp_path: Path) -> None:
    def matrix(values: dict[str, float]) -> pa.Table:
        return pa.table({"customer_id": list(values), "x": list(values.values())})

    path = tmp_path / "features.parquet"
    pq.write_table(matrix({"b": 1, "d": 1, "f": 1, "h": 1}), path, row_group_size=2)
    carried = Carried(path, pa.array(["a", "d", "e", "h", "z"]))
    computed = [matrix({"a": 2, "d": 2}), matrix({"e": 2, "z": 2})]
    found = pa.concat_tables(carried.with_others(computed))
    assert found["customer_id"].to_pylist() == ["a", "b", "d", "e", "f", "z"]
    assert found["x"].to_pylist() == [2, 1, 2, 2, 1, 2]
    nobody = pa.concat_tables(Carried(path, pa.array([], pa.string())).with_others([]))
    assert pc.all(pc.equal(nobody["x"], 1)).as_py()
    assert len(nobody) == 4
