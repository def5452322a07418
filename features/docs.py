"""The page ``docs/features.md``, written from the declarations.

``python -m features.docs`` writes it, and ``docs/records.md`` with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from configs.files import write_text
from configs.section import Text
from features.catalogue import FEATURES, fingerprint
from features.concepts import CONCEPTS
from features.definition import definition
from features.markdown import table
from features.records_page import RECORDS_PAGE, records_page
from features.spec import Family, Feature, Target
from features.units import MEANINGS, UNITS

PAGE = Path(__file__).parent.parent / "docs" / "features.md"

FAMILIES: dict[Family, tuple[Text, Text]] = {
    "behaviour": (
        Text(zh="购买行为", en="Behaviour"),
        Text(
            zh="客户买什么、多久买一次、花多少钱，以及这些如何变化。",
            en="What customers buy, how often, for how much, and how that changes.",
        ),
    ),
    "interaction": (
        Text(zh="互动行为", en="Interaction"),
        Text(
            zh="客户与公司如何往来：频率、渠道、咨询、活动、营销响应与服务速度。",
            en="How customers and the company are in touch, where, and how fast it is answered.",
        ),
    ),
    "satisfaction": (
        Text(zh="满意度", en="Satisfaction"),
        Text(
            zh="客户怎么评价：满意度评分、推荐指数、投诉与反馈意见的情感。",
            en="What customers say: scores, recommendation, complaints and the tone of comments.",
        ),
    ),
    "profile": (
        Text(zh="客户画像", en="Profile"),
        Text(
            zh="客户是谁：注册、会员、积分、粉丝、信用与所在行业。",
            en="Who customers are: sign-up, membership, points, followers, credit, industry.",
        ),
    ),
}
TARGETS: dict[Target, Text] = {
    "churn": Text(zh="流失风险", en="churn"),
    "clv": Text(zh="客户价值", en="value"),
}
INTRODUCTION = """\
# Features · 特征

{total} numbers per customer and cutoff, declared one by one in `features/` and built the same way
by DuckDB and Spark. **This page is written from the declarations**: change those and run
`python -m features.docs`.

每位客户在每个截止日有 {total} 个特征，逐一声明于 `features/`，DuckDB 与 Spark 计算结果一致。
**本页由声明自动生成**：修改声明后运行 `python -m features.docs`。

| family | 类别 | features |
|---|---|---|
{families}

## How to read it · 读法

- **window · 窗口**: `84 d` counts `(cutoff − 84 days, cutoff]`; `84 d, 84 d ago` the 84 days before
  that; *all* the whole history; *derived* is computed from other features. A row counts only if it
  had happened *and* was known by the cutoff.
  半开区间，截止日当天计入；只计截止日前已发生且已入账的记录。
- **empty · 无记录**: the value of a customer without such rows. *missing* is no number and is never
  taken for zero; a quotient is missing where its divisor is zero or missing.
  无记录时的取值；missing 表示缺失，不等于零；除数为零或缺失时，商为缺失。
- **✓** claims that the company can change it by an act of its own, now.
  公司当下可以主动改变的特征。
- **↑ ↓** more of it means more, or less, of the target, all else being equal; only where the
  business is sure. 在其他条件相同时，目标随之升高或降低；仅在业务上确定时标明。
- **○** is no input of the tree models: it means something else at every cutoff, as the history
  grows. Purchase models use it, or other features are derived from it.
  随历史增长，不作为树模型输入，供购买模型或其他特征使用。
- `responses` and `resolutions` are interactions dated by the day the answer or the solution came,
  for nobody knew before. 按响应日、解决日计的互动。
- `distinct` counts different values, `latest` is the mean on the latest day, `nonzero` is missing
  for 0. distinct 为不同值个数，latest 为最近一日的均值，nonzero 将 0 视为缺失。

Leave features out by name in the configuration. 可在配置中按名称停用：

```yaml
features:
  families: [behaviour, interaction, satisfaction, profile]
  leave_out: [open_complaint_count, open_support_count]   # where resolutions are not recorded
```
"""
COLUMNS = ("name", "标签 · label", "window", "unit", "empty", "", "definition")


def page() -> str:
    """Return the Markdown of ``docs/features.md``."""
    sections = [
        _introduction(),
        *(_family(family) for family in FAMILIES),
        _units(),
        _concepts(),
        f"Fingerprint of all features · 全部特征指纹: `{fingerprint(FEATURES)[:12]}`\n",
    ]
    return "\n".join(sections)


def _introduction() -> str:
    counts = Counter(feature.family for feature in FEATURES)
    families = "\n".join(
        f"| [{name.en}](#{_anchor(name)}) | {name.zh} | {counts[family]} |"
        for family, (name, _) in FAMILIES.items()
    )
    return INTRODUCTION.format(total=len(FEATURES), families=families)


def _anchor(name: Text) -> str:
    """Return the anchor that GitHub makes of the heading ``name.en · name.zh``."""
    return f"{name.en.lower()}--{name.zh}"


def _family(family: Family) -> str:
    name, about = FAMILIES[family]
    members = [feature for feature in FEATURES if feature.family == family]
    order = list(dict.fromkeys(feature.concept for feature in members))
    members.sort(key=lambda feature: order.index(feature.concept))
    groups = groupby(members, key=lambda feature: feature.concept)
    tables = [_concept(concept, list(group)) for concept, group in groups]
    return "\n".join([f"## {name.en} · {name.zh}\n", f"{about.en} {about.zh}\n", *tables])


def _concept(concept: str, features: Sequence[Feature]) -> str:
    name = CONCEPTS[concept]
    return table(f"### {name.en} · {name.zh}", COLUMNS, (_row(feature) for feature in features))


def _row(feature: Feature) -> tuple[str, ...]:
    unit = UNITS[feature.unit]
    return (
        f"`{feature.name}`",
        f"{feature.label['zh']}<br>{feature.label['en']}",
        _window(feature),
        f"{unit.zh} {unit.en}".strip() or feature.unit,
        _empty(feature),
        _marks(feature),
        _definition(feature),
    )


def _empty(feature: Feature) -> str:
    if feature.when_empty is not None:
        return f"{feature.when_empty:g}"
    return "" if feature.is_derived else "missing"


def _window(feature: Feature) -> str:
    if feature.is_derived:
        return "derived"
    length = "all" if feature.window_days is None else f"{feature.window_days} d"
    return f"{length}, {feature.lag_days} d ago" if feature.lag_days else length


def _marks(feature: Feature) -> str:
    arrows = {1: "↑", -1: "↓"}
    directions = [
        f"{arrows[way]} {TARGETS[target].zh} {TARGETS[target].en}"
        for target, way in feature.monotone.items()
    ]
    marks = ["✓" * feature.actionable, "○" * (not feature.stationary), *directions]
    return "<br>".join(mark for mark in marks if mark)


def _definition(feature: Feature) -> str:
    source = "" if feature.is_derived else f"{feature.source}: "
    return f"{source}`{definition(feature)}`"


def _units() -> str:
    used = dict.fromkeys(feature.unit for feature in FEATURES)
    rows = ((f"`{unit}`", *_meaning(unit)) for unit in used)
    return table("## Units · 单位", ("unit", "meaning", "含义"), rows)


def _meaning(unit: str) -> tuple[str, str]:
    text = MEANINGS.get(unit, UNITS[unit])
    return text.en, text.zh


def _concepts() -> str:
    counts = Counter(feature.concept for feature in FEATURES)
    rows = ((f"`{key}`", text.en, text.zh, str(counts[key])) for key, text in CONCEPTS.items())
    title = "## Concepts, the words of reasons · 概念，即理由的用词"
    return table(title, ("concept", "English", "中文", "features"), rows)


def main() -> None:
    """Write both pages."""
    write_text(PAGE, page())
    write_text(RECORDS_PAGE, records_page())


if __name__ == "__main__":
    main()
