"""Validates OpenLineage run events: `validate_events.py events.json [folder of the published schemas]`.

Each event is held against the RunEvent schema and each facet against the schema that its _schemaURL
names. Without the folder the classes of openlineage-python are used. Prints what is wrong, one fault a line.
"""

import json
import pathlib
import sys

events = json.load(open(sys.argv[1]))
faults = []


def facets_of(event):
    for where in [event["run"], event["job"], *event["inputs"], *event["outputs"]]:
        for kind in ["facets", "inputFacets", "outputFacets"]:
            for key, facet in (where.get(kind) or {}).items():
                yield key, facet


def with_schemas(folder):
    import jsonschema
    import referencing
    from referencing.jsonschema import DRAFT202012

    documents = {}
    for path in [folder / "OpenLineage.json", *folder.glob("facets/*.json")]:
        document = json.loads(path.read_text())
        documents[document["$id"]] = document
    registry = referencing.Registry().with_resources(
        (uri, referencing.Resource.from_contents(document, default_specification=DRAFT202012))
        for uri, document in documents.items()
    )

    def check(value, schema, what):
        validator = jsonschema.Draft202012Validator(
            schema, registry=registry, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        for error in validator.iter_errors(value):
            faults.append(f"{what}: {error.json_path}: {error.message[:200]}")

    seen = set()
    for event in events:
        check(event, {"$ref": event["schemaURL"]}, event["eventType"])
        for key, facet in facets_of(event):
            uri, _, pointer = facet["_schemaURL"].partition("#")
            if uri not in documents:
                faults.append(f"{key}: no published schema has the id {uri}")
                continue
            seen.add(key)
            check(facet, {"$ref": facet["_schemaURL"]}, f"{event['eventType']} {key}")
            check({key: facet}, documents[uri], f"{event['eventType']} {key} by name")
            if key not in documents[uri].get("properties", {}):
                faults.append(f"{key}: {uri} names its facet {list(documents[uri].get('properties', {}))}")
    expected = {
        "parent", "nominalTime", "processing_engine", "errorMessage", "jobType", "sql", "schema", "dataSource", "version",
        "inputStatistics", "outputStatistics", "dataQualityAssertions", "columnLineage",
    }
    if seen != expected:
        faults.append(f"facets seen: {sorted(seen ^ expected)} are too many or too few")


def with_classes():
    from openlineage.client import event_v2, facet_v2
    from openlineage.client.generated import base

    for event in events:
        event_v2.RunEvent(
            eventTime=event["eventTime"],
            eventType=event_v2.RunState[event["eventType"]],
            producer=event["producer"],
            run=event_v2.Run(runId=event["run"]["runId"]),
            job=event_v2.Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
            inputs=[event_v2.InputDataset(namespace=d["namespace"], name=d["name"]) for d in event["inputs"]],
            outputs=[event_v2.OutputDataset(namespace=d["namespace"], name=d["name"]) for d in event["outputs"]],
        )
        for key, facet in facets_of(event):
            if not {"_producer", "_schemaURL"} <= facet.keys():
                faults.append(f"{key}: lacks _producer or _schemaURL")


if len(sys.argv) > 2:
    with_schemas(pathlib.Path(sys.argv[2]))
else:
    with_classes()
print("\n".join(faults))
sys.exit(1 if faults else 0)
