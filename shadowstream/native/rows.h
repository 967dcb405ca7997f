/* Objects of rows at numbered slots, which are read in any order.

   Rows that have waited for long lie scattered in memory. Read one after the other, each makes the processor wait; asked
   for together, they come at once. */

#ifndef SHADOWSTREAM_ROWS_H
#define SHADOWSTREAM_ROWS_H

#include "avro.h"
#include "pairing.h"

#define LINE 64     /* bytes of a line of the cache */
#define LINES_MAX 4 /* lines of an object that are asked for: its head and the begin of its bytes */

/* Ask for the objects at some slots of a column of so many `rows`, and for the `width` bytes that each slot has among
   the numbers. Other slots are left out; nothing changes. */
EXPORT void shadowstream_rows_fetch(const uint8_t *numbers, int64_t width, const char *const *column, int64_t rows,
                                    const int64_t *slots, int64_t count) {
    for (int64_t begin = 0; begin < count; begin += AT_ONCE) {
        int64_t end = least(begin + AT_ONCE, count);
        for (int64_t n = begin; n < end; n++) {
            __builtin_prefetch(numbers + slots[n] * width, 1);
            __builtin_prefetch(column + slots[n], 1);
        }
        for (int64_t n = begin; n < end; n++)
            if (MUST(90, slots[n] >= 0) && MUST(91, slots[n] < rows))
                for (int64_t line = 0; line < LINES_MAX; line++)
                    __builtin_prefetch(column[slots[n]] + line * LINE, 1);
    }
}

/* Exchange the objects at some slots of a column of so many `rows` with those in `other`, one for each slot. No object
   is touched. Return how many were exchanged: fewer than `count` at a slot beyond the column. */
EXPORT int64_t shadowstream_rows_exchange(void **column, int64_t rows, const int64_t *slots, int64_t count,
                                          void **other) {
    for (int64_t n = 0; n < count; n++) {
        if (!MUST(92, slots[n] >= 0) || !MUST(93, slots[n] < rows))
            return n;
        void *object = column[slots[n]];
        if (!WRONG(94))
            column[slots[n]] = other[n];
        other[n] = object;
    }
    return count;
}

#endif
