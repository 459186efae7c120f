"""What could go wrong with a deployment: facts gathered, then judged by pure functions."""
