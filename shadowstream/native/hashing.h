/* SipHash (Aumasson, Bernstein 2012) with 1 round a word and 3 at the end, as Python hashes bytes: with a secret key,
   no producer can choose keys of records that share one place of a table. */

#ifndef SHADOWSTREAM_HASHING_H
#define SHADOWSTREAM_HASHING_H

#include "avro.h"

#define ROTATED(x, n) ((x) << (n) | (x) >> (64 - (n)))

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = ROTATED(v[1], 13) ^ v[0], v[0] = ROTATED(v[0], 32);
    v[2] += v[3], v[3] = ROTATED(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = ROTATED(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = ROTATED(v[1], 17) ^ v[2], v[2] = ROTATED(v[2], 32);
}

static inline uint64_t sip_hash(span bytes, const uint64_t key[2], int rounds, int last_rounds) {
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    const uint8_t *at = bytes.at, *end = at + bytes.length;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8); /* the machine's own byte order: hashes never leave the process */
        v[3] ^= word;
        for (int n = 0; n < rounds; n++)
            sip_round(v);
        v[0] ^= word;
    }
    uint64_t word = (uint64_t)bytes.length << 56;
    memcpy(&word, at, (size_t)(end - at)); /* below 8 bytes: the highest one stays the length */
    v[3] ^= word;
    for (int n = 0; n < rounds; n++)
        sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int n = 0; n < last_rounds; n++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static inline uint64_t hash_of(span bytes, const uint64_t key[2]) { return sip_hash(bytes, key, 1, 3); }

#endif
