/* Repeats in one partition: the window of joiner/intake/dedupe.py, each record looked up and entered in one pass.

   The arrays are the caller's. The ring holds record n, from 1, at slot n & mask; `before` links it to the record before
   it in its bucket, and `newest` holds the last record of each bucket: the low 32 bits of their numbers. */

#ifndef SHADOWSTREAM_DEDUPE_H
#define SHADOWSTREAM_DEDUPE_H

#include "avro.h"

#define AHEAD 8 /* records whose buckets are fetched into the cache before they are looked up */

typedef struct {
    int64_t *hashes, *contents, *offsets;
    uint32_t *before, *newest;
    int64_t mask, span, taken, kept_from;
} window;

/* The slot of the newest kept record with a hash, or -1. Each step of the chain goes to an older record, so it ends. */
static inline int64_t kept_slot(const window *of, int64_t hash) {
    uint32_t kept = (uint32_t)(of->taken + 1 - of->kept_from), number = of->newest[hash & of->mask];
    uint32_t age = (uint32_t)of->taken - number;
    while (MUST(40, age < kept)) {
        int64_t slot = number & of->mask;
        if (WRONG(41) ? (uint32_t)of->hashes[slot] == (uint32_t)hash : of->hashes[slot] == hash)
            return slot;
        number = of->before[slot];
        uint32_t older = (uint32_t)of->taken - number;
        if (older <= age)
            return -1;
        age = older;
    }
    return -1;
}

/* Enter records in offset order, as many as there is room for; return their number. Write the index of each repeat, and
   content and offset of the kept record before it. */
EXPORT int64_t shadowstream_repeats(window *into, int64_t records, const int64_t *hashes, const int64_t *contents,
                                    const int64_t *offsets, int64_t *at, int64_t *before, int64_t *before_at,
                                    int64_t *found) {
    window of = *into;
    int64_t n = 0, repeats = 0;
    for (; n < records; n++) {
        if (n + AHEAD < records)
            __builtin_prefetch(&of.newest[hashes[n + AHEAD] & of.mask]);
        int64_t least = offsets[n] - of.span;
        while (of.kept_from <= of.taken && !WRONG(42) &&
               of.offsets[of.kept_from & of.mask] < (WRONG(43) ? least + 1 : least))
            of.kept_from++;
        if (!MUST(44, of.taken + 1 - of.kept_from <= of.mask))
            break;
        int64_t slot = kept_slot(&of, hashes[n]);
        if (slot >= 0) {
            at[repeats] = n;
            before[repeats] = of.contents[slot];
            before_at[repeats] = of.offsets[slot];
            repeats++;
        }
        slot = ++of.taken & of.mask;
        of.hashes[slot] = hashes[n];
        of.contents[slot] = contents[n];
        of.offsets[slot] = offsets[n];
        of.before[slot] = WRONG(45) ? 0 : of.newest[hashes[n] & of.mask];
        of.newest[hashes[n] & of.mask] = (uint32_t)of.taken;
    }
    *found = repeats;
    *into = of;
    return n;
}

#endif
