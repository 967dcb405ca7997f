"""Changes of bytes, by chance: flipped, cut, doubled, joined with others, and numbers at their bounds."""

import random

_ODD = (
    b"\xff" * 10,
    b"\x80" * 9 + b"\1",
    b"\xfe\xff\xff\xff\x0f",
    b"\0",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\x7f\xff\xff\xff",
    b"[" * 200,
    b'{"a":' * 120,
    b"1e999999",
    b"-1e-999999999",
    b"9" * 5000,
    b"NaN",
    b'"\\ud800"',
    b"null",
    b"\\u0000",
    b"\x33" * 200,
    b"\x12\0" * 300,
    b"&a [*a, *a]\n",
    b"${A:-${A}}",
    b"!!python/object ",
    b"\t",
    b"? ",
    b"]}",
    b"\r\n",
    "\u202e\U0001f600".encode(),
    b"\xc3\x01",
    b"\xfe",
    b"*",
    b"\\",
    b".",
    b"/",
)
SIZE_MAX = 20_000


def changed(chance: random.Random, examples: list[bytes]) -> bytes:
    """One of the examples with some changes; sometimes bytes by chance alone."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(64))
    value = chance.choice(examples)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(value) + 1)
        end = min(len(value), at + chance.choice((1, 1, 2, 8, 64)))
        change = chance.randrange(7)
        if change == 0 and value:
            flipped = bytearray(value)
            flipped[at % len(value)] ^= 1 << chance.randrange(8)
            value = bytes(flipped)
        elif change == 1:
            value = value[:at] + value[end:]
        elif change == 2:
            value = value[:end] + value[at:end] * chance.choice((1, 2, 50, 500)) + value[end:]
        elif change == 3:
            value = value[:at] + chance.choice(_ODD) + value[end if chance.random() < 0.5 else at :]
        elif change == 4:
            other = chance.choice(examples)
            value = value[:at] + other[chance.randrange(len(other) + 1) :]
        elif change == 5:
            value = value[:at] + chance.randbytes(end - at) + value[end:]
        else:
            value = value[:at] + bytes((chance.choice((0, 1, 2, 127, 128, 254, 255)),)) + value[at:]
        value = value[:SIZE_MAX]
    return value
