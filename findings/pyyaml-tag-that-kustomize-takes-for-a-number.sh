#!/usr/bin/env bash
# PyYAML and kustomize: an image tag of hexadecimal digits that PyYAML leaves unquoted is a number to kustomize.
#
# Versions   PyYAML 6.0.3, kustomize 5.7.1
# Expected   A string that safe_dump writes is read as that string, or at least every tag is treated alike.
# Seen       A tag is cut from a hash, so now and then it is digits, one e, digits. PyYAML follows YAML 1.1, where a
#            number with an exponent has a point: it writes 12345678e012 plain, while it quotes 123456789012. kustomize
#            takes what is plain for a number and refuses the file: "cannot unmarshal number into Go struct field
#            Image.images.newTag of type string". Of tags of twelve hexadecimal digits about one in 1,200 has that
#            form; with an exponent too large for a float, such as 12e34567, it is a string again.
#            The same content as JSON, which is YAML too, is read as written.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyyaml==6.0.3
GOBIN="$folder/bin" GOPATH="$folder/go" GOFLAGS=-mod=mod go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import json
import subprocess
import sys
from pathlib import Path

import yaml

folder = Path(sys.argv[1])


def kustomize(text: str) -> str:
    (folder / "kustomization.yaml").write_text(text)
    ended = subprocess.run([folder / "bin/kustomize", "build", folder], capture_output=True, text=True)
    return ended.stderr.strip() or next(line.strip(" -") for line in ended.stdout.splitlines() if "image:" in line)


POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "a"}]}}
(folder / "pod.json").write_text(json.dumps(POD))
for tag, plain, refused in (
    ("123456789012", False, False),
    ("12345678e012", True, True),
    ("12e34567", True, False),
    ("0123abcd4567", True, False),
):
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["pod.json"],
        "images": [{"name": "a", "newTag": tag}],
    }
    written = yaml.safe_dump(content)
    answer = kustomize(written)
    print(f"{tag}: plain {f'newTag: {tag}' in written}; {answer}")
    assert (f"newTag: {tag}\n" in written) is plain, written
    assert ("cannot unmarshal number" in answer) is refused, answer
    assert refused or f"image: a:{tag}" in answer, answer
    answer = kustomize(json.dumps(content))
    assert f"image: a:{tag}" in answer, answer
PYTHON
