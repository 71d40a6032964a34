"""Validates YAML files against a JSON Schema: validate_schema.py SCHEMA FOLDER

Prints a JSON object from file name to the first fault, or null for a valid file. Reads YAML by the 1.2 core schema, as
FlowForge does: PyYAML's own rules are those of 1.1, by which `no` is a boolean and 2013-01-01 a date.
"""
import json
import os
import re
import sys

import jsonschema
import yaml


class Core(yaml.SafeLoader):
    yaml_implicit_resolvers = {}


def resolve(tag, pattern, first):
    Core.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern + r"\Z"), list(first))


resolve("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""])
resolve("bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF")
resolve("int", r"[-+]?[0-9]+", "-+0123456789")
resolve("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789")
Core.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node), 10))

schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
verdicts = {}
for name in sorted(os.listdir(sys.argv[2])):
    value = yaml.load(open(os.path.join(sys.argv[2], name)), Core)
    fault = next(validator.iter_errors(value), None)
    verdicts[name] = fault and f"{fault.json_path}: {fault.message[:200]}"
print(json.dumps(verdicts))
