"""What turns runs into an answer: axes over any settings x seeds, run as commands, and reported.

A cell of the grid is a run of the command, and all that is known of it is what its folder says. Of the other parts this
one imports what a run is asked (batch sizes, schedule, norms) and what came of it (result), and nothing that loads
torch.
"""
