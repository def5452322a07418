"""Looks at someone's files and proposes a configuration: which file is which table, and why.

What was guessed stands in comments, and so does what could not be mapped, since a person reads
the proposal before anything runs on it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from configs.errors import RecordsError
from configs.files import write_text
from configs.records import SnapshotFile
from features.contract_customers import inferred_columns
from features.contracts import CUSTOMER_ID
from features.raw.columns import as_text, clean_moments, clean_texts, clean_words, order_in
from features.raw.delimited import detect_layout
from features.raw.headers import Match, best_table, folded, is_personal, likeness, unit_price
from features.raw.localtime import UTC
from features.raw.reading import files_of, is_parquet, read_files
from features.raw.vocabulary import OPEN, WORDS

_SAMPLE = 5_000
_LABELS = ("churn", "churned", "attrition", "attritionflag", "exited", "left", "流失", "是否流失")
_POSITIVE = ("yes", "true", "1", "churned", "attritedcustomer", "attrited", "是", "流失", "已流失")
_SIMULATED = {
    "truth.parquet": "what a simulated company hides, its future included",
    "dirt.parquet": "the list of what was dirtied in a simulated company",
}
"""Files of ``echelon simulate`` that are no records."""
_CURRENCIES = {"¥": "CNY", "￥": "CNY", "元": "CNY", "£": "GBP", "€": "EUR", "$": "USD"}


@dataclass
class Seen:
    """A file that was looked at: its sample and, if any, the table that it fits."""

    path: str
    written: str
    sample: pa.Table
    match: Match | None = None
    notes: list[str] = field(default_factory=list)


def write_proposal(folder: Path, out: Path) -> None:
    """Write the proposal for the files in ``folder`` to ``out``.

    Raises:
        RecordsError: ``out`` exists already, or the folder holds no file that fits.
    """
    if out.exists():
        raise RecordsError(f"{out} exists already; move it away or name another with --out")
    write_text(out, propose(folder))


def propose(folder: Path) -> str:
    """Return a configuration in YAML for the CSV and Parquet files in ``folder``.

    Raises:
        RecordsError: the folder does not exist, holds no file, or none with purchases or labels.
    """
    if not folder.exists():
        raise RecordsError(
            f"{folder} does not exist; name the folder that your CSV, Excel or Parquet files are "
            "in: `echelon init FOLDER`"
        )
    files = [_seen(folder, path) for path, *_ in files_of(folder, ".") if not _in_a_store(path)]
    for seen in files:
        if Path(seen.path).name not in _SIMULATED:
            seen.match = best_table(seen.path, seen.sample)
    if any(seen.match and seen.match.table.name == "transactions" for seen in files):
        return "\n".join([*_heading(folder, files), *_sources(files)]) + "\n"
    for seen in files:
        label = _label(seen.sample)
        if label is not None:
            return "\n".join([*_heading(folder, files), *_snapshot(seen, label)]) + "\n"
    raise RecordsError(_nothing_fits(folder, files))


def _in_a_store(path: Path) -> bool:
    """Whether a file lies in a store of Echelon, which may stand among the exports."""
    return any((parent / "records" / "CURRENT").exists() for parent in path.parents)


def _seen(folder: Path, path: Path) -> Seen:
    name = path.relative_to(folder).as_posix()
    source = SnapshotFile(path=name)
    raw = next(read_files(folder, source, (), lambda _: False))
    written = "Parquet"
    if not is_parquet(path, "auto"):
        layout = detect_layout(path, (), "auto", "auto")
        written = f"{layout.encoding.upper()}, delimiter {layout.delimiter!r}"
    return Seen(name, written, raw.table.slice(0, _SAMPLE))


def _heading(folder: Path, files: list[Seen]) -> list[str]:
    currency = _currency(files)
    chinese = any(not name.isascii() for seen in files for name in seen.sample.column_names)
    lines = [
        "# A proposal by `echelon init`: look it over, then run `echelon intake` with it.",
        f"name: {_scalar(_slug(folder))}",
        f"data: {_scalar(folder.resolve().as_posix())}",
        f"language: {'zh' if chinese or currency in (None, 'CNY') else 'en'}",
        "timezone: Asia/Shanghai      # whose local time the files are in",
    ]
    said = "read from the amounts" if currency else "no currency sign was found"
    return [*lines, f"currency: {currency or 'CNY'}      # {said}", ""]


def _sources(files: list[Seen]) -> list[str]:
    lines = ["sources:"]
    for table in ("customers", "transactions", "interactions", "satisfaction", "attributes"):
        chosen = [seen for seen in files if seen.match and seen.match.table.name == table]
        if chosen:
            lines.append(f"  {table}:")
        for seen in chosen:
            lines += _source(seen)
    for seen in files:
        if Path(seen.path).name in _SIMULATED:
            lines += ["", f"# {seen.path} is left out: {_SIMULATED[Path(seen.path).name]}"]
        elif seen.match is None:
            headers = ", ".join(seen.sample.column_names)
            lines += ["", f"# {seen.path} fits no table; its columns: {headers}"]
    return lines


def _source(seen: Seen) -> list[str]:
    assert seen.match is not None
    columns = seen.match.columns
    lines = [f"    - path: {_scalar(seen.path)}      # {seen.written}", "      columns:"]
    for column in seen.match.table.columns:
        if column.name in columns:
            lines += _mapped(seen, column.name, columns[column.name])
            if column.name in seen.match.guessed:
                lines[-1] += "      # a guess"
        elif column.name == "amount":
            price = unit_price(seen.sample, columns)
            lines.append(_amount(columns, price))
            columns = {**columns, "price": price or ""}
    rest = [name for name in seen.sample.column_names if name not in columns.values()]
    if seen.match.table.name == "customers":
        kept = [name for name in rest if _is_attribute(seen.sample[name], name)]
        if kept:
            lines.append(f"      attributes: {_list(kept)}")
        rest = [name for name in rest if name not in kept]
    if rest:
        lines.append(f"      # not mapped: {', '.join(rest)}")
    return lines


def _amount(columns: dict[str, str], price: str | None) -> str:
    if price is None:
        return "        amount: {constant: 1}      # no amount was found: orders are counted"
    return f"        amount: {{product: {_list([columns['quantity'], price])}}}"


def _mapped(seen: Seen, column: str, header: str) -> list[str]:
    assert seen.match is not None
    values = seen.sample[header].combine_chunks()
    key = (seen.match.table.name, column)
    if key in WORDS and key not in OPEN:
        return _words(column, header, values, key)
    if seen.match.table.column(column).type in ("timestamp", "date"):
        pattern = _pattern(values)
        if pattern is not None:
            return [
                f"        {column}: {{column: {_scalar(header)}, format: {_scalar(pattern)}}}"
                "      # a guess: nothing tells day from month"
            ]
    return [f"        {column}: {_scalar(header)}"]


def _words(column: str, header: str, values: pa.Array, key: tuple[str, str]) -> list[str]:
    """Map a column of kinds; words that Echelon does not know are listed for translation."""
    cleaned = clean_words(values, WORDS[key], is_open=False)
    unknown = cleaned.refused.get("unknown_kind")
    if unknown is None:
        return [f"        {column}: {_scalar(header)}"]
    words = pc.unique(clean_texts(values.filter(pa.array(unknown))).values).to_pylist()
    if len(words) > 12:
        return [f"        # {column}: {_scalar(header)} holds {len(words)} words, no kinds"]
    known = ", ".join(WORDS[key])
    lines = [f"        {column}:", f"          column: {_scalar(header)}"]
    lines.append(f"          values:      # translate each into one of: {known}")
    return lines + [
        f"            {_scalar(word)}: {_scalar(word)}      # unknown" for word in words
    ]


def _pattern(values: pa.Array) -> str | None:
    """Return a format for dates whose order nothing shows, else ``None``."""
    if order_in(values) is not None:
        return None
    ambiguous = clean_moments(values, UTC).refused.get("ambiguous_date")
    if ambiguous is None:
        return None
    first = as_text(values).filter(pa.array(ambiguous))[0].as_py().strip()
    match = re.fullmatch(r"\d{1,2}([-/.])\d{1,2}[-/.]\d{4}(\s+\d{1,2}:\d{2})?(:\d{2})?", first)
    if match is None:
        return None
    clock = (" %H:%M" if match[2] else "") + (":%S" if match[3] else "")
    return f"%d{match[1]}%m{match[1]}%Y{clock}"


def _is_attribute(values: pa.ChunkedArray, name: str) -> bool:
    texts = clean_texts(values.combine_chunks()).values
    return not is_personal(name) and 1 <= len(pc.unique(texts.drop_null())) <= 50


def _label(sample: pa.Table) -> str | None:
    return next((name for name in sample.column_names if folded(name) in _LABELS), None)


def _snapshot(seen: Seen, label: str) -> list[str]:
    """Return the snapshot section for a file of contract customers with a label."""
    values = pc.unique(clean_texts(seen.sample[label].combine_chunks()).values).to_pylist()
    positive = next((v for v in values if v and folded(v) in _POSITIVE), values[0])
    ids = [name for name in seen.sample.column_names if likeness(name, CUSTOMER_ID) >= 2.5]
    numbers, categories, rest = inferred_columns(seen.sample, {label, *ids[:1]})
    lines = ["sources:", "  snapshot:"]
    lines.append(f"    source: {{path: {_scalar(seen.path)}}}      # {seen.written}")
    lines += [f"    customer_id: {_scalar(ids[0])}"] if ids else []
    lines += [
        f"    label: {_scalar(label)}",
        f"    positive: {_scalar(str(positive))}      # of: {', '.join(map(str, values))}",
        f"    observed_on: {dt.date.today()}      # the day that the file describes",
        "    # value_per_month: <column>      # what a customer pays in a month, for CLV",
        f"    numbers: {_list(numbers)}",
        f"    categories: {_list(categories)}",
    ]
    return [*lines, f"    # left out: {', '.join(rest)}"] if rest else lines


def _currency(files: list[Seen]) -> str | None:
    for seen in files:
        header = seen.match.columns.get("amount") if seen.match else None
        if header is None:
            continue
        texts = as_text(seen.sample[header].combine_chunks()).drop_null().to_pylist()
        for sign, currency in _CURRENCIES.items():
            if sign in header or any(sign in text for text in texts):
                return currency
    return None


def _nothing_fits(folder: Path, files: list[Seen]) -> str:
    shown = "; ".join(
        f"{seen.path} has {', '.join(seen.sample.column_names)}" for seen in files[:5]
    )
    return (
        f"{folder} holds no file with a customer id, a time and an amount, nor one with a churn "
        f"label: {shown}. Map it by hand from configs/datasets/online_retail_ii.yaml"
    )


def _slug(folder: Path) -> str:
    return folder.resolve().name or "echelon"


def _scalar(text: str) -> str:
    dumped = yaml.safe_dump(text, allow_unicode=True, width=10_000, default_flow_style=True)
    quoted = dumped.removesuffix("\n...\n").strip()
    if text.isascii() or quoted[:1] in "'\"":
        return quoted
    return quoted if not set(text) & set(",{}[]:#") else f"'{text}'"


def _list(names: Iterable[str]) -> str:
    return f"[{', '.join(_scalar(name) for name in names)}]"
