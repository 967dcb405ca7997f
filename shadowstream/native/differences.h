/* Differences of pairs that mismatch: the fields and the values of both sides, so that the rest need not be decoded. */

#ifndef SHADOWSTREAM_DIFFERENCES_H
#define SHADOWSTREAM_DIFFERENCES_H

#include "avro.h"

enum { END, BOOLEAN, WHOLE, FLOAT, DOUBLE, TEXT, BYTES, FIXED, UUID, LOOP, NEXT, UNION, BRANCH, GOTO, OPEN, CLOSE };

/* `field`: the number of the field whose value it is, -1 if differences of it are not noted. WHOLE: low and high bound.
   BYTES: high is the maximum length. FIXED: high is the length. LOOP: `to` is its NEXT. UNION: `to` is the op behind it,
   high is the number of BRANCH ops that follow; BRANCH: `to` is its code, high is 1 for null. GOTO: `to` is the next op.
   OPEN and CLOSE: high is the number of a span. */
typedef struct {
    uint8_t kind, rule;
    int16_t field;
    int32_t to;
    int64_t low, high;
    double atol, rtol;
} op;

/* One field in which a pair differs, with the values of both sides: a number, the bits of a double, or where a text lies
   in the bytes of its side, and its length. `nulls`: the sides that are null, whose value is 0. */
typedef struct {
    int64_t pair;
    int32_t field, nulls;
    int64_t values[2], lengths[2];
} difference;

/* The differences of one pair: where the next is written, the end of the room, and whether all are noted. `bytes`: the
   beginnings of both sides. */
typedef struct {
    difference *next, *end;
    const uint8_t *bytes[2];
    int64_t pair;
    int are_all;
} notes;

/* Read a value; 0 if it is none, as that of one side of a union may be, which is walked later. */
static int show(const op *by, cursor from, const uint8_t *bytes, int64_t *value, int64_t *length) {
    span text;
    double number;
    switch (by->kind) {
    case WHOLE:
        return read_long(&from, value);
    case BOOLEAN:
        if (!take(&from, 1, &text))
            return 0;
        *value = *text.at;
        return 1;
    case FLOAT:
    case DOUBLE:
        if (!take(&from, by->kind == FLOAT ? 4 : 8, &text))
            return 0;
        number = by->kind == FLOAT ? read_float(text.at) : read_double(text.at);
        memcpy(value, &number, 8);
        return 1;
    case TEXT:
        if (!read_span(&from, &text))
            return 0;
        *value = text.at - bytes;
        *length = text.length;
        return 1;
    default:
        return 0;
    }
}

/* Note that an op found a mismatch. `before`, `from`: the cursors before and behind what it has read. `sides`: a union's
   side that is not null, else both. */
static void note(notes *to, const op *ops, const op *by, const uint8_t *const before[2], const cursor from[2],
                 unsigned sides) {
    if (!MUST(83, by->field >= 0) || to->next == to->end) {
        to->are_all = 0;
        return;
    }
    difference one = {to->pair, by->field, 0, {0, 0}, {0, 0}};
    int is_union = by->kind == UNION; /* of null and one other type */
    const op *of = is_union ? &ops[by[1].high ? by[2].to : by[1].to] : by;
    for (int n = 0; n < 2; n++) {
        cursor begin = {is_union ? from[n].at : before[n], from[n].end};
        if (!(sides & (1u << n)))
            one.nulls |= 1 << n;
        else if (!show(of, begin, to->bytes[n], &one.values[n], &one.lengths[n]))
            to->are_all = 0;
    }
    *to->next++ = one;
}

#endif
