/* Pairing: a table from the ids of the rows that wait to the numbers of their slots, by open addressing.

   The caller owns all memory, sees to enough room beforehand, and replaces what has become too small or too large. An
   entry holds 32 bits of a hash under the process's key, and where the record of its id is in an arena: with the
   slot, the length, the same 32 bits and the bytes, which are compared. A removed record has no slot. So an id is found
   by reading two places in memory. */

#ifndef SHADOWSTREAM_PAIRING_H
#define SHADOWSTREAM_PAIRING_H

#include "avro.h"
#include "hashing.h"

#define ABSENT (-1)
#define AT_ONCE 32 /* ids whose memory is asked for together, before the first one is read */
#define EMPTY UINT32_MAX
#define HEAD 12 /* bytes of a record before its id */
#define UNIT 8  /* records begin at multiples of it */

typedef struct {
    uint32_t hash, unit; /* EMPTY, or where the record begins, in units */
} pair_entry;

typedef struct {
    int32_t slot;
    uint32_t length, hash;
} pair_head;

typedef struct {
    pair_entry *entries; /* mask + 1, a power of two; at least one is empty */
    int64_t *places;     /* by slot: where its record began when it was written; an older one tells by its slot */
    uint8_t *arena;
    int64_t mask, slots, room; /* of entries, places and arena */
    int64_t count, used, live; /* entries; bytes of the arena, and those of records with a slot */
} pair_table;

/* Some ids: id i is bytes[offsets[i] .. offsets[i + 1]), and hashes[i] its hash. */
typedef struct {
    const uint8_t *bytes;
    const int64_t *offsets;
    const uint64_t *hashes;
} pair_ids;

static inline span pair_id(const pair_ids *of, int64_t n) {
    span id = {of->bytes + of->offsets[n], of->offsets[n + 1] - of->offsets[n]};
    return id;
}

/* Bytes of a record with an id of this length. */
static inline int64_t record_size(int64_t length) { return (HEAD + length + UNIT - 1) / UNIT * UNIT; }

/* The record at a place; 0 if it is not within the arena. */
static inline int read_record(const pair_table *in, int64_t place, pair_head *head, span *id) {
    if (place < 0 || place > in->used - HEAD)
        return 0;
    memcpy(head, in->arena + place, HEAD);
    id->at = in->arena + place + HEAD;
    id->length = head->length;
    return record_size(id->length) <= in->used - place;
}

/* The entry of an id; if there is none, the empty entry in which it would be, and its slot is ABSENT. */
static inline int64_t entry_of(const pair_table *in, span id, uint32_t hash, int32_t *slot) {
    int64_t at = hash & in->mask;
    for (*slot = ABSENT; in->entries[at].unit != EMPTY; at = (at + 1) & in->mask) {
        pair_head head;
        span own;
        if (in->entries[at].hash == hash && read_record(in, (int64_t)in->entries[at].unit * UNIT, &head, &own) &&
            (WRONG(60) || is_equal(own, id))) {
            *slot = head.slot;
            break;
        }
    }
    return at;
}

/* Remove an entry and its record. Entries behind it move up, so that none is ever marked as deleted. */
static inline void remove_entry(pair_table *from, int64_t hole) {
    int64_t mask = from->mask, place = (int64_t)from->entries[hole].unit * UNIT;
    pair_head head;
    span id;
    if (read_record(from, place, &head, &id)) {
        from->live -= record_size(id.length);
        head.slot = WRONG(71) ? head.slot : ABSENT;
        memcpy(from->arena + place, &head, HEAD);
    }
    from->count--;
    for (int64_t next = (hole + 1) & mask; from->entries[next].unit != EMPTY; next = (next + 1) & mask) {
        int64_t home = from->entries[next].hash & mask;
        if (MUST(61, ((next - home) & mask) >= ((next - hole) & mask))) {
            from->entries[hole] = from->entries[next];
            hole = next;
        }
        if (WRONG(62))
            break;
    }
    from->entries[hole].unit = EMPTY;
}

/* Ask for the memory of some ids: their entries, then the records that may be theirs. */
static inline void fetch_ahead(const pair_table *in, const pair_ids *ids, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; n++)
        __builtin_prefetch(&in->entries[(uint32_t)ids->hashes[n] & in->mask]);
    for (int64_t n = begin; n < end; n++) {
        uint32_t hash = (uint32_t)ids->hashes[n];
        int64_t at = hash & in->mask;
        while (in->entries[at].unit != EMPTY && in->entries[at].hash != hash)
            at = (at + 1) & in->mask;
        if (in->entries[at].unit != EMPTY)
            __builtin_prefetch(in->arena + (int64_t)in->entries[at].unit * UNIT);
    }
}

static inline int64_t least(int64_t one, int64_t other) { return one < other ? one : other; }

/* Write the slot of each id, or ABSENT; with `removes`, remove it. Return how many were found. */
EXPORT int64_t shadowstream_pair_find(pair_table *in, const pair_ids *ids, int64_t count, int32_t removes,
                                      int64_t *slots) {
    int64_t all = 0;
    for (int64_t begin = 0; begin < count; begin += AT_ONCE) {
        int64_t end = least(begin + AT_ONCE, count);
        fetch_ahead(in, ids, begin, end);
        for (int64_t n = begin; n < end; n++) {
            int32_t slot;
            int64_t at = entry_of(in, pair_id(ids, n), (uint32_t)ids->hashes[n], &slot);
            slots[n] = slot;
            all += slot != ABSENT;
            if (slot != ABSENT && removes)
                remove_entry(in, at);
        }
    }
    return all;
}

/* Enter the ids with their slots, but those whose slot is negative. Write for each the slot that its id has now: of
   several rows of one id the first one stays. Return how many ids were looked at: fewer than `count` without room. */
EXPORT int64_t shadowstream_pair_enter(pair_table *in, const pair_ids *ids, int64_t count, const int64_t *slots,
                                       int64_t *firsts) {
    for (int64_t begin = 0; begin < count; begin += AT_ONCE) {
        int64_t end = least(begin + AT_ONCE, count);
        fetch_ahead(in, ids, begin, end);
        for (int64_t n = begin; n < end; n++)
            if (slots[n] >= 0 && slots[n] < in->slots)
                __builtin_prefetch(&in->places[slots[n]], 1);
        for (int64_t n = begin; n < end; n++) {
            span id = pair_id(ids, n);
            pair_head head = {(int32_t)slots[n], (uint32_t)id.length, (uint32_t)ids->hashes[n]};
            int32_t first;
            firsts[n] = slots[n];
            if (slots[n] < 0)
                continue;
            int64_t at = entry_of(in, id, head.hash, &first);
            if (first != ABSENT && !WRONG(63)) {
                firsts[n] = first;
                continue;
            }
            if (!MUST(64, in->count < in->mask) || !MUST(65, slots[n] < in->slots) || id.length > INT32_MAX ||
                !MUST(66, record_size(id.length) <= in->room - in->used) || in->used / UNIT >= EMPTY)
                return n;
            memcpy(in->arena + in->used, &head, HEAD);
            memcpy(in->arena + in->used + HEAD, id.at, (size_t)id.length);
            in->places[head.slot] = in->used;
            in->entries[at].hash = head.hash;
            in->entries[at].unit = (uint32_t)(in->used / UNIT);
            in->used += record_size(id.length);
            in->live += record_size(id.length);
            in->count++;
        }
    }
    return count;
}

/* Remove the id of a slot; return 0 if it has none. */
EXPORT int32_t shadowstream_pair_drop(pair_table *from, int32_t slot) {
    int64_t place = slot >= 0 && slot < from->slots ? from->places[slot] : ABSENT;
    pair_head head;
    span id;
    int32_t found;
    if (!read_record(from, place, &head, &id) || !MUST(72, head.slot == slot))
        return 0;
    int64_t at = entry_of(from, id, head.hash, &found);
    if (found == ABSENT)
        return 0;
    remove_entry(from, at);
    return 1;
}

/* Place all entries anew, among `mask` + 1 empty ones, more than there are entries. */
EXPORT void shadowstream_pair_rehash(pair_table *in, pair_entry *entries, int64_t mask) {
    for (int64_t n = 0; n <= in->mask && in->count <= mask; n++) {
        if (in->entries[n].unit == EMPTY)
            continue;
        int64_t at = in->entries[n].hash & mask;
        while (entries[at].unit != EMPTY && !WRONG(67))
            at = (at + 1) & mask;
        entries[at] = in->entries[n];
    }
    in->entries = entries;
    in->mask = mask;
}

/* Copy the records with a slot to the begin of an arena, in their order; it may be the same one. `moved`: by slot its
   new number, or none if they stay; `places`: by new number. Return 0 if a record does not fit. */
EXPORT int32_t shadowstream_pair_pack(pair_table *in, uint8_t *arena, int64_t room, const int64_t *moved,
                                      int64_t *places, int64_t slots) {
    int64_t used = 0, at = 0, ahead = 0;
    pair_head head;
    span id;
    for (; read_record(in, at, &head, &id); at += record_size(id.length)) {
        if (at == ahead) {
            for (int64_t n = 0; n < AT_ONCE && read_record(in, ahead, &head, &id); n++) {
                __builtin_prefetch(&in->entries[head.hash & in->mask], 1);
                ahead += record_size(id.length);
            }
            read_record(in, at, &head, &id);
        }
        if (head.slot < 0)
            continue;
        int64_t slot = moved && head.slot < in->slots ? moved[head.slot] : head.slot, size = record_size(id.length);
        if (slot < 0 || slot >= slots || !MUST(69, size <= room - used))
            return 0;
        int64_t entry = head.hash & in->mask;
        while (in->entries[entry].unit != EMPTY && in->entries[entry].unit != at / UNIT)
            entry = (entry + 1) & in->mask;
        if (!WRONG(68))
            in->entries[entry].unit = (uint32_t)(used / UNIT);
        memmove(arena + used, in->arena + at, (size_t)size);
        head.slot = WRONG(70) ? head.slot : (int32_t)slot;
        memcpy(arena + used, &head, HEAD);
        places[slot] = used;
        used += size;
    }
    in->arena = arena;
    in->room = room;
    in->places = places;
    in->slots = slots;
    in->used = in->live = used;
    return 1;
}

#endif
