"""Turn the uploaded CSV into Parquet."""

import os
import zipfile
from pathlib import Path

import boto3
import polars as pl

bucket, prefix = os.environ["ICEFIELD_BUCKET"], os.environ["ICEFIELD_PREFIX"]
store = boto3.client("s3")

store.download_file(bucket, f"{prefix}/uploads/flights.csv.zip", "flights.csv.zip")
with zipfile.ZipFile("flights.csv.zip") as archive:
    archive.extract("flights.csv")

flights = pl.read_csv("flights.csv", null_values="NA", infer_schema_length=None)
print(f"read {flights.height:,} flights with {flights.width} columns")

flights.write_parquet("flights.parquet")
store.upload_file("flights.parquet", bucket, f"{prefix}/flights/flights.parquet")
print(f"wrote s3://{bucket}/{prefix}/flights/flights.parquet ({Path('flights.parquet').stat().st_size:,} bytes)")
