let seedOrchestration = 0
