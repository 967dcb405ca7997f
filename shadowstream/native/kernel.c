/* Comparison of pairs of Avro bodies of one writer schema, both sides walked at once, without decoding.

   A program, made from the schema and the rules of comparison, is an array of ops. Each op reads one value on both
   sides, checks every byte, and raises the level of the pair. What an op does not accept ends the pair as UNKNOWN: the
   caller decodes and compares such a pair in another way. So every form that a reader might take in two ways is
   UNKNOWN: booleans other than 0 and 1, blocks with a negative count, negative indexes.

   There is no allocation, no recursion and no state between calls. Loops nest at most LOOPS_MAX deep, and a block has
   at most as many items as there are bytes left. */

#include <float.h>
#include <math.h>

#include "avro.h"
#include "counting.h"
#include "dedupe.h"
#include "differences.h"
#include "hashing.h"
#include "pairing.h"
#include "rows.h"
#include "texts.h"

#if !defined(FLT_EVAL_METHOD) || FLT_EVAL_METHOD != 0
#error "doubles must be computed as doubles"
#endif

#define ABI 6
#define LOOPS_MAX 32
#define SPANS_MAX 8
#define SURE 3.552713678800501e-15 /* 2**-48 of all operands, far more than a few roundings add up to */

enum { MATCH = 0, IGNORED = 1, TOLERATED = 2, MISMATCH = 4, UNKNOWN = 255 };
enum { EXACT, IGNORE, NUMBER, OTHER };
enum { PRODUCTION = 1, SHADOW = 2, BOTH = 3 };

/* The values of one side: value i is bytes[offsets[i] .. offsets[i + 1]). Its body begins behind `start` bytes, which
   are those of `head` unless that is 0; any other value, and one of more than `bytes_max` bytes, is UNKNOWN. */
typedef struct {
    const uint8_t *bytes;
    const int64_t *offsets;
    int64_t start, bytes_max;
    const uint8_t *head;
} side;

/* The level of two values that differ under a rule that is none of numbers. */
static int differ(const op *by) {
    return by->rule == EXACT ? MISMATCH : by->rule == IGNORE ? IGNORED : UNKNOWN;
}

/* The same operations in the same order as in Python, so that each bit is the same. */
static int compare_doubles(const op *by, double production, double shadow) {
    if (production == shadow && !(WRONG(8) && signbit(production) != signbit(shadow)))
        return MATCH;
    if (isnan(production) && isnan(shadow) && !WRONG(9))
        return MATCH;
    if (by->rule != NUMBER)
        return differ(by);
    if (!MUST(10, isfinite(production) && isfinite(shadow)))
        return MISMATCH;
    double bound = by->atol + by->rtol * fabs(production), apart = fabs(shadow - production);
    return (WRONG(11) ? apart < bound : apart <= bound) ? TOLERATED : MISMATCH;
}

/* Python compares whole numbers exactly. Doubles decide only where they surely decide the same. */
static int compare_wholes(const op *by, int64_t production, int64_t shadow) {
    if (production == shadow)
        return MATCH;
    if (by->rule != NUMBER)
        return differ(by);
    double one = (double)production, other = (double)shadow;
    double bound = by->atol + by->rtol * fabs(one), apart = fabs(other - one);
    if (!MUST(12, fabs(apart - bound) > (fabs(one) + fabs(other) + bound) * SURE))
        return UNKNOWN;
    return apart <= bound ? TOLERATED : MISMATCH;
}

static inline int read_bytes(const op *by, cursor *from, span *taken) {
    return by->kind == FIXED ? take(from, by->high, taken) : read_span(from, taken);
}

/* Whether the bytes are a value of their type. */
static inline int is_value(const op *by, span bytes) {
    switch (by->kind) {
    case TEXT:
        return MUST(5, is_utf8(bytes));
    case UUID:
        return is_uuid(bytes);
    default:
        return MUST(14, bytes.length <= by->high);
    }
}

static inline int compare_bytes(const op *by, cursor *from, unsigned sides) {
    span read[2];
    for (int n = 0; n < 2; n++)
        if ((sides & (1u << n)) && !read_bytes(by, &from[n], &read[n]))
            return UNKNOWN;
    if (sides != BOTH)
        return is_value(by, read[sides == SHADOW]) ? MATCH : UNKNOWN;
    if (!is_value(by, read[0]))
        return UNKNOWN;
    if (is_equal(read[0], read[1]))
        return MATCH;
    return is_value(by, read[1]) ? differ(by) : UNKNOWN;
}

static inline int compare_numbers(const op *by, cursor *from, unsigned sides) {
    int64_t wholes[2] = {0, 0};
    double doubles[2] = {0, 0};
    for (int n = 0; n < 2; n++) {
        span bytes;
        if (!(sides & (1u << n)))
            continue;
        switch (by->kind) {
        case BOOLEAN:
            if (!take(&from[n], 1, &bytes) || !MUST(15, *bytes.at <= 1))
                return UNKNOWN;
            wholes[n] = *bytes.at;
            break;
        case WHOLE:
            if (!read_long(&from[n], &wholes[n]) || !MUST(16, wholes[n] >= by->low && wholes[n] <= by->high))
                return UNKNOWN;
            break;
        default:
            if (!take(&from[n], by->kind == FLOAT ? 4 : 8, &bytes))
                return UNKNOWN;
            doubles[n] = by->kind == FLOAT ? read_float(bytes.at) : read_double(bytes.at);
        }
    }
    if (sides != BOTH)
        return MATCH;
    if (by->kind == FLOAT || by->kind == DOUBLE)
        return compare_doubles(by, doubles[0], doubles[1]);
    return compare_wholes(by, wholes[0], wholes[1]);
}

typedef struct {
    int32_t begin; /* the first op of an item */
    int64_t left;  /* items left in the block */
} loop;

/* Read the number of items of the next block, the same on both sides; 0 if it is refused. */
static int next_block(cursor *from, unsigned sides, int64_t *items) {
    int64_t counts[2] = {0, 0};
    for (int n = 0; n < 2; n++)
        if (sides & (1u << n))
            /* Readers refuse schemas of items without bytes, so more items than bytes are broken. */
            if (!read_long(&from[n], &counts[n]) || !MUST(17, counts[n] >= 0) || counts[n] > from[n].end - from[n].at)
                return 0;
    *items = counts[sides == SHADOW];
    return sides != BOTH || MUST(18, counts[0] == counts[1]);
}

/* Read the branches of a union; return the op to continue with, -1 for a refusal. */
static int32_t choose(const op *ops, int32_t at, cursor *from, unsigned *sides, int *level) {
    const op *by = &ops[at], *chosen[2] = {0, 0};
    for (int n = 0; n < 2; n++) {
        int64_t index;
        if (!(*sides & (1u << n)))
            continue;
        if (!read_long(&from[n], &index) || !MUST(19, index >= 0 && index < by->high))
            return -1;
        chosen[n] = &ops[at + 1 + (index < by->high && index >= 0 ? index : 0)];
    }
    if (*sides != BOTH || chosen[0] == chosen[1])
        return chosen[*sides == SHADOW]->to;
    if (!chosen[0]->high && !chosen[1]->high)
        return -1; /* two types */
    /* Null on one side: the value of the other side is only checked. */
    *sides = chosen[0]->high ? SHADOW : PRODUCTION;
    *level = by->rule == NUMBER ? MISMATCH : differ(by);
    return chosen[*sides == SHADOW]->to;
}

/* The level of one pair, or of one value alone if `sides` is not BOTH. `to`: 0, or where differences are noted. */
static int compare(const op *ops, cursor *from, unsigned sides, span *spans, notes *to) {
    loop loops[LOOPS_MAX];
    int depth = 0, level = MATCH;
    unsigned every = sides;
    int32_t joined = -1; /* the op at which both sides are walked again */
    for (int32_t at = 0;;) {
        const op *by = &ops[at];
        const uint8_t *before[2] = {from[0].at, from[1].at};
        int found = MATCH;
        if (at == joined) {
            sides = every;
            joined = -1;
        }
        switch (by->kind) {
        case END:
            for (int n = 0; n < 2; n++)
                if ((every & (1u << n)) && !MUST(20, from[n].at == from[n].end))
                    return UNKNOWN;
            return level;
        case BOOLEAN:
        case WHOLE:
        case FLOAT:
        case DOUBLE:
            found = compare_numbers(by, from, sides);
            at++;
            break;
        case TEXT:
        case BYTES:
        case FIXED:
        case UUID:
            found = compare_bytes(by, from, sides);
            at++;
            break;
        case LOOP:
            if (depth == LOOPS_MAX)
                return UNKNOWN;
            loops[depth].begin = at + 1;
            loops[depth].left = 1;
            depth++;
            at = by->to; /* its NEXT, which reads the first block */
            break;
        case NEXT:
            if (--loops[depth - 1].left == 0 && !next_block(from, sides, &loops[depth - 1].left))
                return UNKNOWN;
            if (loops[depth - 1].left > 0) {
                at = loops[depth - 1].begin;
            } else {
                depth--;
                at++;
            }
            break;
        case UNION: {
            unsigned walked = sides;
            int32_t code = choose(ops, at, from, &walked, &found);
            if (code < 0)
                return UNKNOWN;
            if (walked != sides) {
                sides = walked;
                joined = by->to;
            }
            at = code;
            break;
        }
        case GOTO:
            at = by->to;
            break;
        case OPEN:
            spans[by->high].at = from[0].at;
            at++;
            break;
        case CLOSE:
            spans[by->high].length = from[0].at - spans[by->high].at;
            at++;
            break;
        default:
            return UNKNOWN;
        }
        if (found == UNKNOWN)
            return UNKNOWN;
        if (found == MISMATCH && to)
            note(to, ops, by, before, from, sides);
        if (found > level)
            level = found;
    }
}

static inline span whole_of(const side *of, int64_t index) {
    span whole = {of->bytes + of->offsets[index], of->offsets[index + 1] - of->offsets[index]};
    return whole;
}

/* The body of a value; 0 if it has none or is too long. */
static int body_of(const side *of, int64_t index, cursor *from) {
    const uint8_t *begin = of->bytes + of->offsets[index];
    int64_t length = of->offsets[index + 1] - of->offsets[index];
    if (length < of->start || !MUST(21, length <= of->bytes_max))
        return 0;
    if (of->head && !MUST(82, memcmp(begin, of->head, (size_t)of->start) == 0))
        return 0;
    from->at = begin + of->start;
    from->end = begin + length;
    return 1;
}

/* The version of this interface and the size of an op, which the caller must share. */
EXPORT int32_t shadowstream_abi(void) { return ABI << 16 | (int32_t)sizeof(op); }

/* The codes of the bytes of `count` spans in each of `values` values, in order of first appearance, and for each code its
   first bytes as a pair of offsets. `slots` has `count` tables of `mask + 1` slots, all -1, more than there are values. */
typedef struct {
    int64_t count, values, mask;
    const uint64_t *key;
    int64_t *slots, *codes, *firsts, *distinct;
} names;

static inline void name(const names *to, const side *of, int64_t n, const span *spans) {
    for (int64_t place = 0; place < to->count; place++) {
        int64_t *table = to->slots + place * (to->mask + 1), *known = to->firsts + 2 * place * to->values;
        int64_t slot = (int64_t)(hash_of(spans[place], to->key) & (uint64_t)to->mask);
        for (;; slot = (slot + 1) & to->mask) {
            int64_t code = table[slot];
            if (code < 0) {
                code = table[slot] = to->distinct[place]++;
                known[2 * code] = spans[place].at - of->bytes;
                known[2 * code + 1] = known[2 * code] + spans[place].length;
            }
            span first = {of->bytes + known[2 * code], known[2 * code + 1] - known[2 * code]};
            if (is_equal(first, spans[place])) {
                to->codes[place * to->values + n] = code;
                break;
            }
        }
    }
}

/* Write the levels of the pairs from `begin` on, and the differences of their mismatches behind the first `*count` of
   `found`: those of a pair are all there if `noted` is 1. `equal`: equal bytes are MATCH, whatever they are. Return the
   pair at which there was no more room for `fields` differences, or `pairs`. `named`: the codes of production's values,
   or 0 for none; its count becomes 0 if a value is UNKNOWN. */
EXPORT int64_t shadowstream_compare(const op *ops, const side *production, const side *shadow, int32_t equal,
                                    int64_t begin, int64_t pairs, int64_t fields, uint8_t *levels, uint8_t *noted,
                                    difference *found, int64_t room, int64_t *count, names *named) {
    for (int64_t n = begin; n < pairs; n++) {
        cursor from[2];
        span spans[SPANS_MAX];
        int is_walked = 0;
        notes to = {found + *count, found + room, {production->bytes, shadow->bytes}, n, 1};
        if (!MUST(84, *count + fields <= room))
            return n;
        noted[n] = 0;
        if (equal && is_equal(whole_of(production, n), whole_of(shadow, n))) {
            levels[n] = MATCH;
        } else if (body_of(production, n, &from[0]) && body_of(shadow, n, &from[1])) {
            levels[n] = (uint8_t)compare(ops, from, BOTH, spans, &to);
            is_walked = levels[n] != UNKNOWN;
            if (levels[n] == MISMATCH && to.are_all) {
                noted[n] = 1;
                *count = to.next - found;
            }
        } else {
            levels[n] = UNKNOWN;
        }
        if (!named || !named->count)
            continue;
        if (is_walked ||
            (body_of(production, n, &from[0]) && compare(ops, from, PRODUCTION, spans, 0) != UNKNOWN))
            name(named, production, n, spans);
        else
            named->count = 0;
    }
    return pairs;
}

/* Write the hash of each value from its first byte, under a key of two numbers; by `rounds` and `last_rounds` of SipHash. */
EXPORT void shadowstream_hashes(const side *of, int64_t values, const uint64_t *key, int32_t rounds,
                                int32_t last_rounds, uint64_t *hashes) {
    for (int64_t n = 0; n < values; n++) {
        span bytes = whole_of(of, n);
        hashes[n] = rounds == 1 && last_rounds == 3 ? hash_of(bytes, key) : sip_hash(bytes, key, rounds, last_rounds);
    }
}

/* Write the bucket of each value, by its CRC-32 from its first byte. */
EXPORT void shadowstream_buckets(const side *of, int64_t values, uint32_t buckets, int64_t *found) {
    uint32_t table[256];
    crc_table(table);
    for (int64_t n = 0; n < values; n++) {
        span bytes = whole_of(of, n);
        found[n] = crc_of(bytes, table) % buckets;
    }
}

/* Write the code of each span of a program in each value. Return 0, or -1 if a value is UNKNOWN. */
EXPORT int32_t shadowstream_codes(const op *ops, const side *of, int64_t values, const names *to) {
    for (int64_t n = 0; n < values; n++) {
        cursor from[2];
        span spans[SPANS_MAX];
        if (!body_of(of, n, &from[0]) || compare(ops, from, PRODUCTION, spans, 0) == UNKNOWN)
            return -1;
        name(to, of, n, spans);
    }
    return 0;
}
