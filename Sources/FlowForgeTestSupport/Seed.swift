let seed = 0
