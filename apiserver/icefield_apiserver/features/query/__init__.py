"""The query router: one call for SQL and scripts, whichever engine runs them (oleander's `POST /api/v1/query`).

`reading` says what was asked, `sizes` how much it reads, `decision` which engine runs it and why; both of these are
pure. `service` has it run.
"""
