import os
import pathlib

import requests

project = pathlib.Path("examples/dbt")
folders = ("*.py", "*.yml", "macros/*", "models/**/*.*", "seeds/*", "snapshots/*", "tests/*")
job = {
    "name": "dbt-shop",
    "schedule": "15 5 * * *",
    "time_zone": "Europe/Vienna",
    "files": {str(file.relative_to(project)): file.read_text() for pattern in folders for file in project.glob(pattern)},
    "lock": pathlib.Path("requirements/dbt.txt").read_text(),
    "tasks": [{"key": "build", "command": "python dbt_polnor.py build"}],
}
headers = {"Authorization": f"Bearer {os.environ['POLNOR_TOKEN']}"}
answer = requests.post(f"{os.environ['POLNOR_API_URL']}/api/v1/jobs", json=job, headers=headers, timeout=60)
print(answer.text)
answer.raise_for_status()
import polnor
run_id = polnor.jobs.run("dbt-shop")
print(polnor.jobs.wait(run_id)["status"], polnor.jobs.logs(run_id))
