"""`python -m icefield_engines.polars`: a sandbox, from its first process on."""

import os

from .supervisor import main

if __name__ == "__main__":
    os._exit(main())  # threads may still serve; nothing is left to be written
