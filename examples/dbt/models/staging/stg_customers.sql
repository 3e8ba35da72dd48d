select
    id as customer_id,
    name as customer_name,
    coalesce(country, 'unknown') as country,
    joined_on
from {{ ref('customers') }}
