"""A stand-in for Lakekeeper, which no package registry carries: each request is held against Lakekeeper's documents.

    with StandIn().running() as lakekeeper:
        lakekeeper.management_uri, lakekeeper.uri       # what ICEFIELD_CATALOG_MANAGEMENT_URI and _URI would be
        lakekeeper.once("POST", "/management/v1/bootstrap", refused(400, "ConcurrentBootstrap"))
        ...
        assert lakekeeper.violations == []

What it answers beyond the documents (errors, races, what is refused when) is what a running 0.13.1 was seen to answer.
"""
