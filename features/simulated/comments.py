"""Comments and ticket texts in Chinese and English whose tone follows hidden satisfaction.

A comment is composed of clauses, each about one aspect and of one polarity, so that two comments
are seldom the same and a model has to learn words, not sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.simulated.calendar import Flags, Floats, Ints

Pool = dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]
"""For each aspect: subjects, what the content say of them, what the discontent say."""

CHINESE: Pool = {
    "delivery": (
        ("物流", "快递", "配送", "发货速度", "送货"),
        ("很快", "挺快的", "比预计早到了一天", "一如既往地准时", "第二天就到了", "特别给力"),
        ("太慢了", "等了一个多星期", "一再延误", "信息一直不更新", "迟迟不动", "慢得让人着急"),
    ),
    "quality": (
        ("质量", "做工", "品质", "东西", "商品"),
        ("很好", "没得说", "超出预期", "一直很稳定", "对得起这个价格", "比实体店的还好"),
        ("很差", "不如以前了", "用两天就坏了", "和描述不符", "有瑕疵", "没有想象中好"),
    ),
    "service": (
        ("客服", "售后", "服务态度", "在线客服", "店员"),
        ("很耐心", "回复及时", "非常贴心", "帮我一次就解决了", "热情又专业", "让人放心"),
        ("爱答不理", "一直推脱", "很敷衍", "半天没人回", "态度恶劣", "说好回电也没有回"),
    ),
    "price": (
        ("价格", "优惠", "活动", "性价比", "会员折扣"),
        ("很划算", "实惠", "力度大", "比别家便宜", "合理", "真的香"),
        ("越来越贵", "套路太多", "先涨后降", "不如别家", "优惠券根本用不了", "虚高"),
    ),
    "packaging": (
        ("包装", "外盒", "礼盒", "箱子"),
        ("很用心", "完好无损", "结实又漂亮", "送人很体面", "严严实实"),
        ("破了", "压变形了", "太简陋", "漏了一地", "打开就有异味"),
    ),
    "app": (
        ("小程序", "App", "下单流程", "网页", "积分系统"),
        ("很方便", "简单顺手", "更新后更好用了", "一目了然", "流畅"),
        ("老是闪退", "太难用", "积分莫名其妙没了", "付款总失败", "广告太多"),
    ),
}
ENGLISH: Pool = {
    "delivery": (
        ("delivery", "shipping", "the courier", "the parcel"),
        ("was fast", "came a day early", "was right on time", "arrived quickly", "was no trouble"),
        ("took forever", "was late again", "never got an update", "came a week late", "got lost"),
    ),
    "quality": (
        ("the quality", "the product", "the material", "the item"),
        ("is great", "is better than expected", "is excellent", "is worth it", "feels solid"),
        ("is poor", "broke after two days", "is not as described", "feels cheap", "was faulty"),
    ),
    "service": (
        ("customer service", "the support team", "the agent", "the staff"),
        ("was helpful", "replied at once", "was kind and patient", "solved it in one go"),
        ("ignored me", "was rude", "kept passing me around", "never called back", "was useless"),
    ),
    "price": (
        ("the price", "the discount", "the deal", "the value"),
        ("is fair", "was generous", "is hard to beat", "made me happy", "is really good"),
        ("keeps going up", "was misleading", "is not worth it", "is a rip-off", "is too high"),
    ),
    "packaging": (
        ("the packaging", "the box", "the wrapping"),
        ("was lovely", "was neat and safe", "looked great", "was intact"),
        ("was crushed", "was torn", "was leaking", "looked careless"),
    ),
    "app": (
        ("the app", "the website", "checkout", "the points system"),
        ("is easy", "works smoothly", "is a pleasure to use", "is clear and simple"),
        ("keeps crashing", "is confusing", "lost my points", "refused my payment"),
    ),
}
ENDINGS = {
    "zh": (
        ("会继续回购", "很满意", "推荐给朋友了", "五星好评", "下次还来", "谢谢店家", "值得信赖"),
        ("很失望", "不会再买了", "要求退款", "准备换一家", "希望尽快处理", "差评", "再也不来了"),
    ),
    "en": (
        ("will buy again", "very happy", "highly recommended", "thank you", "love this shop"),
        ("very disappointed", "never again", "I want a refund", "switching to another shop"),
    ),
}
JOINS = {"zh": ("，", "，", "，而且", "。"), "en": (", ", ", and ", "; ", ". ")}
STOPS = {"zh": ("", "。", "！", "~", "。。。"), "en": ("", ".", "!", "...", "")}
TICKET_OPENINGS = {
    "zh": ("你好，", "请问", "我的订单", "上次买的，", "麻烦查一下，", "", ""),
    "en": ("Hello, ", "About my order: ", "Hi there, ", "I need help, ", "", ""),
}
ENQUIRIES = {
    "zh": (
        ("请问", "想了解一下", "咨询：", "你好，", ""),
        (
            *("这款有没有现货", "新品什么时候上架", "会员价是多少", "支持七天无理由吗"),
            *("大批量采购有折扣吗", "能不能开增值税发票", "尺码怎么选", "今天下单几号能到"),
            *("积分可以换什么", "有没有礼盒装", "这个能送到外地吗", "有没有其他颜色"),
        ),
    ),
    "en": (
        ("Hi, ", "Hello, ", "Question: ", "Just asking: ", ""),
        (
            *("is this in stock", "when is the new model out", "do you ship to my city"),
            *("which size fits", "is there a bulk discount", "what can I get for my points"),
            *("do you have gift boxes", "does it come in other colours"),
        ),
    ),
}


@dataclass(frozen=True)
class Texts:
    """Texts and which row has which: ``index`` is -1 where a row has none."""

    index: Ints
    texts: list[str]


def comments(rng: np.random.Generator, mood: Floats, is_english: Flags) -> list[str]:
    """Return one comment per ``mood``: one to three clauses and sometimes a verdict."""
    return _composed(rng, mood, is_english, openings=None)


def ticket_texts(rng: np.random.Generator, mood: Floats, is_english: Flags) -> list[str]:
    """Return what customers write in support tickets and complaints."""
    return _composed(rng, mood, is_english, openings=TICKET_OPENINGS)


def enquiry_texts(rng: np.random.Generator, mood: Floats, is_english: Flags) -> list[str]:
    """Return questions about products; ``mood`` does not show in them."""
    draws = rng.random((len(mood), 2)).tolist()
    written = []
    for (first, second), english in zip(draws, is_english.tolist(), strict=True):
        openings, questions = ENQUIRIES["en" if english else "zh"]
        mark = "?" if english else "？"
        written.append(_picked(openings, first) + _picked(questions, second) + mark)
    return written


def _composed(
    rng: np.random.Generator,
    mood: Floats,
    is_english: Flags,
    openings: dict[str, tuple[str, ...]] | None,
) -> list[str]:
    """Return texts whose clauses are each favourable with a probability that rises with mood."""
    n = len(mood)
    favour = 1.0 / (1.0 + np.exp(-(2.2 * mood + 0.5)))
    is_good = (rng.random((n, 4)) < favour[:, None]).tolist()
    n_clauses = rng.choice([1, 2, 3], n, p=[0.45, 0.4, 0.15]).tolist()
    aspects = rng.permuted(np.tile(np.arange(len(CHINESE)), (n, 1)), axis=1).tolist()
    chances = rng.random((n, 11)).tolist()
    rows = zip(is_english.tolist(), is_good, n_clauses, aspects, chances, strict=True)
    return [
        _one_text("en" if english else "zh", good, aspect[:clauses], chance, openings)
        for english, good, clauses, aspect, chance in rows
    ]


def _one_text(
    language: str,
    is_good: list[bool],
    aspects: list[int],
    chance: list[float],
    openings: dict[str, tuple[str, ...]] | None,
) -> str:
    said = [
        _clause(language, aspect, is_good[place], chance[2 * place], chance[2 * place + 1])
        for place, aspect in enumerate(aspects)
    ]
    if chance[6] < 0.5:
        said.append(_picked(ENDINGS[language][0 if is_good[3] else 1], chance[7]))
    text = _picked(JOINS[language], chance[8]).join(said) + _picked(STOPS[language], chance[9])
    return text if openings is None else _picked(openings[language], chance[10]) + text


def _clause(language: str, aspect: int, is_good: bool, first: float, second: float) -> str:
    pool = ENGLISH if language == "en" else CHINESE
    subjects, praise, blame = pool[ASPECTS[aspect]]
    words = (_picked(subjects, first), _picked(praise if is_good else blame, second))
    return (" " if language == "en" else "").join(words)


def _picked(choices: tuple[str, ...], chance: float) -> str:
    return choices[int(chance * len(choices))]


ASPECTS = tuple(CHINESE)
