-- Without a unique key dbt appends.
{{ config(materialized='incremental') }}

select payment_id, customer_id, amount, paid_at
from {{ ref('stg_payments') }}
{% if is_incremental() %}
where paid_at > (select max(paid_at) from {{ this }})
{% endif %}
