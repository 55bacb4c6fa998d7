"""Signed addresses of what lies in a store: who can make them, for how long, and that no log holds one."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from openrouter_video.elision import elide_source
from openrouter_video.errors import StorageError
from openrouter_video.stores import Store, open_store
from tests.support.object_stores import Environment, google_account, new_folder, of_kinds, used

WEEK = 7 * 24 * 3600
HOW_LONG = {"X-Amz-Expires": WEEK, "X-Goog-Expires": WEEK}


def opens(url: str) -> bytes:
    """What somebody gets there who has no credentials."""
    return httpx.get(url, trust_env=False).raise_for_status().content


@pytest.fixture(params=["seaweed", "gcs", "azure"])
def signing_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A file in each kind of store that can sign, opened by its URL, as an input is."""
    url, options = request.getfixturevalue(f"{request.param}_store_url"), dict[str, Any]()
    with google_account() as account:
        if request.param == "gcs":
            options = {"token": account}
        store = open_store(f"{url}/a b/é #1.mp4", options)
        store.filesystem.pipe_file(store.root, b"clip")
        yield store


def test_a_signed_address_opens_the_file(signing_store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """For anybody, and no longer than the store allows; signed anew it is the same for a ledger, and in no log."""
    caplog.set_level(logging.DEBUG)
    first, second = (signing_store.sign("", seconds) for seconds in (600, 10 * WEEK))
    logged = caplog.text
    folder = open_store(signing_store.url.rpartition("/a b/")[0], signing_store.filesystem.storage_options)
    assert [opens(url) for url in (first, second, folder.sign("a b/é #1.mp4", 600))] == [b"clip"] * 3
    assert first != second
    assert elide_source(first) == elide_source(second) == f"{first.partition('?')[0]}?…"
    parameters = httpx.URL(second).params
    assert all(int(parameters[name]) == seconds for name, seconds in HOW_LONG.items() if name in parameters)
    (signature,) = (value for name, value in parameters.items() if name.lower().endswith(("signature", "sig")))
    assert signature not in logged
    assert [word in logged for word in ("StringToSign", "Signature:\n")] == ["X-Amz-Expires" in parameters, False]


@of_kinds("local", "memory", "sftp", "gcs")
def test_a_store_that_cannot_sign_says_so(store: Store) -> None:
    """A folder of this machine, another machine's, and Google's without an account that has a key."""
    store.write_bytes("clip.mp4", b"clip")
    with pytest.raises(StorageError, match=r"cannot sign an address|Could not sign an address for .*private key"):
        store.sign("clip.mp4", 600)


def test_without_credentials_nothing_is_signed(
    seaweed_server: Environment, azure_server: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's own words, without what they repeat of an environment."""
    with used(seaweed_server, monkeypatch):
        url = new_folder("s3")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with pytest.raises(StorageError, match=rf"Could not sign an address for {url}/clip.mp4: Unable to locate cred"):
            open_store(f"{url}/clip.mp4", {"use_ssl": False}).sign("", 600)
    with used(azure_server, monkeypatch):
        store = open_store(f"{new_folder('az')}/clip.mp4")
        endpoint = os.environ["AZURE_STORAGE_CONNECTION_STRING"].partition("BlobEndpoint=")[2].rstrip(";")
        monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING")
        anonymous = open_store(store.url, {"account_name": "devstoreaccount1", "account_host": endpoint, "anon": True})
        with pytest.raises(StorageError, match=r"Could not sign an address for az://videos/.*key"):
            anonymous.sign("", 600)


def test_an_address_is_signed_for_the_region_of_its_bucket(s3_store_url: str) -> None:
    """Not for that of the environment: it would not open, while every other request is led to the right one."""
    filesystem, bucket = open_store(s3_store_url).filesystem, f"far-{secrets.token_hex(4)}"
    filesystem.call_s3("create_bucket", Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for url, region in ((f"s3://{bucket}/a.mp4", "eu-central-1"), (f"{s3_store_url}/a.mp4", "us-east-1")):
        credential = httpx.URL(open_store(url).sign("", 600)).params["X-Amz-Credential"]
        assert credential.split("/")[2:] == [region, "s3", "aws4_request"]
