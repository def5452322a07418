"""Counts of neighbouring characters, hashed: the bits of scikit-learn's ``HashingVectorizer``.

It takes two seconds to import scikit-learn, which a process that only applies what was learnt has
no other use for. The analysis is its ``char_wb``: characters within words, a space before and
after each word. Hashes are MurmurHash3, 32 bits on x86 (Appleby 2011), of the UTF-8 text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain

import numpy as np
from scipy.sparse import csr_matrix

LONGEST_GRAM = 3


def hashed_counts(texts: Sequence[str], n_buckets: int) -> csr_matrix:
    """Return how often 1 to 3 neighbouring characters occur in each text, each row of length 1.

    Returns:
        shape (n_texts, n_buckets); half of all n-grams count downwards, so that those which share
        a bucket cancel out on average. A text without a character is a row of zeros.

    >>> hashed_counts(["好"], 2**12).nnz, float(hashed_counts(["ab"], 2**12).power(2).sum())
    (5, 1.0)
    """
    if not texts:
        return csr_matrix((0, n_buckets))
    buckets = _Buckets(n_buckets)
    rows = [[buckets[gram] for gram in ngrams(text)] for text in texts]
    signed = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    ends = [0, *accumulate(len(row) for row in rows)]
    counted = np.where(signed >= 0, 1.0, -1.0)
    counts = csr_matrix(
        (counted, np.where(signed >= 0, signed, ~signed), ends), shape=(len(texts), n_buckets)
    )
    counts.sum_duplicates()
    lengths = np.sqrt(np.asarray(counts.power(2).sum(axis=1)).ravel())
    counts.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(counts.indptr))
    return counts


def ngrams(text: str) -> list[str]:
    """Return the neighbouring characters of each word in lower case, a space around the word.

    >>> ngrams("Ok")
    [' ', 'o', 'k', ' ', ' o', 'ok', 'k ', ' ok', 'ok ']
    """
    return [
        word[start : start + size]
        for word in (f" {word} " for word in text.lower().split())
        for size in range(1, LONGEST_GRAM + 1)
        for start in range(len(word) - size + 1)
    ]


class _Buckets(dict[str, int]):
    """The bucket of each n-gram, worked out once; of one that counts downwards, its complement."""

    def __init__(self, n_buckets: int) -> None:
        super().__init__()
        self._n_buckets = n_buckets

    def __missing__(self, gram: str) -> int:
        whole = murmur3(gram.encode())
        bucket = abs(whole) % self._n_buckets
        self[gram] = bucket if whole >= 0 else ~bucket
        return self[gram]


def murmur3(data: bytes) -> int:
    """Return the MurmurHash3 of ``data`` with seed 0, as a signed number of 32 bits.

    >>> murmur3(b""), murmur3(b"hello")
    (0, 613153351)
    """
    state = 0
    tail = len(data) // 4 * 4
    for start in range(0, tail, 4):
        state ^= _mixed(int.from_bytes(data[start : start + 4], "little"))
        state = (_turned(state, 13) * 5 + 0xE6546B64) & 0xFFFFFFFF
    state ^= _mixed(int.from_bytes(data[tail:], "little")) ^ len(data)
    state = ((state ^ state >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    state = ((state ^ state >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    state ^= state >> 16
    return state - (state >> 31 << 32)


def _mixed(block: int) -> int:
    return (_turned(block * 0xCC9E2D51 & 0xFFFFFFFF, 15) * 0x1B873593) & 0xFFFFFFFF


def _turned(value: int, bits: int) -> int:
    return (value << bits | value >> (32 - bits)) & 0xFFFFFFFF
