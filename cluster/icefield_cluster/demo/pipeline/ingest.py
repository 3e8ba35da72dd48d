"""Load the uploaded CSV into the Iceberg table flights.departures."""

import os
import zipfile

import boto3
from pyarrow import csv
from pyiceberg.catalog import load_catalog

store = boto3.client("s3")
bucket, prefix = os.environ["ICEFIELD_BUCKET"], os.environ["ICEFIELD_PREFIX"]
store.download_file(bucket, f"{prefix}/uploads/flights.csv.zip", "flights.csv.zip")
with zipfile.ZipFile("flights.csv.zip") as archive, archive.open("flights.csv") as file:
    flights = csv.read_csv(file, convert_options=csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True))
print(f"read {flights.num_rows:,} flights with {flights.num_columns} columns")

catalog = load_catalog()  # configured by the environment of every task
catalog.create_namespace_if_not_exists("flights")
table = catalog.create_table_if_not_exists("flights.departures", schema=flights.schema)
write = table.overwrite if table.current_snapshot() else table.append
write(flights)
print(f"wrote flights.departures, snapshot {table.metadata.current_snapshot_id}")
