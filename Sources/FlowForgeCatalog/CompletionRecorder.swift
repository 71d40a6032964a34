internal import FlowForgeProtocol
public import FlowForgeStore

/// Keeps the catalog up to date: each accepted outcome's snapshot, schema, statistics and lineage, in
/// the transaction that accepts it.
public struct CompletionRecorder: CompletionObserver {
    public init() {}

    /// Edges that lead to the output are replaced by those of the newest accepted attempt; an attempt
    /// that sent no `COMPLETE` event leaves those of the one before.
    public func completed(_ completion: AcceptedCompletion, in session: Session) throws {
        guard let published = completion.published else { return }
        try session.assets.record(published, of: completion)
        guard let event = completion.lineage else { return }
        let output = published.output.asset
        let edges = LineageReading(environment: completion.environment, output: output, task: completion.task).edges(of: event)
        try session.lineage.replaceEdges(
            to: output, environment: completion.environment, with: edges, attempt: completion.attempt)
    }
}
