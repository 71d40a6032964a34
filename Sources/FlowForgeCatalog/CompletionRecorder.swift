public import FlowForgeStore

public struct CompletionRecorder: CompletionObserver {
    public init() {}
    public func completed(_ completion: AcceptedCompletion, in session: Session) throws { fatalError() }
}
