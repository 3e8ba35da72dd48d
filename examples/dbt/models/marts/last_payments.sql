-- With a unique key dbt merges; a column that is new here is added to the table.
{{ config(materialized='incremental', unique_key='customer_id', on_schema_change='append_new_columns') }}

select customer_id, max(paid_at) as paid_at
from {{ ref('stg_payments') }}
{% if is_incremental() %}
where paid_at >= (select max(paid_at) from {{ this }})
{% endif %}
group by customer_id
