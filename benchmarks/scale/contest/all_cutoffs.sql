-- The table of `contest/subset.py` as of every cutoff in the table `cutoffs`, as one who knows DuckDB
-- writes it: one scan of each table for all cutoffs. Days are rounded up to the next day on which any
-- window begins or ends (`bucket`), and the day a row was known to the next cutoff (`ready`), so that
-- few rows a customer are joined to the cutoffs.
CREATE OR REPLACE TEMP TABLE bounds AS
SELECT DISTINCT cutoff - back AS bound
FROM cutoffs, (VALUES (0), (28), (84), (168), (182), (273), (364)) AS windows(back);

CREATE OR REPLACE TEMP TABLE calendar AS
SELECT day, min(bound) AS bucket, min(cutoff) AS ready
FROM (
    SELECT unnest(generate_series(
        least((SELECT min(day) FROM transactions), (SELECT min(day) FROM interactions)),
        (SELECT max(cutoff) FROM cutoffs)
    ))::INTEGER AS day
)
JOIN bounds ON bound >= day
JOIN cutoffs ON cutoff >= day
GROUP BY day;

CREATE OR REPLACE TEMP TABLE answer AS
WITH
events AS (
    SELECT customer_id, min(known_day) AS known FROM transactions GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM interactions GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM satisfaction GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM attributes GROUP BY customer_id
    UNION ALL SELECT customer_id, known_day FROM customers
),
first_known AS (
    SELECT customer_id, min(known) AS known FROM events GROUP BY customer_id
),
population AS (
    SELECT customer_id, cutoff FROM first_known JOIN cutoffs ON known <= cutoff
),
purchases AS (
    SELECT customer_id, coalesce(order_id, day::VARCHAR) AS order_key,
        day, calendar.bucket, known.ready, amount
    FROM transactions
    JOIN calendar USING (day)
    JOIN calendar AS known ON known.day = known_day
    WHERE kind = 'purchase'
),
order_days AS (
    SELECT customer_id, order_key, bucket, min(ready) AS ready
    FROM purchases
    WHERE day > (SELECT min(cutoff) - 364 FROM cutoffs)
    GROUP BY customer_id, order_key, bucket
),
orders AS (
    SELECT customer_id, cutoff,
        max(bucket) AS last,
        max(bucket) FILTER (bucket <= cutoff - 84) AS last_84,
        max(bucket) FILTER (bucket <= cutoff - 182) AS last_182,
        max(bucket) FILTER (bucket <= cutoff - 273) AS last_273
    FROM order_days
    JOIN cutoffs ON ready <= cutoff AND bucket > cutoff - 364
    GROUP BY customer_id, cutoff, order_key
),
order_counts AS (
    SELECT customer_id, cutoff,
        count(*) FILTER (last > cutoff - 28) AS orders_28,
        count(*) FILTER (last > cutoff - 84) AS orders_84,
        count(*) FILTER (last > cutoff - 182) AS orders_182,
        count(*) AS orders_364,
        count(*) FILTER (last_84 > cutoff - 168) AS orders_84_before,
        count(*) FILTER (last_182 > cutoff - 364) AS orders_182_before,
        count(*) FILTER (last_273 > cutoff - 364) AS orders_year_ago
    FROM orders
    GROUP BY customer_id, cutoff
),
purchase_days AS (
    SELECT customer_id, day, bucket, min(ready) AS ready
    FROM purchases
    GROUP BY customer_id, day, bucket
),
day_buckets AS (
    SELECT customer_id, bucket, ready,
        count(*) AS days, min(day) AS first_day, max(day) AS last_day
    FROM purchase_days
    GROUP BY customer_id, bucket, ready
),
bought_days AS (
    SELECT customer_id, cutoff,
        sum(days) AS days, min(first_day) AS first, max(last_day) AS last,
        sum(days) FILTER (bucket > cutoff - 364) AS days_364,
        min(first_day) FILTER (bucket > cutoff - 364) AS first_364
    FROM day_buckets
    JOIN cutoffs ON ready <= cutoff
    GROUP BY customer_id, cutoff
),
amounts AS (
    SELECT customer_id, bucket, ready,
        sum(amount) AS amount, sum(amount) FILTER (day % 7 IN (2, 3)) AS weekends
    FROM purchases
    GROUP BY customer_id, bucket, ready
),
bought AS (
    SELECT customer_id, cutoff,
        sum(amount) AS spend,
        sum(amount) FILTER (bucket > cutoff - 28) AS spend_28,
        sum(amount) FILTER (bucket > cutoff - 84) AS spend_84,
        sum(amount) FILTER (bucket > cutoff - 182) AS spend_182,
        sum(amount) FILTER (bucket > cutoff - 364) AS spend_364,
        sum(weekends) FILTER (bucket > cutoff - 364) AS weekends,
        sum(amount) FILTER (bucket > cutoff - 168 AND bucket <= cutoff - 84) AS spend_84_before,
        sum(amount) FILTER (bucket > cutoff - 364 AND bucket <= cutoff - 182) AS spend_182_before,
        sum(amount) FILTER (bucket > cutoff - 364 AND bucket <= cutoff - 273) AS spend_year_ago
    FROM amounts
    JOIN cutoffs ON ready <= cutoff
    GROUP BY customer_id, cutoff
),
contacts AS (
    SELECT customer_id, day, calendar.bucket, known.ready, kind, channel, duration_seconds
    FROM interactions
    JOIN calendar USING (day)
    JOIN calendar AS known ON known.day = known_day
),
contact_buckets AS (
    SELECT customer_id, bucket, ready,
        max(day) FILTER (kind <> 'campaign') AS last_day,
        count(*) FILTER (kind <> 'campaign') AS touches,
        sum(duration_seconds) FILTER (kind <> 'campaign') AS seconds,
        count(duration_seconds) FILTER (kind <> 'campaign') AS timed,
        count(*) FILTER (kind = 'visit') AS visits,
        count(*) FILTER (kind = 'enquiry') AS enquiries,
        count(*) FILTER (kind = 'support') AS supports,
        count(*) FILTER (kind = 'campaign') AS campaigns,
        count(*) FILTER (kind = 'click') AS clicks
    FROM contacts
    GROUP BY customer_id, bucket, ready
),
touched AS (
    SELECT customer_id, cutoff,
        max(last_day) AS last,
        sum(touches) FILTER (bucket > cutoff - 28) AS all_28,
        sum(touches) FILTER (bucket > cutoff - 84) AS all_84,
        sum(touches) FILTER (bucket > cutoff - 364) AS all_364,
        sum(touches) FILTER (bucket > cutoff - 168 AND bucket <= cutoff - 84) AS all_84_before,
        sum(seconds) FILTER (bucket > cutoff - 364)
            / sum(timed) FILTER (bucket > cutoff - 364) AS seconds,
        sum(visits) FILTER (bucket > cutoff - 84) AS visits_84,
        sum(visits) FILTER (bucket > cutoff - 168 AND bucket <= cutoff - 84) AS visits_84_before,
        sum(enquiries) FILTER (bucket > cutoff - 84) AS enquiries_84,
        sum(enquiries) FILTER (bucket > cutoff - 364) AS enquiries_364,
        sum(supports) FILTER (bucket > cutoff - 84) AS supports_84,
        sum(supports) FILTER (bucket > cutoff - 364) AS supports_364,
        sum(campaigns) FILTER (bucket > cutoff - 182) AS campaigns_182,
        sum(campaigns) FILTER (bucket > cutoff - 364) AS campaigns_364,
        sum(clicks) FILTER (bucket > cutoff - 182) AS clicks_182,
        sum(clicks) FILTER (bucket > cutoff - 364) AS clicks_364
    FROM contact_buckets
    JOIN cutoffs ON ready <= cutoff
    GROUP BY customer_id, cutoff
),
days_in_touch AS (
    SELECT customer_id, day, bucket, min(ready) AS ready
    FROM contacts
    WHERE kind <> 'campaign' AND day > (SELECT min(cutoff) - 84 FROM cutoffs)
    GROUP BY customer_id, day, bucket
),
contact_day_buckets AS (
    SELECT customer_id, bucket, ready, count(*) AS days
    FROM days_in_touch
    GROUP BY customer_id, bucket, ready
),
contact_days AS (
    SELECT customer_id, cutoff, sum(days) AS days_84
    FROM contact_day_buckets
    JOIN cutoffs ON ready <= cutoff AND bucket > cutoff - 84
    GROUP BY customer_id, cutoff
),
channel_buckets AS (
    SELECT customer_id, channel, bucket, min(ready) AS ready
    FROM contacts
    WHERE kind <> 'campaign' AND day > (SELECT min(cutoff) - 364 FROM cutoffs)
        AND channel IS NOT NULL
    GROUP BY customer_id, channel, bucket
),
channels AS (
    SELECT customer_id, cutoff, count(*) AS channels_364
    FROM (
        SELECT DISTINCT customer_id, cutoff, channel
        FROM channel_buckets
        JOIN cutoffs ON ready <= cutoff AND bucket > cutoff - 364
    )
    GROUP BY customer_id, cutoff
)
SELECT
    population.customer_id,
    cutoff,
    bought_days.days - 1 AS frequency,
    bought_days.last - bought_days.first AS recency_days,
    cutoff - bought_days.first AS tenure_days,
    bought.spend / bought_days.days AS monetary_value,
    CASE WHEN bought_days.last IS NOT NULL
        THEN least(cutoff - bought_days.last, 365) END AS days_since_last_purchase,
    coalesce(orders_28, 0) AS order_count_28d,
    coalesce(orders_84, 0) AS order_count_84d,
    coalesce(orders_182, 0) AS order_count_182d,
    coalesce(orders_364, 0) AS order_count_364d,
    coalesce(spend_28, 0) AS spend_28d,
    coalesce(spend_84, 0) AS spend_84d,
    coalesce(spend_182, 0) AS spend_182d,
    coalesce(spend_364, 0) AS spend_364d,
    coalesce(days_364, 0) AS purchase_day_count_364d,
    CASE WHEN days_364 > 1
        THEN (bought_days.last - first_364) / (days_364 - 1) END AS purchase_interval_days_364d,
    CASE WHEN spend_364 <> 0 THEN coalesce(weekends, 0) / spend_364 END AS weekend_share_364d,
    coalesce(orders_84_before, 0) AS order_count_84d_before,
    coalesce(spend_84_before, 0) AS spend_84d_before,
    coalesce(orders_182_before, 0) AS order_count_182d_before,
    coalesce(spend_182_before, 0) AS spend_182d_before,
    coalesce(orders_year_ago, 0) AS order_count_91d_year_ago,
    coalesce(spend_year_ago, 0) AS spend_91d_year_ago,
    coalesce(all_28, 0) AS interaction_count_28d,
    coalesce(all_84, 0) AS interaction_count_84d,
    coalesce(all_364, 0) AS interaction_count_364d,
    coalesce(visits_84, 0) AS visit_count_84d,
    coalesce(days_84, 0) AS interaction_day_count_84d,
    CASE WHEN touched.last IS NOT NULL
        THEN least(cutoff - touched.last, 365) END AS days_since_last_interaction,
    seconds / 60 AS interaction_minutes_364d,
    coalesce(all_84_before, 0) AS interaction_count_84d_before,
    coalesce(visits_84_before, 0) AS visit_count_84d_before,
    coalesce(channels_364, 0) AS channel_count_364d,
    coalesce(enquiries_84, 0) AS enquiry_count_84d,
    coalesce(enquiries_364, 0) AS enquiry_count_364d,
    coalesce(supports_84, 0) AS support_count_84d,
    coalesce(supports_364, 0) AS support_count_364d,
    coalesce(campaigns_182, 0) AS campaign_count_182d,
    coalesce(clicks_182, 0) AS click_count_182d,
    CASE WHEN campaigns_364 > 0 THEN clicks_364 / campaigns_364 END AS campaign_response_364d
FROM population
LEFT JOIN bought USING (customer_id, cutoff)
LEFT JOIN bought_days USING (customer_id, cutoff)
LEFT JOIN order_counts USING (customer_id, cutoff)
LEFT JOIN touched USING (customer_id, cutoff)
LEFT JOIN contact_days USING (customer_id, cutoff)
LEFT JOIN channels USING (customer_id, cutoff);
