"""The JSON Schema of a product file, for editors."""

from __future__ import annotations

import json
from typing import Any

from mmad_rag.knowledge.schema import Product
from mmad_rag.records import Json

SCHEMA_FILE = "product.schema.json"
"""Name of the schema's file beside product files."""
SCHEMA_COMMENT = f"# yaml-language-server: $schema={SCHEMA_FILE}"
"""The first line of a product file, from which editors find the schema."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def product_schema() -> Json:
    """The schema with its dialect, an id that contains `schema_version`, and a description of every field."""
    schema: dict[str, Any] = Product.model_json_schema()
    schema |= {"title": "mmad_rag product file", "description": "What an expert knows of one product."}
    return {"$schema": _DIALECT, "$id": "urn:mmad-rag:product:1", **schema}


def schema_text() -> str:
    """The schema as the contents of a file; the same version of the library gives the same bytes."""
    return json.dumps(product_schema(), ensure_ascii=False, indent=2) + "\n"
