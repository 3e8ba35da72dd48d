"""One module per section of the API reference; each route parses, authorizes, calls a repository, shapes the answer."""
