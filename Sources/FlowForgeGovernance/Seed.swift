let seedGovernance = 0
