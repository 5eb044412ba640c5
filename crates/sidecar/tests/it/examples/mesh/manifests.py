"""Prints manifests as JSON, once their schemas have nothing to say against them.

manifests.py kubernetes FILE VERSION... | manifests.py compose FILE
"""

import json
import sys

import kubernetes_validate
import yaml
from compose_spec import PyCompose

# What meshes bring with them has no schema among Kubernetes' own; meshes.mjs looks at it.
OTHERS = ("istio.io/", "linkerd.io/", "gateway.networking.k8s.io/")


def kubernetes(text, versions):
    documents = [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]
    for document in documents:
        if any(other in document["apiVersion"] for other in OTHERS):
            continue
        for version in versions:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as fault:
                place = "/".join(map(str, fault.path))
                sys.exit(f"{document['kind']} {document['metadata']['name']}, {version}: {place}: {fault.message}")
    return documents


def compose(text, _):
    PyCompose.from_yaml(text).validate()
    return yaml.load(text, Loader=yaml.CSafeLoader)


form, file, *versions = sys.argv[1:]
with open(file) as opened:
    print(json.dumps({"kubernetes": kubernetes, "compose": compose}[form](opened.read(), versions)))
