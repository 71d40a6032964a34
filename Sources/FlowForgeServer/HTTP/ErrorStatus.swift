internal import FlowForgeProtocol
internal import FlowForgeStore
internal import Foundation
internal import Hummingbird
internal import NIOCore

/// The one place that maps errors to HTTP statuses.
enum ErrorStatus {
    static func status(of code: ErrorCode) -> HTTPResponse.Status {
        switch code {
        case .invalidRequest, .invalidCSR, .protocolVersion: .badRequest
        case .unauthenticated, .certificateRequired: .unauthorized
        case .forbidden, .tokenUnknown, .tokenUsed, .tokenExpired, .tokenPool, .certificateExpired, .certificateRevoked,
            .certificateUnknown, .agentRevoked, .agentCloned:
            .forbidden
        case .notFound: .notFound
        case .requestTimeout: .requestTimeout
        case .alreadyExists, .conflict, .staleLease, .bundleYanked: .conflict
        case .tooLarge: .contentTooLarge
        case .invalidBundle, .digestMismatch, .unsignedBundle, .untrustedSignature, .attestationSubject, .attestationPredicate,
            .invalidAttestation:
            .unprocessableContent
        case .busy, .shuttingDown: .serviceUnavailable
        case .storageFull: .init(code: 507, reasonPhrase: "Insufficient Storage")
        default: .internalServerError
        }
    }

    /// What a client is told of `error`. `nil` for what is ours alone: the log has it, the client gets
    /// ``ErrorCode/internalError``.
    static func refusal(for error: any Error) -> APIError? {
        switch error {
        case let error as APIError: error
        case let error as StoreError: refusal(for: error)
        case let error as DecodingError: APIError(invalidBody: error)
        case let error as HTTPError: refusal(for: error)
        case is NIOTooManyBytesError: APIError(.tooLarge, "the body is too large", hint: "send less at once")
        case is CancellationError:
            APIError(.shuttingDown, "the control plane is shutting down", hint: "try again in a few seconds")
        default: nil
        }
    }

    private static func refusal(for error: StoreError) -> APIError? {
        switch error {
        case .busy: APIError(.busy, "the control plane has too much to write", hint: "try again in a few seconds")
        case .full: APIError(.storageFull, "the control plane's disk is full", hint: "free space on its data folder's disk")
        case .closed: APIError(.shuttingDown, "the control plane is shutting down", hint: "try again in a few seconds")
        case .conflict(let what): APIError(.conflict, what, hint: "look at the present state and try again")
        case .corrupt:
            APIError(
                .storageDamaged, "the control plane's database is damaged; its log says where",
                hint: "stop it and restore a backup: docs/operations.md, When the database is damaged")
        case .newerDatabase, .failed: nil
        }
    }

    private static func refusal(for error: HTTPError) -> APIError? {
        let text = error.body ?? error.status.reasonPhrase
        return switch error.status {
        case .notFound:
            APIError(.notFound, "there is no such route", hint: "GET /api/v1/openapi.json describes those of the operator API")
        case .contentTooLarge: APIError(.tooLarge, "the body is too large", hint: "send less at once")
        default: error.status.code < 500 ? APIError(.invalidRequest, text) : nil
        }
    }
}
