"""Keys are made once, kept private, and a signature tells any change."""

from __future__ import annotations

import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import ModelError
from training.signing import is_signed_by, key_id, pem_of, public_key, public_key_of, signing_key

_KEY = Ed25519PrivateKey.generate()


def test_the_private_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first = signing_key(tmp_path / "keys")
    again = signing_key(tmp_path / "keys")
    assert pem_of(first.public_key()) == pem_of(again.public_key())
    assert stat.S_IMODE((tmp_path / "keys" / "signing.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_many_who_ask_at_once_get_one_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        keys = list(pool.map(lambda _: signing_key(tmp_path), range(16)))
    assert len({pem_of(key.public_key()) for key in keys}) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["signing.pem", "signing.pub"]


def test_the_public_file_is_the_public_half(tmp_path):
    key = signing_key(tmp_path)
    assert pem_of(public_key(tmp_path)) == pem_of(key.public_key())
    assert key_id(public_key(tmp_path)) == key_id(key.public_key())


@given(message=st.binary(), changed=st.binary())
def test_a_signature_holds_for_its_message_and_for_no_other(message, changed):
    key = _KEY.public_key()
    signature = _KEY.sign(message)
    assert is_signed_by(key, signature, message)
    assert is_signed_by(key, signature, changed) == (changed == message)


@given(position=st.integers(0, 511))
def test_a_signature_with_one_bit_turned_is_refused(position):
    signature = bytearray(_KEY.sign(b"manifest"))
    signature[position // 8] ^= 1 << (position % 8)
    assert not is_signed_by(_KEY.public_key(), bytes(signature), b"manifest")


def test_a_key_that_others_may_read_is_refused(tmp_path):
    signing_key(tmp_path)
    (tmp_path / "signing.pem").chmod(0o640)
    with pytest.raises(ModelError, match=r"mode 0640.*chmod 600"):
        signing_key(tmp_path)


def test_a_damaged_private_key_is_never_replaced_silently(tmp_path):
    signing_key(tmp_path)
    (tmp_path / "signing.pem").write_bytes(b"-----BEGIN PRIVATE KEY-----\nno\n")
    with pytest.raises(ModelError, match=r"signing\.pem is damaged"):
        signing_key(tmp_path)
    assert (tmp_path / "signing.pem").read_bytes().endswith(b"no\n")


def test_a_public_key_of_somebody_else_is_noticed_when_signing(tmp_path):
    signing_key(tmp_path / "ours")
    signing_key(tmp_path / "theirs")
    theirs = (tmp_path / "theirs" / "signing.pub").read_bytes()
    (tmp_path / "ours" / "signing.pub").write_bytes(theirs)
    with pytest.raises(ModelError, match="not the public half"):
        signing_key(tmp_path / "ours")


def test_a_missing_or_foreign_public_key_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"copy its signing\.pub"):
        public_key(tmp_path)
    (tmp_path / "signing.pub").write_text("ssh-ed25519 AAAA")
    with pytest.raises(ModelError, match=r"signing\.pub: this is no public key"):
        public_key(tmp_path)
    with pytest.raises(ModelError, match="no public key"):
        public_key_of(b"")


def test_what_a_killed_key_maker_left_is_swept_by_the_next(tmp_path):
    draft = tmp_path / ".signing.pem.0123.draft"
    draft.write_bytes(b"half")
    os.utime(draft, (time.time() - 3600,) * 2)
    signing_key(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["signing.pem", "signing.pub"]
