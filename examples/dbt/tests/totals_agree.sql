-- Fails when a payment was lost or counted twice on its way to the totals.
select *
from (
    select
        (select sum(amount) from {{ ref('stg_payments') }}) as paid,
        (select sum(total) from {{ ref('customer_totals') }}) as totals,
        (select count(*) from {{ ref('payment_events') }}) as events,
        (select count(*) from {{ ref('payments') }}) as seeded
) as both_sides
where paid <> totals or events <> seeded
