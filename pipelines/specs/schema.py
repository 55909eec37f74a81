"""Print the JSON Schema of `colorlane.yaml`: `python -m pipelines.specs.schema > docs/colorlane.schema.json`."""

from __future__ import annotations

import json
import sys

from pipelines.specs.format import spec_schema


def schema_text() -> str:
    """Return the schema as the file in docs holds it."""
    return json.dumps(spec_schema(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
