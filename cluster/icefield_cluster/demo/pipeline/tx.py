"""Aggregate the flights by SQL: how late does each carrier arrive?"""

import polnor

polnor.sql("""
    CREATE OR REPLACE TABLE flights.delays_by_carrier AS
    SELECT carrier,
           count(*) AS flights,
           round(avg(arr_delay), 1) AS mean_delay_min,
           round(100 * count_if(arr_delay > 30) / count(arr_delay), 1) AS over_30_min_pct,
           round(100 * count_if(arr_delay IS NULL) / count(*), 1) AS never_arrived_pct
    FROM flights.departures
    GROUP BY carrier
""")
[[carriers, flights]] = polnor.sql("SELECT count(*), sum(flights) FROM flights.delays_by_carrier")
print(f"aggregated {flights:,} flights into {carriers} rows")
