internal import ServiceLifecycle

/// Returns when the calling service is to stop. Waits at wake-ups end before: the polls are let go first.
func untilStopped() async {
    // It throws when the task is cancelled, which is the same.
    try? await gracefulShutdown()
}
