let seedFleet = 0
