/* Objects of Python: where the bytes of each are, by two functions of Python's stable interface.

   Both calls are made with Python's lock held, and the caller keeps the list and its objects. */

#ifndef SHADOWSTREAM_TEXTS_H
#define SHADOWSTREAM_TEXTS_H

#include <stddef.h>

#include "avro.h"
#include "hashing.h"

typedef void *(*item_of)(void *list, ptrdiff_t index);                 /* PyList_GetItem */
typedef int (*bytes_of)(void *object, char **at, ptrdiff_t *length);   /* PyBytes_AsStringAndSize */

/* Write the address of each text, and the offsets that they have one behind the other. Return 0; -1 with Python's
   exception set if one is no `bytes`. */
EXPORT int32_t shadowstream_places(void *list, int64_t texts, item_of item, bytes_of bytes, const char **at,
                                   int64_t *offsets) {
    offsets[0] = 0;
    for (int64_t n = 0; n < texts; n++) {
        void *object = item(list, (ptrdiff_t)n);
        char *begin;
        ptrdiff_t length;
        if (!object || bytes(object, &begin, &length) != 0)
            return -1;
        at[n] = begin;
        offsets[n + 1] = offsets[n] + length;
    }
    return 0;
}

/* Write the hash of each text, where it is. */
EXPORT void shadowstream_hash_at(const char *const *at, const int64_t *offsets, int64_t texts, const uint64_t *key,
                                 uint64_t *hashes) {
    for (int64_t n = 0; n < texts; n++) {
        span text = {(const uint8_t *)at[n], offsets[n + 1] - offsets[n]};
        hashes[n] = hash_of(text, key);
    }
}

/* Copy the texts into a buffer of offsets[texts] bytes. */
EXPORT void shadowstream_join(const char *const *at, const int64_t *offsets, int64_t texts, char *buffer) {
    for (int64_t n = 0; n < texts; n++)
        memcpy(buffer + offsets[n], at[n], (size_t)(offsets[n + 1] - offsets[n]));
}

#endif
