{{ config(materialized='view') }}

select country, count(*) as customers, sum(total) as total
from {{ ref('customer_totals') }}
group by 1
