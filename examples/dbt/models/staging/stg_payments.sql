with payments as (

    select * from {{ ref('payments') }}

)

select
    id as payment_id,
    customer_id,
    case when is_refund then -amount else amount end as amount,
    paid_at
from payments
