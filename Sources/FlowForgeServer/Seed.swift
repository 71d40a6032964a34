let seedServer = 0
