"""The sentiment of texts: learnt in either language, never from what was said later."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.metrics import roc_auc_score

from configs.errors import ModelError
from features.ngrams import hashed_counts
from features.sentiment import BLOCK_DAYS, FEWEST_COMMENTS, SentimentModel, with_sentiment

START = 200 * BLOCK_DAYS
ENGLISH = {
    True: (
        "lovely",
        "helpful",
        "quick",
        "friendly",
        "perfect",
        "excellent",
        "reliable",
        "cheerful",
    ),
    False: ("broken", "rude", "slow", "useless", "dreadful", "awful", "late", "faulty"),
}
CHINESE = {
    True: ("满意", "热情", "很快", "耐心", "超值", "好用", "推荐", "惊喜"),
    False: ("失望", "冷淡", "太慢", "敷衍", "不值", "坏了", "后悔", "糟糕"),
}
ABOUT = {
    "en": ("the parcel", "your staff", "this order", "my second visit", "the app"),
    "zh": ("快递", "客服", "这次订单", "包装", "这家店"),
}


def sentence(rng: np.random.Generator, pleased: bool) -> str:
    """Return a short comment in Chinese or English."""
    if rng.random() < 0.5:
        first, second = rng.choice(CHINESE[pleased], 2)
        return f"{rng.choice(ABOUT['zh'])}{first}，{rng.choice(ABOUT['zh'])}也{second}"
    first, second = rng.choice(ENGLISH[pleased], 2)
    return f"{rng.choice(ABOUT['en'])} was {first} and {rng.choice(ABOUT['en'])} {second}"


def company(n: int, share_pleased: float = 0.5, days: int = 300, seed: int = 0) -> pa.Table:
    """Return n rated comments; the pleased give 5 and now and then 4, the others 1 to 3."""
    rng = np.random.default_rng(seed)
    pleased = rng.random(n) < share_pleased
    scores = np.where(pleased, rng.choice([5.0, 5.0, 4.0], n), rng.choice([1.0, 2.0, 3.0], n))
    return comments(
        [sentence(rng, bool(one)) for one in pleased], scores, START + rng.integers(0, days, n)
    )


def comments(texts: list[Any], scores: Any, days: Any, **columns: Any) -> pa.Table:
    n = len(texts)
    given_columns = {"instrument": ["csat"] * n, "scale_min": [None] * n, "scale_max": [None] * n}
    types = {"instrument": pa.string(), "scale_min": pa.float64(), "scale_max": pa.float64()}
    return pa.table(
        {
            "comment": pa.array(texts, pa.string()),
            "score": pa.array(scores, pa.float64()),
            "known_day": pa.array(days, pa.int32()),
            **{
                name: pa.array(columns.get(name, given_columns[name]), kind)
                for name, kind in types.items()
            },
        }
    )


@pytest.fixture(scope="module")
def rated() -> pa.Table:
    return company(600)


@pytest.fixture(scope="module")
def fitted(rated: pa.Table) -> SentimentModel:
    return SentimentModel().fit(rated)


def scored(model: SentimentModel, table: pa.Table) -> np.ndarray[Any, Any]:
    return model.score(table["comment"].to_pylist(), table["known_day"].to_numpy())


@pytest.mark.parametrize("share_pleased", [0.5, 0.96])
def test_unseen_comments_in_both_languages_are_told_apart_however_rare_the_bad_ones(
    share_pleased: float,
):
    model = SentimentModel().fit(company(1_000, share_pleased))
    rng = np.random.default_rng(1)
    truth = rng.random(400) < 0.5
    texts = [sentence(rng, bool(one)) for one in truth]
    sentiment = model.score(texts, np.full(400, START + 400))
    chinese = np.array(["\u4e00" <= text[-1] <= "\u9fff" for text in texts])
    for language in (chinese, ~chinese):
        assert roc_auc_score(truth[language], sentiment[language]) > 0.8
    assert np.mean(sentiment[truth]) > 0.5 > np.mean(sentiment[~truth])


def test_a_comment_is_scored_by_what_was_known_before_its_block():
    late = company(400, days=BLOCK_DAYS)
    model = SentimentModel().fit(late)
    assert np.isnan(model.score(["lovely"], [START + BLOCK_DAYS - 1])).all()
    assert not np.isnan(model.score(["lovely"], [START + BLOCK_DAYS])).any()


@pytest.mark.parametrize(("n", "is_known"), [(FEWEST_COMMENTS - 1, False), (FEWEST_COMMENTS, True)])
def test_too_few_rated_comments_give_no_sentiment(n: int, is_known: bool):
    model = SentimentModel().fit(company(n, days=1))
    assert np.isfinite(model.score(["很好"], [START + BLOCK_DAYS]))[0] == is_known


def test_comments_that_are_all_rated_alike_teach_nothing():
    model = SentimentModel().fit(comments(["很好"] * 100, [5.0] * 100, [START] * 100))
    assert np.isnan(model.score(["很好"], [START + BLOCK_DAYS])).all()


@settings(max_examples=15, deadline=None)
@given(
    st.integers(START, START + 5 * BLOCK_DAYS),
    st.lists(st.tuples(st.text(max_size=12), st.sampled_from([1.0, 3.0, 5.0])), max_size=80),
    st.integers(0, 4 * BLOCK_DAYS),
)
def test_what_is_said_later_changes_no_earlier_sentiment(
    day: int, later: list[tuple[str, float]], wait: int
):
    table = company(200, days=5 * BLOCK_DAYS)
    earlier = table.filter(pa.compute.less_equal(table["known_day"], day))
    texts, scores = [text for text, _ in later], [score for _, score in later]
    added = comments(texts, scores, [day + 1 + wait] * len(later))
    now = scored(SentimentModel().fit(earlier), earlier)
    afterwards = scored(SentimentModel().fit(pa.concat_tables([added, earlier])), earlier)
    np.testing.assert_array_equal(now, afterwards)


def test_what_was_said_before_does_change_it(rated: pa.Table, fitted: SentimentModel):
    lies = comments(["lovely 满意"] * 100, [1.0] * 100, [START] * 100)
    other = SentimentModel().fit(pa.concat_tables([rated, lies]))
    day = [START + BLOCK_DAYS]
    assert other.score(["lovely 满意"], day)[0] < fitted.score(["lovely 满意"], day)[0]


def test_the_order_of_rows_changes_nothing(rated: pa.Table, fitted: SentimentModel):
    shuffled = rated.take(np.random.default_rng(2).permutation(rated.num_rows))
    assert SentimentModel().fit(shuffled).to_json() == fitted.to_json()


def test_one_text_alone_is_scored_as_in_a_crowd(rated: pa.Table, fitted: SentimentModel):
    together = scored(fitted, rated)
    texts, days = rated["comment"].to_pylist(), rated["known_day"].to_pylist()
    alone = [fitted.score([texts[row]], [days[row]])[0] for row in range(0, 600, 20)]
    np.testing.assert_array_equal(alone, together[::20])


def test_a_model_comes_back_from_json_to_the_bit(rated: pa.Table, fitted: SentimentModel):
    back = SentimentModel.from_json(fitted.to_json())
    assert back.to_json() == fitted.to_json()
    np.testing.assert_array_equal(scored(back, rated), scored(fitted, rated))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: "{",
        lambda content: json.dumps({**content, "features": 64}),
        lambda content: json.dumps({**content, "blocks": [{"first_day": 1}]}),
        lambda content: json.dumps(
            {**content, "blocks": [{"first_day": 1, "intercept": 0.0, "weights": "AAAA"}]}
        ),
    ],
)
def test_a_damaged_model_is_refused(fitted: SentimentModel, damage: Any):
    with pytest.raises(ModelError, match="cannot be read"):
        SentimentModel.from_json(damage(json.loads(fitted.to_json())))


def test_ratings_count_on_their_own_scale(rated: pa.Table, fitted: SentimentModel):
    n = rated.num_rows
    rescaled = comments(
        rated["comment"].to_pylist(),
        rated["score"].to_numpy() * 25 - 25,
        rated["known_day"].to_numpy(),
        scale_min=[0.0] * n,
        scale_max=[100.0] * n,
    )
    assert SentimentModel().fit(rescaled).to_json() == fitted.to_json()


def test_texts_of_surveys_and_interactions_get_a_sentiment_and_silence_gets_none(
    fitted: SentimentModel,
):
    day = pa.array([START + 400] * 3, pa.int32())
    tables = {
        "satisfaction": pa.table({"comment": ["lovely", None, " "], "known_day": day}),
        "interactions": pa.table({"text": ["太慢 失望", "满意", ""], "known_day": day}),
        "customers": pa.table({"customer_id": ["ada"]}),
    }
    made = with_sentiment(tables, fitted)
    comment, text = (
        made[name]["sentiment"].to_pylist() for name in ("satisfaction", "interactions")
    )
    assert comment[0] > 0.5
    assert text[0] < 0.5 < text[1]
    assert (comment[1:], text[2:]) == ([None, None], [None])
    assert made["customers"] is tables["customers"]
    assert with_sentiment(made, fitted) == made


def test_without_a_model_the_column_is_there_and_empty():
    tables = {"interactions": pa.table({"text": ["满意"], "known_day": pa.array([1], pa.int32())})}
    column = with_sentiment(tables, None)["interactions"]["sentiment"]
    assert column.type == pa.float64()
    assert column.to_pylist() == [None]


def test_no_comments_at_all_make_a_model_that_says_nothing():
    model = SentimentModel().fit(comments([], [], []))
    assert np.isnan(model.score(["满意"], [START])).all()
    assert model.score([], []).shape == (0,)


@given(st.lists(st.text() | st.text("好慢 ßİ\tok!😀", max_size=40), min_size=1, max_size=5))
def test_texts_are_counted_as_scikit_learn_counts_them_to_the_bit(texts):
    theirs = HashingVectorizer(
        analyzer="char_wb", ngram_range=(1, 3), n_features=256, norm="l2"
    ).transform(texts)
    ours = hashed_counts(texts, 256)
    assert ours.indptr.tolist() == theirs.indptr.tolist()
    assert ours.indices.tolist() == theirs.indices.tolist()
    assert ours.data.tolist() == theirs.data.tolist()
