let seedReleases = 0
