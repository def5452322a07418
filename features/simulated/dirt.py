"""What real exports have: other ways to write a value, and rows that are beyond repair.

Each kind of dirt changes the written cells of one row, or its line. Kinds with a ``reason`` make a
row that nobody should take in; the others leave its meaning whole.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from features.contracts import TABLES, ColumnType

Cells: TypeAlias = dict[str, str]
"""A row as written: canonical column → text."""
ChangeText: TypeAlias = Callable[[str, random.Random], str]

EXCEL_EPOCH = dt.datetime(1899, 12, 30)
FAR_AHEAD = dt.timedelta(days=20 * 365)
WIDE = {ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789."}


@dataclass(frozen=True)
class CellDirt:
    """Dirt in one cell: columns it may befall, by contract type or by name; never empty cells."""

    kind: str
    change: ChangeText
    reason: str | None = None
    types: tuple[ColumnType, ...] = ()
    columns: tuple[str, ...] = ()
    only_kind: str | None = None
    """The kind of row that this is dirt in: a negative quantity is none in a refund."""

    def column_in(self, table: str, cells: Cells) -> str | None:
        """Return the column of a row that the dirt befalls, or ``None``."""
        if self.only_kind is not None and cells.get("kind") != self.only_kind:
            return None
        for column in TABLES[table].columns:
            wanted = column.type in self.types or column.name in self.columns
            if wanted and cells.get(column.name):
                return column.name
        return None


@dataclass(frozen=True)
class LineDirt:
    """Dirt in a whole line of text, given without its end; returns the physical lines."""

    kind: str
    change: Callable[[str, str, random.Random], list[str]]
    reason: str


def written_moment(text: str) -> dt.datetime:
    """Return the moment of ``2024-03-05 10:20:30`` or ``2024-03-05``."""
    return dt.datetime.fromisoformat(text)


def slashed_date(text: str, chance: random.Random) -> str:
    """Return 2024/3/5 10:20:30.

    >>> slashed_date("2024-03-05 10:20:30", random.Random(0))
    '2024/3/5 10:20:30'
    """
    moment = written_moment(text)
    return f"{moment.year}/{moment.month}/{moment.day}" + _time_after(" ", text)


def chinese_date(text: str, chance: random.Random) -> str:
    """Return 2024年3月5日 10:20:30."""
    moment = written_moment(text)
    return f"{moment.year}年{moment.month}月{moment.day}日" + _time_after(" ", text)


def compact_date(text: str, chance: random.Random) -> str:
    """Return 20240305102030.

    >>> compact_date("2024-03-05", random.Random(0))
    '20240305'
    """
    return "".join(letter for letter in text if letter.isdigit())


def excel_date(text: str, chance: random.Random) -> str:
    """Return the serial day of a spreadsheet.

    >>> excel_date("2024-03-01 12:00:00", random.Random(0))
    '45352.5'
    """
    days = (written_moment(text) - EXCEL_EPOCH) / dt.timedelta(days=1)
    return f"{days:.8f}".rstrip("0").rstrip(".")


def future_date(text: str, chance: random.Random) -> str:
    """Return a moment twenty years on."""
    return (written_moment(text) + FAR_AHEAD).isoformat(" ")[: len(text)]


def impossible_date(text: str, chance: random.Random) -> str:
    """Return something that is no date."""
    choices = (f"{text[:4]}-02-30{text[10:]}", f"{text[:4]}-13-05{text[10:]}", "昨天", "0000-00-00")
    return chance.choice(choices)


def _time_after(blank: str, text: str) -> str:
    return blank + text[11:] if len(text) > 10 else ""


def currency(text: str, chance: random.Random) -> str:
    """Return ¥1,234.50.

    >>> currency("1234.5", random.Random(0))
    '¥1,234.50'
    """
    return f"¥{float(text):,.2f}"


def ten_thousands(text: str, chance: random.Random) -> str:
    """Return the number in units of 万.

    >>> ten_thousands("1234.5", random.Random(0))
    '0.12345万'
    """
    return f"{float(text) / 10_000:.6f}".rstrip("0").rstrip(".") + "万"


def wide_digits(text: str, chance: random.Random) -> str:
    """Return full-width digits, as Chinese input methods write them."""
    return text.translate(WIDE)


def bad_number(text: str, chance: random.Random) -> str:
    """Return something that is no number: the letter O for a zero, two points, a word."""
    return chance.choice((text[:-1] + "O", text + "..5", "待定", "#REF!"))


def negative(text: str, chance: random.Random) -> str:
    """Return the number with a minus."""
    return f"-{text}"


def padded(text: str, chance: random.Random) -> str:
    """Return the text within blanks, one of them ideographic."""
    return chance.choice((f" {text}", f"{text}  ", f"\u3000{text} ", f"\t{text}"))


def nothing(text: str, chance: random.Random) -> str:
    """Return one of the ways to write nothing."""
    return chance.choice(("", " ", "NULL", "#N/A"))


def unknown_kind(text: str, chance: random.Random) -> str:
    """Return a word that names no kind of row."""
    return chance.choice(("其他", "???", "misc"))


def too_high(text: str, chance: random.Random) -> str:
    """Return a score that no scale has."""
    return "99"


def two_lines(text: str, chance: random.Random) -> str:
    """Return text that goes on in a second line; it is quoted when written."""
    return f"{text}\n{chance.choice(('补充：谢谢', 'see above', '（以上）'))}"


def with_nul(text: str, chance: random.Random) -> str:
    """Return the text with a NUL byte in it."""
    return f"{text[:3]}\0{text[3:]}"


def spoilt_bytes(text: str, chance: random.Random) -> str:
    """Return the text with a byte that no encoding has, as a surrogate escape."""
    return f"{text}\udcff"


def fewer_columns(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line cut off after its third column."""
    return [delimiter.join(line.split(delimiter)[:3])]


def more_columns(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line with a value too many."""
    return [f"{line}{delimiter}1"]


def broken_line(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line broken in two, as by a line break in a cell that was not quoted."""
    cells = line.split(delimiter)
    return [delimiter.join(cells[:2]), "续" + delimiter.join(cells[2:])]


def stray_quote(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line with text after a closing quote."""
    first, rest = line.split(delimiter, 1)
    return [f'"{first}"x{delimiter}{rest}']


def unclosed_quote(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line with a quote opened and never closed."""
    return [f'"{line}']


def copied(line: str, delimiter: str, chance: random.Random) -> list[str]:
    """Return the line twice."""
    return [line, line]


REPAIRABLE: tuple[CellDirt, ...] = (
    CellDirt("slashed_date", slashed_date, types=("timestamp", "date")),
    CellDirt("chinese_date", chinese_date, types=("timestamp", "date")),
    CellDirt("compact_date", compact_date, types=("timestamp", "date")),
    CellDirt("excel_date", excel_date, types=("timestamp", "date")),
    CellDirt("currency", currency, columns=("amount",)),
    CellDirt("ten_thousands", ten_thousands, columns=("amount",)),
    CellDirt("wide_digits", wide_digits, columns=("amount", "score")),
    CellDirt("padded", padded, columns=("customer_id",)),
    CellDirt("padded", padded, types=("number",)),
    CellDirt("two_lines", two_lines, columns=("comment", "text")),
)
BEYOND_REPAIR: tuple[CellDirt, ...] = (
    CellDirt("bad_number", bad_number, "bad_number", columns=("amount", "score")),
    CellDirt("bad_number", bad_number, "bad_number", columns=("duration_seconds", "quantity")),
    CellDirt("impossible_date", impossible_date, "bad_date", types=("timestamp", "date")),
    CellDirt("future_date", future_date, "future_date", types=("timestamp", "date")),
    CellDirt("missing_id", nothing, "missing_customer_id", columns=("customer_id",)),
    CellDirt("missing_value", nothing, "missing_value", columns=("amount", "score", "value")),
    CellDirt(
        "negative_quantity", negative, "negative_quantity", (), ("quantity",), only_kind="purchase"
    ),
    CellDirt("negative_amount", negative, "negative_amount", (), ("amount",), only_kind="purchase"),
    CellDirt("negative_duration", negative, "negative_duration", columns=("duration_seconds",)),
    CellDirt("unknown_kind", unknown_kind, "unknown_kind", columns=("kind", "instrument")),
    CellDirt("too_high", too_high, "score_outside_scale", columns=("score",)),
    CellDirt("nul_byte", with_nul, "nul_byte", columns=("customer_id",)),
    CellDirt("spoilt_bytes", spoilt_bytes, "bad_encoding", columns=("customer_id",)),
)
BROKEN: tuple[LineDirt, ...] = (
    LineDirt("fewer_columns", fewer_columns, "wrong_column_count"),
    LineDirt("more_columns", more_columns, "wrong_column_count"),
    LineDirt("broken_line", broken_line, "wrong_column_count"),
    LineDirt("stray_quote", stray_quote, "stray_quote"),
    LineDirt("unclosed_quote", unclosed_quote, "unterminated_quote"),
    LineDirt("duplicate", copied, "duplicate_row"),
)
