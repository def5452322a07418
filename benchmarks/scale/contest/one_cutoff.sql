-- The table of `contest/subset.py` as of one cutoff, getvariable('cutoff'), as one who knows DuckDB
-- writes it: two grains instead of COUNT(DISTINCT) per window, one scan of each table, no joins of
-- raw rows. Tables: customers, transactions, interactions, satisfaction, attributes.
CREATE OR REPLACE TEMP TABLE answer AS
WITH
events AS (
    SELECT customer_id, min(known_day) AS known FROM transactions GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM interactions GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM satisfaction GROUP BY customer_id
    UNION ALL SELECT customer_id, min(known_day) FROM attributes GROUP BY customer_id
    UNION ALL SELECT customer_id, known_day FROM customers
),
population AS (
    SELECT customer_id FROM events GROUP BY customer_id HAVING min(known) <= getvariable('cutoff')
),
purchases AS (
    SELECT customer_id, coalesce(order_id, day::VARCHAR) AS order_key, day, amount
    FROM transactions
    WHERE kind = 'purchase' AND known_day <= getvariable('cutoff')
),
orders AS (
    SELECT customer_id,
        max(day) AS last,
        max(day) FILTER (day <= getvariable('cutoff') - 84) AS last_84,
        max(day) FILTER (day <= getvariable('cutoff') - 182) AS last_182,
        max(day) FILTER (day <= getvariable('cutoff') - 273) AS last_273
    FROM purchases
    WHERE day > getvariable('cutoff') - 364
    GROUP BY customer_id, order_key
),
order_counts AS (
    SELECT customer_id,
        count(*) FILTER (last > getvariable('cutoff') - 28) AS orders_28,
        count(*) FILTER (last > getvariable('cutoff') - 84) AS orders_84,
        count(*) FILTER (last > getvariable('cutoff') - 182) AS orders_182,
        count(*) AS orders_364,
        count(*) FILTER (last_84 > getvariable('cutoff') - 168) AS orders_84_before,
        count(*) FILTER (last_182 > getvariable('cutoff') - 364) AS orders_182_before,
        count(*) FILTER (last_273 > getvariable('cutoff') - 364) AS orders_year_ago
    FROM orders
    GROUP BY customer_id
),
purchase_days AS (
    SELECT customer_id, day, sum(amount) AS amount FROM purchases GROUP BY customer_id, day
),
bought AS (
    SELECT customer_id,
        count(*) AS days, min(day) AS first, max(day) AS last, sum(amount) AS spend,
        count(*) FILTER (day > getvariable('cutoff') - 364) AS days_364,
        min(day) FILTER (day > getvariable('cutoff') - 364) AS first_364,
        sum(amount) FILTER (day > getvariable('cutoff') - 28) AS spend_28,
        sum(amount) FILTER (day > getvariable('cutoff') - 84) AS spend_84,
        sum(amount) FILTER (day > getvariable('cutoff') - 182) AS spend_182,
        sum(amount) FILTER (day > getvariable('cutoff') - 364) AS spend_364,
        sum(amount) FILTER (day > getvariable('cutoff') - 364 AND day % 7 IN (2, 3)) AS weekends,
        sum(amount) FILTER (
            day > getvariable('cutoff') - 168 AND day <= getvariable('cutoff') - 84
        ) AS spend_84_before,
        sum(amount) FILTER (
            day > getvariable('cutoff') - 364 AND day <= getvariable('cutoff') - 182
        ) AS spend_182_before,
        sum(amount) FILTER (
            day > getvariable('cutoff') - 364 AND day <= getvariable('cutoff') - 273
        ) AS spend_year_ago
    FROM purchase_days
    GROUP BY customer_id
),
contacts AS (
    SELECT customer_id, day, kind, channel, duration_seconds
    FROM interactions
    WHERE known_day <= getvariable('cutoff')
),
touched AS (
    SELECT customer_id,
        max(day) FILTER (kind <> 'campaign') AS last,
        count(*) FILTER (kind <> 'campaign' AND day > getvariable('cutoff') - 28) AS all_28,
        count(*) FILTER (kind <> 'campaign' AND day > getvariable('cutoff') - 84) AS all_84,
        count(*) FILTER (kind <> 'campaign' AND day > getvariable('cutoff') - 364) AS all_364,
        count(*) FILTER (
            kind <> 'campaign'
            AND day > getvariable('cutoff') - 168 AND day <= getvariable('cutoff') - 84
        ) AS all_84_before,
        avg(duration_seconds) FILTER (
            kind <> 'campaign' AND day > getvariable('cutoff') - 364
        ) AS seconds,
        count(*) FILTER (kind = 'visit' AND day > getvariable('cutoff') - 84) AS visits_84,
        count(*) FILTER (
            kind = 'visit'
            AND day > getvariable('cutoff') - 168 AND day <= getvariable('cutoff') - 84
        ) AS visits_84_before,
        count(*) FILTER (kind = 'enquiry' AND day > getvariable('cutoff') - 84) AS enquiries_84,
        count(*) FILTER (kind = 'enquiry' AND day > getvariable('cutoff') - 364) AS enquiries_364,
        count(*) FILTER (kind = 'support' AND day > getvariable('cutoff') - 84) AS supports_84,
        count(*) FILTER (kind = 'support' AND day > getvariable('cutoff') - 364) AS supports_364,
        count(*) FILTER (kind = 'campaign' AND day > getvariable('cutoff') - 182) AS campaigns_182,
        count(*) FILTER (kind = 'campaign' AND day > getvariable('cutoff') - 364) AS campaigns_364,
        count(*) FILTER (kind = 'click' AND day > getvariable('cutoff') - 182) AS clicks_182,
        count(*) FILTER (kind = 'click' AND day > getvariable('cutoff') - 364) AS clicks_364
    FROM contacts
    GROUP BY customer_id
),
contact_days AS (
    SELECT customer_id, count(*) AS days_84
    FROM (
        SELECT DISTINCT customer_id, day FROM contacts
        WHERE kind <> 'campaign' AND day > getvariable('cutoff') - 84
    )
    GROUP BY customer_id
),
channels AS (
    SELECT customer_id, count(*) AS channels_364
    FROM (
        SELECT DISTINCT customer_id, channel FROM contacts
        WHERE kind <> 'campaign' AND day > getvariable('cutoff') - 364 AND channel IS NOT NULL
    )
    GROUP BY customer_id
)
SELECT
    population.customer_id,
    getvariable('cutoff')::INTEGER AS cutoff,
    bought.days - 1 AS frequency,
    bought.last - bought.first AS recency_days,
    getvariable('cutoff') - bought.first AS tenure_days,
    bought.spend / bought.days AS monetary_value,
    CASE WHEN bought.last IS NOT NULL
        THEN least(getvariable('cutoff') - bought.last, 365) END AS days_since_last_purchase,
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
        THEN (bought.last - first_364) / (days_364 - 1) END AS purchase_interval_days_364d,
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
        THEN least(getvariable('cutoff') - touched.last, 365) END AS days_since_last_interaction,
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
LEFT JOIN bought USING (customer_id)
LEFT JOIN order_counts USING (customer_id)
LEFT JOIN touched USING (customer_id)
LEFT JOIN contact_days USING (customer_id)
LEFT JOIN channels USING (customer_id);
