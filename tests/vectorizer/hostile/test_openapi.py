"""Requests made of the service's own description, such as it allows and such as it does not."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import FailureGroup, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from ..conftest import INFO, FakeEngine, Settings, create_app, wait_until

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SETTINGS = settings(
    max_examples=6, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture  # schemathesis shuts an application down after each test
def operations():
    app = create_app([(INFO, FakeEngine)], Settings(max_pixels=1_000_000))
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    ready = schema["/.well-known/ready"]["get"].Case()
    wait_until(lambda: ready.call().status_code == 204)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", GenerationMode)
def test_the_description_holds_for_whatever_is_sent(operations, mode):
    broken = {}
    # With all prefixes or none, and what breaks the rules of a path that takes no body is only another path.
    chosen = [one for one in operations if ("{model}" in one.path) == ("{dimensions}" in one.path)]
    for operation in chosen:

        @given(case=operation.as_strategy(generation_mode=mode))
        @SETTINGS
        def holds(case):
            case.call_and_validate(checks=CHECKS)

        if mode is GenerationMode.POSITIVE or operation.body:
            try:
                holds()
            except FailureGroup as failures:
                broken[operation.label] = str(failures)
    assert len(chosen) > 30
    assert not broken, "\n".join(f"{label}: {failures}" for label, failures in broken.items())
