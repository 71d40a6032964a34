let seedAgentCore = 0
