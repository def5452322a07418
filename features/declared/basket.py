"""What is in customers' baskets: order value, variety, refunds, discounts and margin."""

from __future__ import annotations

from typing import Any

from features.declared.behaviour import LONGEST_RECENCY_DAYS, bought, orders, spend
from features.declared.windows import QUARTER, YEAR, over
from features.spec import Feature, ratio


def refunded(t: Any) -> Any:
    """Return the claim that a transaction is a refund; its amount is the money given back."""
    return t.kind == "refund"


def average_order_value(t: Any) -> Any:
    """Return spend per order (客单价), missing without orders."""
    return ratio(spend(t), orders(t))


BASKETS = (
    *(
        Feature(
            name=f"average_order_value_{days}d",
            source="transactions",
            window_days=days,
            value=average_order_value,
            family="behaviour",
            concept="basket",
            unit="currency",
            label=over(days, "客单价", "Average order value"),
        )
        for days in (QUARTER, YEAR)
    ),
    Feature(
        name="order_value_level_84d",
        inputs=("average_order_value_84d", "average_order_value_364d"),
        value=lambda f: ratio(f.average_order_value_84d, f.average_order_value_364d),
        family="behaviour",
        concept="basket",
        unit="ratio",
        label={
            "zh": "近12周客单价与近12个月之比",
            "en": "Order value in 12 weeks against 12 months",
        },
    ),
    Feature(
        name="items_per_order_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: ratio(t.quantity.sum(where=bought(t)), orders(t)),
        family="behaviour",
        concept="basket",
        unit="items",
        label=over(YEAR, "每单件数", "Items per order"),
    ),
    Feature(
        name="largest_purchase_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: t.amount.max(where=bought(t)),
        family="behaviour",
        concept="basket",
        unit="currency",
        label=over(YEAR, "单笔最大消费金额", "Largest single purchase"),
    ),
)

VARIETY = (
    *(
        Feature(
            name=f"product_variety_{days}d",
            source="transactions",
            window_days=days,
            value=lambda t: t.product_id.nunique(where=bought(t)),
            when_empty=0,
            family="behaviour",
            concept="variety",
            unit="products",
            label=over(days, "购买产品种类", "Different products bought"),
        )
        for days in (QUARTER, YEAR)
    ),
    *(
        Feature(
            name=f"category_variety_{days}d",
            source="transactions",
            window_days=days,
            value=lambda t: t.category.nunique(where=bought(t)),
            when_empty=0,
            family="behaviour",
            concept="variety",
            unit="categories",
            label=over(days, "购买类别数", "Categories bought from"),
        )
        for days in (QUARTER, YEAR)
    ),
    Feature(
        name="category_share_84d",
        inputs=("category_variety_84d", "category_variety_364d"),
        value=lambda f: ratio(f.category_variety_84d, f.category_variety_364d),
        family="behaviour",
        concept="variety",
        unit="share",
        label={
            "zh": "近12个月所购类别中近12周仍购买的占比",
            "en": "Share of the year's categories still bought in 12 weeks",
        },
    ),
    Feature(
        name="repeat_product_share_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: (
            1 - ratio(t.product_id.nunique(where=bought(t)), t.product_id.count(where=bought(t)))
        ),
        family="behaviour",
        concept="variety",
        unit="share",
        label=over(YEAR, "重复购买同一产品的占比", "Share of lines that repeat a product"),
    ),
)

REFUNDS = (
    *(
        Feature(
            name=f"refund_count_{days}d",
            source="transactions",
            window_days=days,
            value=lambda t: t.count(where=refunded(t)),
            when_empty=0,
            family="behaviour",
            concept="refunds",
            unit="times",
            label=over(days, "退款次数", "Refunds"),
        )
        for days in (QUARTER, YEAR)
    ),
    Feature(
        name="refund_value_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: t.amount.sum(where=refunded(t)),
        when_empty=0,
        family="behaviour",
        concept="refunds",
        unit="currency",
        label=over(YEAR, "退款金额", "Money refunded"),
    ),
    Feature(
        name="refund_share_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: ratio(t.amount.sum(where=refunded(t)).fill_null(0), t.amount.sum()),
        family="behaviour",
        concept="refunds",
        unit="share",
        label=over(YEAR, "退款金额占比", "Refunds as a share of money moved"),
    ),
    Feature(
        name="days_since_last_refund",
        source="transactions",
        value=lambda t: (t.cutoff - t.day.max(where=refunded(t))).clip(upper=LONGEST_RECENCY_DAYS),
        family="behaviour",
        concept="refunds",
        unit="days",
        label={
            "zh": "距最近一次退款天数（一年封顶）",
            "en": "Days since the last refund (capped at a year)",
        },
    ),
    Feature(
        name="net_spend_364d",
        inputs=("spend_364d", "refund_value_364d"),
        value=lambda f: f.spend_364d - f.refund_value_364d,
        family="behaviour",
        concept="spend",
        unit="currency",
        label=over(YEAR, "净消费金额", "Spend less refunds"),
    ),
)

TERMS = (
    *(
        Feature(
            name=f"discount_share_{days}d",
            source="transactions",
            window_days=days,
            value=lambda t: ratio(
                t.discount.sum(where=bought(t)),
                (t.amount + t.discount).sum(where=bought(t)),
            ),
            family="behaviour",
            concept="discounts",
            unit="share",
            label=over(days, "优惠金额占比", "Discount as a share of full price"),
            actionable=True,
        )
        for days in (QUARTER, YEAR)
    ),
    Feature(
        name="discounted_share_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: ratio(
            t.count(where=bought(t) & (t.discount > 0)), t.discount.count(where=bought(t))
        ),
        family="behaviour",
        concept="discounts",
        unit="share",
        label=over(YEAR, "享受优惠的购买占比", "Share of purchases with a discount"),
        actionable=True,
    ),
    Feature(
        name="margin_share_364d",
        source="transactions",
        window_days=YEAR,
        value=lambda t: ratio(
            t.margin.sum(where=bought(t)), t.amount.sum(where=bought(t) & t.margin.notnull())
        ),
        family="behaviour",
        concept="margin",
        unit="share",
        label=over(YEAR, "毛利率", "Margin as a share of spend"),
    ),
)

BASKET = (*BASKETS, *VARIETY, *REFUNDS, *TERMS)
