let seedClient = 0
