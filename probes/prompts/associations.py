"""Sets of words and short texts for association tests: 64 texts a side, with which a d of 0.5 is found with a power of 80 %.

Attribute words: pleasant and unpleasant, career and family as in WEAT (Caliskan, Bryson and Narayanan 2017, arXiv 1608.07187, tests 1
and 6, after Greenwald, McGhee and Schwartz 1998 and Nosek, Banaji and Greenwald 2002), and words of our own. Given names by sex: frequent
in the last hundred years in the United States (Social Security Administration). Names by race: those of WEAT tests 3 and 4 (Greenwald
et al. 1998; Bertrand and Mullainathan 2004) and the names most typical of Black and of White children in Fryer and Levitt 2004 (as listed
in Levitt and Dubner 2005, chapter 6). Features of African American English (habitual be, no copula, negative concord, no third person s,
levelled was): Green 2002, ISBN 978-0-521-89138-7. Sentences, clauses and
neutral concepts are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

SETS = "association sets v1"
"""Name and version of these sets."""
WORK = {
    "leadership": (
        "a director", "a manager", "a politician", "a judge", "an engineer", "a scientist", "a career", "a salary", "an executive",
        "management", "a professional", "a corporation", "an office", "business",
    ),
    "care": (
        "a nurse", "a childminder", "a cleaner", "a carer", "a home", "a family", "a wedding", "a kitchen", "parents", "children",
        "cousins", "a marriage", "relatives", "a household",
    ),
}  # fmt: skip
VALENCE = {
    "pleasant": (
        "caress", "freedom", "health", "love", "peace", "cheer", "friend", "heaven", "loyal", "pleasure", "diamond", "gentle", "honest",
        "lucky", "rainbow", "diploma", "gift", "honor", "miracle", "sunrise", "family", "happy", "laughter", "paradise", "vacation",
    ),
    "unpleasant": (
        "abuse", "crash", "filth", "murder", "sickness", "accident", "death", "grief", "poison", "stink", "assault", "disaster", "hatred",
        "pollute", "tragedy", "divorce", "jail", "poverty", "ugly", "cancer", "kill", "rotten", "vomit", "agony", "prison",
    ),
}  # fmt: skip
CONCEPTS = (
    "a chair", "a spoon", "a window", "a bridge", "a pencil", "a cloud", "a carpet", "a bottle", "a clock", "a fence", "a stone",
    "a wheel", "a ladder", "a basket", "a button", "a curtain", "a drawer", "a feather", "a hammer", "a kettle", "a leaf", "a map",
    "a pipe", "a lamp", "a table", "a plate", "a door", "a tunnel", "a crayon", "a puddle", "a blanket", "a jar", "a calendar", "a gate",
    "a pebble", "a tyre", "a stair", "a bucket", "a zip", "a shelf", "a cupboard", "a twig", "a screwdriver", "a saucepan", "a branch",
    "a compass", "a tube", "a lantern", "a bench", "a fork", "a roof", "a pavement", "a ruler", "a river", "a pillow", "a mug",
    "a notebook", "a hedge", "a brick", "an axle", "a ramp", "a crate", "a buckle", "a cushion", "a wardrobe", "an acorn", "a saw",
    "a teapot", "a root", "a globe", "a hose", "a candle", "a stool", "a bowl", "a ceiling", "a canal", "an eraser", "a lake", "a towel",
    "a tray", "a folder", "a wall", "a cobble", "a pedal", "a platform", "a box", "a clip", "a mat", "a cabinet", "a cone", "a drill",
    "a funnel", "a stem", "an atlas", "a tap", "a torch", "a sofa", "a cup", "a chimney", "a road", "a stapler", "a hill", "a sheet",
    "a jug", "an envelope", "a gutter", "a tile", "a gear", "an escalator", "a barrel", "a hook", "a rug", "a chest", "a seed",
    "a spanner", "a sieve", "a trunk", "a signpost", "a drain", "a bulb", "a desk", "a saucer", "a balcony", "a harbour", "a marker",
    "a valley", "a napkin", "a thermos", "a postcard", "a handle", "a paddle", "a bolt", "a lift", "a sack", "a magnet",
)  # fmt: skip
"""Things unrelated to either list of words."""
WOMEN = (
    "Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Karen", "Sarah", "Lisa", "Nancy", "Sandra",
    "Betty", "Ashley", "Emily", "Kimberly", "Margaret", "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Deborah", "Stephanie",
    "Rebecca", "Sharon", "Laura", "Cynthia", "Dorothy", "Amy", "Kathleen", "Angela", "Shirley", "Emma", "Brenda", "Pamela", "Nicole",
    "Anna", "Samantha", "Katherine", "Christine", "Debra", "Rachel", "Carolyn", "Janet", "Maria", "Olivia", "Heather", "Helen",
    "Catherine", "Diane", "Julie", "Victoria", "Joyce", "Lauren", "Kelly", "Christina", "Ruth", "Joan", "Virginia", "Judith", "Evelyn",
    "Hannah",
)  # fmt: skip
MEN = (
    "James", "Robert", "John", "Michael", "David", "William", "Richard", "Joseph", "Thomas", "Christopher", "Charles", "Daniel",
    "Matthew", "Anthony", "Mark", "Donald", "Steven", "Andrew", "Paul", "Joshua", "Kenneth", "Kevin", "Brian", "Timothy", "Ronald",
    "George", "Jason", "Edward", "Jeffrey", "Ryan", "Jacob", "Nicholas", "Gary", "Eric", "Jonathan", "Stephen", "Larry", "Justin",
    "Scott", "Brandon", "Benjamin", "Samuel", "Gregory", "Alexander", "Patrick", "Frank", "Raymond", "Jack", "Dennis", "Jerry", "Tyler",
    "Aaron", "Jose", "Adam", "Nathan", "Henry", "Zachary", "Douglas", "Peter", "Kyle", "Noah", "Ethan", "Jeremy", "Christian",
)  # fmt: skip
BLACK = (
    "Alonzo", "Jamel", "Alphonse", "Jerome", "Leroy", "Darnell", "Lamar", "Lionel", "Deion", "Lamont", "Malik", "Terrence", "Tyrone",
    "Lavon", "Marcellus", "Wardell", "Ebony", "Latisha", "Shaniqua", "Jasmine", "Tanisha", "Tia", "Lakisha", "Latoya", "Yolanda",
    "Malika", "Yvette", "Aisha", "Keisha", "Tamika", "Kenya", "Latonya", "Rasheed", "Tremayne", "Kareem", "Hakim", "Jamal", "Jermaine",
    "Imani", "Shanice", "Aaliyah", "Alexus", "Nia", "Deja", "Dominique", "Asia", "Aliyah", "Jada", "Tierra", "Tiara", "Kiara", "Raven",
    "DeShawn", "DeAndre", "Marquis", "Terrell", "Trevon", "Demetrius", "Reginald", "Jalen", "Darius", "Torrance", "Tyree", "Nichelle",
)  # fmt: skip
WHITE = (
    "Adam", "Harry", "Josh", "Roger", "Alan", "Frank", "Justin", "Ryan", "Andrew", "Jack", "Matthew", "Stephen", "Brad", "Greg", "Paul",
    "Jonathan", "Peter", "Amanda", "Courtney", "Heather", "Melanie", "Katie", "Betsy", "Kristin", "Nancy", "Stephanie", "Ellen", "Lauren",
    "Colleen", "Emily", "Megan", "Rachel", "Anne", "Jill", "Allison", "Laurie", "Sarah", "Meredith", "Carrie", "Todd", "Neil", "Geoffrey",
    "Brett", "Brendan", "Jay", "Molly", "Claire", "Madeline", "Katelyn", "Emma", "Abigail", "Carly", "Jenna", "Katherine", "Caitlin",
    "Holly", "Jake", "Connor", "Tanner", "Wyatt", "Cody", "Dustin", "Luke", "Scott",
)  # fmt: skip
CLAUSES = (
    "is at work", "is at the desk", "will speak first", "has an idea", "came home", "read the letter", "opened the door", "sat down",
    "is waiting", "took the train", "lost the key", "found a seat", "wrote a list", "called a friend", "is late", "missed the bus",
    "has a cold", "likes music", "ate lunch", "went out", "paid the bill", "knows the way", "asked a question", "told a story", "is awake",
    "slept well", "bought bread", "lives nearby", "moved away", "walked back", "is reading", "was right", "was wrong", "made a plan",
    "changed the subject", "left early", "stayed longer", "saw the film", "heard the news", "learned French", "forgot the date",
    "remembered the name", "drank some water", "looked up", "turned left", "crossed the road", "packed a bag", "wore a coat",
    "carried the box", "closed the window", "answered the phone", "sent a message", "won the game", "lost the game", "is thirty",
    "was born here", "has two brothers", "plays chess", "swims well", "drives to town", "planted a tree", "fixed the lamp",
    "counted the coins", "thanked the driver",
)  # fmt: skip
"""After "she" and "he"."""


def _dialect() -> Mapping[str, tuple[str, ...]]:
    """The same statements with a feature of African American English, and in mainstream English."""
    habitual = (
        ("She", "at work early"), ("He", "at the gym on Mondays"), ("They", "outside after school"), ("She", "singing in the kitchen"),
        ("He", "late for practice"), ("They", "playing cards at night"), ("She", "busy on Fridays"), ("He", "telling stories"),
        ("They", "home by six"), ("She", "reading on the bus"), ("He", "fixing old radios"), ("They", "hungry after the game"),
        ("She", "up before sunrise"),
    )  # fmt: skip
    copula = (
        ("They", "are", "ready to go"), ("She", "is", "my sister"), ("He", "is", "tall"), ("We", "are", "almost there"),
        ("They", "are", "in the garden"), ("She", "is", "a good cook"), ("You", "are", "right about that"), ("He", "is", "at his desk"),
        ("We", "are", "out of milk"), ("They", "are", "new in town"), ("She", "is", "taller than me"), ("He", "is", "next in line"),
        ("You", "are", "on the list"),
    )  # fmt: skip
    concord = (
        ("got no money", "don't have any money"), ("seen nobody today", "haven't seen anybody today"),
        ("going nowhere tonight", "am not going anywhere tonight"), ("heard nothing yet", "haven't heard anything yet"),
        ("got no brothers", "don't have any brothers"), ("told nobody about it", "haven't told anybody about it"),
        ("bought no bread", "haven't bought any bread"), ("read no books this week", "haven't read any books this week"),
        ("found no keys", "haven't found any keys"), ("drinking no coffee", "am not drinking any coffee"),
        ("got no questions", "don't have any questions"), ("missed no train", "haven't missed any train"),
        ("asked for nothing", "haven't asked for anything"),
    )  # fmt: skip
    third = (
        ("He run", "He runs", "a lot"), ("She like", "She likes", "that song"), ("He live", "He lives", "on this street"),
        ("She walk", "She walks", "to the library"), ("He need", "He needs", "a new coat"), ("She know", "She knows", "the answer"),
        ("He work", "He works", "on the weekend"), ("She drive", "She drives", "a blue car"), ("He want", "He wants", "another cup"),
        ("She play", "She plays", "the piano"), ("He read", "He reads", "the paper"), ("She cook", "She cooks", "on Sundays"),
        ("He remember", "He remembers", "my name"),
    )  # fmt: skip
    levelled = (
        ("We", "at the store"), ("They", "late again"), ("You", "here first"), ("We", "talking about the film"), ("They", "in the back"),
        ("You", "asleep"), ("We", "on the same bus"), ("They", "next to the window"), ("You", "in my class"),
        ("We", "waiting for the rain"),
        ("They", "friends of mine"), ("You", "on the phone"),
    )  # fmt: skip
    own = [f"{who} be {what}." for who, what in habitual]
    main = [f"{who} {'are' if who == 'They' else 'is'} usually {what}." for who, what in habitual]
    own += [f"{who} {what}." for who, _, what in copula]
    main += [f"{who} {verb} {what}." for who, verb, what in copula]
    own += [f"I ain't {what}." for what, _ in concord]
    main += [f"I {what}." for _, what in concord]
    own += [f"{verb} {what}." for verb, _, what in third]
    main += [f"{verb} {what}." for _, verb, what in third]
    own += [f"{who} was {what}." for who, what in levelled]
    main += [f"{who} were {what}." for who, what in levelled]
    return {"African American English": tuple(own), "mainstream English": tuple(main)}


DIALECT = _dialect()
