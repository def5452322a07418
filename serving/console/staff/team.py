"""The team: employees with skill and hours, and who looks after which customer, read from files.

Both files are small CSV as spreadsheets save them: UTF-8 or GB18030, headers and skills in English
or Chinese. They are read again when they change.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from configs.errors import TeamError, did_you_mean, nearest
from configs.schema import Config
from configs.section import Text
from configs.team import SKILLS, Skill

HOURS_IN_A_WEEK = 168.0
HEADERS = {
    "code": ("工号", "编号", "员工编号"),
    "name": ("姓名", "员工姓名"),
    "skill": ("技能", "技能等级"),
    "hours_per_week": ("每周工时", "周工时"),
    "person": ("登录名",),
    "customer_id": ("客户编号",),
    "employee": ("负责人", "负责人工号", "员工"),
}
SKILL_NAMES: Mapping[Skill, Text] = {
    "experienced": Text(zh="资深", en="experienced"),
    "regular": Text(zh="普通", en="regular"),
    "automation": Text(zh="自动化", en="automation"),
}
_SKILL_WORDS: Mapping[str, Skill] = {name: name for name in SKILLS} | {
    text.zh: skill for skill, text in SKILL_NAMES.items()
}


@dataclass(frozen=True)
class Employee:
    """Somebody, or something, that works for customers.

    Attributes:
        code: unique.
        name: as people say it.
        skill: what they can do.
        hours_per_week: for customers; other work is left out.
        person: the name they sign in to the console by; ``None`` for who does not.
    """

    code: str
    name: str
    skill: Skill
    hours_per_week: float
    person: str | None = None


@dataclass(frozen=True)
class TeamRead:
    """Employees and owners.

    Attributes:
        employees: in the file's order; empty where none are configured.
        owned: customer ids, as text, that have an owner.
        owning: index into ``employees``, one for each of ``owned``.
    """

    employees: tuple[Employee, ...]
    owned: pa.Array
    owning: npt.NDArray[np.int64]

    @cached_property
    def by_code(self) -> Mapping[str, Employee]:
        """Employees by their code."""
        return {employee.code: employee for employee in self.employees}

    def owner(self, customer_id: str) -> Employee | None:
        """Return who looks after one customer by the file; ``None`` for nobody."""
        found = self.owner_indices([customer_id])[0]
        return None if found < 0 else self.employees[int(found)]

    def owner_indices(self, customer_ids: Sequence[str] | pa.Array) -> npt.NDArray[np.int64]:
        """Return an index into ``employees`` per customer, shape (n_customers,); -1 for nobody."""
        wanted = pa.array(customer_ids, pa.string())
        at = pc.fill_null(pc.index_in(wanted, value_set=self.owned), -1)
        at = at.to_numpy(zero_copy_only=False).astype(np.int64)
        return np.where(at < 0, -1, self.owning[np.maximum(at, 0)] if len(self.owning) else -1)

    def of_person(self, name: str) -> Employee | None:
        """Return the employee who signs in as ``name``."""
        return next((one for one in self.employees if one.person == name), None)


NOBODY = TeamRead((), pa.array([], pa.string()), np.array([], dtype=np.int64))
_LAST_READ: dict[tuple[Path | None, Path | None], TeamRead] = {}


def team_of(config: Config) -> TeamRead:
    """Return the team of a company; without ``team.employees`` nobody is in it.

    Raises:
        TeamError: a file is missing or wrong; the message says which line and how to mend it.
    """
    employees, owners = _paths(config)
    return _read(employees, _stamp(employees), owners, _stamp(owners))


def team_shown(config: Config) -> TeamRead:
    """Return the team as pages show it.

    While its files cannot be read, that is the team of the last time that they could, in this
    process; or nobody. :func:`team_problem` says why.
    """
    paths = _paths(config)
    try:
        _LAST_READ[paths] = team_of(config)
    except TeamError:
        return _LAST_READ.get(paths, NOBODY)
    return _LAST_READ[paths]


def team_problem(config: Config) -> Text | None:
    """Return what is wrong with the files of the team, and how to mend it."""
    try:
        team_of(config)
    except TeamError as error:
        return Text(zh=error.zh, en=error.en)
    return None


def _paths(config: Config) -> tuple[Path | None, Path | None]:
    employees, owners = config.team.employees, config.team.owners
    return (
        None if employees is None else config.data / employees,
        None if owners is None else config.data / owners,
    )


def _stamp(path: Path | None) -> tuple[int, int]:
    """Return when the file changed and how long it is; zeros where there is none."""
    try:
        found = None if path is None else path.stat()
    except OSError:
        found = None
    return (0, 0) if found is None else (found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _read(
    employees: Path | None, _changed: tuple[int, int], owners: Path | None, _too: tuple[int, int]
) -> TeamRead:
    people = () if employees is None else tuple(_employees(employees))
    pairs = [] if owners is None else list(_owners(owners, [one.code for one in people]))
    return TeamRead(
        people,
        pa.array([customer_id for customer_id, _ in pairs], pa.string()),
        np.array([at for _, at in pairs], dtype=np.int64),
    )


def _employees(path: Path) -> Iterator[Employee]:
    seen: set[str] = set()
    rows = list(_rows(path, "team.employees", ("code", "name", "skill", "hours_per_week")))
    if not rows:
        raise TeamError(
            f"{path}（team.employees）没有数据行；请为每位员工填写一行",
            f"{path} (team.employees) has no rows; give one line per employee",
        )
    for line, row in rows:
        where = _line(path, "team.employees", line)
        if row["code"] in seen:
            raise TeamError(
                f"{where.zh}：工号“{row['code']}”重复；请为每位员工填写各自的工号",
                f"{where.en}: the code {row['code']!r} is there twice; "
                "give every employee a code of their own",
            )
        if not row["code"]:
            raise TeamError(
                f"{where.zh}：工号为空；请为每位员工填写各自的工号",
                f"{where.en}: code is empty; give every employee a code of their own",
            )
        seen.add(row["code"])
        yield Employee(
            row["code"],
            row["name"] or row["code"],
            _skill(row["skill"], where),
            _hours(row["hours_per_week"], where),
            row.get("person") or None,
        )


def _owners(path: Path, codes: Sequence[str]) -> Iterator[tuple[str, int]]:
    at = {code: index for index, code in enumerate(codes)}
    seen: set[str] = set()
    for line, row in _rows(path, "team.owners", ("customer_id", "employee")):
        where = _line(path, "team.owners", line)
        if row["employee"] not in at:
            raise TeamError(
                f"{where.zh}：没有工号为“{row['employee']}”的员工；"
                f"{_known(row['employee'], codes)}",
                f"{where.en}: no employee has the code {row['employee']!r}; "
                f"{did_you_mean(row['employee'], codes)}",
            )
        if row["customer_id"] in seen:
            raise TeamError(
                f"{where.zh}：客户“{row['customer_id']}”已有负责人；请只保留一行",
                f"{where.en}: customer {row['customer_id']!r} has an owner already; keep one line",
            )
        seen.add(row["customer_id"])
        yield row["customer_id"], at[row["employee"]]


def _rows(path: Path, setting: str, wanted: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and fields, by our names for the columns, of every line that is not blank."""
    reader = csv.reader(_text(path, setting).splitlines(keepends=True))
    header = [_column(cell) for cell in next(reader, [])]
    missing = [name for name in wanted if name not in header]
    if missing:
        also = "; ".join(f"{name}: {', '.join(HEADERS[name])}" for name in missing)
        named = "、".join(f"{name}（{'、'.join(HEADERS[name])}）" for name in missing)
        raise TeamError(
            f"{path}（{setting}）缺少列：{named}；现有表头：{'、'.join(header) or '空'}",
            f"{path} ({setting}) has no column {', '.join(missing)}; its header is "
            f"{', '.join(header) or 'empty'}. Chinese headers are known, too ({also})",
        )
    for fields in reader:
        if any(cell.strip() for cell in fields):
            padded = [*fields, *[""] * len(header)]
            yield reader.line_num, {n: c.strip() for n, c in zip(header, padded, strict=False)}


def _text(path: Path, setting: str) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        why = "文件不存在" if isinstance(error, FileNotFoundError) else "无法读取"
        raise TeamError(
            f"{path}（{setting}）：{why}。请把文件放到该位置，或在{setting}中改写路径；"
            "路径从 data 算起",
            f"{path} ({setting}) cannot be read: {error.strerror}. Put the file there, or name "
            f"another in {setting}; paths start from `data`",
        ) from error
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TeamError(
        f"{path}（{setting}）既不是UTF-8也不是GB18030编码；请另存为“CSV UTF-8”",
        f"{path} ({setting}) is neither UTF-8 nor GB18030; save it as CSV UTF-8",
    )


def _column(cell: str) -> str:
    said = cell.strip()
    return next((name for name, also in HEADERS.items() if said in also), said)


def _line(path: Path, setting: str, line: int) -> Text:
    return Text(zh=f"{path}（{setting}）第{line}行", en=f"{path} ({setting}), line {line}")


def _known(wrong: str, right: Iterable[str]) -> str:
    """Return, in Chinese, the right names, the nearest first."""
    names = sorted(right)
    near = nearest(wrong, names)
    asked = "" if near is None else f"是否为“{near}”？"
    return f"{asked}可用：{'、'.join(names)}"


def _skill(said: str, where: Text) -> Skill:
    if said not in _SKILL_WORDS:
        raise TeamError(
            f"{where.zh}：“{said}”不是技能；{_known(said, _SKILL_WORDS)}",
            f"{where.en}: {said!r} is no skill; {did_you_mean(said, _SKILL_WORDS)}",
        )
    return _SKILL_WORDS[said]


def _hours(said: str, where: Text) -> float:
    try:
        hours = float(said)
    except ValueError:
        hours = math.nan
    if not 0 <= hours <= HOURS_IN_A_WEEK:
        raise TeamError(
            f"{where.zh}：每周工时为“{said}”；请填写0至{HOURS_IN_A_WEEK:.0f}之间的小时数",
            f"{where.en}: hours_per_week is {said!r}; "
            f"give hours between 0 and {HOURS_IN_A_WEEK:.0f}",
        )
    return hours
