"""What would stop a run or distort it, found before it is begun."""
