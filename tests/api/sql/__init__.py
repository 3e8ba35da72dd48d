"""SQL over REST: warehouses, statements and lineage, with real gateways."""
