"""The claim lab: what the lectures say about attention, convolution and recurrence, measured on the spot.

    python -m examples.claims                      # everything, in a minute or two
    python -m examples.claims --list
    python -m examples.claims --only work time     # some of it
    python -m examples.claims --pictures DIR       # with curves and maps, as SVG

Each claim is one function that measures, and returns its numbers and a verdict on them: the claim holds, or holds on a
condition, or does not hold, and why. `lab.py` says what a claim is; `tasks.py` has the tasks on which networks are
trained; the other files have the claims, by subject:

    cost.py      work, sequence, path, time, parallel, parameters     what a layer costs
    sight.py     receptive-field, who-sees-what, restricted           which inputs an output depends on
    memory.py    copy-first, gradients, clipping, steps               what is left of an input after many steps
    learning.py  little-data, positions, heads                        what has to be learned, and from how much
    weights.py   scaling, readable, shapes                            the attention weights themselves
"""
