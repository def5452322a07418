"""The form in which a tier policy is written: its fields, read back with an error for each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from configs.section import Text
from configs.tiers import ChurnBands, Guard, Thresholds, Tier, TierPolicy
from serving.policies.tier_names import NAME_SETS
from training.policy import Way

TIERS_AT_MOST = 8
GUARDS_AT_MOST = 8
NAME_LETTERS = 40
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
SHARES = {2: (80.0,), 3: (50.0, 85.0), 4: (50.0, 80.0, 95.0)}
"""Where tiers divide customers, in percent, when a set of names has another number of tiers."""
WAYS: Mapping[Way, Text] = {
    "amount": Text(zh="按金额", en="by amount"),
    "quantile": Text(zh="按客户占比", en="by share of customers"),
    "revenue_share": Text(zh="按价值占比", en="by share of value"),
    "natural_breaks": Text(zh="按自然断点", en="by natural breaks"),
}
HINTS: Mapping[Way, Text] = {
    "amount": Text(
        zh="门槛是金额：预期价值达到它的客户进入该等级。",
        en="The start is money: who is expected to bring it or more is in the tier.",
    ),
    "quantile": Text(
        zh="门槛是百分比：例如95表示比95%的客户更有价值（前5%）。",
        en="The start is a percentage: 95 means worth more than 95% of customers (the top 5%).",
    ),
    "revenue_share": Text(
        zh="门槛是百分比：例如80表示其下客户合计占预期价值的80%。",
        en="The start is a percentage: 80 means the customers below hold 80% of expected value.",
    ),
    "natural_breaks": Text(
        zh="无需填写门槛：在客户价值自然分开的地方划线。",
        en="No start is needed: lines fall where customers' values lie apart by themselves.",
    ),
}

NOT_A_NUMBER = Text(zh="请填数字。", en="Give a number.")
NOT_A_SHARE = Text(zh="请填0到100之间的百分比。", en="Give a percentage between 0 and 100.")
NOT_NAMED = Text(zh="请填中文和英文名称。", en="Give a name in both languages.")
TOO_FEW = Text(zh="至少需要两个等级。", en="There must be at least two tiers.")
NOT_RISING = Text(
    zh="必须低于上一等级的门槛。", en="It must lie below the start of the tier above."
)
NAME_WRONG = Text(
    zh="请用小写字母、数字、下划线或连字符，最多40个字符。",
    en="Use small letters, digits, _ or -, 40 at most.",
)
HYSTERESIS_WRONG = Text(zh="请填0到99之间的百分比。", en="Give a percentage from 0 to 99.")
STAY_WRONG = Text(zh="请填不小于0的整天数。", en="Give whole days, 0 or more.")
BANDS_WRONG = Text(zh="“高”的门槛须高于“中”。", en="High must start above medium.")
NO_FEATURE = Text(zh="请选择指标。", en="Choose a figure.")
NO_BOUND = Text(
    zh="请至少填一个边界（不低于或不高于）。", en="Give at least one bound (at least or at most)."
)
BOUNDS_CROSSED = Text(zh="“不低于”不能大于“不高于”。", en="At least must not lie above at most.")
NO_TIER = Text(zh="请选择封顶或保底的等级。", en="Choose the tier that it caps at or lifts to.")
WHOLE_WRONG = Text(zh="这些设置合起来不成立：{error}", en="Together these do not hold: {error}")


@dataclass(frozen=True)
class TierRow:
    """A tier as it stands in the form; ``start`` is text, empty in the lowest."""

    code: str = ""
    zh: str = ""
    en: str = ""
    start: str = ""


@dataclass(frozen=True)
class GuardRow:
    """A guard rule as it stands in the form; ``then`` is ``cap:code`` or ``lift:code``."""

    zh: str = ""
    en: str = ""
    feature: str = ""
    at_least: str = ""
    at_most: str = ""
    then: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is filled in."""
        return not (self.zh or self.en or self.feature or self.at_least or self.at_most)


@dataclass(frozen=True)
class PolicyForm:
    """What stands in the form, as text."""

    name: str
    by: Way
    tiers: tuple[TierRow, ...]
    hysteresis: str
    minimum_stay_days: str
    guards: tuple[GuardRow, ...]
    medium: str
    high: str
    comment: str = ""
    based_on: str = ""


@dataclass
class Read:
    """A form read back.

    Attributes:
        errors: field → what is wrong with it; empty for a policy that holds.
        settings: the policy; ``None`` with errors.
    """

    errors: dict[str, Text] = field(default_factory=dict)
    settings: TierPolicy | None = None


def form_of(policy: TierPolicy, based_on: int | None) -> PolicyForm:
    """Return the form filled with a policy."""
    factor = 1.0 if policy.thresholds.by == "amount" else 100.0
    starts = [_text(edge * factor) for edge in reversed(policy.thresholds.at)]
    starts += [""] * (len(policy.tiers) - len(starts))
    return PolicyForm(
        name=policy.name,
        by=policy.thresholds.by,
        tiers=tuple(
            TierRow(tier.code, tier.name.zh, tier.name.en, start)
            for tier, start in zip(policy.tiers, starts, strict=True)
        ),
        hysteresis=_text(policy.hysteresis * 100.0),
        minimum_stay_days=str(policy.minimum_stay_days),
        guards=tuple(_guard_row(guard) for guard in policy.guards),
        medium=_text(policy.churn_bands.medium * 100.0),
        high=_text(policy.churn_bands.high * 100.0),
        based_on="" if based_on is None else str(based_on),
    )


def sent(fields: Mapping[str, str]) -> PolicyForm:
    """Return the form as it was sent; what is missing is empty."""

    def rows(prefix: str, most: int) -> list[dict[str, str]]:
        places = [i for i in range(most) if any(k.startswith(f"{prefix}{i}_") for k in fields)]
        mark = len(prefix) + 2
        return [
            {k[mark:]: v.strip() for k, v in fields.items() if k.startswith(f"{prefix}{i}_")}
            for i in places
        ]

    def text(name: str) -> str:
        return fields.get(name, "").strip()

    by = text("by")
    return PolicyForm(
        name=text("name"),
        by=by if by in WAYS else "amount",  # type: ignore[arg-type]
        tiers=tuple(
            TierRow(*(row.get(name, "") for name in ("code", "zh", "en", "start")))
            for row in rows("tier", TIERS_AT_MOST)
        ),
        hysteresis=text("hysteresis"),
        minimum_stay_days=text("minimum_stay_days"),
        guards=tuple(
            GuardRow(*(row.get(name, "") for name in GUARD_FIELDS))
            for row in rows("guard", GUARDS_AT_MOST)
        ),
        medium=text("medium"),
        high=text("high"),
        comment=text("comment"),
        based_on=text("based_on"),
    )


GUARD_FIELDS = ("zh", "en", "feature", "at_least", "at_most", "then")


def renamed(form: PolicyForm, code: str) -> PolicyForm:
    """Return the form with the tiers of a ready set; starts are kept where they are as many."""
    chosen = next((one for one in NAME_SETS if one.code == code), None)
    if chosen is None:
        return form
    n, by, starts = len(chosen.tiers), form.by, [row.start for row in form.tiers]
    if n != len(form.tiers):
        by, starts = "quantile", [*(_text(share) for share in reversed(SHARES[n])), ""]
    rows = (
        TierRow(tier.code, tier.name.zh, tier.name.en, start)
        for tier, start in zip(chosen.tiers, starts, strict=True)
    )
    return replace(form, name=code, by=by, tiers=tuple(rows))


def read(form: PolicyForm, objective: str, features: Sequence[str]) -> Read:
    """Return the policy in the form, or what is wrong field by field.

    Args:
        form: as it was sent.
        objective: what tiers are for; not edited here.
        features: what guards may read.
    """
    found = Read()
    rows = [row for row in form.tiers if row.zh or row.en or row.start]
    tiers = _tiers(rows, found)
    at = _starts(form.by, rows, found)
    hysteresis = _number(form.hysteresis, "hysteresis", found, HYSTERESIS_WRONG, 0, 99)
    stay = _number(form.minimum_stay_days, "minimum_stay_days", found, STAY_WRONG, 0, 3650)
    medium = _number(form.medium, "medium", found, NOT_A_SHARE, 0.01, 99.99)
    high = _number(form.high, "high", found, NOT_A_SHARE, 0.01, 99.99)
    if "high" not in found.errors and "medium" not in found.errors and high <= medium:
        found.errors["high"] = BANDS_WRONG
    if stay != int(stay):
        found.errors["minimum_stay_days"] = STAY_WRONG
    if len(form.name) > NAME_LETTERS or not NAME.fullmatch(form.name):
        found.errors["name"] = NAME_WRONG
    guards = _guards(form.guards, [tier.code for tier in tiers], features, found)
    if found.errors:
        return found
    try:
        found.settings = TierPolicy.model_validate(
            {
                "name": form.name,
                "objective": objective,
                "tiers": tiers,
                "thresholds": Thresholds(by=form.by, at=at),
                "hysteresis": hysteresis / 100.0,
                "minimum_stay_days": int(stay),
                "guards": guards,
                "churn_bands": ChurnBands(medium=medium / 100.0, high=high / 100.0),
            }
        )
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        found.errors["whole"] = Text(
            zh=WHOLE_WRONG.zh.format(error=said), en=WHOLE_WRONG.en.format(error=said)
        )
    return found


def _tiers(rows: Sequence[TierRow], found: Read) -> tuple[Tier, ...]:
    if len(rows) < 2:
        found.errors["whole"] = TOO_FEW
    taken = {row.code for row in rows if row.code}
    made = []
    for i, row in enumerate(rows):
        if not row.zh or not row.en:
            found.errors[f"tier{i}_zh"] = NOT_NAMED
            continue
        code = row.code if re.fullmatch(r"[a-z][a-z0-9_]*", row.code) else _free_code(taken)
        taken.add(code)
        made.append(Tier(code=code, name=Text(zh=row.zh, en=row.en)))
    return tuple(made)


def _free_code(taken: set[str]) -> str:
    return next(f"tier_{i}" for i in range(1, 100) if f"tier_{i}" not in taken)


def _starts(by: Way, rows: Sequence[TierRow], found: Read) -> tuple[float, ...]:
    """Return the thresholds from the lowest to the highest; money, or shares of 1."""
    if by == "natural_breaks":
        return ()
    wrong, most = (NOT_A_NUMBER, math.inf) if by == "amount" else (NOT_A_SHARE, 99.999)
    least = 0.0 if by == "amount" else 0.001
    starts, above = [], math.inf
    for i, row in enumerate(rows[:-1]):
        name = f"tier{i}_start"
        start = _number(row.start, name, found, wrong, least, most)
        if name not in found.errors:
            if start >= above:
                found.errors[name] = NOT_RISING
            above = start
        starts.append(start if by == "amount" else start / 100.0)
    return tuple(reversed(starts))


def _guards(
    rows: Sequence[GuardRow], codes: Sequence[str], features: Sequence[str], found: Read
) -> tuple[Guard, ...]:
    made = []
    for i, row in enumerate(rows):
        if row.is_empty:
            continue
        before = len(found.errors)
        if not row.zh or not row.en:
            found.errors[f"guard{i}_zh"] = NOT_NAMED
        if row.feature not in features:
            found.errors[f"guard{i}_feature"] = NO_FEATURE
        bounds = [
            _number(text, f"guard{i}_{name}", found, NOT_A_NUMBER, -math.inf, math.inf)
            if text
            else None
            for name, text in (("at_least", row.at_least), ("at_most", row.at_most))
        ]
        least, most = bounds
        if least is None and most is None:
            found.errors[f"guard{i}_at_least"] = NO_BOUND
        if least is not None and most is not None and least > most:
            found.errors[f"guard{i}_at_most"] = BOUNDS_CROSSED
        way, _, code = row.then.partition(":")
        if way not in ("cap", "lift") or code not in codes:
            found.errors[f"guard{i}_then"] = NO_TIER
        if len(found.errors) == before:
            made.append(
                Guard(
                    name=Text(zh=row.zh, en=row.en),
                    feature=row.feature,
                    at_least=least,
                    at_most=most,
                    cap=code if way == "cap" else None,
                    lift=code if way == "lift" else None,
                )
            )
    return tuple(made)


def _number(text: str, name: str, found: Read, wrong: Text, least: float, most: float) -> float:
    """Return the number in a field; 0 and an error where there is none, or it is out of bounds."""
    try:
        number = float(text.replace(",", "").replace("，", "").replace("¥", "").rstrip("%"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or not least <= number <= most:
        found.errors[name] = wrong
        return 0.0
    return number


def _guard_row(guard: Guard) -> GuardRow:
    way, code = ("cap", guard.cap) if guard.cap is not None else ("lift", guard.lift)
    return GuardRow(
        zh=guard.name.zh,
        en=guard.name.en,
        feature=guard.feature,
        at_least="" if guard.at_least is None else _text(guard.at_least),
        at_most="" if guard.at_most is None else _text(guard.at_most),
        then=f"{way}:{code or ''}",
    )


def _text(number: float) -> str:
    """Return a number as it is typed.

    >>> _text(95.0), _text(0.1 + 0.2), _text(1234.5)
    ('95', '0.3', '1234.5')
    """
    return format(number, ".12g")
