public import FlowForgeProtocol

/// What `body` was refused with; `nil` where it was not. Other errors are the test's.
public func refused<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
) async throws -> APIError? {
    do {
        _ = try await body()
        return nil
    } catch let error as APIError { return error }
}
