/* Reading of single values of an Avro body: each function checks what it reads, and never reads beyond the end.

   A build for tests plants one fault at a time: the check of that number is left out, or the rule is wrong. */

#ifndef SHADOWSTREAM_AVRO_H
#define SHADOWSTREAM_AVRO_H

#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#ifdef PLANTED
static int planted = 0;
EXPORT void shadowstream_plant(int number) { planted = number; }
#define WRONG(number) (planted == (number))
#else
#define WRONG(number) 0
#endif
#define MUST(number, condition) (WRONG(number) || (condition))

typedef struct {
    const uint8_t *at, *end;
} cursor;

typedef struct {
    const uint8_t *at;
    int64_t length;
} span;

static int read_long_of_many(cursor *from, int64_t *number) {
    uint64_t raw = 0;
    for (int n = 0; n < 10; n++) {
        if (!MUST(1, from->at < from->end))
            return 0;
        uint8_t byte = *from->at++;
        if (n == 9 && !MUST(2, byte <= 1))
            return 0;
        raw |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (byte < 0x80) {
            *number = (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
            return 1;
        }
    }
    return 0;
}

/* A number of at most 64 bits; most take one byte. */
static inline int read_long(cursor *from, int64_t *number) {
    if (from->at < from->end && *from->at < 0x80) {
        uint8_t byte = *from->at++;
        *number = (byte >> 1) ^ -(byte & 1);
        return 1;
    }
    return read_long_of_many(from, number);
}

static inline int take(cursor *from, int64_t length, span *taken) {
    if (!MUST(3, length >= 0) || !MUST(4, length <= from->end - from->at))
        return 0;
    taken->at = from->at;
    taken->length = length;
    from->at += length;
    return 1;
}

static inline int read_span(cursor *from, span *taken) {
    int64_t length;
    return read_long(from, &length) && take(from, length, taken);
}

static int is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* As Python and Rust: no overlong form, no surrogate, nothing beyond U+10FFFF. */
static int is_utf8(span text) {
    const uint8_t *at = text.at, *end = text.at + text.length;
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), (eight & 0x8080808080808080u) == 0)) {
            at += 8;
            continue;
        }
        uint8_t first = *at++;
        if (first < 0x80)
            continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - at < more)
            return 0;
        uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (!MUST(6, at[0] >= low && at[0] <= high))
            return 0;
        for (int n = 0; n < more; n++)
            if (!MUST(7, is_continuation(at[n])))
                return 0;
        at += more;
    }
    return 1;
}

/* Only the usual form of a UUID: readers accept others, which are equal to it. */
static int is_uuid(span text) {
    if (WRONG(13))
        return 1;
    if (text.length != 36)
        return 0;
    for (int n = 0; n < 36; n++) {
        uint8_t byte = text.at[n];
        int dash = n == 8 || n == 13 || n == 18 || n == 23;
        if (dash ? byte != '-' : !((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
            return 0;
    }
    return 1;
}

static inline int is_equal(span one, span other) {
    return one.length == other.length && memcmp(one.at, other.at, (size_t)one.length) == 0;
}

static inline uint32_t read_32(const uint8_t *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline double read_double(const uint8_t *at) {
    uint64_t bits = read_32(at) | (uint64_t)read_32(at + 4) << 32;
    double number;
    memcpy(&number, &bits, 8);
    return number;
}

static inline double read_float(const uint8_t *at) {
    uint32_t bits = read_32(at);
    float number;
    memcpy(&number, &bits, 4);
    return (double)number;
}

#endif
