"""Buckets of keys are those of `key_buckets.bucket_of`, with the kernel and without it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadowstream.native import library
from shadowstream.native.counts import buckets_of
from shadowstream.protocol.key_buckets import bucket_of
from shadowstream.records import KEY_BUCKETS
from tests.native.oracle import kernel_at


@pytest.mark.parametrize("native", [True, False])
@given(keys=st.lists(st.none() | st.binary(max_size=40), max_size=30))
def test_each_key_has_its_bucket(native: bool, keys: list[bytes | None]) -> None:
    kernel = library.state().kernel
    if native and kernel is None:
        pytest.skip(library.state().reason)
    path: Path | None = kernel.path if native and kernel is not None else None
    with kernel_at(path):
        assert buckets_of(keys, KEY_BUCKETS).tolist() == [bucket_of(key) for key in keys]
