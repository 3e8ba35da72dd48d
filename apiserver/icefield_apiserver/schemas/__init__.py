"""Bodies of requests and answers, one module per section of the reference."""
