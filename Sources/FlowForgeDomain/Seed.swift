let seedDomain = 0
