"""What customers say of the company: scores, recommendation and comments.

Scores are read on their own scale, ``scale_min`` to ``scale_max``, or the instrument's usual one,
and shown on the usual one: CSAT and reviews out of 5, NPS out of 10, CES out of 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from features.declared.behaviour import LONGEST_RECENCY_DAYS
from features.declared.windows import HALF_YEAR, YEAR, before, changed, over
from features.raw.vocabulary import SCALES
from features.spec import Feature, Target, ratio

Direction = Mapping[Target, Literal[-1, 1]]

KEEPS: Direction = {"churn": -1}
LOSES: Direction = {"churn": 1}
RATINGS = ("csat", "review")
PROMOTER, DETRACTOR, LOW, NEGATIVE = 0.9, 0.6, 0.25, 0.4
"""Bounds on a scale of 0 to 1: NPS 9 and 6 of 10, CSAT 2 of 5, the sentiment of a comment."""


def is_rating(t: Any) -> Any:
    """Return the claim that a row is a satisfaction rating (CSAT or review)."""
    return t.instrument.isin(RATINGS)


def is_nps(t: Any) -> Any:
    """Return the claim that a row answers "would you recommend us?"."""
    return t.instrument == "nps"


def level(t: Any, instrument: str) -> Any:
    """Return the score of every row on a scale of 0 (worst) to 1 (best)."""
    lowest, highest = SCALES[instrument]
    low = t.scale_min.fill_null(float(lowest))
    high = t.scale_max.fill_null(float(highest))
    return ((t.score - low) / (high - low).nullif(0.0)).clip(0.0, 1.0)


def shown(value: Any, instrument: str) -> Any:
    """Return a score of 0 to 1 on the instrument's usual scale."""
    lowest, highest = SCALES[instrument]
    return value * float(highest - lowest) + float(lowest)


def rating_mean(t: Any) -> Any:
    """Return the mean satisfaction score, out of 5."""
    return shown(level(t, "csat").mean(where=is_rating(t)), "csat")


def nps_mean(t: Any) -> Any:
    """Return the mean willingness to recommend, out of 10."""
    return shown(level(t, "nps").mean(where=is_nps(t)), "nps")


def survey(
    name: str,
    value: Any,
    concept: str,
    unit: str,
    label: Mapping[str, str],
    window_days: int = YEAR,
    lag_days: int = 0,
    when_empty: float | None = None,
    monotone: Direction | None = None,
    actionable: bool = False,
) -> Feature:
    """Return a feature of the answers to surveys."""
    return Feature(
        name=name,
        source="satisfaction",
        window_days=window_days,
        lag_days=lag_days,
        value=value,
        when_empty=when_empty,
        family="satisfaction",
        concept=concept,
        unit=unit,
        label=label,
        actionable=actionable,
        monotone=monotone or {},
    )


def difference(
    name: str, now: str, earlier: str, concept: str, label: Mapping[str, str]
) -> Feature:
    """Return by how much a mean score rose from the window before to the window."""
    return Feature(
        name=name,
        inputs=(now, earlier),
        value=lambda f: f[now] - f[earlier],
        family="satisfaction",
        concept=concept,
        unit="score_points",
        label=label,
    )


SCORES = (
    survey(
        "csat_latest_364d",
        lambda t: shown(level(t, "csat").argmax(t.day, where=is_rating(t)), "csat"),
        "satisfaction",
        "of_five",
        over(YEAR, "最近一次满意度评分", "Latest satisfaction score"),
        monotone=KEEPS,
        actionable=True,
    ),
    survey(
        "csat_mean_364d",
        rating_mean,
        "satisfaction",
        "of_five",
        over(YEAR, "平均满意度评分", "Mean satisfaction score"),
        monotone=KEEPS,
    ),
    survey(
        "csat_mean_182d",
        rating_mean,
        "satisfaction",
        "of_five",
        over(HALF_YEAR, "平均满意度评分", "Mean satisfaction score"),
        HALF_YEAR,
        monotone=KEEPS,
    ),
    survey(
        "csat_mean_182d_before",
        rating_mean,
        "satisfaction",
        "of_five",
        before(HALF_YEAR, "平均满意度评分", "Mean satisfaction score"),
        HALF_YEAR,
        HALF_YEAR,
    ),
    difference(
        "csat_trend_182d",
        "csat_mean_182d",
        "csat_mean_182d_before",
        "satisfaction",
        changed(HALF_YEAR, "满意度评分", "satisfaction score"),
    ),
    survey(
        "csat_low_share_364d",
        lambda t: ratio(
            t.score.count(where=is_rating(t) & (level(t, "csat") <= LOW)),
            t.score.count(where=is_rating(t)),
        ),
        "satisfaction",
        "share",
        over(YEAR, "低分评价占比", "Share of low scores"),
        monotone=LOSES,
    ),
    survey(
        "ces_mean_364d",
        lambda t: shown(level(t, "ces").mean(where=t.instrument == "ces"), "ces"),
        "effort",
        "of_seven",
        over(YEAR, "平均办事便利度", "Mean ease of service"),
    ),
)

RECOMMENDATION = (
    survey(
        "nps_latest_364d",
        lambda t: shown(level(t, "nps").argmax(t.day, where=is_nps(t)), "nps"),
        "recommendation",
        "of_ten",
        over(YEAR, "最近一次推荐意愿评分", "Latest willingness to recommend"),
        monotone=KEEPS,
        actionable=True,
    ),
    survey(
        "nps_mean_364d",
        nps_mean,
        "recommendation",
        "of_ten",
        over(YEAR, "平均推荐意愿评分", "Mean willingness to recommend"),
        monotone=KEEPS,
    ),
    survey(
        "nps_mean_182d",
        nps_mean,
        "recommendation",
        "of_ten",
        over(HALF_YEAR, "平均推荐意愿评分", "Mean willingness to recommend"),
        HALF_YEAR,
        monotone=KEEPS,
    ),
    survey(
        "nps_mean_182d_before",
        nps_mean,
        "recommendation",
        "of_ten",
        before(HALF_YEAR, "平均推荐意愿评分", "Mean willingness to recommend"),
        HALF_YEAR,
        HALF_YEAR,
    ),
    difference(
        "nps_trend_182d",
        "nps_mean_182d",
        "nps_mean_182d_before",
        "recommendation",
        changed(HALF_YEAR, "推荐意愿评分", "willingness to recommend"),
    ),
    survey(
        "nps_promoter_share_364d",
        lambda t: ratio(
            t.score.count(where=is_nps(t) & (level(t, "nps") >= PROMOTER)),
            t.score.count(where=is_nps(t)),
        ),
        "recommendation",
        "share",
        over(YEAR, "推荐者答卷占比", "Share of answers as a promoter"),
        monotone=KEEPS,
    ),
    survey(
        "nps_detractor_share_364d",
        lambda t: ratio(
            t.score.count(where=is_nps(t) & (level(t, "nps") <= DETRACTOR)),
            t.score.count(where=is_nps(t)),
        ),
        "recommendation",
        "share",
        over(YEAR, "贬损者答卷占比", "Share of answers as a detractor"),
        monotone=LOSES,
    ),
)

COVERAGE = (
    survey(
        "survey_count_364d",
        lambda t: t.score.count(),
        "survey_coverage",
        "times",
        over(YEAR, "问卷回复次数", "Surveys answered"),
        when_empty=0,
    ),
    survey(
        "comment_count_364d",
        lambda t: t.comment.count(),
        "survey_coverage",
        "times",
        over(YEAR, "文字评价次数", "Comments written"),
        when_empty=0,
    ),
    Feature(
        name="days_since_last_survey",
        source="satisfaction",
        value=lambda t: (t.cutoff - t.day.max()).clip(upper=LONGEST_RECENCY_DAYS),
        family="satisfaction",
        concept="survey_coverage",
        unit="days",
        label={
            "zh": "距最近一次问卷回复天数（一年封顶）",
            "en": "Days since the last survey answered (capped at a year)",
        },
    ),
)


def negative_share(t: Any) -> Any:
    """Return the share of texts with a negative sentiment, missing without texts."""
    return ratio(t.sentiment.count(where=t.sentiment < NEGATIVE), t.sentiment.count())


def spoken(name: str, window_days: int, value: Any, unit: str, label: Mapping[str, str]) -> Feature:
    """Return a feature of the sentiment of what customers wrote to the company."""
    return Feature(
        name=name,
        source="interactions",
        window_days=window_days,
        value=value,
        family="satisfaction",
        concept="feedback",
        unit=unit,
        label=label,
    )


SENTIMENT = (
    survey(
        "comment_sentiment_mean_364d",
        lambda t: t.sentiment.mean() * 100,
        "feedback",
        "sentiment",
        over(YEAR, "评价平均情感得分", "Mean tone of comments"),
    ),
    survey(
        "comment_sentiment_latest_364d",
        lambda t: t.sentiment.argmax(t.day) * 100,
        "feedback",
        "sentiment",
        over(YEAR, "最近一次评价情感得分", "Tone of the latest comment"),
        actionable=True,
    ),
    survey(
        "comment_negative_share_364d",
        negative_share,
        "feedback",
        "share",
        over(YEAR, "负面评价占比", "Share of negative comments"),
    ),
    spoken(
        "interaction_sentiment_mean_182d",
        HALF_YEAR,
        lambda t: t.sentiment.mean() * 100,
        "sentiment",
        over(HALF_YEAR, "互动内容平均情感得分", "Mean tone of messages"),
    ),
    spoken(
        "interaction_negative_share_182d",
        HALF_YEAR,
        negative_share,
        "share",
        over(HALF_YEAR, "负面互动内容占比", "Share of negative messages"),
    ),
)

SATISFACTION = (*SCORES, *RECOMMENDATION, *COVERAGE, *SENTIMENT)
