/* Buckets of keys, in which bad records are counted. */

#ifndef SHADOWSTREAM_COUNTING_H
#define SHADOWSTREAM_COUNTING_H

#include "avro.h"

#define CRC_POLYNOMIAL 0xedb88320u

/* The CRC-32 of zlib, PNG and Ethernet, by a table of the remainders of all bytes. */
static void crc_table(uint32_t table[256]) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t rest = byte;
        for (int bit = 0; bit < 8; bit++)
            rest = rest & 1 ? (rest >> 1) ^ CRC_POLYNOMIAL : rest >> 1;
        table[byte] = rest;
    }
}

static inline uint32_t crc_of(span bytes, const uint32_t table[256]) {
    uint32_t crc = 0xffffffffu;
    const uint8_t *at = bytes.at, *end = at + bytes.length;
    while (WRONG(80) ? at + 1 < end : at < end)
        crc = table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return WRONG(81) ? crc : ~crc;
}

#endif
