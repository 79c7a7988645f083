from __future__ import annotations

import pytest
from weaviate.exceptions import (
    WeaviateBatchError,
    WeaviateConnectionError,
    WeaviateDeleteManyError,
    WeaviateRetryError,
)

from cl2cm_plugin.collections.failures import Failure, classify, classify_exception, short

REFUSED = "update vector: fail with status 400: image 0: broken PNG: unexpected EOF"
AWAY = 'send POST request: Post "http://h:9000/m/a@1/vectorize": dial tcp 127.0.0.1:9000: connect: connection refused'


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (REFUSED, Failure.REFUSED),
        (f"{REFUSED}\n{AWAY}", Failure.REFUSED),
        (AWAY, Failure.TRANSIENT),
        ('Post "http://h:9000/vectorize": EOF', Failure.TRANSIENT),
        ('Post "http://h:9000/vectorize": context deadline exceeded', Failure.TRANSIENT),
        ("fail with status 503: busy", Failure.TRANSIENT),
        ("fail with status 500: out of memory", Failure.REFUSED),
        ("fail with status 409: made with a@1, b@2 is served", Failure.OTHER_MODEL),
        (f"{AWAY}\nfail with status 409: b@2 is served", Failure.OTHER_MODEL),
        ("fail with status 404: ", Failure.NO_VECTORIZER),
        ("StatusCode.UNAVAILABLE", Failure.TRANSIENT),
        ("invalid blob property 'image'", Failure.REFUSED),
    ],
)
def test_a_status_outweighs_words(message, kind):
    assert classify(message) is kind


def test_the_vectorizers_own_sentence_is_kept():
    joined = f"WeaviateInsertManyAllFailedError('Here is the set of all errors: {REFUSED}\\n{REFUSED}')"
    assert short(joined) == "image 0: broken PNG: unexpected EOF"
    assert short(AWAY) == "dial tcp 127.0.0.1:9000: connect: connection refused"
    refused = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: connect: Connection refused (111)"
    )
    assert short(
        f'status = StatusCode.UNAVAILABLE\\n\\tdetails = "{refused}"\\n\\tdebug_error_string = "UNKNOWN"'
    ) == ("ipv4:127.0.0.1:1: connect: Connection refused (111)")
    assert short("something\n else.") == "something else"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (WeaviateRetryError("status = StatusCode.UNAVAILABLE", 4), Failure.SERVER_AWAY),
        (WeaviateDeleteManyError("[UNAVAILABLE] Socket closed"), Failure.SERVER_AWAY),
        (WeaviateConnectionError("[Errno 111]"), Failure.SERVER_AWAY),
        (WeaviateBatchError("Deadline Exceeded"), Failure.TRANSIENT),
        (WeaviateBatchError("received message larger than max"), Failure.REFUSED),
    ],
)
def test_a_lost_connection_is_the_servers_absence(error, kind):
    assert classify_exception(error) is kind
