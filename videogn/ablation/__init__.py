"""What turns runs into an answer: axes over any settings x seeds, run as commands, and reported.

This part imports nothing else of videogn and no torch: a cell of the grid is a run of the command, and all that is
known of it is what its folder says.
"""
