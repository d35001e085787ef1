"""Signatures of requests, by the examples that are published with the algorithm."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from doorward.rules.sigv4 import Signer, quote_key, sign

S3 = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "https://examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "expected"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            quote_key("/test$file.text"),
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            {},
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_the_published_examples_of_s3_come_out(method, path, headers, body, expected):
    """B-37."""
    signed = sign(S3, method, HOST + path, headers=headers, payload_hash=sha256(body).hexdigest(), now=AT)
    assert signed["authorization"].endswith(f"Signature={expected}")
    assert signed["x-amz-content-sha256"] == sha256(body).hexdigest()
    assert "host" not in signed


def test_the_published_example_of_any_service_comes_out():
    signer = Signer("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
    at = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
    signed = sign(
        signer, "GET", "https://example.amazonaws.com", headers={}, payload_hash=sha256(b"").hexdigest(), now=at
    )
    expected = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    assert signed["authorization"].endswith(f"SignedHeaders=host;x-amz-date, Signature={expected}")


def test_the_secret_shows_in_no_text():
    assert "wJalr" not in repr(S3)
