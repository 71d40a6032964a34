let seedStore = 0
