"""Maintenance of Iceberg tables: how a Job declares it, and what its runs execute."""
