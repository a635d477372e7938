"""Write the small part-of-speech corpus that the tagging example learns from.

    python examples/data/make_tags.py            # rewrites the three files beside this script
    python examples/data/make_tags.py FOLDER     # ... or writes them somewhere else

A tagger gives every word its part of speech: in "I saw a saw ." the first "saw" is a verb and the second
a noun.  A corpus written by a program is easily too easy, and then every model scores 100 % and nothing
can be learnt from comparing them.  This one keeps six rules, and tests/test_corpus.py checks them:

1.  One reading.  Every sentence is English and can be tagged in one way only.  A draft which the templates
    below could tag in two ways ("we think that fish must swim": that fish, or all fish?) is thrown away.
2.  Words are not enough.  Nineteen words ("saw", "watch", "can", "that", ...) carry two or three tags, about
    equally often, so that giving each word its most frequent tag is visibly wrong.
3.  Order matters.  The slice "order" holds pairs such as "They watch the play ." and "They play the watch ."
    with the same words and swapped tags.  Both go to the same file, and all have five tokens: whoever
    ignores the order of the words must guess two of five and gets 80 % there, never more.
4.  Combinations are held out, not lines.  Every sentence of dev and test puts a word into a tag pattern in
    which train never has it, or (in "order") swaps two words which train never swaps.
5.  Endings help.  The slice "unseen" holds words which train does not have ("gently", "grinned"), with
    endings which it has on other words ("slowly", "smiled").  No other slice has unknown words.
6.  Text looks like text: a capital at the start, a full stop or question mark at the end.

The tags are the universal ones (UPOS), used as in Universal Dependencies: "my" and the relative "that"
are PRON, "is" is always AUX, and the "that" of "we know that ..." is SCONJ.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# Chosen among the first hundred or so: no ambiguous word has its tags equally often in train, the examples
# above occur, and the most frequent tags get 55 to 60 % of the ambiguous words in test.
SEED = 27
TRAIN, DEV, TEST = SPLITS = "train", "dev", "test"

# How many sentences of each slice go where.  (What would be "unseen" in train is "plain" once it is there.)
SIZES = {
    TRAIN: {"plain": 112, "saw": 124, "that": 90, "order": 104, "unseen": 68},
    DEV: {"plain": 20, "saw": 20, "that": 20, "order": 20, "unseen": 20},
    TEST: {"plain": 64, "saw": 52, "that": 42, "order": 40, "unseen": 42},
}

# ---------------------------------------------------------------------------------------------------------
# The words.  A line has a slot, the tags of its phrases, and the phrases; a slot may have several lines.
# Where a choice looks narrow it keeps sentences sensible, or keeps a second reading out: there is no
# "they can fish" (what do they put into cans?), no "that duck can swim" (one, or all?), and no "her" at all.
# ---------------------------------------------------------------------------------------------------------

LEXICON = """
.           PUNCT            .
?           PUNCT            ?

they        PRON             they, we, you, I
she         PRON             she, he
it          PRON             it
him         PRON             him, them
my          PRON             my, your, his, our

the         DET              the
a           DET              a
one         DET              a, every, this
that-one    DET              that
that-which  PRON             that
that-this   SCONJ            that

can         AUX              can, will
must        AUX              must, should, could
was         AUX              was, is

red         ADJ              red, big, small, new
old         ADJ              old, new, red
big         ADJ              big, small, cold
young       ADJ              young, clever, small, big
deep        ADJ              deep, old, small, big, new
long        ADJ              long, short, silly
happy       ADJ              happy, hungry, young, silly, fast, old, clever
fast-adj    ADJ              fast
cold-adj    ADJ              cold, dry
light-adj   ADJ              light

again       ADV              again, often
twice       ADV              twice, again
never       ADV              never, always
away        ADV              away
fast        ADV              fast, well, badly, slowly
well-adv    ADV              well

near        ADP              near, behind
in          ADP              in
after       ADP              after, before
like-adp    ADP              like

who         NOUN             cook, guard, guide, judge, farmer, teacher, king, queen, child
pet         NOUN             duck, fish, dog, cat, bird, frog
someone     NOUN             cook, guard, guide, judge, duck, fish, farmer, king, dog, frog
one-dog     NOUN             dog, fish, frog, cat, farmer, king, child, teacher
all-dogs    NOUN             dogs, fish, frogs, cats, farmers, kings, children, teachers
dogs        NOUN             dogs, ducks, frogs, cats, birds, farmers, kings, children
toy         NOUN             watch, saw, book, can, light, hat, key, cup
thing       NOUN             saw, watch, book, can, light, paint, hat, key, cup
wheel       NOUN             can, watch, book, light, hat, cup, key
can-noun    NOUN             can
light-noun  NOUN             light
well-noun   NOUN             well
coat        NOUN             coat, shirt, jacket, blanket, scarf, bag, hat
show        NOUN             play, film, walk, song, game
place       NOUN             well, lake, garden, house, river, hill
pond        NOUN             well, garden, lake, house, kitchen, forest
queen       NOUN             queen, frog, teacher, cat, child, bird, farmer, king, dog
letter      NOUN             letter, cup, key, hat, shirt, basket, cake, scarf

saw         VERB             saw
like        VERB             like
like-it     VERB             like, know
liked       VERB             liked, found, took
loved       VERB             loved, liked, missed
found       VERB             found, lost, saw
think       VERB             know, think, say
hope        VERB             know, think, say, hope
knew        VERB             knew, thought, said
looks       VERB             looks, feels
lost        VERB             lost, found, sold, hid, took
sang        VERB             sang, swam, slept, ran, won
gave        VERB             gave, sold, brought
ate         VERB             ate, ran, swam, sang, spoke, wrote
fell        VERB             fell, sank
shone       VERB             shone, fell, broke
eats        VERB             eats, swims, speaks, sings, walks, runs, writes
swim        VERB             swim, walk, cook, sing, play, run, read
run         VERB             run, swim, eat, sing, learn, speak
roll        VERB             roll, fall, float, sink, rust
fish        VERB             fish, walk, play, cook, paint, swim, sing
fly         VERB             fly, roll, float

watch-it    VERB DET NOUN    watch the play, watch the bird, saw the chair, saw the table
watch-it    VERB DET NOUN    book the room, book the table, play the game, play the song, play the king
watch-it    VERB DET NOUN    film the play, film the garden, judge the film, judge the song, judge the game
watch-it    VERB DET NOUN    guard the house, guard the garden, guide the child, guide the queen
watch-it    VERB DET NOUN    cook the soup, cook the fish, paint the chair, paint the house
watch-it    VERB DET NOUN    walk the dog, fish the river, fish the lake, duck the ball
walk-there  VERB ADP DET NOUN    fish in the lake, fish in the river, walk by the lake, walk in the garden
walk-there  VERB ADP DET NOUN    play in the garden, play behind the house, cook in the kitchen
walk-there  VERB ADP DET NOUN    duck under the table, duck behind the chair, watch from the hill
walk-there  VERB ADP DET NOUN    paint in the kitchen, sing in the garden, swim in the river
sat-there   VERB ADP DET NOUN    sat under the table, slept near the house, hid behind the hill
slept-in    VERB ADP DET ADJ NOUN    slept in the old house, sang in the small kitchen
slept-in    VERB ADP DET ADJ NOUN    sat near the old well, swam in the cold lake, ran from the old garden
slept-in    VERB ADP DET ADJ NOUN    spoke in the new school, hid behind the big hill
sat-there   VERB ADP DET NOUN    fell in the well, ran from the house, sang in the kitchen, sat near the well
"""

# Words known by their endings, given file by file: train | dev | test.
ENDINGS = """
smiled     VERB   smiled, laughed, danced, shouted, waited, rested, nodded, jumped | hopped, giggled, marched
smiled     VERB   | | grinned, wandered, stumbled, sneezed, limped, blinked, snored, trembled
smiling    VERB   smiling, laughing, dancing, shouting, waiting, resting, crying | hopping, giggling, marching
smiling    VERB   | | dreaming, climbing, skating, yelling, crawling, wandering, whistling, snoring
dropped    VERB   dropped, washed, cleaned, moved, lifted, touched | carried, counted
dropped    VERB   | | polished, repaired, borrowed, inspected, collected, wrapped
surprised  VERB   surprised, helped, pleased, worried, amused | bored, scared
surprised  VERB   | | puzzled, charmed, annoyed, amazed, delighted
slowly     ADV    slowly, quickly, loudly, gladly, sadly, quietly, calmly, happily | bravely, kindly, politely
slowly     ADV    | | gently, softly, proudly, eagerly, boldly, lazily, angrily, neatly, sweetly
kindness   NOUN   kindness, sadness, happiness, goodness, shyness, madness | weakness, sharpness
kindness   NOUN   | | rudeness, calmness, boldness, laziness, cleverness, silliness
careful    ADJ    careful, helpful, thankful, playful, famous, nervous | hopeful, curious
careful    ADJ    | | cheerful, graceful, truthful, forgetful, generous, jealous, furious
"""

# ---------------------------------------------------------------------------------------------------------
# The sentences.  A line has a slice and the slots of its sentences; the words of the starred slot are
# shared out among the files, so that dev and test see them in this pattern for the first time.
# ---------------------------------------------------------------------------------------------------------

TEMPLATES = """
plain      the *pet was happy .
plain      the pet was *happy .
plain      my *pet was fast-adj .
plain      the *show was long .
plain      they loved the long *show .
plain      my *coat was light-adj .
plain      they lost a light-adj *coat .
plain      the *red light-noun shone .
plain      they like my *thing .
plain      it looks like-adp a *toy .
plain      she *eats like-adp a pet .
plain      a *queen lost my letter .
plain      she *eats fast .
plain      the who *ate fast .
plain      the pet must *run fast .
plain      the fast-adj *pet sang .
plain      a *someone sat-there .
plain      they found him in the *pond .
plain      the *deep well-noun was cold-adj .
plain      they found a *letter in the well-noun .
plain      the *place was big .
plain      they gave him a red *letter .
plain      it was a young *queen .
plain      she *slept-in .

saw        they saw a *toy .
saw        they saw a red *toy .
saw        the old *toy fell .
saw        my *thing was old .
saw        my *show was long .
saw        the *wheel can fly away .
saw        she can *watch-it .
saw        they must *watch-it .
saw        they *watch-it again .
saw        they *walk-there .
saw        she can *fish fast .
saw        they *fish like-adp dogs .
saw        they *fish well-adv .
saw        after the *show they fish .
saw        after the show they *fish .
saw        can they *watch-it ?
saw        the *who can watch-it .
saw        she found the *toy near the can-noun .
saw        the old can-noun can *roll .

that       they like that-one *someone .
that       they lost that-one *thing twice .
that       that-one *pet saw him .
that       that-one *toy fell twice .
that       they think that-one *one-dog must swim .
that       they think that-this *all-dogs must swim .
that       they hope that-this *dogs like him .
that       they hope that-this she can *swim .
that       she knew that-this the *someone sang .
that       they hope that-this that-one *who sang .
that       they like-it the *someone that-which sang .
that       they liked the *toy that-which they found .
that       the *thing that-which fell was old .
that       the *who that-which they like-it sang .

unseen     the who smiled slowly .
unseen     the who slowly smiled .
unseen     the queen was smiling slowly .
unseen     the pet was careful .
unseen     the pet was smiling .
unseen     they dropped the thing slowly .
unseen     they slowly dropped the thing .
unseen     my kindness surprised him .
unseen     the careful pet smiled .
unseen     the kindness surprised him .
"""

# In the slice "order" two words take the places VERB and NOUN, once this way round and once the other.
OBJECTS = """
watch play, watch film, watch duck, watch judge, watch guard, watch guide, watch saw, watch paint,
play judge, play guard, play guide, play saw, play film, duck saw, duck paint, duck guard, duck guide,
duck judge, duck book, duck cook, duck walk, saw film, saw judge, saw guard, saw guide, saw paint,
saw book, film judge, film guard, film guide, film book, judge guard, judge guide, judge book,
judge paint, guard guide, guard book, guard paint
"""
ACTORS = """
cook guard, cook guide, cook judge, cook duck, cook fish, guard guide, guard judge, guard duck, guard fish,
guide judge, guide duck, guide fish, judge duck, judge fish, duck fish
"""
ORDER = {
    "they VERB the NOUN .": OBJECTS,
    "never VERB the NOUN .": OBJECTS,
    "one NOUN can VERB .": ACTORS,
    "must the NOUN VERB ?": ACTORS,
}

# ---------------------------------------------------------------------------------------------------------
# Reading the tables above.
# ---------------------------------------------------------------------------------------------------------

Words = tuple[str, ...]
Tags = tuple[str, ...]
Phrase = tuple[tuple[str, str], ...]  # words, each with its tag
Lexicon = dict[str, list[Phrase]]  # what may fill a slot


class Template(NamedTuple):
    """One line of TEMPLATES or ORDER."""

    slice: str
    slots: tuple[str, ...]
    star: int  # the place of the starred slot, or -1


class Sentence(NamedTuple):
    """A tagged sentence, before it is written down."""

    slice: str
    words: Words  # still without the capital at the start
    tags: Tags

    @property
    def pairs(self) -> Phrase:
        """Every word with its tag."""
        return tuple(zip(self.words, self.tags, strict=True))


def rows(text: str) -> list[list[str]]:
    """The lines of a table, cut wherever two or more blanks stand."""
    return [re.split(r"\s{2,}", line) for line in text.splitlines() if line]


def phrases(tags: str, text: str) -> list[Phrase]:
    """`phrases("DET NOUN", "the duck, a saw")` gives every word of each phrase its tag."""
    found = [phrase.split() for phrase in text.split(",") if phrase.strip()]
    return [tuple(zip(words, tags.split(), strict=True)) for words in found]


def read_lexicon(splits: Iterable[str]) -> Lexicon:
    """The fillers of every slot; those of ENDINGS only as far as they belong to one of `splits`."""
    lexicon: Lexicon = defaultdict(list)
    for slot, tags, text in rows(LEXICON):
        lexicon[slot] += phrases(tags, text)
    for slot, tag, text in rows(ENDINGS):
        for split, words in zip(SPLITS, text.split("|"), strict=False):
            if split in splits:
                lexicon[slot] += phrases(tag, words)
    partners = {word for couples in ORDER.values() for couple in read_couples(couples) for word in couple}
    for tag in ("VERB", "NOUN"):
        lexicon[tag] = [((word, tag),) for word in sorted(partners)]
    return dict(lexicon)


def read_couples(text: str) -> list[tuple[str, str]]:
    """`read_couples("watch play, duck saw")` is [("play", "watch"), ("duck", "saw")]."""
    return [(min(couple), max(couple)) for couple in map(str.split, text.split(","))]


def read_templates() -> list[Template]:
    """The lines of TEMPLATES, and after them those of ORDER."""
    templates = []
    for slice_, text in rows(TEMPLATES) + [["order", text] for text in ORDER]:
        starred = text.split()
        star = next((place for place, slot in enumerate(starred) if slot.startswith("*")), -1)
        templates.append(Template(slice_, tuple(slot.lstrip("*") for slot in starred), star))
    return templates


def by_first_word(phrases: list[Phrase]) -> dict[str, list[Phrase]]:
    """An index for the fillers of a slot."""
    table: dict[str, list[Phrase]] = defaultdict(list)
    for phrase in phrases:
        table[phrase[0][0]].append(phrase)
    return dict(table)


def tags_by_word(lexicon: Lexicon) -> dict[str, list[str]]:
    """The tags of every word."""
    table: dict[str, list[str]] = defaultdict(list)
    for word, tag in sorted({pair for phrases in lexicon.values() for phrase in phrases for pair in phrase}):
        table[word].append(tag)
    return dict(table)


TEMPLATE_LIST = read_templates()
FILLERS = {split: read_lexicon([split]) for split in SPLITS}
ALL_FILLERS = {slot: by_first_word(phrases) for slot, phrases in read_lexicon(SPLITS).items()}
TAGS = tags_by_word(read_lexicon(SPLITS))
AMBIGUOUS = [word for word, tags in TAGS.items() if len(tags) > 1]


# ---------------------------------------------------------------------------------------------------------
# Drafting.  A draft is a tuple of sentences which stay together: two in the slice "order", else one.
# ---------------------------------------------------------------------------------------------------------

Draft = tuple[Sentence, ...]

FILLINGS = 30  # how often a template is filled for every starred word, or for every couple
DEALING = TRAIN, TEST, TRAIN, DEV, TRAIN, TEST, TRAIN  # starred words and couples are dealt like cards


def choose(rng: random.Random, options: list[Phrase]) -> Phrase:
    """As random.choice; but random() is the method whose numbers no version of Python will change."""
    return options[int(rng.random() * len(options))]


def shuffled(rng: random.Random, drafts: Iterable[Draft]) -> list[Draft]:
    """As random.shuffle, for the same reason."""
    return [draft for _, draft in sorted((rng.random(), draft) for draft in drafts)]


def dealt_to(number: int) -> str:
    """The file which gets the starred word or the couple with this number."""
    return DEALING[number % len(DEALING)]


def taggings(slots: tuple[str, ...], words: Words) -> Iterator[Tags]:
    """Every way in which the slots can produce exactly these words, as the tags they would give them."""
    if not slots:
        if not words:
            yield ()
        return
    for phrase in ALL_FILLERS[slots[0]].get(words[0], []) if words else []:
        if words[: len(phrase)] == tuple(word for word, _ in phrase):
            for rest in taggings(slots[1:], words[len(phrase) :]):
                yield tuple(tag for _, tag in phrase) + rest


def readings(words: Words) -> set[Tags]:
    """All taggings which any template allows for these words (still without the capital)."""
    return {tags for template in TEMPLATE_LIST for tags in taggings(template.slots, words)}


def is_good(sentence: Sentence) -> bool:
    """One reading, and no word twice with the same tag ("I saw a saw" is fine, and so is "the ... the")."""
    repeated = [word for (word, _), times in Counter(sentence.pairs).items() if times > 1]
    return repeated in ([], ["the"]) and len(readings(sentence.words)) == 1


def fill(rng: random.Random, template: Template, split: str, fixed: dict[int, Phrase]) -> Sentence:
    """A sentence with the `fixed` phrases at their places and random ones elsewhere."""
    parts = [
        fixed[place] if place in fixed else choose(rng, FILLERS[split][slot])
        for place, slot in enumerate(template.slots)
    ]
    words, tags = zip(*(pair for phrase in parts for pair in phrase), strict=True)
    return Sentence(template.slice, words, tags)


def draft_from(rng: random.Random, number: int, split: str) -> Iterator[Draft]:
    """Drafts from template `number`, with those of its starred words which are dealt to this file."""
    template = TEMPLATE_LIST[number]
    if template.star < 0:
        for _ in range(5 * FILLINGS):
            yield (fill(rng, template, split, {}),)
        return
    options = FILLERS[split][template.slots[template.star]]
    words = list(dict.fromkeys(phrase[0] for phrase in options))
    for phrase in options:
        if dealt_to(number + words.index(phrase[0])) == split:
            for _ in range(FILLINGS):
                yield (fill(rng, template, split, {template.star: phrase}),)


def draft_couples(rng: random.Random, couple: tuple[str, str]) -> Iterator[Draft]:
    """Drafts with both words of the couple, both ways round, and everything else the same."""
    one, two = couple
    for template in TEMPLATE_LIST:
        if template.slice == "order" and couple in read_couples(ORDER[" ".join(template.slots)]):
            verb, noun = template.slots.index("VERB"), template.slots.index("NOUN")
            for _ in range(FILLINGS):
                rest = fill(rng, template, TRAIN, {verb: ((one, "VERB"),), noun: ((two, "NOUN"),)})
                words = list(rest.words)
                words[verb], words[noun] = two, one
                yield rest, rest._replace(words=tuple(words))


def draft_all(rng: random.Random, split: str) -> dict[str, list[list[Draft]]]:
    """Good drafts for every slice of this file: one shuffled list per template, or per couple."""
    drafts: dict[str, list[Iterable[Draft]]] = defaultdict(list)
    for number, template in enumerate(TEMPLATE_LIST):
        if template.slice != "order":
            drafts[template.slice].append(draft_from(rng, number, split))
    couples = sorted({couple for text in ORDER.values() for couple in read_couples(text)})
    drafts["order"] = [draft_couples(rng, c) for n, c in enumerate(couples) if dealt_to(n) == split]
    return {
        slice_: [shuffled(rng, (d for d in dict.fromkeys(some) if all(map(is_good, d)))) for some in lists]
        for slice_, lists in drafts.items()
    }


# ---------------------------------------------------------------------------------------------------------
# Choosing among the drafts.
# ---------------------------------------------------------------------------------------------------------

Corpus = dict[str, list[Sentence]]
CHOICE = 12  # so many drafts of a template are compared before one is taken


class Balance:
    """Counts how often every ambiguous word has had each of its tags.

    The usual tag of a word may come up to twice as often as another.  All sums are of whole numbers, so that
    no rounding error can tip the scales on another machine.
    """

    def __init__(self, usual: dict[str, str]) -> None:
        """Start empty; `usual` names the usual tag of every word."""
        self.usual = usual
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, draft: Draft) -> None:
        """Count the words of a draft that was taken."""
        self.counts.update(pair for sentence in draft for pair in sentence.pairs)

    def cost(self, draft: Draft) -> int:
        """How far the tags in the draft are ahead of the other tags which the same words can have."""
        return sum(self.lead(*pair) for sentence in draft for pair in sentence.pairs)

    def lead(self, word: str, tag: str) -> int:
        """How far one tag of a word is ahead of the mean of its tags; 0 if it has one tag only."""
        score = {t: self.counts[word, t] * (1 if t == self.usual[word] else 2) for t in TAGS[word]}
        return len(score) * score[tag] - sum(score.values())


def patterns(sentences: Iterable[Sentence]) -> set[tuple[str, Tags]]:
    """Which words occur in sentences of which tag pattern."""
    return {(word, sentence.tags) for sentence in sentences for word in sentence.words}


def pick(pools: list[list[Draft]], size: int, balance: Balance, taken: set[Words]) -> list[Draft]:
    """Drafts with `size` sentences: the pools take turns, and give what is most balanced and least worn."""
    picked: list[Draft] = []
    worn: Counter[str] = Counter()
    queue = deque(pools)
    while sum(map(len, picked)) < size:
        pool = [draft for draft in queue.popleft() if taken.isdisjoint(s.words for s in draft)]
        if pool:
            best = min(pool[:CHOICE], key=lambda d: balance.cost(d) + sum(worn[word] for word in d[0].words))
            picked.append(best)
            balance.add(best)
            worn.update(best[0].words)
            taken.update(sentence.words for sentence in best)
            queue.append(pool)
    return picked


def held_out(pool: list[Draft], train: list[Sentence]) -> list[Draft]:
    """The drafts which train does not give away, and whose words it knows with the tags they have here."""
    known = {pair for sentence in train for pair in sentence.pairs}
    seen = patterns(train)

    def suits(sentence: Sentence) -> bool:
        new = sentence.slice == "order" or not patterns([sentence]) <= seen
        return new and (sentence.slice == "unseen" or known.issuperset(sentence.pairs))

    return [draft for draft in pool if all(map(suits, draft))]


def make_corpus(seed: int = SEED) -> Corpus:
    """All three files.  What is usual in train stays usual: dev and test lean to the same tags."""
    rng = random.Random(seed)
    taken: set[Words] = set()
    corpus: Corpus = {}
    usual = {word: tags[number % len(tags)] for number, (word, tags) in enumerate(TAGS.items())}
    for split in SPLITS:
        drafts = draft_all(rng, split)
        if split != TRAIN:
            drafts = {name: [held_out(pool, corpus[TRAIN]) for pool in drafts[name]] for name in drafts}
        balance = Balance(usual)
        picked = [d for name, size in SIZES[split].items() for d in pick(drafts[name], size, balance, taken)]
        corpus[split] = [sentence for draft in shuffled(rng, picked) for sentence in draft]
        usual.update(most_frequent_tags(corpus[TRAIN]))
    corpus[TRAIN] = [s._replace(slice="plain") if s.slice == "unseen" else s for s in corpus[TRAIN]]
    return corpus


# ---------------------------------------------------------------------------------------------------------
# Writing and measuring.
# ---------------------------------------------------------------------------------------------------------


def render(sentence: Sentence, sent_id: str) -> str:
    """The sentence as CoNLL-U: comments, then ten columns per token, of which we fill three."""
    first, *others = sentence.words
    words = [first[0].upper() + first[1:], *others]
    lines = [f"# sent_id = {sent_id}", f"# text = {' '.join(words)}", f"# slice = {sentence.slice}"]
    for number, (word, tag) in enumerate(zip(words, sentence.tags, strict=True), start=1):
        lines.append("\t".join([str(number), word, "_", tag] + 6 * ["_"]))
    return "\n".join(lines) + "\n\n"


def write(corpus: Corpus, folder: Path) -> None:
    """Write the three files, with the same bytes everywhere."""
    for split, sentences in corpus.items():
        text = "".join(render(sentence, f"{split}-{n}") for n, sentence in enumerate(sentences, start=1))
        (folder / f"tiny-{split}.conllu").write_bytes(text.encode())


def most_frequent_tags(train: list[Sentence]) -> dict[str, str]:
    """The baseline: each word's most frequent tag in train, and for the word "" the most frequent of all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in train:
        for word, tag in sentence.pairs:
            counts[word][tag] += 1
            counts[""][tag] += 1
    return {word: max(sorted(tags), key=tags.__getitem__) for word, tags in counts.items()}


def report(corpus: Corpus) -> str:
    """A small table of what is in the corpus and how far the baseline gets."""
    lines = ["file   sentences  tokens  words  tags"]
    for split, sentences in corpus.items():
        pairs = [pair for sentence in sentences for pair in sentence.pairs]
        words, tags = (len(set(column)) for column in zip(*pairs, strict=True))
        lines.append(f"{split:5}  {len(sentences):9}  {len(pairs):6}  {words:5}  {tags:4}")

    lines += ["", f"{len(AMBIGUOUS)} ambiguous words, with their tags in train:"]
    counts = Counter(pair for sentence in corpus[TRAIN] for pair in sentence.pairs)
    for word in AMBIGUOUS:
        lines.append(f"  {word:6} " + ", ".join(f"{counts[word, tag]} {tag}" for tag in TAGS[word]))

    lines += ["", "test    sentences  tokens  ambiguous  unseen   most frequent tag: all  ambiguous"]
    baseline = most_frequent_tags(corpus[TRAIN])
    for name in [*SIZES[TEST], "all"]:
        some = [sentence for sentence in corpus[TEST] if name in (sentence.slice, "all")]
        pairs = [pair for sentence in some for pair in sentence.pairs]
        ambiguous = [pair for pair in pairs if pair[0] in AMBIGUOUS]
        unseen = sum(word not in baseline for word, _ in pairs)
        right, right_ambiguous = (
            100 * sum(baseline.get(word, baseline[""]) == tag for word, tag in these) / max(1, len(these))
            for these in (pairs, ambiguous)
        )
        lines.append(
            f"{name:6}  {len(some):9}  {len(pairs):6}  {len(ambiguous):9}  {unseen:6}"
            f"   {right:20.1f} %  {right_ambiguous:7.1f} %"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    made = make_corpus()
    write(made, Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
    print(report(made))
