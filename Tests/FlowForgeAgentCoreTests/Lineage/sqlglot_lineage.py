"""Column lineage by sqlglot, for comparison.

Reads {"schema": {...}, "queries": {name: sql}} and prints {name: [[column, [[table, column], ...]], ...]}
or {name: "error text"}. Tables are printed as `schema.table` where they have a schema.
"""

import json
import logging
import sys

from sqlglot import exp, lineage, parse_one
from sqlglot.optimizer.qualify import qualify

logging.disable(logging.CRITICAL)


def leaves(node):
    found = set()
    for part in node.walk():
        if part.downstream or not isinstance(part.source, exp.Table):
            continue
        table = part.source
        name = f"{table.db}.{table.name}" if table.db else table.name
        found.add((name.lower(), part.name.split(".")[-1].strip('"').lower()))
    return sorted(found)


def columns(sql, schema):
    tree = qualify(parse_one(sql, dialect="duckdb"), schema=schema, dialect="duckdb", validate_qualify_columns=False)
    return [
        [name, leaves(lineage.lineage(name, sql, schema=schema, dialect="duckdb"))]
        for name in tree.named_selects
    ]


asked = json.load(sys.stdin)
answers = {}
for name, sql in asked["queries"].items():
    try:
        answers[name] = columns(sql, asked["schema"])
    except Exception as error:  # what sqlglot cannot do is part of the comparison
        answers[name] = f"{type(error).__name__}: {error}"[:300]
json.dump(answers, sys.stdout)
