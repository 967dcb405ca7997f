"""A Kafka in memory: one thread, one clock that is moved by hand, the same run from the same seed.

It is for trying what cannot be tried on a broker: a process that dies between any two calls of its client, ten
thousand times. It claims no guarantee by itself: `tests/contracts` runs one suite on it and on a real broker, and says
where they differ.

    clock         wall and monotonic time, moved by whoever waits
    hosts         what a process is to the broker: every client call begins and ends at its host
    log           a partition: records, control records, the last stable offset
    transactions  producers, epochs, the two phases of a commit, markers that land late
    groups        members, generations, range, committed offsets, offsets pending in a transaction
    broker        topics and the three above
    consumer, producer, admin   clients in the shape of confluent_kafka's
    inside        lets `shadowstream.kafka` make these clients instead of confluent_kafka's
    processes     whole roles as processes that take turns, die, freeze and come back as zombies
"""
