/// Lets the agents of a pool know soon that there is something for them, e.g. pointers to move. To be
/// called after the commit (`Session.whenCommitted`); without it they hear it with their next poll.
public protocol PoolWaking: Sendable {
    func wake(pool: String)
}
