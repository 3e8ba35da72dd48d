select
    c.customer_id,
    c.customer_name,
    c.country,
    count(p.payment_id) as payments,
    coalesce(sum(p.amount), 0) as total
from {{ ref('stg_customers') }} as c
left join {{ ref('stg_payments') }} as p on p.customer_id = c.customer_id
group by c.customer_id, c.customer_name, c.country
