"""Planned replies to yes-or-no questions, so that every number in a test can be worked out. It imports nothing.

Of 128 samples, half are Female and half are A. Male get a right answer in 60 of 64, Female in 32 of 64, A and B in 46 of 64 each.
"""

N = 128


def gender(i):
    return ("Female", "Male")[i % 2]


def race(i):
    return ("A", "B")[i // 2 % 2]


def truth(i):
    return ("yes", "no")[i // 4 % 2]


def right(i):
    """Male: all but one in 16 of each race; Female: every second of each race."""
    block = i // 4
    return block % 16 != 7 if i % 2 else block // 2 % 2 == 0


def reply(i):
    return truth(i) if right(i) else {"yes": "no", "no": "yes"}[truth(i)]
