"""Makes an archive of the classes that Spark loads (JEP 350): JVMs map it, instead of reading and checking each class.

    python make.py <archive> <folder of jars>

`<archive>.jsa` becomes the archive, and `<archive>.jar` the class path it is for: an empty jar whose manifest names
the jars of the folder, then Spark's. A JVM takes the archive only if its class path starts as the one the archive was
made with. `folder/*` would not do: its order is the file system's.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import quote

WORK = Path(__file__).with_name("work.py")
TIMEOUT = 1200
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_LINE_BYTES = 70
"""The longest line of a manifest without its end; longer ones are continued after a space."""


def main() -> None:
    """Make both files."""
    archive, folder = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    found = importlib.util.find_spec("pyspark")
    if not found or not found.origin:
        sys.exit("pyspark is not installed")
    home = Path(found.origin).parent
    jars = [*sorted(folder.glob("*.jar")), *sorted((home / "jars").glob("*.jar"))]
    class_path = archive.with_suffix(".jar")
    text = manifest(os.path.relpath(jar, class_path.parent) for jar in jars)
    with zipfile.ZipFile(class_path, "w") as file:
        file.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF", _FIXED_TIME), text)
    with tempfile.TemporaryDirectory(prefix="class-archive-") as scratch:
        made = Path(scratch) / archive.name
        argv = command(home, made, class_path, Path(scratch), _free_port())
        subprocess.run(argv, env=environment(os.environ, home), cwd=scratch, check=True, timeout=TIMEOUT)
        if not made.exists():
            sys.exit(f"the JVM made no {archive}")
        made.chmod(0o644)
        # At once: a JVM that is given half of an archive crashes.
        shutil.move(made, partial := archive.with_suffix(".partial"))
        partial.rename(archive)


def manifest(paths: Iterable[str]) -> str:
    """Return the manifest of a jar whose class path is these paths, relative to it."""
    line = f"Class-Path: {' '.join(map(quote, paths))}"
    parts = [line[:_LINE_BYTES]]
    rest = line[_LINE_BYTES:]
    while rest:
        parts.append(f" {rest[: _LINE_BYTES - 1]}")
        rest = rest[_LINE_BYTES - 1 :]
    return "\r\n".join(["Manifest-Version: 1.0", *parts, "", ""])


def command(home: Path, archive: Path, class_path: Path, scratch: Path, port: int) -> list[str]:
    """Return the command that runs `work.py` on Spark in a JVM that writes the archive when it ends."""
    conf = {
        "spark.master": "local[2]",
        "spark.ui.enabled": "false",
        "spark.driver.extraClassPath": str(class_path),
        "spark.driver.extraJavaOptions": f"-XX:ArchiveClassesAtExit={archive} -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
        " -Xlog:cds=error,cds+dynamic=error -Djava.net.preferIPv4Stack=true",
        "spark.pyspark.python": sys.executable,
        "spark.local.dir": str(scratch),
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(scratch / "no-tables"),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.files": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.files.type": "hadoop",
        "spark.sql.catalog.files.warehouse": str(scratch / "tables"),
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
    }
    options = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
    return [str(home / "bin" / "spark-submit"), *options, str(WORK), str(port), str(scratch / "tables")]


def environment(own: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment for that: ours without proxies, since all that is called is on this machine."""
    kept = {name: value for name, value in own.items() if not name.lower().endswith("_proxy")}
    # A container that builds an image may not know its own name's address.
    return {**kept, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1", "AWS_REGION": "us-east-1"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
