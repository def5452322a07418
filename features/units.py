"""The units that features are measured in: the word that follows the number, in both languages.

English words are plural; whoever writes "1 order" drops the s. A unit without a word is a bare
number, as where the label says what is counted ("Open complaints: 2"); ``currency`` and ``share``
are written as money and per cent.
"""

from __future__ import annotations

from configs.section import Text

UNITS: dict[str, Text] = {
    "currency": Text(zh="", en=""),
    "share": Text(zh="", en=""),
    "balance": Text(zh="", en=""),
    "ratio": Text(zh="倍", en=""),
    "times": Text(zh="次", en=""),
    "cases": Text(zh="件", en=""),
    "orders": Text(zh="单", en="orders"),
    "items": Text(zh="件", en="items"),
    "products": Text(zh="种", en="products"),
    "categories": Text(zh="类", en="categories"),
    "channels": Text(zh="个", en="channels"),
    "days": Text(zh="天", en="days"),
    "hours": Text(zh="小时", en="hours"),
    "minutes": Text(zh="分钟", en="minutes"),
    "of_five": Text(zh="分（满分5分）", en="out of 5"),
    "of_seven": Text(zh="分（满分7分）", en="out of 7"),
    "of_ten": Text(zh="分（满分10分）", en="out of 10"),
    "score_points": Text(zh="分", en="points"),
    "sentiment": Text(zh="分（满分100分）", en="out of 100"),
    "points": Text(zh="分", en="points"),
    "levels": Text(zh="级", en=""),
    "followers": Text(zh="人", en="followers"),
    "percent": Text(zh="%", en="%"),
}

MEANINGS: dict[str, Text] = {
    "currency": Text(zh="金额，以配置的币种计", en="money, in the configured currency"),
    "share": Text(zh="占比，0 到 1", en="a share, 0 to 1"),
    "balance": Text(
        zh="变化：-1 停止，0 不变，1 新出现", en="a change: -1 stopped, 0 unchanged, 1 began"
    ),
    "ratio": Text(zh="倍数", en="a multiple"),
    "times": Text(zh="次数", en="how many times"),
    "cases": Text(zh="件数", en="how many cases"),
    "levels": Text(zh="等级", en="a level, the higher the better"),
    "sentiment": Text(
        zh="0 负面，50 中性，100 正面", en="out of 100: 0 displeased, 50 neutral, 100 pleased"
    ),
}
"""Units that a word alone does not explain, for the documentation."""
