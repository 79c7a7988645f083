"""Take the fields of KubeRay's resources from its definitions; README.md says how."""

import json
import sys
from collections import Counter
from pathlib import Path

import yaml

TAKEN = ("type", "required", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")


def main():
    bases = Path(sys.argv[1])
    resources = [resource(bases / f"ray.io_{name}.yaml") for name in ("rayjobs", "rayclusters")]
    kinds = dict(resources)
    cluster = kinds["RayCluster"]["properties"]["spec"]["properties"]
    template = cluster["headGroupSpec"]["properties"]["template"]["properties"]
    volume = template["spec"]["properties"]["volumes"]["items"]["properties"]
    claim = volume["ephemeral"]["properties"]["volumeClaimTemplate"]["properties"]["spec"]
    kinds["Pod"] = whole(template["spec"])
    kinds["PersistentVolumeClaim"] = whole(claim)
    for schema in kinds.values():
        schema["properties"]["metadata"] = template["metadata"]
    write(kinds, Path(__file__).parent / "schemas.json")


def resource(file):
    """A kind, and what may stand in it."""
    definition = yaml.load(file.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
    versions = {version["name"]: version["schema"]["openAPIV3Schema"] for version in definition["versions"]}
    return definition["names"]["kind"], whole(fields(versions["v1"]["properties"]["spec"]))


def whole(spec):
    text = {"type": "string"}
    return closed({"type": "object", "properties": {"apiVersion": text, "kind": text, "spec": spec}})


def closed(schema):
    return schema | {"additionalProperties": False} if "properties" in schema else schema


def fields(schema):
    """The part of a schema that names, types and limits."""
    kept = {name: schema[name] for name in TAKEN if name in schema}
    if "properties" in schema:
        kept["properties"] = {name: fields(inner) for name, inner in schema["properties"].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            kept[name] = fields(schema[name])
    if "anyOf" in schema:
        kept["anyOf"] = [fields(inner) for inner in schema["anyOf"]]
    return closed(kept)


def write(kinds, file):
    """Write one definition a line, equal ones once."""
    seen = Counter()
    for schema in kinds.values():
        count(schema, seen)
    definitions, names = {}, {}
    shared = {text for text, times in seen.items() if times > 1}
    roots = {kind: shortened(schema, kind, shared, definitions, names) for kind, schema in kinds.items()}
    lines = [f"{json.dumps(name)}: {json.dumps(schema)}" for name, schema in (definitions | roots).items()]
    file.write_text('{"$defs": {\n' + ",\n".join(lines) + "\n}}\n", encoding="utf-8")


def count(schema, seen):
    if "properties" in schema:
        seen[json.dumps(schema)] += 1
    for inner in inside(schema).values():
        count(inner, seen)


def inside(schema):
    parts = {name: schema[name] for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)}
    return schema.get("properties", {}) | parts


def shortened(schema, name, shared, definitions, names):
    """A schema in which parts that are needed more than once stand by name."""
    short = dict(schema)
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            short[part] = named(schema[part], name, shared, definitions, names)
    if "properties" in schema:
        parts = schema["properties"].items()
        short["properties"] = {key: named(inner, key, shared, definitions, names) for key, inner in parts}
    return short


def named(schema, name, shared, definitions, names):
    text = json.dumps(schema)
    if text not in shared:
        return shortened(schema, name, shared, definitions, names)
    if text not in names:
        taken = sum(other.split("-")[0] == name for other in names.values())
        names[text] = f"{name}-{taken + 1}" if taken else name
        definitions[names[text]] = shortened(schema, name, shared, definitions, names)
    return {"$ref": f"#/$defs/{names[text]}"}


if __name__ == "__main__":
    main()
