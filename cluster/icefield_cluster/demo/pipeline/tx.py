"""Aggregate the flights: how late does each carrier arrive?"""

import os

import boto3
import polars as pl

bucket, prefix = os.environ["ICEFIELD_BUCKET"], os.environ["ICEFIELD_PREFIX"]
store = boto3.client("s3")

store.download_file(bucket, f"{prefix}/flights/flights.parquet", "flights.parquet")
delays = (
    pl.scan_parquet("flights.parquet")
    .group_by("carrier")
    .agg(
        pl.len().alias("flights"),
        pl.col("arr_delay").mean().round(1).alias("mean_delay_min"),
        (pl.col("arr_delay") > 30).mean().mul(100).round(1).alias("over_30_min_pct"),
        pl.col("arr_delay").is_null().mean().mul(100).round(1).alias("never_arrived_pct"),
    )
    .sort("mean_delay_min", descending=True)
    .collect()
)
delays.write_parquet("delays_by_carrier.parquet")
store.upload_file("delays_by_carrier.parquet", bucket, f"{prefix}/flights/delays_by_carrier.parquet")
print(f"aggregated {delays['flights'].sum():,} flights into {delays.height} rows")
